"""Members of a class: how they are brought into register, and what is drawn."""

import numpy as np
import pytest
from matplotlib.text import Text

from repic_plugin.classification.full_averages import full_averages
from repic_plugin.plots import members_figure, registered_images
from repic_plugin.plots.class_members import GAP, MAX_MEMBERS, TILE


def spot(points, box):
    """Gaussian spots at x, y from the pixel (box // 2, box // 2); shape (n, box, box)."""
    grid = np.arange(box) - box // 2
    x, y = np.asarray(points, dtype=float).T[:, :, None, None]
    distance = (grid - x) ** 2 + (grid[:, None] - y) ** 2
    return np.exp(-distance / (2 * (box / 20) ** 2))


def middle(images):
    """Centre of mass, x and y from the pixel (box // 2, box // 2)."""
    box = images.shape[1]
    grid = np.arange(box) - box // 2
    total = images.sum(axis=(1, 2))
    return np.stack([(images.sum(axis=axis) @ grid) / total for axis in (1, 2)], axis=1)


def poses(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-180, 180, n), rng.uniform(-4, 4, (n, 2)), rng.random(n) < 0.5


@pytest.mark.parametrize("box", [48, 49])
def test_content_is_shifted_then_mirrored_then_turned(box):
    rotation, shift, mirror = poses(20)
    start = np.random.default_rng(1).uniform(-8, 8, (20, 2))
    x, y = (start + shift).T
    x = np.where(mirror, -x, x)
    cos, sin = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    expected = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)
    moved = registered_images(spot(start, box), rotation, shift, mirror)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(middle(moved), expected, atol=0.02)


def test_members_lie_as_the_classification_averages_them():
    box = 64
    rotation, shift, mirror = poses(6)
    images = spot([(10, 0)], box) + 0.6 * spot([(-4, 12)], box) + 0.3 * spot([(0, -9)], box)
    images = np.repeat(images, 6, axis=0).astype(np.float32)
    placed = registered_images(images, rotation, shift, mirror)
    for k in range(6):
        pose = np.zeros(1, int), rotation[[k]], shift[[k]], mirror[[k]]
        average = full_averages(images[[k]], *pose, 1).averages[0]
        assert np.corrcoef(average.ravel(), placed[k].ravel())[0, 1] > 0.98


def test_what_comes_from_outside_is_the_median():
    images = np.full((1, 20, 20), 7.0)
    images[0, 8:12, 8:12] = 100
    moved = registered_images(images, [0.0], [[6.0, -3.0]], [False])
    assert np.allclose(moved[0, :, :4], 7)
    assert np.allclose(moved[0, 5:9, 14:18], 100, atol=0.1)


def test_no_image_at_all():
    assert registered_images(np.empty((0, 5, 5)), [], np.empty((0, 2)), []).shape == (0, 5, 5)


@pytest.mark.parametrize("n", [1, 4, 23, MAX_MEMBERS, 75])
def test_members_are_drawn_by_rows_in_their_order(n):
    places = np.random.default_rng(0).integers(-12, 13, (n, 2))
    images = spot(places, 40) * np.arange(1, n + 1)[:, None, None]  # each its own contrast
    (axes,) = members_figure(images, title="class 3: $9 and $5").axes
    mosaic = np.asarray(axes.images[0].get_array())
    columns = (mosaic.shape[1] + GAP) // (TILE + GAP)
    for place in range(min(n, MAX_MEMBERS)):
        row, column = (i * (TILE + GAP) for i in divmod(place, columns))
        tile = mosaic[row : row + TILE, column : column + TILE]
        y, x = (np.argwhere(tile == 255).mean(axis=0) + 0.5) / TILE * 40 - 20.5
        np.testing.assert_allclose((x, y), places[place], atol=1)
    after = mosaic[-TILE:, :][:, (-(-n // columns) * columns - n) * -(TILE + GAP) or None :]
    if n <= MAX_MEMBERS and n % columns:
        assert (after == 255).all()  # nothing stands after the last
    rows = (mosaic.shape[0] + GAP) // (TILE + GAP)
    assert (rows - 1) * columns < min(n, MAX_MEMBERS) <= rows * columns
    assert [text.get_text() for text in axes.texts] == ["class 3: $9 and $5"]


def test_a_class_without_members_says_so():
    figure = members_figure(np.empty((0, 8, 8)), title="class 3")
    assert {"no particles", "class 3"} <= {text.get_text() for text in figure.findobj(Text)}
    assert not figure.axes[0].images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 4, 5))}, r"images must have shape \(n, box, box\)"),
        ({"rotation_deg": [0.0]}, r"rotation_deg, shift_px and mirror .* got \(1,\), \(2, 2\)"),
        ({"shift_px": [0.0, 1.0]}, r"must have shapes \(2,\), \(2, 2\) and \(2,\)"),
    ],
)
def test_bad_poses(change, message):
    arguments = {
        "images": np.zeros((2, 4, 4)),
        "rotation_deg": [0.0, 1.0],
        "shift_px": np.zeros((2, 2)),
        "mirror": [False, True],
        **change,
    }
    with pytest.raises(ValueError, match=message):
        registered_images(**arguments)


def test_images_must_be_square():
    with pytest.raises(ValueError, match=r"images must have shape .* got \(4, 4\)"):
        members_figure(np.zeros((4, 4)))
