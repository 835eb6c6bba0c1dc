"""Report of a probabilistic consensus."""

from __future__ import annotations

from typing import List, Sequence

import numpy as np

from repic_plugin.consensus import EnsembleModel, expected_scores, is_by_images
from repic_plugin.formats import ConsensusTables
from repic_plugin.plots import pickers_figure
from repic_plugin.reports.document import Block, Table, Warnings
from repic_plugin.reports.pictures import Picture
from repic_plugin.wording import counted

ROUNDING = 1e-6  # of the weights in the table
BY_IMAGES = (
    "The 2D classes of the candidates decided what a particle is: all estimates below follow from "
    "the images, except where it says by agreement alone."
)


def ensemble_blocks(
    found: ConsensusTables, model: EnsembleModel, warnings: Sequence[str]
) -> List[Block]:
    """Selection, expected quality, a row for each picker, warnings and the figure.

    Parameters
    ----------
    found : ConsensusTables
    model : EnsembleModel
    warnings : sequence of str
        Shown after those of the model.
    """
    doubts = [f"{_sentence(line, model.picker_names)}." for line in model.warnings]
    scores = "scores of particles and of junk, and observed and expected agreement of the pickers"
    caption = f"Estimated precision, recall and F1 of the pickers, {scores}."
    if is_by_images(model):
        caption = (
            "Precision, recall and F1 of the pickers, estimated with the images; and, from the fit "
            f"by agreement alone, before the images: {scores}."
        )
    return [
        _selection_text(found, model),
        _expected_text(found, model),
        _picker_cards(found, model),
        Warnings([*doubts, *warnings]),
        *_by_quality(model),
        Picture(pickers_figure(model, found.weight, len(found.micrograph_names)), caption),
    ]


def judged_by(model: EnsembleModel) -> List[Block]:
    """What comes first where images decided."""
    return [BY_IMAGES] if is_by_images(model) else []


def _sentence(line: str, names: Sequence[str]) -> str:
    """A line with a capital letter, unless it begins with the name of a picker."""
    return line if line.startswith(tuple(names)) else f"{line[:1].upper()}{line[1:]}"


def _selection_text(found: ConsensusTables, model: EnsembleModel) -> str:
    with_particles, n_micrographs = len(np.unique(found.micrograph)), len(found.micrograph_names)
    rule = f"a probability of at least {model.threshold:.3f} ({model.threshold_rule})"
    if found.n_cut:
        rule = f"the best, by number or false-agreement rate; {found.n_cut:,} more were discarded"
    elif len(found) and found.weight.min() < model.threshold - ROUNDING:
        rule = "every candidate"
    return (
        f"{counted(len(found), 'particle')} on {with_particles:,} of "
        f"{counted(n_micrographs, 'micrograph')}. Selection: {rule}."
    )


def _expected_text(found: ConsensusTables, model: EnsembleModel) -> str:
    expected = expected_scores(found.weight, model, len(found.micrograph_names))
    low, high = expected.n_particles_interval
    promise = (
        f"Of the {len(found):,} particles kept, {expected.n_true:,.0f} or {expected.precision:.1%} "
        f"are expected to be true (precision), which is {expected.recall:.1%} of all particles "
        "(recall)."
    )
    return (
        f"Estimated total: {expected.n_particles:,.0f} true particles ({low:,.0f} to {high:,.0f}, "
        f"95 % interval), including those that no picker found. {promise if len(found) else ''}"
    ).rstrip()


def _picker_cards(found: ConsensusTables, model: EnsembleModel) -> Table:
    columns = (
        model.picker_names,
        found.n_picks.sum(axis=0).tolist(),
        (found.members >= 0).sum(axis=0).tolist(),
        model.precision.tolist(),
        map(_interval, model.precision_interval),
        model.recall.tolist(),
        map(_interval, model.recall_interval),
        model.f1.tolist(),
    )
    header = ["picker", "picks", "in consensus", "precision", "95 % interval"]
    header += ["recall", "95 % interval", "F1"]
    basis = "agreement, scores and 2D classes" if is_by_images(model) else "agreement and scores"
    caption = f"Quality of the pickers, estimated from their {basis}."
    return Table(header, [list(row) for row in zip(*columns)], caption)


def _by_quality(model: EnsembleModel) -> List[Block]:
    rows: List[List[object]] = []
    for group, (low, high) in enumerate(zip(model.quality_edges, model.quality_edges[1:])):
        for picker, name in enumerate(model.picker_names):
            ratios = (model.quality_precision[group, picker], model.quality_recall[group, picker])
            rows.append([f"{low:,.6g} to {high:,.6g}", name, *map(float, ratios)])
    header = ["quality", "picker", "precision", "recall"]
    basis = ", by agreement alone" if is_by_images(model) else ""
    caption = f"Quality of the pickers by that of the micrographs, such as their defocus{basis}."
    return [Table(header, rows, caption)] if rows else []


def _interval(ends: Sequence[float]) -> str:
    low, high = ends
    return f"{low:.3f} to {high:.3f}" if np.isfinite([low, high]).all() else ""
