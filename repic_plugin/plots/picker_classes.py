"""Picks of each picker by 2D class: who picks particles, and who picks ice."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus import shares_in_good_classes
from repic_plugin.plots.canvas import (
    DPI,
    FONT,
    TITLE_POINTS,
    new_figure,
    no_math,
    say,
    short_name,
    text_width,
)
from repic_plugin.plots.class_montage import grey_tiles, show_mosaic
from repic_plugin.plots.colors import JUNK_COLOR, picker_color

MOST_COLUMNS = 12  # side by side; more classes are continued below
# Sizes in inches.
TILE, GAP, LABELS, ROW, BANK_GAP = 0.78, 0.1, 0.36, 0.66, 0.3
HEADER, EDGE, TEXT_GAP = 0.95, 0.2, 0.15
BOLD = 1.2  # width of bold text, at most, in that of plain text
POINTS, SMALL_POINTS = 10.5, 8.5
NAME_LETTERS = 24
LEAST_SHOWN = 0.005  # shares below are no whole per cent
GOOD_FRAME, JUNK_GROUND = "#404040", "#FBEBCB"
ALONE_STYLE = {"facecolor": "white", "hatch": "//////"}
TITLE = "Pickers by 2D class"
HEADING = ("in classes", "of particles")
BELOW = 0.04  # the labels of the averages, as a part of their axes
FILTERED = (
    "The images were filtered or denoised: the shares of particles mean little, and agreement "
    "alone decided."
)
NOTHING = "no candidate has a class"

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def picker_classes_figure(
    averages: ArrayLike,
    share: ArrayLike,
    counts: ArrayLike,
    picker_names: Sequence[str],
    *,
    good_share: float = 0.5,
    is_filtered: bool = False,
) -> Figure:
    """Draw the averages of the classes of a consensus with images, and who picks them.

    Columns are classes, by the share of particles in them: those of particles first, those of junk
    on orange. Rows are pickers: each bar is the share of the picker's picks that lies in a class,
    filled where others found them, too, hatched where it alone did. On the right: the shares of
    both kinds in classes of particles. Empty classes are not drawn.

    Parameters
    ----------
    averages : array_like, shape (n_classes, side, side)
    share : array_like of float, shape (n_classes,)
        Of particles, in [0, 1].
    counts : array_like of int, shape (n_pickers, n_classes, 2)
        See `consensus.picker_classes`.
    picker_names : sequence of str, length n_pickers
    good_share : float
        Share from which a class is one of particles.
    is_filtered : bool
        Whether the images were filtered or denoised, so that the shares mean little.

    Raises
    ------
    ValueError
        If the arguments are not of the same classes and pickers.
    """
    images, part, picks = _checked(averages, share, counts, picker_names)
    n_picks = picks.sum(axis=(1, 2))
    order = np.argsort(-part, kind="stable")
    order = order[picks.sum(axis=(0, 2))[order] > 0]
    if not len(order):
        figure = new_figure((8, 3), TITLE)
        say(figure, NOTHING)
        return figure
    is_good = part >= good_share
    bars = picks / np.maximum(n_picks, 1)[:, None, None]
    sheet = _Sheet(len(order), picker_names, _verdicts(picks, is_good))
    figure = new_figure(sheet.size, is_laid_out=False)
    _draw_header(figure, sheet, is_good[order], is_filtered)
    tallest = float(bars.sum(axis=2).max())
    for bank, first in enumerate(range(0, len(order), MOST_COLUMNS)):
        some = order[first : first + MOST_COLUMNS]
        axes = sheet.averages(figure, bank, len(some))
        _draw_averages(axes, images, some, part, is_good)
        sheet.write_headings(axes, bank == 0)
        for row in range(len(picker_names)):
            axes = sheet.row(figure, bank, row, len(some))
            _draw_bars(axes, bars[row, some], is_good[some], picker_color(row), tallest)
            axes.set_zorder(-row)  # the ground of a row does not cover the line above it
            sheet.write_name(axes, row)
            if bank == 0:
                sheet.write_verdict(axes, row)
    return figure


def _checked(
    averages: ArrayLike, share: ArrayLike, counts: ArrayLike, picker_names: Sequence[str]
) -> Tuple[NDArray[np.float32], Floats, Labels]:
    images, part = np.asarray(averages, np.float32), np.asarray(share, np.float64)
    picks = np.asarray(counts, np.int64)
    if picks.shape != (len(picker_names), len(part), 2) or len(images) != len(part):
        raise ValueError(
            f"counts must have shape ({len(picker_names)}, {len(part)}, 2), and averages "
            f"{len(part)} images, one for each class, got {picks.shape} and {len(images)}"
        )
    return images, part, picks


def _verdicts(picks: Labels, is_good: NDArray[np.bool_]) -> List[str]:
    """For each picker the shares of both kinds of picks that lie in classes of particles."""
    kinds = ("alone", "shared")
    return [
        "\n".join(f"{kind}: {part:.0%} of {m:,}" for kind, m, part in zip(kinds, n, shares) if m)
        or "no picks"
        for n, shares in zip(*shares_in_good_classes(picks, is_good))
    ]


class _Sheet:
    """Where everything is, in inches from the top left."""

    def __init__(self, n_classes: int, names: Sequence[str], verdicts: Sequence[str]) -> None:
        self._names = [short_name(name, NAME_LETTERS) for name in names]
        self._verdicts = verdicts
        names_width = BOLD * text_width([*self._names, "particles"])
        self._left = EDGE + names_width * POINTS / 72 + TEXT_GAP
        self._n_columns = min(n_classes, MOST_COLUMNS)
        self._bank = TILE + LABELS + len(names) * ROW
        n_banks = -(-n_classes // MOST_COLUMNS)
        lines = [line for text in verdicts for line in text.split("\n")]
        right = TEXT_GAP + max(text_width(lines), BOLD * text_width(HEADING)) * POINTS / 72 + EDGE
        width = self._left + self._n_columns * (TILE + GAP) + right
        height = HEADER + n_banks * (self._bank + BANK_GAP) - BANK_GAP + EDGE
        self.size = (max(width, 9.0), height)

    def _axes(self, figure: Figure, top: float, n_columns: int, height: float) -> Axes:
        width, full = self.size
        span = n_columns * (TILE + GAP)
        place = (self._left / width, 1 - (top + height) / full, span / width, height / full)
        axes = figure.add_axes(place)
        axes.set_xlim(0, n_columns)
        return axes

    def averages(self, figure: Figure, bank: int, n_columns: int) -> Axes:
        """Axes of the averages, in px of the figure from the top."""
        top = HEADER + bank * (self._bank + BANK_GAP)
        axes = self._axes(figure, top, n_columns, TILE + LABELS)
        axes.set(xlim=(0, n_columns * (TILE + GAP) * DPI), ylim=((TILE + LABELS) * DPI, 0))
        axes.axis("off")
        return axes

    def row(self, figure: Figure, bank: int, row: int, n_columns: int) -> Axes:
        """Axes of the bars of a picker; a column is 1 wide."""
        top = HEADER + bank * (self._bank + BANK_GAP) + TILE + LABELS + row * ROW
        return self._axes(figure, top, n_columns, ROW)

    def write_name(self, axes: Axes, row: int) -> None:
        """Write the name of a picker on the left of its bars."""
        self._write(axes, -TEXT_GAP, self._names[row], ha="right", weight="bold")

    def write_verdict(self, axes: Axes, row: int) -> None:
        """Write the shares of a picker on the right of its bars."""
        right = self._n_columns * (TILE + GAP) + TEXT_GAP
        self._write(axes, right, self._verdicts[row], ha="left")

    def write_headings(self, axes: Axes, is_first: bool) -> None:
        """Write what the labels of the averages are, and the shares on the right."""
        line = 1.2 * SMALL_POINTS / 72 / (TILE + LABELS)
        for text, row in (("class", 1.5), ("particles", 0.5)):
            self._write(axes, -TEXT_GAP, text, BELOW + row * line, ha="right")
        if is_first:
            right = self._n_columns * (TILE + GAP) + TEXT_GAP
            self._write(axes, right, "\n".join(HEADING), BELOW + line, ha="left", weight="bold")

    def _write(self, axes: Axes, x: float, text: str, y: float = 0.45, **style: Any) -> None:
        span = axes.get_position().width * self.size[0]
        axes.text(x / span, y, text, transform=axes.transAxes, va="center", fontsize=POINTS,
                  family=FONT, parse_math=False, **style)  # fmt: skip


def _draw_header(
    figure: Figure, sheet: _Sheet, is_good: NDArray[np.bool_], is_filtered: bool
) -> None:
    width, height = sheet.size
    n_good = int(is_good.sum())
    told = (
        f"{n_good} of {len(is_good)} classes hold particles, the others (orange) junk. Bars: share "
        "of the picker's picks that lies in the class."
    )
    if is_filtered:
        told = FILTERED
    for text, y, points, weight in (
        (TITLE, 0.12, TITLE_POINTS, "bold"),
        (told, 0.42, POINTS, "normal"),
    ):
        figure.text(EDGE / width, 1 - y / height, text, fontsize=points, weight=weight, va="top",
                    family=FONT, wrap=True)  # fmt: skip
    handles = [
        Patch(facecolor="0.5", edgecolor="0.3", label="found by others, too"),
        Patch(edgecolor="0.3", label="by this picker alone", **ALONE_STYLE),
    ]
    no_math(
        figure.legend(handles=handles, loc="upper left", frameon=False, ncol=2, fontsize=POINTS,
                      bbox_to_anchor=(EDGE / width, 1 - 0.6 / height), borderpad=0)
    )  # fmt: skip


def _draw_averages(
    axes: Axes,
    images: NDArray[np.float32],
    some: Labels,
    share: Floats,
    is_good: NDArray[np.bool_],
) -> None:
    """Averages with the number of the class and its share of particles."""
    side, step = round(TILE * DPI), (TILE + GAP) * DPI
    tiles = grey_tiles(images[some], side)
    height = axes.get_ylim()[0]
    for place, (number, tile) in enumerate(zip(some.tolist(), tiles)):
        left = place * step + (step - side) / 2
        good = bool(is_good[number])
        if not good:
            axes.axvspan(place * step, (place + 1) * step, color=JUNK_GROUND, zorder=0)
        show_mosaic(axes, tile, (round(left), 0))
        frame = {"color": GOOD_FRAME if good else JUNK_COLOR, "linewidth": 1 if good else 2.5}
        axes.plot(np.array([0, 1, 1, 0, 0]) * side + round(left),
                  np.array([0, 0, 1, 1, 0]) * side, **frame)  # fmt: skip
        text = f"{number}{'' if good else ' junk'}\n{share[number]:.0%}"
        axes.text((place + 0.5) * step, side + 0.03 * DPI, text, ha="center", va="top",
                  fontsize=SMALL_POINTS, family=FONT)  # fmt: skip
    axes.set(xlim=(0, len(some) * step), ylim=(height, 0))


def _draw_bars(
    axes: Axes, bars: Floats, is_good: NDArray[np.bool_], color: str, tallest: float
) -> None:
    """Share of a picker's picks in each class, of shared picks and of those it alone found."""
    places = np.arange(len(bars)) + 0.5
    alone, shared = bars.T
    for place in np.flatnonzero(~is_good):
        axes.axvspan(place, place + 1, color=JUNK_GROUND, zorder=0)
    edge = {"edgecolor": color, "linewidth": 1.0}
    axes.bar(places, shared, 0.6, facecolor=color, **edge)
    axes.bar(places, alone, 0.6, bottom=shared, **edge, **ALONE_STYLE)
    for place, total in zip(places, bars.sum(axis=1)):
        if total >= LEAST_SHOWN:
            axes.annotate(f"{total:.0%}", (place, total), (0, 1.5), ha="center", va="bottom",
                          textcoords="offset points", fontsize=SMALL_POINTS,
                          family=FONT)  # fmt: skip
    axes.set_ylim(0, 1.5 * tallest)
    axes.set_facecolor("none")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
