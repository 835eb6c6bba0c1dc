"""MRC files as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.images.mrc_header import read_header

__all__ = ["open_mrc"]


def open_mrc(path: PathLike) -> NDArray[Any]:
    """The image in an MRC file, shape (height, width), read where it is looked at.

    Raises
    ------
    FormatError
        If the file is missing, damaged or cut short, or holds more than one image.
    """
    header = read_header(path)
    if header.shape[0] != 1:
        raise format_error(
            header.path, f"must hold one image, got {header.shape[0]}; average the frames first"
        )
    image = np.memmap(path, header.dtype, mode="r", offset=header.offset, shape=header.shape)
    first: NDArray[Any] = image[0]
    return np.asarray(first)
