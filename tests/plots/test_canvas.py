"""What all figures share."""

import pytest

from repic_plugin.plots.canvas import (
    LEGEND_POINTS,
    legend_above,
    legend_columns,
    name_rows,
    panels,
    say_nothing_to_draw,
    short_name,
    text_width,
    whole_numbers,
)


@pytest.mark.parametrize("most", [6, 16, 24, 34, 36])
def test_a_long_name_keeps_its_beginning_and_its_end(most):
    name = "a_picker_with_a_name_of_many_letters_run_12"
    short = short_name(name, most)
    assert len(short) == most
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert short_name(name[:most], most) == name[:most]


@pytest.mark.parametrize("letter", ["i", "W"])
def test_as_many_entries_stand_beside_each_other_as_fit(letter):
    labels = [letter * 8] * 7
    n = legend_columns(labels, 6.0)
    one = text_width(labels) * LEGEND_POINTS / 72
    assert n * one < 6.0
    assert (n + 1) * (one + 1.0) > 6.0 or n == len(labels)
    assert legend_columns(labels, 0.1) == 1


def test_a_legend_above_stays_beside_its_axes():
    figure, (left, right) = panels(1, 2, (10, 4))
    for place in range(6):
        left.plot([0, 1], [0, place], label=f"the curve with number {place}")
    legend_above(left)
    figure.canvas.draw()
    legend = left.get_legend().get_window_extent()
    assert legend.x1 < right.get_window_extent().x0
    assert legend.y0 >= left.get_window_extent().y1


def test_names_and_titles_are_no_formulas():
    figure, (axes,) = panels(1, 1, (4, 3), "$a$")
    name_rows(axes, ["$x", "y$"])
    axes.plot([0, 1], label="$z$")
    legend_above(axes)
    texts = [figure._suptitle, *axes.get_yticklabels(), *axes.get_legend().get_texts()]
    assert not any(text.get_parse_math() for text in texts)
    assert axes.get_ylim() == (1.6, -0.6)


def test_counts_have_whole_ticks_with_commas():
    _, (axes,) = panels(1, 1, (4, 3))
    axes.set_ylim(0, 2)
    whole_numbers(axes.yaxis)
    assert axes.get_yticks().tolist() == [0, 1, 2]
    axes.set_ylim(0, 40_000)
    assert "20,000" in [label.get_text() for label in axes.get_yticklabels()]


def test_an_empty_figure_says_so_once():
    figure, axes = panels(1, 2, (6, 3))
    say_nothing_to_draw(axes)
    assert [text.get_text() for text in figure.texts] == ["no particles"]
    assert not any(one.axison for one in axes)
