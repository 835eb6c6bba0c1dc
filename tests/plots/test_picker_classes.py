"""Pickers by 2D class: what is drawn of whom, and where."""

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from repic_plugin.plots import picker_classes_figure
from repic_plugin.plots.colors import JUNK_COLOR, picker_color
from repic_plugin.plots.picker_classes import FILTERED, MOST_COLUMNS, NOTHING

NAMES = ("template", "a$^{$b")
SHARE = np.array([0.2, 0.95, 0.6, 1.0])
# by picker and class, those that it alone found and those that others found, too
COUNTS = np.array([[[30, 0], [0, 50], [10, 10], [0, 0]], [[0, 5], [5, 15], [20, 5], [0, 0]]])


def averages(k, side=16):
    return np.random.default_rng(0).normal(size=(k, side, side)).astype(np.float32)


def drawn(**values):
    given = {"averages": averages(4), "share": SHARE, "counts": COUNTS, "picker_names": NAMES}
    figure = picker_classes_figure(**{**given, **values})
    figure.canvas.draw()  # a name that is no formula would fail here
    return figure


def texts(figure):
    return [one.get_text() for one in figure.findobj(Text) if one.get_text()]


def bars(axes):
    """Place, height and face of each bar, without the ground of junk."""
    found = [one for one in axes.patches if isinstance(one, Rectangle) and one.get_width() < 1]
    return [(one.get_x() + one.get_width() / 2, one.get_height(), one) for one in found]


def rows(figure):
    """Axes of the bars, by picker."""
    return [one for one in figure.axes if bars(one)]


def test_classes_are_sorted_by_their_share_and_empty_ones_left_out():
    labels = [text for text in texts(drawn()) if "\n" in text and text.endswith("%")]
    assert labels == ["1\n95%", "2\n60%", "0 junk\n20%"]


def test_a_bar_is_the_share_of_the_picks_of_its_picker():
    for row, axes in enumerate(rows(drawn())):
        total = COUNTS[row].sum()
        height = {}
        for place, value, bar in bars(axes):
            is_shared = same_color(bar.get_facecolor(), picker_color(row))
            assert is_shared != bool(bar.get_hatch())
            height[place, is_shared] = value
        for place, number in zip((0.5, 1.5, 2.5), (1, 2, 0)):
            alone, shared = COUNTS[row, number]
            assert height[place, True] == pytest.approx(shared / total)
            assert height[place, False] == pytest.approx(alone / total)


def test_bars_of_all_pickers_are_to_one_scale():
    limits = {axes.get_ylim() for axes in rows(drawn())}
    assert len(limits) == 1
    assert next(iter(limits))[1] > 0.5  # the tallest is half of the first picker's picks


def test_junk_is_on_another_ground_and_has_another_frame():
    figure = drawn()
    for axes in rows(figure):
        known = [bar for *_, bar in bars(axes)]
        (ground,) = (one for one in axes.patches if one not in known)
        ends = axes.transData.inverted().transform(ground.get_window_extent().get_points())
        assert ends[:, 0] == pytest.approx([2, 3])
    frames = [line.get_color() for axes in figure.axes for line in axes.lines]
    assert [same_color(one, JUNK_COLOR) for one in frames] == [False, False, True]
    assert "2 of 3 classes hold particles" in " ".join(texts(figure))
    assert "1 of 3 classes hold particles" in " ".join(texts(drawn(good_share=0.7)))
    assert FILTERED in texts(drawn(is_filtered=True))


def test_what_lies_in_classes_of_particles_is_said_for_each_picker():
    found = texts(drawn())
    assert "alone: 25% of 40\nshared: 100% of 60" in found
    assert "alone: 100% of 25\nshared: 80% of 25" in found
    assert [text for text in found if text in NAMES] == list(NAMES)


def test_many_classes_are_continued_below():
    k = MOST_COLUMNS + 3
    counts = np.ones((2, k, 2), int)
    figure = drawn(averages=averages(k), share=np.linspace(1, 0, k), counts=counts)
    assert len(rows(figure)) == 4
    assert [len(bars(axes)) for axes in rows(figure)] == [2 * MOST_COLUMNS] * 2 + [6] * 2
    assert len([text for text in texts(figure) if text == NAMES[0]]) == 2
    assert len([text for text in texts(figure) if text.startswith("alone: ")]) == 2


@pytest.mark.parametrize("names", [NAMES, ("a name that is much longer than others " * 2, "b")])
@pytest.mark.parametrize("k", [1, 4, 40])
def test_no_text_lies_outside(names, k):
    counts = np.full((2, k, 2), 12345)
    figure = drawn(
        averages=averages(k), share=np.linspace(1, 0, k), counts=counts, picker_names=names
    )
    renderer = figure.canvas.get_renderer()
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.x1 <= figure.bbox.width, text
            assert box.y1 <= figure.bbox.height, text


def test_without_an_image_there_is_nothing_to_draw():
    assert NOTHING in texts(drawn(counts=np.zeros((2, 4, 2), int)))


@pytest.mark.parametrize(
    "values", [{"averages": averages(3)}, {"counts": COUNTS[:, :3]}, {"picker_names": ("a",)}]
)
def test_what_does_not_belong_together_is_refused(values):
    with pytest.raises(ValueError, match="one for each class"):
        drawn(**values)
