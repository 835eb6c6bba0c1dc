"""Single images of MRC files."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.images.mrc_header import read_header
from repic_plugin.formats.images.stacks import stack_file

__all__ = ["open_mrc"]


def open_mrc(path: PathLike, index: Optional[int] = None) -> NDArray[Any]:
    """The image in an MRC file, shape (height, width), read where it is looked at.

    What does not matter for the numbers may be wrong in the header: the machine stamp, the version,
    the pixel size, the statistics. Bytes behind the image are ignored.

    Parameters
    ----------
    path : str or path
        With any suffix, also RELION's ``:mrc`` and ``:mrcs``.
    index : int, optional
        Image to take from a file of several, counted from 0. By default there must be one only, on
        whichever axis the file has a length of 1.

    Returns
    -------
    ndarray
        Of the type of the file's numbers.

    Raises
    ------
    FormatError
        If the file is missing, damaged or cut short, or does not hold that image.
    """
    header = read_header(stack_file(path))
    n_images = header.shape[0]
    images = np.memmap(
        header.path, header.dtype, mode="r", offset=header.offset, shape=header.shape
    )
    if index is not None and not 0 <= index < n_images:
        problem = f"image {index + 1} must be one of 1 to {n_images}, as many as the file has"
        raise format_error(header.path, f"{problem}; give the stack that it is in")
    image = images[index or 0] if index is not None or n_images == 1 else images.squeeze()
    if image.ndim != 2:
        raise format_error(
            header.path, f"must hold one image, got {n_images}; average the frames first"
        )
    return np.asarray(image)
