"""Sizes of pictures on a page."""

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from repic_plugin.reports import Picture, Section, pictures, render_report
from repic_plugin.reports.pictures import MOST_BYTES, for_page


def drawing():
    figure = Figure(figsize=(9, 4), facecolor="white")
    FigureCanvasAgg(figure)
    figure.subplots().plot(np.sin(np.arange(50)))
    return Picture(figure, "a plot")


def photo(side_px=1100, seed=0):
    """Noise, the most that a micrograph of this size can take."""
    figure = Figure(figsize=(side_px / 110, side_px / 110))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.random.default_rng(seed).normal(size=(side_px, side_px)), cmap="gray")
    return Picture(figure, "a photo", is_photo=True)


def opened(encoded):
    return Image.open(io.BytesIO(encoded[1]))


def test_plots_lose_nothing_and_shrink():
    one = drawing()
    (found,) = for_page([one])
    assert found[0] == "webp" and len(found[1]) < len(one.encoded[1]) / 2
    before, after = (np.array(opened(each).convert("RGB")) for each in (one.encoded, found))
    np.testing.assert_array_equal(after, before)


def test_ten_runs_with_three_photos_each_stay_below_four_megabytes():
    one, plot = photo(), drawing()
    every = [[Picture(one.figure, f"{i}", True) for i in range(3)] for _ in range(10)]
    for row in every:
        for each in row:
            each.__dict__["encoded"] = one.encoded  # drawn once
    sections = [Section("run", [*row, *[plot] * 6]) for row in every]
    assert 30 * len(one.encoded[1]) > 8 * MOST_BYTES / 3  # else nothing is asked
    assert len(render_report("t", "a", sections).encode()) < 4_000_000


def test_few_photos_keep_their_size_and_many_are_still_seen():
    one = photo()
    assert opened(for_page([one])[0]).size == opened(one.encoded).size
    small = opened(for_page([one], most_bytes=1)[0])
    assert small.size == tuple(round(0.3 * side) for side in opened(one.encoded).size)


def test_without_webp_plots_stay_png_and_photos_jpeg(monkeypatch):
    monkeypatch.setattr(pictures.features, "check", lambda name: False)
    plot, one = drawing(), photo(300)
    found = for_page([plot, one])
    assert [kind for kind, _ in found] == ["png", "jpeg"]
    assert found[0] == plot.encoded


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_pictures_stay_in_order(order):
    every = [drawing(), photo(200), photo(300)]
    sizes = [opened(one.encoded).size for one in every]
    found = for_page([every[i] for i in order])
    assert [opened(one).size for one in found] == [sizes[i] for i in order]
