"""Boxes with a dark rim: drawn all at once, and looking as those with matplotlib's path effects."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from repic_plugin.plots.overlay import box_collection, box_corners, dark_rim


def drawn_boxes(make, corners):
    """Pixels of boxes on grey, and the number of paths that were drawn one by one."""
    figure = Figure((3, 3), facecolor="0.5")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 100), ylim=(0, 100))
    axes.set_axis_off()
    canvas.draw()
    one = make()
    axes.add_collection(one)
    one.set_verts(list(corners))
    calls = []
    renderer = canvas.get_renderer()
    draw_path = renderer.draw_path
    renderer.draw_path = lambda *arguments: calls.append(1) or draw_path(*arguments)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy(), len(calls)


def test_all_boxes_are_drawn_at_once_and_look_as_before():
    centers = np.random.default_rng(0).uniform(10, 90, (60, 2))

    def with_effects():
        plain = PolyCollection([], facecolors="none", edgecolors="tab:blue", linewidths=1.5)
        plain.set_path_effects(dark_rim(1.5))
        return plain

    def ours():
        return box_collection("tab:blue", 1.5, 2.0)

    corners = box_corners(centers, 12)
    expected, n_before = drawn_boxes(with_effects, corners)
    found, n_now = drawn_boxes(ours, corners)
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=3)
    assert (found != found[0, 0]).any()
    assert n_before - n_now == 2 * len(centers)
