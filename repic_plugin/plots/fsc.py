"""Fourier shell correlations of maps in one figure."""

from __future__ import annotations

import textwrap
from typing import Any, Mapping, Optional, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from repic_plugin.evaluation import ShellCorrelation, resolution_text
from repic_plugin.plots.canvas import LEGEND_POINTS, TITLE_POINTS, legend_name, no_math, panels
from repic_plugin.plots.colors import PICKER_COLORS, picker_colors

WIDTH, PLOT_HEIGHT, ROW_HEIGHT = 8.0, 4.4, 0.26  # inches
GREY = "#4D4D4D"
LEGEND_WIDTH = 72  # letters in a line of the legend
DASHES: Sequence[Any] = ("-", (0.0, (5.0, 1.6)), (0.0, (1.2, 1.2)))


def fsc_figure(
    curves: Mapping[str, ShellCorrelation],
    *,
    thresholds: Sequence[float] = (0.143, 0.5),
    title: Optional[str] = None,
) -> Figure:
    """Draw a curve for each map, the thresholds, and the resolutions in the legend.

    Parameters
    ----------
    curves : mapping of str to ShellCorrelation
        By the names of the maps, coloured in order as pickers.
    thresholds : sequence of float
        Each between 0 and 1; the legend gives the resolution at each.
    title : str, optional

    Returns
    -------
    Figure
        Tick labels give the frequency and the resolution in Å.

    Raises
    ------
    ValueError
        If there is no curve, or a threshold is invalid.
    """
    if not curves:
        raise ValueError("curves must hold one or more maps, got none; compare a map first")
    labels = {name: _label(name, curve, thresholds) for name, curve in curves.items()}
    n_rows = sum(1 + label.count("\n") for label in labels.values())
    figure, (axes,) = panels(1, 1, (WIDTH, PLOT_HEIGHT + ROW_HEIGHT * n_rows))
    if title:
        axes.set_title(title, fontsize=TITLE_POINTS, weight="bold", loc="left", parse_math=False)
    colors = picker_colors(list(curves))
    for i, (name, curve) in enumerate(curves.items()):
        # the first shell is the mean alone
        axes.plot(
            curve.frequency[1:],
            curve.correlation[1:],
            label=legend_name(labels[name]),
            color=colors[name],
            linestyle=DASHES[i // len(PICKER_COLORS) % len(DASHES)],
            linewidth=2.0,
        )
    _draw_thresholds(axes, thresholds)
    _set_scales(axes, list(curves.values()))
    no_math(figure.legend(loc="outside lower left", frameon=False, fontsize=LEGEND_POINTS))
    return figure


def _label(name: str, curve: ShellCorrelation, thresholds: Sequence[float]) -> str:
    found = ", ".join(f"{resolution_text(curve, one, unit=' Å')} at {one:g}" for one in thresholds)
    text = f"{name}: {found}" if found else name
    return textwrap.fill(text, LEGEND_WIDTH, subsequent_indent="    ")


def _draw_thresholds(axes: Axes, thresholds: Sequence[float]) -> None:
    for threshold in thresholds:
        axes.axhline(threshold, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{threshold:g}",
            (1.0, threshold),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=LEGEND_POINTS,
            color=GREY,
        )


def _set_scales(axes: Axes, curves: Sequence[ShellCorrelation]) -> None:
    lowest = min(float(curve.correlation[1:].min(initial=0.0)) for curve in curves)
    axes.set_ylim(max(-1.02, lowest - 0.05), 1.02)
    axes.set_xlim(0, max(float(curve.frequency[-1]) for curve in curves))
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick_text))
    axes.set_xlabel("spatial frequency (1/Å) and resolution")
    axes.set_ylabel("Fourier shell correlation")


def _tick_text(frequency: float, _position: Optional[int] = None) -> str:
    if frequency <= 0:
        return "0"
    return f"{frequency:.4g}\n{1 / frequency:.3g} Å"
