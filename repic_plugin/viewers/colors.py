"""One colour for each picker, the same in every figure."""

from __future__ import annotations

from typing import Dict, Sequence

__all__ = ["CONSENSUS_COLOR", "PICKER_COLORS", "REFERENCE_COLOR", "picker_color", "picker_colors"]

# Okabe and Ito 2008, "Color Universal Design": told apart with any kind of colour vision.
SKY_BLUE = "#56B4E9"
BLUISH_GREEN = "#009E73"
REDDISH_PURPLE = "#CC79A7"
BLUE = "#0072B2"
ORANGE = "#E69F00"
YELLOW = "#F0E442"
VERMILLION = "#D55E00"

# The two most striking on grey are kept for what a figure is about; orange, their neighbour, comes
# last of those that are left.
CONSENSUS_COLOR = VERMILLION
REFERENCE_COLOR = YELLOW
PICKER_COLORS = (SKY_BLUE, BLUISH_GREEN, REDDISH_PURPLE, BLUE, ORANGE)


def picker_color(index: int) -> str:
    """Colour of the picker at `index` among the pickers of a data set; a sixth starts again."""
    return PICKER_COLORS[index % len(PICKER_COLORS)]


def picker_colors(names: Sequence[str]) -> Dict[str, str]:
    """Colour of each picker by name, in the order of `Picks.picker_names`."""
    return {name: picker_color(i) for i, name in enumerate(names)}
