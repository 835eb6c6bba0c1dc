"""What the mosaic of class averages shows, read from its array and its texts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from repic_plugin.plots.class_montage import montage_figure
from repic_plugin.plots.colors import JUNK_COLOR

BOX = 32


def spots(n_classes, box=BOX):
    """Averages with one bright spot each, and the row and column of the spots."""
    rng = np.random.default_rng(0)
    places = rng.integers(box // 4, box - box // 4, size=(n_classes, 2))
    rows = np.arange(box)
    reach = (
        np.add.outer((rows - places[:, :1]) ** 2, np.zeros(box))
        + (rows - places[:, 1:])[:, None, :] ** 2
    )
    scales = 10.0 ** rng.integers(-4, 5, size=n_classes)
    bright = np.exp(-reach / (2 * (box / 20) ** 2)) + 3
    return bright * scales[:, None, None], places


def texts(figure):
    return [text for text in figure.axes[0].texts if text.get_ha() == "center"]


def labels(figure):
    return [text.get_text() for text in texts(figure)]


def header(figure):
    return [t.get_text() for t in figure.axes[0].texts if t.get_va() == "top"]


def mosaic(figure):
    """Array of the picture, and x and y of its corner in the figure."""
    (image,) = figure.axes[0].images
    left, right, bottom, top = image.get_extent()
    array = np.asarray(image.get_array())
    assert (right - left, bottom - top) == (array.shape[1], array.shape[0])
    return array, int(left), int(top)


def cell(figure, place):
    """Average and frame of the cell over a label: the tile's pixels and the frame's colour."""
    array, left, top = mosaic(figure)
    x, y = np.round(texts(figure)[place].get_position()).astype(int) - (left, top)
    frame = array[y, x]
    framed = (array[:, x - 2 : x + 3] == frame).all(axis=(1, 2))
    bottom = int(np.flatnonzero(~framed[:y])[-1]) + 1
    start = int(np.flatnonzero(framed[: bottom - 1])[-1]) + 1
    half = (bottom - start) / 2
    tile = array[start:bottom, round(x - half) : round(x + half)]
    assert (array[start - 1, round(x - half) : round(x + half)] == frame).all()
    return tile[..., 0], to_hex(frame / 255)


def brightest(tile):
    """Row and column, from 0 to 1, of the middle of the brightest pixels."""
    return (np.argwhere(tile == tile.max()).mean(axis=0) + 0.5) / tile.shape


@pytest.mark.parametrize(
    ("n_classes", "box"), [(1, 32), (2, 33), (7, 32), (25, 64), (100, 32), (7, 500)]
)
def test_each_average_stands_over_its_own_label(n_classes, box):
    averages, places = spots(n_classes, box)
    sizes = np.random.default_rng(1).integers(1, 50, n_classes)
    figure = montage_figure(averages, sizes)
    shown = [int(label.split(":")[0]) for label in labels(figure)]
    assert sorted(shown) == list(range(n_classes))
    for place, k in enumerate(shown):
        tile, _ = cell(figure, place)
        assert tile.shape[0] == tile.shape[1]
        expected = (places[k] + 0.5) / box
        np.testing.assert_allclose(brightest(tile), expected, atol=1.5 / min(tile.shape[0], box))


def test_largest_first_and_equal_ones_by_number():
    averages, _ = spots(5)
    sizes = [3, 1200, 3, 0, 40]
    expected = ["1: 1,200", "4: 40", "0: 3", "2: 3", "3: 0"]
    assert labels(montage_figure(averages, sizes)) == expected
    by_class = labels(montage_figure(averages, sizes, order="class"))
    assert by_class == sorted(expected)
    from_one = labels(montage_figure(averages, sizes, first_number=1))
    assert from_one == ["2: 1,200", "5: 40", "1: 3", "3: 3", "4: 0"]


def test_cells_follow_each_other_by_rows():
    figure = montage_figure(spots(25)[0], np.arange(25))
    x, y = np.array([text.get_position() for text in texts(figure)]).T
    order = np.lexsort((x, y))
    assert order.tolist() == list(range(25))


def test_each_average_has_a_contrast_of_its_own():
    figure = montage_figure(spots(9)[0], np.full(9, 5))
    for place in range(9):
        tile, _ = cell(figure, place)
        assert (tile.min(), tile.max()) == (0, 255)


def test_corners_and_hot_pixels_have_no_say_in_the_contrast():
    averages = np.random.default_rng(0).normal(size=(2, 64, 64))
    averages[1] = averages[0]
    averages[1, :5, :5] = 1e6
    averages[1, 30, 40] = -1e6
    figure = montage_figure(averages, [2, 1])
    plain, hot = (cell(figure, place)[0].astype(int) for place in (0, 1))
    scale = len(plain) / 64
    below = slice(round(45 * scale), None)
    np.testing.assert_allclose(hot[below], plain[below], atol=8)
    assert plain[below].std() > 30


def test_an_empty_class_is_a_striped_tile_whatever_its_average():
    averages, _ = spots(3)
    averages[2] = np.nan
    averages[1] = 7
    figure = montage_figure(averages, [4, 0, 0])
    assert labels(figure)[1:] == ["1: 0", "2: 0"]
    first, second = (cell(figure, place)[0] for place in (1, 2))
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == 2
    assert first.min() > 200
    assert "2 empty (striped)" in header(figure)[-1]


@pytest.mark.parametrize("value", [0.0, 3.7, -1e8, 1e-30])
def test_a_constant_average_is_plain_grey(value):
    averages, _ = spots(2)
    averages[0] = value
    tile, _ = cell(montage_figure(averages, [9, 1]), 0)
    assert np.unique(tile).tolist() == [128]


def test_one_bright_pixel_is_shown():
    averages = np.zeros((1, 200, 200))
    averages[0, 60, 150] = 1
    tile, _ = cell(montage_figure(averages, [9]), 0)
    np.testing.assert_allclose(brightest(tile), (60.5 / 200, 150.5 / 200), atol=0.005)
    assert (tile > 0).mean() < 1e-3


def test_where_many_pixels_become_one_they_are_averaged():
    averages = np.indices((1, 2000, 2000)).sum(axis=0) % 2 * 2.0
    averages[0, 900:1100, 900:1100] += 8
    tile, _ = cell(montage_figure(averages, [9]), 0)
    corner = tile[: len(tile) // 4].astype(float)
    assert corner.std() < 3  # 28 if every third pixel were taken


def test_titles_are_not_taken_for_formulas():
    figure = montage_figure(spots(2)[0], [1, 2], title="$5 and $6")
    assert header(figure)[0] == "$5 and $6"
    assert not any(text.get_parse_math() for text in figure.axes[0].texts)


def test_junk_is_marked_by_colour_and_word():
    flagged = np.array([False, True, False, True])
    figure = montage_figure(spots(4)[0], [1, 2, 3, 4], flagged=flagged)
    assert labels(figure) == ["3: 4 junk", "2: 3", "1: 2 junk", "0: 1"]
    frames = [cell(figure, place)[1] for place in range(4)]
    assert frames[0] == frames[2] == JUNK_COLOR.lower()
    assert frames[1] == frames[3] != frames[0]
    assert "2 flagged as junk (orange, “junk”)" in header(figure)[-1]
    colors = [text.get_color() for text in texts(figure)]
    assert colors == ["black", "white", "black", "white"]


def test_sorted_by_score():
    scores, sizes = [0.25, 0.9, 0.0, 0.5], [9, 2, 3, 4]
    figure = montage_figure(spots(4)[0], sizes, scores=scores, flagged=np.arange(4) % 2 == 0)
    expected = ["1: 2 (0.90)", "3: 4 (0.50)", "0: 9 (0.25) junk", "2: 3 (0.00) junk"]
    assert labels(figure) == expected
    assert "sorted by score" in " ".join(header(figure))
    with pytest.raises(ValueError, match="scores must be 4 finite numbers"):
        montage_figure(spots(4)[0], sizes, scores=[1.0, np.nan, 0.0, 0.0])


def test_on_small_tiles_junk_is_a_cross():
    flagged = np.arange(400) == 7
    figure = montage_figure(spots(400)[0], np.full(400, 123456), flagged=flagged)
    assert [label for label in labels(figure) if "×" in label] == ["7: 123,456 ×"]
    assert not any("junk" in label for label in labels(figure))
    assert "1 flagged as junk (orange, “×”)" in header(figure)[-1]


def test_nothing_is_said_of_what_there_is_not():
    (line,) = header(montage_figure(spots(2)[0], [3, 2000]))
    assert line == "2 classes, 2,003 particles"
    (line,) = header(montage_figure(spots(1)[0], [1]))
    assert line == "1 class, 1 particle"


def test_of_many_classes_the_largest_are_shown():
    sizes, flagged = [5, 0, 9, 7], [True, False, False, True]
    figure = montage_figure(spots(4)[0], sizes, flagged=flagged, max_classes=2)
    assert labels(figure) == ["2: 9", "3: 7 junk"]
    assert " ".join(header(figure)) == (
        "4 classes, the 2 largest shown, 21 particles, 1 empty (striped), 2 flagged as junk "
        "(orange, “junk”)"
    )
    figure = montage_figure(spots(4)[0], sizes, order="class", max_classes=3)
    assert labels(figure) == ["0: 5", "2: 9", "3: 7"]


def test_only_what_is_shown_is_read():
    class Stack:
        shape = (5000, BOX, BOX)
        read = 0

        def __getitem__(self, rows):
            assert set(rows) <= set(range(100, 200))
            self.read += len(rows)
            return np.zeros((len(rows), BOX, BOX), dtype=np.int16)

    stack = Stack()
    sizes = np.zeros(5000, dtype=int)
    sizes[100:200] = 6
    montage_figure(stack, sizes, max_classes=100)
    assert stack.read == 100


@pytest.mark.parametrize("pixel_size", [1e-4, 0.37, 0.999, 1.0, 2.5, 5.0, 31.25, 62.5, 1e5])
@pytest.mark.parametrize("n_classes", [1, 30])
def test_the_scale_bar_is_as_long_as_it_says(pixel_size, n_classes):
    figure = montage_figure(
        spots(n_classes)[0], np.full(n_classes, 3), pixel_size_angstrom=pixel_size
    )
    (bar,) = figure.axes[0].lines
    (text,) = (t.get_text() for t in figure.axes[0].texts if t.get_text().endswith(("Å", "nm")))
    value, unit = text.split()
    tile, _ = cell(figure, 0)
    length = np.ptp(bar.get_xdata())
    said = float(value) * {"Å": 1, "nm": 10}[unit]
    assert length / len(tile) * BOX * pixel_size == pytest.approx(said)
    assert 0.19 < length / len(tile) <= 0.5 + 1e-9
    assert (unit == "nm") == (said >= 1000)
    assert float(f"{said:e}"[0]) in (1, 2, 5)


@pytest.mark.parametrize("pixel_size", [None, 0, 0.0])
def test_without_a_pixel_size_there_is_no_bar(pixel_size):
    figure = montage_figure(spots(2)[0], [1, 2], pixel_size_angstrom=pixel_size)
    assert not figure.axes[0].lines
    assert not any("Å" in text.get_text() for text in figure.axes[0].texts)


@pytest.mark.parametrize("n_classes", [1, 2, 3, 5, 7, 13, 25, 50, 100, 1000])
def test_texts_fit(n_classes):
    sizes = np.random.default_rng(0).integers(0, 30000, n_classes)
    flagged = np.random.default_rng(1).random(n_classes) < 0.3
    figure = montage_figure(
        np.zeros((n_classes, 8, 8)),
        sizes,
        flagged=flagged,
        pixel_size_angstrom=3,
        title="a title of many words that says it all and more, in $math$ and in words",
    )
    axes = figure.axes[0]
    figure.canvas.get_renderer()
    array, left, top = mosaic(figure)
    height = figure.bbox.height
    assert len(axes.images) == len(figure.axes) == 1
    assert len(texts(figure)) == n_classes
    boxes = [text.get_window_extent() for text in axes.texts]
    for text, box in zip(axes.texts, boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0
        if text.get_va() == "top":
            assert height - box.y0 <= top
        elif text.get_ha() == "center":  # nothing but the frame's colour lies under it
            rows = slice(round(height - box.y1) - top, round(height - box.y0) - top)
            ground = array[rows, round(box.x0) - left : round(box.x1) - left]
            assert ground.size
            assert (ground == ground[0, 0]).all()
        else:
            assert height - box.y1 >= top + array.shape[0]
    lines = sorted((b.y0, b.y1) for t, b in zip(axes.texts, boxes) if t.get_va() == "top")
    assert all(below[1] <= above[0] + 1 for below, above in zip(lines, lines[1:]))


@pytest.mark.parametrize("n_classes", [2, 4, 7, 12, 25, 30, 50, 99, 100, 250, 1000])
def test_the_mosaic_is_about_square_or_3_to_2(n_classes):
    figure = montage_figure(np.zeros((n_classes, 4, 4)), np.ones(n_classes, dtype=int))
    array, _, _ = mosaic(figure)
    assert 0.8 < array.shape[1] / array.shape[0] < 2
    position = np.array([text.get_position() for text in texts(figure)])
    n_columns, n_rows = (len(np.unique(p)) for p in position.T)
    assert n_columns * n_rows - n_classes < max(2, 0.12 * n_classes)


@pytest.mark.parametrize("n_classes", [1, 7, 25, 100])
def test_the_saved_picture_has_the_pixels_of_the_mosaic(n_classes, tmp_path):
    averages, _ = spots(n_classes)
    sizes = np.arange(n_classes)
    figure = montage_figure(averages, sizes, title="sharp", pixel_size_angstrom=2)
    figure.savefig(tmp_path / "classes.png")
    saved = np.round(255 * imread(tmp_path / "classes.png")[..., :3]).astype(int)
    array, left, top = mosaic(figure)
    assert saved.shape[:2] == tuple(figure.bbox.size[::-1])
    shown = saved[top : top + array.shape[0], left : left + array.shape[1]]
    written = (shown != array).any(axis=2)
    for text in texts(figure):  # only labels differ
        box = text.get_window_extent()
        x = slice(round(box.x0) - 2 - left, round(box.x1) + 2 - left)
        y = slice(*np.round(figure.bbox.y1 - np.array([box.y1 + 2, box.y0 - 2])).astype(int) - top)
        assert written[y, x].any()
        written[y, x] = False
    assert not written.any()


def test_arguments_are_left_alone():
    averages, _ = spots(3)
    sizes, flagged = np.array([3, 0, 1]), np.array([False, True, False])
    before = averages.copy(), sizes.copy(), flagged.copy()
    montage_figure(averages, sizes, flagged=flagged)
    for now, then in zip((averages, sizes, flagged), before):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"averages": np.zeros((3, 8, 9))}, r"averages must have shape .* got \(3, 8, 9\)"),
        ({"averages": np.zeros((8, 8))}, r"averages must have shape .* got \(8, 8\)"),
        ({"averages": np.zeros((0, 8, 8)), "sizes": []}, r"averages .* got \(0, 8, 8\)"),
        ({"sizes": [1, 2]}, r"sizes must be 3 counts .* got shape \(2,\)"),
        ({"sizes": [1, 2, -1]}, r"sizes must be counts, 0 or more, got \[1, 2, -1\]"),
        ({"sizes": [1, 2, 0.5]}, "sizes must be counts"),
        ({"flagged": [1, 2]}, "flagged must be 3 booleans"),
        ({"flagged": [1, 0, 1]}, "flagged must be 3 booleans"),
        ({"order": "random"}, "order must be one of .* got 'random'"),
        ({"max_classes": 0}, "max_classes must be 1 or more, got 0"),
        ({"pixel_size_angstrom": -1}, "pixel_size_angstrom must be positive, got -1"),
        ({"pixel_size_angstrom": np.nan}, "pixel_size_angstrom must be positive, got nan"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"averages": np.zeros((3, 8, 8)), "sizes": [1, 2, 3], **change}
    with pytest.raises(ValueError, match=message):
        montage_figure(**arguments)


SAVE_HEADLESS = """
import sys
import numpy as np
from repic_plugin.plots import montage_figure
montage_figure(np.zeros((4, 8, 8)), [3, 2, 1, 0], title="classes").savefig(sys.argv[1])
loaded = [m for m in ("matplotlib.pyplot", "pwem", "pyworkflow") if m in sys.modules]
raise SystemExit(", ".join(loaded) or 0)
"""


def test_saving_needs_no_screen_no_pyplot_and_no_scipion(tmp_path):
    path = tmp_path / "classes.png"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run(
        [sys.executable, "-c", SAVE_HEADLESS, str(path)],
        cwd=Path(__file__).parents[2],
        env=environment,
        check=True,
    )
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
