"""Datasets of cryoSPARC (.cs): particles with their positions, as fractions of the micrograph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, List, Mapping, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import FormatError, NoCoordinatesError, format_error, listed
from repic_plugin.formats.base.opening import open_input
from repic_plugin.formats.picks.names import micrograph_path
from repic_plugin.formats.picks.table import PickTable, pick_table

NAME = "cryosparc"
SUFFIXES = (".cs",)
X, Y = "location/center_x_frac", "location/center_y_frac"
SHAPE, MICROGRAPH = "location/micrograph_shape", "location/micrograph_path"
POSITION = {X: ("f", ()), Y: ("f", ()), SHAPE: ("iu", (2,)), MICROGRAPH: ("SU", ())}
# The correlation with the template; pickers without one leave it constant and give the power.
SCORES = ("pick_stats/ncc_score", "pick_stats/power")
SHIFTS = ("alignments3D/shift", "alignments2D/shift")
NUMPY_FILE, STREAM_FILE = b"\x93NUMPY", b"\x95CSDAT"
# What numpy raises for a damaged header or too few rows.
UNREADABLE = (ValueError, EOFError, OverflowError, TypeError, MemoryError, SyntaxError, TokenError)
MAX_HEADER_BYTES = 1 << 18  # some hundred columns; numpy's own limit is too small for them


def read(path: Path) -> PickTable:
    """Read the positions of a particle dataset.

    Parameters
    ----------
    path : Path
        As ``J10/picked_particles.cs`` or, after an extraction, its passthrough file.

    Returns
    -------
    PickTable
        Centres are the fractions times the shape of the micrograph; the score is the normalized
        cross-correlation, or the power where that is all the same.

    Raises
    ------
    FormatError
        If the file cannot be read, or a row is wrong; `NoCoordinatesError` if it is a dataset
        without positions.
    """
    rows = read_dataset(path)
    fields = dataset_fields(rows)
    if not any(name in fields for name in POSITION):
        problem = f"has no particle locations ({X}), found {listed(fields)}; give"
        remedy = "the picked particles, or the job's file passthrough_particles.cs"
        raise format_error(path, f"{problem} {remedy}", kind=NoCoordinatesError)
    for name, (kinds, shape) in POSITION.items():
        if (
            name not in fields
            or fields[name][0].base.kind not in kinds
            or (fields[name][0].shape != shape)
        ):
            found = fields[name][0] if name in fields else "none"
            problem = f"{name} is missing or of another kind, found {found}; export it again"
            raise format_error(path, problem)
    x, y = (_finite(path, rows, name) for name in (X, Y))
    height, width = np.asarray(rows[SHAPE], dtype=np.float64).T
    for row in np.flatnonzero((height <= 0) | (width <= 0))[:1]:
        raise _row_error(path, row, f"{SHAPE} must be > 0, got {rows[SHAPE][row].tolist()}")
    names = _names(path, np.asarray(rows[MICROGRAPH]))
    notes = _notes(rows)
    picks = pick_table(x * width, y * height, _score(path, rows), micrograph=names, notes=notes)
    return replace(picks, score_transform="rank")  # a correlation in [0, 1] is no probability


def read_dataset(path: Path) -> NDArray[Any]:
    """All rows; pickled objects, which could hold a program, are refused."""
    try:
        with open_input(path) as file:
            magic = file.read(len(NUMPY_FILE))
            if magic == NUMPY_FILE:
                file.seek(0)
                rows = np.load(  # type: ignore[call-arg]  # numpy's types lack the last one
                    file, allow_pickle=False, max_header_size=MAX_HEADER_BYTES
                )
                if rows.ndim == 1:
                    return np.asarray(rows)
    except FormatError:
        raise
    except FileNotFoundError:
        raise format_error(path, "no such file; check the name") from None
    except OSError as exc:
        raise format_error(path, f"cannot be read ({exc.strerror}); check the file") from exc
    except UNREADABLE as exc:
        reason = str(exc).split("\n", maxsplit=1)[0]
        problem = f"cannot be read as a dataset ({reason}); copy or export it again"
        raise format_error(path, problem) from exc
    if magic == STREAM_FILE:
        problem = "is a stream of cryoSPARC, which only cryosparc-tools reads; save it there with"
        raise format_error(path, f"{problem} format=NUMPY_FORMAT")
    raise format_error(path, "is no dataset of cryoSPARC; check that the suffix fits the format")


def dataset_fields(rows: NDArray[Any]) -> Mapping[str, Tuple[Any, ...]]:
    """The columns: kind and place of each by its name."""
    return rows.dtype.fields or {}


def _finite(path: Path, rows: NDArray[Any], name: str) -> NDArray[np.float64]:
    column = np.array(rows[name], dtype=np.float64)
    for row in np.flatnonzero(~np.isfinite(column))[:1]:
        raise _row_error(path, row, f"{name} must be finite, got {column[row]}")
    return column


def _row_error(path: Path, row: int, problem: str) -> FormatError:
    return format_error(path, f"row {row + 1}: {problem}; remove the row")


def _score(path: Path, rows: NDArray[Any]) -> NDArray[np.float64]:
    """The first score that is not the same everywhere; NaN where there is none."""
    for name in SCORES:
        fields = dataset_fields(rows)
        if name in fields and fields[name][0].kind == "f":
            column = _finite(path, rows, name)
            if len(column) and column.min() < column.max():
                return column
    return np.full(len(rows), np.nan)


def _names(path: Path, written: NDArray[Any]) -> NDArray[np.object_]:
    """The micrograph of each particle, as `micrograph_path` gives it."""
    distinct, place = np.unique(written, return_inverse=True)
    names: List[str] = []
    for text in distinct.tolist():
        try:
            names.append(micrograph_path(text.decode() if isinstance(text, bytes) else text))
        except UnicodeDecodeError as exc:
            problem = f"{MICROGRAPH} must be UTF-8 text, got {text!r}; rename the micrograph"
            raise format_error(path, problem) from exc
        if not names[-1]:
            row = int(np.argmax(written == text))
            raise _row_error(path, row, f"{MICROGRAPH} must name a micrograph, got {text!r}")
    column: NDArray[np.object_] = np.array(names, dtype=object)[place.reshape(-1)]
    return column


def _notes(rows: NDArray[Any]) -> Tuple[str, ...]:
    # Both alignments may be there, and which of them is the last one the file does not say.
    fields = dataset_fields(rows)
    moved = [name for name in SHIFTS if name in fields and np.any(rows[name])]
    return tuple(f"{name} is not applied; extract again to apply it" for name in moved)
