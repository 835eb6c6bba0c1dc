"""Pixels of micrographs, in any format that Scipion reads."""

from __future__ import annotations

from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray
from pwem.emlib.image.image_readers import ImageReadersRegistry

from repic_plugin.formats import open_mrc

__all__ = ["micrograph_pixels", "open_micrograph"]

MRC_SUFFIXES = (".mrc", ".mrcs", ".map")


def open_micrograph(file_name: str) -> NDArray[Any]:
    """The image in a micrograph's file, shape (height, width); of MRC files as a memory map.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    if file_name.lower().endswith(MRC_SUFFIXES):
        return open_mrc(file_name)
    return micrograph_pixels(file_name)


def micrograph_pixels(file_name: str) -> NDArray[np.float32]:
    """The image in a micrograph's file, shape (height, width).

    Raises
    ------
    ValueError
        If the file cannot be read or holds no single image.
    """
    try:
        if file_name.lower().endswith(MRC_SUFFIXES):
            with mrcfile.mmap(file_name, mode="r", permissive=True) as mrc:
                pixels = np.array(mrc.data, dtype=np.float32)
        else:
            reader = ImageReadersRegistry.getReader(file_name)
            pixels = np.asarray(reader.open(file_name), dtype=np.float32)
    except Exception as error:  # readers raise what they like; all of it means the same here
        told = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{file_name}: cannot be read as a micrograph ({told})") from error
    pixels = pixels.squeeze()
    if pixels.ndim != 2:
        raise ValueError(f"{file_name}: must hold one image, got shape {pixels.shape}")
    return pixels
