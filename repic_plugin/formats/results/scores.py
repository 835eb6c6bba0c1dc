"""The tables that an evaluation of picks leaves: of pickers, of micrographs, of thresholds."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Sequence, Tuple, TypeVar, Union

import numpy as np

from repic_plugin.evaluation import MicrographScores, PickerScores, PrecisionRecall, Scores
from repic_plugin.formats.base.errors import PathLike, format_error
from repic_plugin.formats.results.consensus_writing import write_table

__all__ = [
    "read_curves",
    "read_micrograph_scores",
    "read_scores",
    "write_curves",
    "write_micrograph_scores",
    "write_scores",
]

MEASURES, COUNTS = ("precision", "recall", "f1"), ("tp", "fp", "fn")
KINDS = ("pixel", "matching")
SCORE_COLUMNS = [f"{kind}_{name}" for kind in KINDS for name in (*MEASURES, *COUNTS)]
OF_PICKER = ["picker", "n_picks", "n_reference", "n_micrographs", *SCORE_COLUMNS]
OF_PICKER += ["n_left_out", "average_precision"]
OF_MICROGRAPH = ["picker", "micrograph", "n_picks", "n_reference", *SCORE_COLUMNS]
OF_CURVE = ["picker", "threshold", "n_picks", "precision", "recall", "f1", "average_precision"]
DECIMALS = 6
REMEDY = "run the evaluation again"

Point = Tuple[float, ...]  # threshold, n_picks, precision, recall, F1
Parsed = TypeVar("Parsed")


def write_scores(
    path: PathLike, scores: Sequence[PickerScores], curves: Sequence[PrecisionRecall] = ()
) -> None:
    """Write a CSV row for each picker.

    Parameters
    ----------
    path : str or path
    scores : sequence of PickerScores
    curves : sequence of PrecisionRecall
        Of the same pickers, for their average precision; empty cells where there is none.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    areas = {curve.picker: curve.average_precision for curve in curves}
    rows = [
        [
            *(one.picker, one.n_picks, one.n_reference, one.n_micrographs),
            *_score_cells(one),
            *(one.n_left_out, _ratio(areas.get(one.picker, math.nan))),
        ]
        for one in scores
    ]
    write_table(path, OF_PICKER, rows)


def read_scores(path: PathLike) -> List[PickerScores]:
    """The rows of `write_scores`, without the average precision; none if there is no file yet.

    Raises
    ------
    FormatError
        If a column is missing or a cell is not of its kind.
    """
    return _parsed(path, OF_PICKER, _picker_scores)


def write_micrograph_scores(path: PathLike, rows: Sequence[MicrographScores]) -> None:
    """Write a CSV row for each picker and micrograph.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    cells = (
        [one.picker, one.micrograph, one.n_picks, one.n_reference, *_score_cells(one)]
        for one in rows
    )
    write_table(path, OF_MICROGRAPH, cells)


def read_micrograph_scores(path: PathLike) -> List[MicrographScores]:
    """The rows of `write_micrograph_scores`; none if there is no file yet.

    Raises
    ------
    FormatError
        If a column is missing or a cell is not of its kind.
    """
    return _parsed(path, OF_MICROGRAPH, _micrograph_scores)


def write_curves(path: PathLike, curves: Sequence[PrecisionRecall]) -> None:
    """Write a CSV row for each picker and threshold.

    The threshold is empty in the row of all picks, those without a score included. A picker
    without a pick has one row, of 0 picks.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    rows: List[Sequence[object]] = []
    for curve in curves:
        area = _ratio(curve.average_precision)
        points = zip(*(c.tolist() for c in (curve.threshold, curve.n_picks)), *_ratios(curve))
        rows += [
            [curve.picker, repr(t) if t > -math.inf else "", n, *map(_ratio, ratios), area]
            for t, n, *ratios in points
        ]
        if not len(curve.threshold):
            rows.append([curve.picker, "", 0, "", "", "", area])
    write_table(path, OF_CURVE, rows)


def read_curves(path: PathLike) -> List[PrecisionRecall]:
    """The curves of `write_curves`; none if there is no file yet.

    Raises
    ------
    FormatError
        If a column is missing or a cell is not of its kind.
    """
    points: Dict[str, List[Point]] = {}
    areas = {}
    for name, area, point in _parsed(path, OF_CURVE, _curve_point):
        areas[name] = area
        points.setdefault(name, []).extend([point] if point[1] else [])
    return [_curve(name, mine, areas[name]) for name, mine in points.items()]


def _curve_point(row: Mapping[str, str]) -> Tuple[str, float, Point]:
    """Picker, average precision and the point; one of 0 picks where the picker has none."""
    cells = [row["threshold"] or "-inf", row["n_picks"], *(row[name] or "nan" for name in MEASURES)]
    return row["picker"], float(row["average_precision"] or "nan"), tuple(map(float, cells))


def _curve(name: str, points: List[Point], area: float) -> PrecisionRecall:
    threshold, n_picks, precision, recall, f1 = np.array(points).reshape(-1, 5).T
    best = int(np.argmax(f1)) if len(f1) else None
    return PrecisionRecall(
        name,
        threshold,
        precision,
        recall,
        n_picks.astype(np.int64),
        average_precision=area,
        best_f1=0.0 if best is None else float(f1[best]),
        best_threshold=math.nan if best is None else float(threshold[best]),
    )


def _ratios(curve: PrecisionRecall) -> Tuple[List[float], List[float], List[float]]:
    """Precision, recall and F1."""
    both = curve.precision + curve.recall
    f1 = 2 * curve.precision * curve.recall / np.where(both > 0, both, 1.0)
    return curve.precision.tolist(), curve.recall.tolist(), f1.tolist()


def _score_cells(one: Union[PickerScores, MicrographScores]) -> Iterator[object]:
    """In the order of `SCORE_COLUMNS`."""
    for scores in (one.pixel, one.matching):
        yield from (_ratio(getattr(scores, name)) for name in MEASURES)
        yield from (getattr(scores, name) for name in COUNTS)


def _ratio(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{DECIMALS}f}"


def _scores(row: Mapping[str, str], kind: str) -> Scores:
    return Scores(*(int(row[f"{kind}_{name}"]) for name in COUNTS))


def _picker_scores(row: Mapping[str, str]) -> PickerScores:
    return PickerScores(
        row["picker"],
        n_picks=int(row["n_picks"]),
        n_reference=int(row["n_reference"]),
        n_micrographs=int(row["n_micrographs"]),
        n_left_out=int(row["n_left_out"]),
        pixel=_scores(row, "pixel"),
        matching=_scores(row, "matching"),
    )


def _micrograph_scores(row: Mapping[str, str]) -> MicrographScores:
    return MicrographScores(
        row["picker"],
        row["micrograph"],
        n_picks=int(row["n_picks"]),
        n_reference=int(row["n_reference"]),
        pixel=_scores(row, "pixel"),
        matching=_scores(row, "matching"),
    )


def _parsed(
    path: PathLike, columns: Sequence[str], parse: Callable[[Mapping[str, str]], Parsed]
) -> List[Parsed]:
    """Each row, parsed; none where there is no file yet."""
    if not Path(path).is_file():
        return []
    parsed = []
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise format_error(Path(path), f"has no column {missing[0]}; {REMEDY}")
        for row in reader:
            try:
                parsed.append(parse(row))
            except (TypeError, ValueError):  # a cell that is missing, or no number
                problem = f"a cell is missing or no number; {REMEDY}"
                raise format_error(Path(path), problem, line=reader.line_num) from None
    return parsed
