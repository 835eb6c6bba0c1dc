"""Info files of EMAN2: box centres as JSON, one file a micrograph."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, List

import numpy as np

from repic_plugin.formats.base.errors import NoCoordinatesError, format_error, listed, shown
from repic_plugin.formats.base.text_tables import read_text
from repic_plugin.formats.picks.table import PickTable, pick_table

NAME = "eman2"
SUFFIXES = (".json",)
STEM_ENDINGS = ("_info",)
BOXES = "boxes"
N_WITHOUT_SCORE = 3  # x, y, and who picked it
RULE = "a box is [x, y, who picked it] and a score where a network did"
# Only these give a box a score: of the pickers by reference the fourth entry is the reference.
WITH_SCORE = ("auto_convnet", "auto_gauss")


def read(path: Path) -> PickTable:
    """Read the boxes of a file ``info/NAME_info.json``, picked by hand or automatically.

    Raises
    ------
    FormatError
        If the file cannot be read, is no JSON, or a box is wrong; `NoCoordinatesError` if it has
        no boxes, as the info of a micrograph that nobody picked from.
    """
    try:
        info = json.loads(read_text(path))
    except json.JSONDecodeError as exc:
        problem = f"must be JSON ({exc.msg}); the file may be cut off: write it again"
        raise format_error(path, problem, line=exc.lineno) from exc
    except (RecursionError, ValueError) as exc:
        raise format_error(path, f"must be JSON of EMAN2 ({exc}); write it again") from exc
    if not isinstance(info, dict) or BOXES not in info:
        found = listed(info) if isinstance(info, dict) else type(info).__name__
        problem = f"has no {BOXES!r}, found {found}; pick particles, or leave the file out"
        raise format_error(path, problem, kind=NoCoordinatesError)
    boxes = info[BOXES]
    if not isinstance(boxes, list):
        raise format_error(path, f"{BOXES!r} must be a list, got {shown(str(boxes))}; {RULE}")
    rows = [_row(path, number, box) for number, box in enumerate(boxes, 1)]
    x, y, score = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return pick_table(x.copy(), y.copy(), score.copy())


def _row(path: Path, number: int, box: Any) -> List[float]:
    """x, y and score (NaN: none) of a box."""
    if isinstance(box, list) and len(box) >= N_WITHOUT_SCORE:
        score = box[N_WITHOUT_SCORE] if len(box) > N_WITHOUT_SCORE else None
        if isinstance(score, list):  # of a network: the score, and where it stands in its output
            score = next(iter(score), None)
        row = [box[0], box[1], score if box[2] in WITH_SCORE and _is_finite(score) else math.nan]
        if _is_finite(row[0]) and _is_finite(row[1]):
            return row
    raise format_error(path, f"{RULE}, got {shown(str(box))} as number {number}; correct it")


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        return is_number and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False
