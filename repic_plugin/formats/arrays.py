"""Named arrays in one file, whole or not there."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Dict, Mapping

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.atomic import atomic_open
from repic_plugin.formats.errors import PathLike, format_error

__all__ = ["read_arrays", "write_arrays"]


def write_arrays(path: PathLike, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of numbers, booleans or strings by name (numpy's .npz).

    Parameters
    ----------
    path : str or path
    arrays : mapping of str to ndarray

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with atomic_open(path) as file:
        np.savez(file, **arrays)


def read_arrays(path: PathLike) -> Dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    FormatError
        If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        problem = f"cannot be read ({error}); restart the run that wrote it"
        raise format_error(Path(path), problem) from error
