"""Report of an evaluation against a reference."""

from __future__ import annotations

from pathlib import Path
from typing import List

from repic_plugin.evaluation import Scores
from repic_plugin.formats import read_curves, read_micrograph_scores, read_scores
from repic_plugin.plots import per_micrograph_figure, precision_recall_figure, score_bars_figure
from repic_plugin.reports.document import Block, Table, Warnings
from repic_plugin.reports.pictures import Picture
from repic_plugin.wording import counted

MARKER, TITLE = "scores.csv", "evaluation against a reference"
CURVES, MICROGRAPHS = "curves.csv", "by_micrograph.csv"


def blocks(folder: Path) -> List[Block]:
    """Scores and, if present, curves and micrographs."""
    scores = read_scores(folder / MARKER)
    if not scores:
        return ["No set of picks was scored."]
    rows = [
        [one.picker, one.n_picks, *_ratios(one.matching), *_ratios(one.pixel)] for one in scores
    ]
    kinds = [
        f"{name}, {kind}"
        for kind in ("matched", "pixels")
        for name in ("precision", "recall", "F1")
    ]
    first = scores[0]
    about = (
        f"{counted(first.n_reference, 'reference particle')} on "
        f"{counted(first.n_micrographs, 'micrograph')}"
    )
    found: List[Block] = [Table(["set", "picks", *kinds], rows, about)]
    if first.n_left_out:
        found.append(
            Warnings([f"Micrographs without a reference, excluded: {first.n_left_out:,}."])
        )
    found.append(Picture(score_bars_figure(scores), "Particles matched one to one."))
    curves = read_curves(folder / CURVES)
    if curves:
        figure = precision_recall_figure(curves)
        found.append(Picture(figure, "Precision and recall by score threshold."))
    by_micrograph = read_micrograph_scores(folder / MICROGRAPHS)
    if by_micrograph:
        figure = per_micrograph_figure(by_micrograph)
        found.append(Picture(figure, "F1 per micrograph."))
    return found


def _ratios(scores: Scores) -> List[float]:
    return [scores.precision, scores.recall, scores.f1]
