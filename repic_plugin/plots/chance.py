"""Agreement beyond chance: partners by overlap, and the false-agreement rate by weight."""

from __future__ import annotations

from typing import List, Optional, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repic_plugin.consensus import Agreement, agreement_line
from repic_plugin.plots.canvas import (
    LEGEND_POINTS,
    legend_name,
    no_math,
    panels,
    say,
    short_name,
    whole_numbers,
)
from repic_plugin.plots.colors import CONSENSUS_COLOR, picker_color

SIZE = (12.0, 5.2)  # inches
MAX_PAIRS = 5  # one colour each
LETTERS = 16  # of a picker's name
USUAL_RATE = 0.05  # marked


def chance_figure(agreement: Agreement, *, title: Optional[str] = None) -> Figure:
    """Draw the agreement of the pickers beyond chance.

    On the left the partners of each pair of pickers by the overlap of their boxes, as lines, and
    those of them that are chance, filled; the five pairs with the most partners. On the right the
    false-agreement rate of particles by their weight.

    Parameters
    ----------
    agreement : Agreement
    title : str, optional
        `agreement_line` by default.
    """
    line = agreement_line(agreement)
    figure, (left, right) = panels(1, 2, SIZE, title or f"{line[0].upper()}{line[1:]}")
    _draw_pairs(left, agreement)
    _draw_rates(right, agreement)
    return figure


def _draw_pairs(axes: Axes, agreement: Agreement) -> None:
    seen, by_chance = agreement.partners, agreement.chance_partners
    edges = np.linspace(0, 1, seen.shape[1] + 1)
    for place, (row, label) in enumerate(_shown_pairs(agreement)):
        color = picker_color(place)
        axes.stairs(seen[row], edges, color=color, linewidth=2.5, label=legend_name(label))
        axes.stairs(by_chance[row], edges, color=color, fill=True, alpha=0.3)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("overlap of partners (Jaccard index); filled: by chance")
    axes.set_ylabel("picks with a partner")
    whole_numbers(axes.yaxis)
    if seen.any():
        legend = axes.legend(loc="upper left", frameon=False, fontsize=LEGEND_POINTS)
        no_math(legend)
    else:
        say(axes, "no partners")


def _shown_pairs(agreement: Agreement) -> List[Tuple[int, str]]:
    """Rows of the pairs with the most partners, and their labels."""
    total, by_chance = agreement.partners.sum(axis=1), agreement.chance_partners.sum(axis=1)
    names = [short_name(name, LETTERS) for name in agreement.picker_names]
    shown = np.argsort(-total, kind="stable")[:MAX_PAIRS].tolist()
    return [
        (
            row,
            f"{names[agreement.pairs[row, 0]]}, {names[agreement.pairs[row, 1]]}: "
            f"{total[row]:,.0f}, {by_chance[row]:,.0f} by chance",
        )
        for row in shown
    ]


def _draw_rates(axes: Axes, agreement: Agreement) -> None:
    weight, rate = agreement.weight, agreement.rate
    axes.set_ylim(0, max(1.05 * float(rate.max(initial=0.0)), 2 * USUAL_RATE))
    axes.set_xlabel("weight of a group of picks")
    axes.set_ylabel("false-agreement rate of at least this weight")
    if not len(weight):
        say(axes)
        return
    axes.step(weight, rate, where="post", color=CONSENSUS_COLOR, linewidth=2.5)
    axes.axhline(USUAL_RATE, color="0.4", linewidth=1.2, linestyle="--")
    axes.set_xlim(0, max(1.0, float(weight.max()) * 1.02))
