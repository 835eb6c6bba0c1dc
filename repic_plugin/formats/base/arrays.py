"""Named arrays in one file, written atomically."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.errors import FormatError, PathLike, format_error
from repic_plugin.formats.base.opening import open_input

ZIP_START = b"PK"
WRITE: Any = np.lib.format.write_array  # of one array, without types
# What numpy and zipfile raise for damaged files; a flag that no writer sets is a RuntimeError.
UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile)


def write_arrays(path: PathLike, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of numbers, booleans or strings by name (numpy's .npz)."""
    # np.savez leaves the archive open where the disk is full, and Python prints that later
    with atomic_open(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as one:
                WRITE(one, np.asanyarray(values))


def read_arrays(
    path: PathLike,
    names: Optional[Iterable[str]] = None,
    *,
    remedy: str = "restart the run that wrote it",
) -> Dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Parameters
    ----------
    path : str or path
    names : iterable of str, optional
        Read these arrays only.
    remedy : str
        What the error advises.

    Raises
    ------
    FormatError
        If the file is missing, damaged or of another kind.
    KeyError
        If an array is missing that was asked for.
    """
    try:
        with open_input(path) as file:
            if file.read(len(ZIP_START)) != ZIP_START:
                raise ValueError("it is damaged or of another kind")
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                wanted = stored.files if names is None else names
                return {name: _array(stored[name], name) for name in wanted}
    except FormatError:
        raise
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise format_error(Path(path), f"cannot be read ({reason}); {remedy}") from error


def _array(stored: Any, name: str) -> NDArray[Any]:
    """The array stored under a name; numpy returns the bytes of anything else."""
    if not isinstance(stored, np.ndarray):
        raise ValueError(f"{name} is no array")
    return stored
