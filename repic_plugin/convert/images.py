"""Images of micrographs, in any format that Scipion reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pwem.emlib.image.image_readers import ImageReadersRegistry

from repic_plugin.formats import STACK_SUFFIXES, open_mrc, open_stack, stack_file

# Scipion would open MRC files for writing.
MRC_SUFFIXES = (*STACK_SUFFIXES, ".map", ".rec", ".ali")


def open_micrograph(file_name: str) -> NDArray[Any]:
    """Image of a micrograph, shape (height, width); a memory map for MRC files.

    Raises
    ------
    ValueError
        If the file cannot be read or does not hold a single image.
    """
    if stack_file(file_name).suffix.lower() in MRC_SUFFIXES:
        return open_mrc(file_name)
    try:
        reader = ImageReadersRegistry.getReader(file_name)
        pixels = np.asarray(reader.open(file_name)).squeeze()
    except Exception as error:  # readers raise arbitrary errors
        raise _unreadable(file_name, "cannot be read as a micrograph", error) from error
    if pixels.ndim != 2:
        raise ValueError(f"{file_name}: must hold one image, got shape {pixels.shape}")
    return pixels


def micrograph_pixels(file_name: str) -> NDArray[np.float32]:
    """Image as of `open_micrograph`, in memory."""
    return np.array(open_micrograph(file_name), np.float32)


def image_of_stack(file_name: str, index: int) -> NDArray[np.float32]:
    """Image of a stack by its number, from 1, shape (height, width).

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    if stack_file(file_name).suffix.lower() in STACK_SUFFIXES:
        image: NDArray[np.float32] = open_stack(file_name)[index - 1]
        return image
    try:
        reader = ImageReadersRegistry.getReader(file_name)
        return np.asarray(reader.openSlice(file_name, index), np.float32)
    except Exception as error:  # readers raise arbitrary errors
        raise _unreadable(file_name, f"image {index} cannot be read", error) from error


def _unreadable(file_name: str, problem: str, error: Exception) -> ValueError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return ValueError(f"{file_name}: {problem} ({reason})")
