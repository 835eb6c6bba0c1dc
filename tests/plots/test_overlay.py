"""What the overlay draws, read from the figure rather than from its pixels."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from repic_plugin.plots.colors import CONSENSUS_COLOR, PICKER_COLORS, REFERENCE_COLOR
from repic_plugin.plots.overlay import Layer, overlay_figure

CENTERS = np.array([(20.0, 30.0), (70.0, 90.0), (-5.0, 400.0)])


@pytest.fixture
def micrograph():
    return np.random.default_rng(0).normal(size=(100, 150)).astype(np.float32)


def drawn_boxes(collection):
    """Left, top, right, bottom of each box, shape (n, 4)."""
    corners = [path.vertices for path in collection.get_paths()]
    return np.array([(*c.min(axis=0), *c.max(axis=0)) for c in corners]).reshape(-1, 4)


def test_each_layer_is_one_collection_of_its_boxes(micrograph):
    layers = [Layer("one", CENTERS, 10), Layer("two", CENTERS[:1], 25.5)]
    first, second = overlay_figure(micrograph, layers).axes[0].collections
    np.testing.assert_allclose(
        drawn_boxes(first), np.hstack([CENTERS - 5, CENTERS + 5]), rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(drawn_boxes(second), [(7.25, 17.25, 32.75, 42.75)])
    assert (first.get_label(), second.get_label()) == ("one", "two")
    assert not len(first.get_facecolor())


def test_colours_follow_role_and_order(micrograph):
    layers = [
        Layer("consensus", CENTERS, 10, role="consensus"),
        Layer("one", CENTERS, 10),
        Layer("hand", CENTERS, 10, role="reference"),
        Layer("two", CENTERS, 10),
        Layer("mine", CENTERS, 10, color="black"),
        Layer("four", CENTERS, 10),
    ]
    drawn = [
        tuple(c.get_edgecolor()[0]) for c in overlay_figure(micrograph, layers).axes[0].collections
    ]
    expected = [
        CONSENSUS_COLOR,
        PICKER_COLORS[0],
        REFERENCE_COLOR,
        PICKER_COLORS[1],
        "black",
        PICKER_COLORS[3],
    ]
    assert drawn == [to_rgba(color) for color in expected]


def test_the_consensus_lies_on_top_and_is_thicker(micrograph):
    roles = ("consensus", "reference", "picker")
    layers = [Layer(role, CENTERS, 10, role=role) for role in roles]
    axes = overlay_figure(micrograph, layers).axes[0]
    orders = [c.get_zorder() for c in axes.collections]
    widths = [c.get_linewidth()[0] for c in axes.collections]
    assert orders == sorted(orders, reverse=True)
    assert len(set(orders)) == 3
    assert widths == sorted(widths, reverse=True)
    assert axes.images[0].get_zorder() < min(orders)


def test_linewidth_can_be_set(micrograph):
    (drawn,) = (
        overlay_figure(micrograph, [Layer("a", CENTERS, 10, linewidth=7)]).axes[0].collections
    )
    assert drawn.get_linewidth()[0] == 7


def test_the_legend_counts(micrograph):
    layers = [Layer("crYOLO", CENTERS, 10), Layer("Topaz", [], 10)]
    figure = overlay_figure(micrograph, layers)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["crYOLO 3", "Topaz 0"]
    assert not overlay_figure(micrograph, layers, legend=False).legends


@pytest.mark.parametrize("n_layers", [1, 5, 12])
def test_legend_and_title_fit_above_the_picture(micrograph, n_layers):
    layers = [Layer(f"picker with a long name {i}", CENTERS, 10) for i in range(n_layers)]
    figure = overlay_figure(micrograph, layers, title="micrograph")
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    title = figure.texts[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0
    assert legend.x1 <= figure.bbox.x1
    assert figure.axes[0].get_window_extent().y1 <= legend.y0
    assert legend.y1 <= title.y0
    assert title.y1 <= figure.bbox.y1


def test_axes_are_in_px_with_y_down(micrograph):
    axes = overlay_figure(micrograph, [Layer("a", CENTERS, 10)]).axes[0]
    assert axes.get_xlim() == (0, 150)
    assert axes.get_ylim() == (100, 0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (px)", "y (px)")


def test_pixels_are_square(micrograph):
    axes = overlay_figure(micrograph, []).axes[0]
    box = axes.get_window_extent()
    assert box.width / box.height == pytest.approx(1.5, rel=1e-6)


def test_a_dark_spot_is_shown_where_it_is():
    micrograph = np.ones((3000, 4096), dtype=np.float32)
    micrograph[600:700, 3000:3100] = -5
    image = overlay_figure(micrograph, []).axes[0].images[0]
    shown, (left, right, bottom, top) = image.get_array(), image.get_extent()
    row, column = np.unravel_index(np.argmin(shown), shown.shape)
    x = left + (column + 0.5) / shown.shape[1] * (right - left)
    y = top + (row + 0.5) / shown.shape[0] * (bottom - top)
    assert 3000 < x < 3100
    assert 600 < y < 700


def test_large_micrographs_are_binned():
    figure = overlay_figure(np.zeros((4096, 4096), dtype=np.int16), [Layer("a", CENTERS, 180)])
    image = figure.axes[0].images[0]
    assert max(image.get_array().shape) < 2048
    assert image.get_extent()[1] == pytest.approx(4096, abs=4)


def test_contrast_is_stretched_past_outliers(micrograph):
    micrograph = micrograph.copy()
    micrograph[3, 3] = 1e6
    low, high = overlay_figure(micrograph, [], size_px=1400).axes[0].images[0].get_clim()
    assert low < high < 1e5


@pytest.mark.parametrize(
    "micrograph",
    [
        np.zeros((40, 50)),
        np.full((40, 50), np.nan),
        np.ones((40, 50), dtype=bool),
        np.zeros((1, 5000), dtype=np.uint8),
    ],
)
def test_odd_micrographs_can_be_saved(micrograph, tmp_path):
    overlay_figure(micrograph, [Layer("a", [], 10)]).savefig(tmp_path / "odd.png")
    assert (tmp_path / "odd.png").stat().st_size > 0


def test_a_nan_pixel_does_not_spread(micrograph):
    micrograph = micrograph.copy()
    micrograph[50, 50] = np.nan
    image = overlay_figure(micrograph, []).axes[0].images[0]
    assert np.isfinite(image.get_array()).all()
    assert np.isfinite(image.get_clim()).all()


SAVE_HEADLESS = """
import sys
import numpy as np
from repic_plugin.plots.overlay import Layer, overlay_figure
figure = overlay_figure(np.eye(64), [Layer("a", [(9, 9)], 5)], title="mic", size_px=500)
figure.savefig(sys.argv[1])
raise SystemExit("pyplot was loaded" if "matplotlib.pyplot" in sys.modules else 0)
"""


def test_saving_needs_no_screen_and_no_pyplot(tmp_path):
    path = tmp_path / "overlay.png"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run(
        [sys.executable, "-c", SAVE_HEADLESS, str(path)],
        cwd=Path(__file__).parents[2],
        env=environment,
        check=True,
    )
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_arguments_are_left_alone(micrograph):
    before, centers = micrograph.copy(), CENTERS.copy()
    overlay_figure(micrograph, [Layer("a", centers, 10)])
    np.testing.assert_array_equal(micrograph, before)
    np.testing.assert_array_equal(centers, CENTERS)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Layer("a", [(1, 2, 3)], 10), r"centers of layer 'a' must have shape \(n, 2\)"),
        (Layer("a", [], 0), "box_size_px of layer 'a' must be positive, got 0"),
        (Layer("a", [], 10, role="other"), "role of layer 'a' must be one of .* got 'other'"),
    ],
)
def test_bad_layers(micrograph, layer, message):
    with pytest.raises(ValueError, match=message):
        overlay_figure(micrograph, [layer])


@pytest.mark.parametrize("shape", [(10,), (2, 10, 10), (0, 5)])
def test_bad_micrographs(shape):
    with pytest.raises(ValueError, match="micrograph must be a two-dimensional array"):
        overlay_figure(np.zeros(shape), [])
