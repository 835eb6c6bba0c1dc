"""Tables of an evaluation of picks: by picker, micrograph and threshold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Sequence, Tuple, Union

import numpy as np

from repic_plugin.formats.base.csv_tables import (
    COUNT,
    NUMBER_OR_NONE,
    TEXT,
    Kind,
    number_cell,
    read_records,
    write_table,
)
from repic_plugin.formats.base.errors import PathLike

if TYPE_CHECKING:
    from repic_plugin.evaluation import MicrographScores, PickerScores, PrecisionRecall

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
    from repic_plugin.evaluation import PickerScores  # noqa: PLC0415 - loads slowly

    names = ("picker", "n_picks", "n_reference", "n_micrographs", "n_left_out")
    return [PickerScores(*cells) for cells in _score_rows(path, OF_PICKER, names)]


def write_micrograph_scores(path: PathLike, rows: Sequence[MicrographScores]) -> None:
    """Write a CSV row for each picker and micrograph."""
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
    from repic_plugin.evaluation import MicrographScores  # noqa: PLC0415 - loads slowly

    names = ("picker", "micrograph", "n_picks", "n_reference")
    return [MicrographScores(*cells) for cells in _score_rows(path, OF_MICROGRAPH, names)]


def write_curves(path: PathLike, curves: Sequence[PrecisionRecall]) -> None:
    """Write a CSV row for each picker and threshold.

    The threshold is empty in the row of all picks, those without a score included. A picker
    without a pick has one row, of 0 picks.
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
    for row in read_records(path, _kinds(OF_CURVE), REMEDY):
        name, threshold = row["picker"], row["threshold"]
        areas[name] = row["average_precision"]
        mine = points.setdefault(name, [])
        if row["n_picks"]:
            lowest = -math.inf if math.isnan(threshold) else threshold  # of all picks
            mine.append((lowest, row["n_picks"], *(row[measure] for measure in MEASURES)))
    return [_curve(name, mine, areas[name]) for name, mine in points.items()]


def _curve(name: str, points: List[Point], area: float) -> PrecisionRecall:
    from repic_plugin.evaluation import PrecisionRecall  # noqa: PLC0415 - loads slowly

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
    both = curve.precision + curve.recall
    f1 = 2 * curve.precision * curve.recall / np.where(both > 0, both, 1.0)
    return curve.precision.tolist(), curve.recall.tolist(), f1.tolist()


def _score_cells(one: Union[PickerScores, MicrographScores]) -> Iterator[object]:
    """Cells in the order of `SCORE_COLUMNS`."""
    for scores in (one.pixel, one.matching):
        yield from (_ratio(getattr(scores, name)) for name in MEASURES)
        yield from (getattr(scores, name) for name in COUNTS)


def _ratio(value: float) -> str:
    return number_cell(value, DECIMALS)


def _kinds(columns: Sequence[str]) -> Dict[str, Kind]:
    """Texts, counts and, all else, numbers that may be missing."""
    texts = dict.fromkeys(("picker", "micrograph"), TEXT)
    return {name: texts.get(name, COUNT if _is_count(name) else NUMBER_OR_NONE) for name in columns}


def _is_count(column: str) -> bool:
    return column.startswith("n_") or column.rpartition("_")[2] in COUNTS


def _score_rows(
    path: PathLike, columns: Sequence[str], names: Sequence[str]
) -> Iterator[List[Any]]:
    """Cells of the named columns of each row, and its scores in the order of `KINDS`."""
    from repic_plugin.evaluation import Scores  # noqa: PLC0415 - loads slowly

    for row in read_records(path, _kinds(columns), REMEDY):
        scores = (Scores(*(row[f"{kind}_{name}"] for name in COUNTS)) for kind in KINDS)
        yield [*(row[name] for name in names), *scores]
