"""The aligned members of one class."""

from __future__ import annotations

import math
from typing import Any, Optional, Tuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from repic_plugin.plots.canvas import bare_figure, say
from repic_plugin.plots.class_montage import DPI, grey_tiles, show_mosaic

MAX_MEMBERS = 60
COLUMNS = 10
TILE, GAP, MARGIN = 150, 6, 24  # px of the figure at its own resolution
TITLE_POINTS, TITLE_PX = 15, 46
# Smoothing that lets the shape of a particle be seen: sigma, as a fraction of the box.
BLUR = 1 / 80


def registered_images(
    images: ArrayLike, rotation_deg: ArrayLike, shift_px: ArrayLike, mirror: ArrayLike
) -> NDArray[np.float32]:
    """Images aligned to their class average.

    Images are shifted, then mirrored (x becomes -x) where set, then rotated by ``[[cos r, -sin r],
    [sin r, cos r]]``, all about the pixel (box // 2, box // 2), as defined by `Classification`.
    Pixels from outside of an image get its median.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
    rotation_deg : array_like of float, shape (n,)
    shift_px : array_like of float, shape (n, 2)
        x along the columns, y along the rows.
    mirror : array_like of bool, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n, box, box)

    Raises
    ------
    ValueError
        If shapes do not fit together.
    """
    stack = _check_images(images)
    angle = np.deg2rad(np.asarray(rotation_deg, dtype=np.float64))
    shift, flipped = np.asarray(shift_px, dtype=np.float64), np.asarray(mirror, dtype=bool)
    n = len(stack)
    if (angle.shape, shift.shape, flipped.shape) != ((n,), (n, 2), (n,)):
        raise ValueError(
            f"rotation_deg, shift_px and mirror must have shapes ({n},), ({n}, 2) and ({n},), got "
            f"{angle.shape}, {shift.shape} and {flipped.shape}; give one pose for each image"
        )
    moved = [_registered(*one) for one in zip(stack, angle, shift, flipped)]
    return np.array(moved, dtype=np.float32).reshape(stack.shape)


def members_figure(images: ArrayLike, *, title: Optional[str] = None) -> Figure:
    """Draw members of one class as a mosaic, by rows.

    Each is slightly smoothed and has its own contrast.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        The first 60 are drawn.
    title : str, optional

    Raises
    ------
    ValueError
        If images do not have this shape.
    """
    stack = _check_images(images)[:MAX_MEMBERS]
    mosaic = _mosaic(stack)
    top = MARGIN + (TITLE_PX if title else 0)
    width = max(mosaic.shape[1], 4 * TILE) + 2 * MARGIN
    height = mosaic.shape[0] + top + MARGIN
    figure, axes = bare_figure(width, height, DPI)
    if len(stack):
        show_mosaic(axes, mosaic, (MARGIN, top))
    else:
        say(axes)
    if title:
        axes.text(MARGIN, MARGIN, title, fontsize=TITLE_POINTS, weight="bold", va="top",
                  parse_math=False)  # fmt: skip
    return figure


def _check_images(images: ArrayLike) -> NDArray[np.float32]:
    stack = np.asarray(images, dtype=np.float32)
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or not stack.shape[1]:
        raise ValueError(
            f"images must have shape (n, box, box), got {stack.shape}; stack square images"
        )
    return stack


def _registered(
    image: NDArray[np.float32], angle: float, shift: NDArray[np.float64], mirror: bool
) -> NDArray[Any]:
    sign = -1.0 if mirror else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    # From (row, column) of the result to that of the image: back by the angle, then mirrored.
    back = np.array([[cos, -sin], [sign * sin, sign * cos]])
    middle = np.full(2, image.shape[0] // 2, dtype=np.float64)
    offset = middle - back @ middle - shift[::-1]
    outside = float(np.median(image))
    return np.asarray(affine_transform(image, back, offset, order=3, cval=outside))


def _grid(n: int) -> Tuple[int, int]:
    columns = min(max(n, 1), max(4, min(COLUMNS, math.ceil(math.sqrt(1.7 * n)))))
    return -(-max(n, 1) // columns), columns


def _mosaic(stack: NDArray[np.float32]) -> NDArray[np.uint8]:
    rows, columns = _grid(len(stack))
    step = TILE + GAP
    mosaic = np.full((rows * step - GAP, columns * step - GAP), 255, dtype=np.uint8)
    if not len(stack):
        return mosaic
    sigma = BLUR * stack.shape[1]
    tiles = grey_tiles(gaussian_filter(stack, (0, sigma, sigma)), TILE)
    for place, tile in enumerate(tiles):
        y, x = (step * i for i in divmod(place, columns))
        mosaic[y : y + TILE, x : x + TILE] = tile
    return mosaic
