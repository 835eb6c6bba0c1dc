"""Contents of MRC files as arrays that stay on the disk."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.images.mrc_header import MrcHeader, read_header


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
    _, images = map_images(header)
    if index is not None and not 0 <= index < n_images:
        problem = f"image {index + 1} must be one of 1 to {n_images}, as many as the file has"
        raise format_error(header.path, f"{problem}; give the stack that it is in")
    image = images[index or 0] if index is not None or n_images == 1 else images.squeeze()
    if image.ndim != 2:
        raise format_error(
            header.path, f"must hold one image, got {n_images}; average the frames first"
        )
    return image


def stack_file(path: PathLike) -> Path:
    """The file of a stack's name, which in RELION may end in a colon and a format."""
    text = str(path)
    name, colon, kind = text.rpartition(":")
    return Path(name if colon and kind in ("mrc", "mrcs") else text)


def map_images(header: MrcHeader) -> Tuple[mmap.mmap, NDArray[Any]]:
    """A map of a file, and its numbers in their shape."""
    try:
        with open(header.path, "rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        numbers = np.frombuffer(memory, header.dtype, header.count, header.offset)
    except OSError as exc:
        problem = f"can no longer be read ({exc.strerror}); check the file"
        raise format_error(header.path, problem) from exc
    except ValueError:
        problem = "has become shorter since it was opened; do not change it during the run"
        raise format_error(header.path, problem) from None
    return memory, numbers.reshape(header.shape)
