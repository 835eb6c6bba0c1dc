"""Curves of an iterative run, as in figures 3 to 5 of Cameron et al. 2024.

doi:10.1038/s42003-024-07045-0.
"""

from __future__ import annotations

import math
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repic_plugin.iteration import IterationRow
from repic_plugin.plots.canvas import legend_below, legend_name, panels, whole_numbers
from repic_plugin.plots.colors import picker_styles

PANEL = (5.1, 3.9)  # inches
PANELS = (
    ("n_particles", "particles"),
    ("agreement", "agreement with the consensus"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "F1"),
)


def iterations_figure(
    rows: Sequence[IterationRow], *, subset: str = "all", title: Optional[str] = None
) -> Figure:
    """Draw particles, agreement and, where a reference was given, precision, recall and F1.

    A line for each picker and one for the consensus; panels without values are omitted.

    Parameters
    ----------
    rows : sequence of IterationRow
    subset : str
        Of the micrographs: ``training``, ``validation``, ``testing`` or ``all``.
    title : str, optional

    Raises
    ------
    ValueError
        If no row is of this subset.
    """
    chosen = [row for row in rows if row.subset == subset]
    if not chosen:
        known = ", ".join(sorted({row.subset for row in rows})) or "none"
        raise ValueError(f"rows must hold the subset {subset!r}, got {known}")
    measures = [
        (field, label)
        for field, label in PANELS
        if any(not math.isnan(getattr(row, field)) for row in chosen)
    ]
    figure, axes = _canvas(len(measures), title)
    styles = picker_styles([row.name for row in chosen])
    for one, (field, label) in zip(axes, measures):
        _draw(one, chosen, field, styles)
        one.set_ylabel(label)
    legend_below(figure, axes[0])
    return figure


def _canvas(n_panels: int, title: Optional[str]) -> Tuple[Figure, List[Axes]]:
    columns = min(n_panels, 3)
    rows = math.ceil(n_panels / columns)
    size = (PANEL[0] * columns, PANEL[1] * rows + 0.6)
    figure, axes = panels(rows, columns, size, title)
    for spare in axes[n_panels:]:
        spare.remove()
    for one in axes[:n_panels]:
        whole_numbers(one.xaxis)
        one.set_xlabel("iteration")
    return figure, axes[:n_panels]


def _draw(
    axes: Axes, rows: Sequence[IterationRow], field: str, styles: Dict[str, Dict[str, object]]
) -> None:
    for name, style in styles.items():
        mine = [row for row in rows if row.name == name]
        values = np.array([getattr(row, field) for row in mine], dtype=float)
        axes.plot([row.iteration for row in mine], values, label=legend_name(name), **style)
    if field == "n_particles":
        axes.set_ylim(bottom=0)
    else:
        axes.set_ylim(0, 1.02)
