"""Agreement between pickers: the data that is drawn."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from repic_plugin.consensus import SmallerGroups
from repic_plugin.plots import agreement_figure, overlap_figure, subset_at
from repic_plugin.plots.agreement import MAX_SUBSETS
from repic_plugin.plots.colors import picker_color
from repic_plugin.plots.weights import member_colors

NAMES = ["crYOLO", "Topaz", "DeepPicker"]


def members_of(counts, n_pickers=3):
    """Rows for {pickers: count}."""
    rows = [
        [i in pickers for i in range(n_pickers)]
        for pickers, count in counts.items()
        for _ in range(count)
    ]
    return np.array(rows, dtype=bool).reshape(-1, n_pickers)


COUNTS = {(0, 1): 4, (0, 1, 2): 9, (1, 2): 6}


def panels(figure):
    """Dots, bars, corner of the legend, sizes at the left."""
    dots, bars, sides, corner = figure.axes
    return dots, bars, sides, corner


def columns(figure):
    """(pickers, count, is hatched, colour) of each column, from the left."""
    dots, bars, _, _ = panels(figure)
    lines = [line for line in dots.lines if line.get_gid() == "subset"]
    found = []
    for bar, line in itertools.zip_longest(bars.patches, lines):
        middle = bar.get_x() + bar.get_width() / 2
        if line is not None:
            assert set(line.get_xdata()) == {round(middle, 6)}
        pickers = None if line is None else tuple(line.get_ydata().tolist())
        look = bool(bar.get_hatch()), to_hex(bar.get_facecolor())
        found.append((pickers, bar.get_height(), *look))
    return found


def numbers_over(figure):
    return [text.get_text() for text in panels(figure)[1].texts]


def test_subsets_are_counted_and_sorted():
    figure = agreement_figure(members_of(COUNTS), NAMES)
    colors = member_colors(3)
    assert columns(figure) == [
        ((0, 1, 2), 9, False, colors[3]),
        ((1, 2), 6, False, colors[2]),
        ((0, 1), 4, False, colors[2]),
    ]
    assert numbers_over(figure) == ["9", "6", "4"]


def test_rows_of_picks_do_as_well_as_booleans():
    found = members_of(COUNTS)
    rows = np.where(found, np.arange(found.size).reshape(found.shape), -1)  # row 0 is a pick
    assert columns(agreement_figure(rows, NAMES)) == columns(agreement_figure(found, NAMES))


def test_a_line_joins_the_dots_of_a_column_and_all_have_a_pale_one():
    dots, _, _, _ = panels(agreement_figure(members_of({(0, 2): 3}), NAMES))
    (line,) = (line for line in dots.lines if line.get_gid() == "subset")
    assert line.get_ydata().tolist() == [0, 2]
    (pale,) = dots.collections
    assert pale.get_offsets()[:, 1].tolist() == [0, 1, 2]
    assert [label.get_text() for label in dots.get_yticklabels()] == NAMES
    bottom, top = dots.get_ylim()
    assert top < bottom  # the first picker on top


def test_picks_in_no_particle_stand_apart():
    figure = agreement_figure(members_of(COUNTS), NAMES, [5, 0, 700])
    found = columns(figure)
    assert [one[:3] for one in found] == [
        ((2,), 700, True),
        ((0, 1, 2), 9, False),
        ((1, 2), 6, False),
        ((0,), 5, True),
        ((0, 1), 4, False),
    ]
    legend = [text.get_text() for text in panels(figure)[3].get_legend().get_texts()]
    assert legend == ["2 pickers", "3 pickers", "picks not in\nthe consensus"]
    figure = agreement_figure(members_of(COUNTS), NAMES)
    legend = [text.get_text() for text in panels(figure)[3].get_legend().get_texts()]
    assert legend == ["2 pickers", "3 pickers"]


def smaller_of(counts, n_pickers=3):
    found = np.array([[i in one for i in range(n_pickers)] for one in counts], dtype=bool)
    return SmallerGroups(found, np.array([*counts.values()]))


def test_in_mode_all_pairs_stand_apart_from_single_picks():
    members, smaller = members_of({(0, 1, 2): 9}), smaller_of({(0, 1): 7, (1, 2): 2})
    left = [10, 11, 4]
    figure = agreement_figure(members, NAMES, left, smaller=smaller)
    told = [(pickers, count, hatched) for pickers, count, hatched, _ in columns(figure)]
    assert told == [
        ((0, 1, 2), 9, False),
        ((0, 1), 7, True),
        ((0,), 3, True),
        ((1,), 2, True),
        ((1, 2), 2, True),
        ((2,), 2, True),
    ]
    texts = [text.get_text() for text in panels(figure)[3].get_legend().get_texts()]
    assert texts == [
        "3 pickers",
        "2 pickers, not in\nthe consensus",
        "1 picker, not in\nthe consensus",
    ]
    column = subset_at(panels(figure)[1], 1.0, members, 3, left, smaller)
    assert (column.pickers, column.count, column.in_consensus) == ((0, 1), 7, False)


def test_a_particle_of_one_picker_is_no_pick_in_none():
    found = columns(agreement_figure(members_of({(1,): 3}), NAMES, [0, 2, 0]))
    assert [one[:3] for one in found] == [((1,), 3, False), ((1,), 2, True)]


def test_all_picks_of_a_picker_are_counted_at_the_left():
    _, _, sides, _ = panels(agreement_figure(members_of(COUNTS), NAMES, [7, 1, 700]))
    widths = {}
    for bar in sides.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        widths.setdefault(row, []).append((bar.get_x(), bar.get_width()))
        assert to_rgb(bar.get_facecolor()) == to_rgb(picker_color(row))
    assert widths == {0: [(0, 13), (13, 7)], 1: [(0, 19), (19, 1)], 2: [(0, 15), (15, 700)]}
    texts = [text.get_text().strip() for text in sides.texts]
    assert texts == ["20 (65% in)", "20 (95% in)", "715 (2% in)"]
    left, right = sides.get_xlim()
    assert right == 0
    assert left > 715
    assert [round(y) for y in sides.get_ylim()] == [round(y) for y in (2.6, -0.6)]


def test_of_many_subsets_the_largest_are_shown_and_the_rest_is_summed():
    every = [s for size in (2, 3) for s in itertools.combinations(range(6), size)]
    counts = {subset: 100 - place for place, subset in enumerate(every)}
    figure = agreement_figure(members_of(counts, 6), list("abcdef"))
    found = columns(figure)
    assert len(found) == MAX_SUBSETS + 1
    assert [one[0] for one in found[:-1]] == every[:MAX_SUBSETS]
    assert found[-1][:2] == (None, sum([*counts.values()][MAX_SUBSETS:]))
    dots = panels(figure)[0]
    assert [text.get_text() for text in dots.texts] == [f"{len(every) - MAX_SUBSETS}\nothers"]


def test_texts_neither_overlap_nor_leave_the_figure():
    names = [f"a run with a really very long label ({i})" for i in range(6)]
    rng = np.random.default_rng(0)
    found = rng.random((40_000, 6)) < 0.6
    figure = agreement_figure(found, names, rng.integers(10**5, 10**6, 6), title="$long")
    figure.canvas.draw()
    dots, bars, sides, _ = panels(figure)
    labels = [label.get_text() for label in dots.get_yticklabels()]
    assert len(set(labels)) == 6  # cut in the middle: their ends tell them apart
    rows = [label.get_window_extent() for label in dots.get_yticklabels()]
    above = [text.get_window_extent() for text in bars.texts]
    beside = [text.get_window_extent() for text in sides.texts]
    for boxes in (rows, above, beside):
        for one, other in itertools.combinations(boxes, 2):
            assert not one.overlaps(other)
    for box in (*rows, *above, *beside):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert all(text.x1 <= label.x0 for text in beside for label in rows)


@pytest.mark.parametrize("members", [[], np.zeros((0, 3), dtype=np.int64)])
def test_without_particles_it_says_so(members):
    figure = agreement_figure(members, NAMES, [0, 0, 0])
    assert "no particles" in [text.get_text() for text in figure.findobj(Text)]
    assert not any(axes.patches for axes in figure.axes)


def test_picks_without_a_particle_are_drawn():
    assert [one[:3] for one in columns(agreement_figure([], NAMES, [0, 3, 0]))] == [((1,), 3, True)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[True, False]], NAMES), r"members must be .* shape \(n, 3\), .* got shape \(1, 2\)"),
        (([[0.5, 1, 1]], NAMES), "members must be booleans or whole numbers .* dtype float64"),
        (([], []), "picker_names must be 1 to 62 names, got 0"),
        (([], NAMES, [1, 2]), r"n_unmatched must be 3 counts, .* got \[1, 2\]"),
        (([], NAMES, [1, -2, 0]), "n_unmatched must be 3 counts"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        agreement_figure(*arguments)


# Overlaps


def test_overlaps_are_drawn_for_each_number_of_members():
    rng = np.random.default_rng(0)
    overlap, members = rng.uniform(0.3, 1, 500), rng.integers(2, 4, 500)
    (axes,) = overlap_figure(overlap, members).axes
    colors = member_colors(3)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    for k, steps, text in zip((2, 3), axes.patches, texts):
        mine = overlap[members == k]
        values, edges, _ = steps.get_data()
        assert values.sum() == pytest.approx(100)
        counts = np.histogram(mine, edges)[0]
        np.testing.assert_allclose(values, 100 * counts / len(mine))
        assert to_hex(steps.get_edgecolor()) == colors[k]
        assert text == f"{k} pickers: {len(mine)} particles, median {np.median(mine):.2f}"
    medians = [line.get_xdata()[0] for line in axes.lines]
    np.testing.assert_allclose(medians, [np.median(overlap[members == k]) for k in (2, 3)])


def test_overlaps_without_members_are_one_line():
    (axes,) = overlap_figure([0.5, 1.0, 0.0]).axes
    assert len(axes.patches) == 1
    assert axes.patches[0].get_data()[0].sum() == pytest.approx(100)  # 0 and 1 are inside
    (text,) = axes.get_legend().get_texts()
    assert text.get_text() == "3 particles, median 0.50"


def test_no_overlap_says_so():
    figure = overlap_figure([], [])
    assert "no particles" in [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize(
    ("overlap", "members", "message"),
    [
        ([0.5, 1.2], None, r"overlap must lie in \[0, 1\], got 0.5 to 1.2"),
        ([np.nan], None, "overlap must be finite, got 1 NaN"),
        ([0.5], [2, 2], "n_members must be numbers, one for each of 1 particles"),
    ],
)
def test_bad_overlaps(overlap, members, message):
    with pytest.raises(ValueError, match=message):
        overlap_figure(overlap, members)
