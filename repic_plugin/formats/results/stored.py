"""Measures and models that are stored as arrays beside the tables of a consensus."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Mapping, Optional, TypeVar

from numpy.typing import NDArray

from repic_plugin.formats.base.arrays import read_arrays
from repic_plugin.formats.base.errors import FormatError, format_error

Found = TypeVar("Found")


def read_stored(
    file: Path, from_arrays: Callable[[Mapping[str, NDArray[Any]]], Optional[Found]], again: str
) -> Optional[Found]:
    """What a file of arrays holds; None where there is no file, or it holds none of it.

    Parameters
    ----------
    file : path
    from_arrays : callable
        Raises a KeyError for an array that is missing, a ValueError or TypeError for a wrong one.
    again : str
        What the error for damaged arrays advises.

    Raises
    ------
    FormatError
        If it is damaged.
    """
    if not file.is_file():
        return None
    try:
        return from_arrays(read_arrays(file))
    except KeyError as error:
        told = f"must hold the array {error}, as this version writes it; run the consensus again"
        raise format_error(file, told) from None
    except FormatError:
        raise
    except (ValueError, TypeError) as error:
        raise format_error(file, f"is damaged ({error}); {again}") from None
