"""The palette."""

from matplotlib.colors import to_rgb

from repic_plugin.plots.colors import (
    CONSENSUS_COLOR,
    PICKER_COLORS,
    REFERENCE_COLOR,
    picker_color,
    picker_colors,
)


def test_all_colours_are_valid_and_differ():
    colors = [*PICKER_COLORS, CONSENSUS_COLOR, REFERENCE_COLOR]
    assert len({to_rgb(color) for color in colors}) == len(colors) == 7


def test_pickers_are_coloured_by_their_order():
    assert picker_colors(["b", "a"]) == {"b": PICKER_COLORS[0], "a": PICKER_COLORS[1]}
    assert picker_color(len(PICKER_COLORS)) == PICKER_COLORS[0]
