"""The averages of all 2D classes in one picture."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from repic_plugin.plots.canvas import FONT, bare_figure, text_width
from repic_plugin.plots.class_curves import check_flags, check_sizes, class_order
from repic_plugin.plots.colors import JUNK_COLOR

MAX_CLASSES = 1000
DPI = 128  # a power of two: px become inches and px again without rounding

# Widths in px of the figure at its own resolution.
FIRST_TILE, WIDEST_MOSAIC, NARROWEST_FIGURE = 600, 2400, 820
MARGIN = 30
# Shapes of the mosaic, width over height, from about square to a little over 3:2.
ASPECT_RANGE = (0.95, 1.7)

# Font sizes, points.
TITLE_POINTS, SUMMARY_POINTS, LABEL_POINTS = 15.0, 11.0, 10.5
WORD_POINTS = 7.5  # below this size of labels, junk is marked by a sign instead of a word
ROW = 1.5  # height of a line of text in units of its font size
JUNK_WORD, JUNK_SIGN = "junk", "\N{MULTIPLICATION SIGN}"

# Grey values beyond these percentiles of the inscribed circle are shown as black and white; few
# particles contribute to the corners.
CONTRAST_PERCENTILES = (0.5, 99.5)
PLAIN_FRAME, JUNK_FRAME = "#404040", JUNK_COLOR
PLAIN_TEXT, JUNK_TEXT = "white", "black"
EMPTY_STRIPES = (216, 238)  # grey values
FLAT_GREY = 128
CHUNK = 64  # averages read at a time


def montage_figure(
    averages: Any,
    sizes: ArrayLike,
    *,
    flagged: Optional[ArrayLike] = None,
    scores: Optional[ArrayLike] = None,
    pixel_size_angstrom: Optional[float] = None,
    order: str = "size",
    title: Optional[str] = None,
    max_classes: int = MAX_CLASSES,
    first_number: int = 0,
) -> Figure:
    """Draw the averages of all classes as a mosaic, each labelled "number: size".

    Each average has its own contrast. Classes without particles are striped tiles. Classes flagged
    as junk have a light orange frame and the word "junk" or, on small tiles, a cross.

    Parameters
    ----------
    averages : array_like, shape (n_classes, box, box)
        Real grey values, finite where a class has particles. Anything with a shape that is indexed
        by arrays will do; only the images shown are read.
    sizes : array_like of int, shape (n_classes,)
        Particles in each class.
    flagged : array_like of bool, shape (n_classes,), optional
        True for junk classes.
    scores : array_like of float, shape (n_classes,), optional
        The classes shown are then sorted by these, the highest first, and labelled with them.
    pixel_size_angstrom : float, optional
        For a scale bar; None or 0 if unknown.
    order : {"size", "class"}
        Largest first (equal ones in the order of their numbers), or in the order of their numbers.
    title : str, optional
    max_classes : int
        If there are more classes, only the largest are shown, with a note.
    first_number : int
        Number of the first class: 0 as in assignments.csv, 1 as in RELION's and Scipion's files.

    Raises
    ------
    ValueError
        If an argument has the wrong shape or lies outside its range.
    """
    images = _check_averages(averages)
    counts = check_sizes("sizes", sizes, images.shape[0])
    junk = check_flags(flagged, len(counts))
    pixel_size = _check_pixel_size(pixel_size_angstrom)
    if max_classes < 1:
        raise ValueError(f"max_classes must be 1 or more, got {max_classes}; leave it out")
    shown = class_order(counts, order, max_classes)
    values = None if scores is None else _check_scores(scores, len(counts))
    if values is not None:
        shown = shown[np.argsort(-values[shown], kind="stable")]
    labels, points, mark = _labels(counts, junk, values, shown, first_number)
    summary = _summary(counts, junk, len(shown), mark)
    if values is not None:
        summary += ", sorted by score (in brackets)"
    header = _header(title, summary, _grid(len(shown))[1])
    layout = _layout(len(shown), points, _text_height(header), bool(pixel_size))
    mosaic = _mosaic(images, counts, junk, shown, layout)
    figure, axes = bare_figure(layout.width, layout.height, DPI)
    show_mosaic(axes, mosaic, (layout.left, layout.top))
    _draw_header(axes, header)
    _draw_labels(axes, layout, labels, junk[shown], points)
    if pixel_size:
        _draw_scale_bar(axes, layout, images.shape[1], pixel_size)
    return figure


def _check_averages(averages: Any) -> Any:
    images = averages if hasattr(averages, "shape") else np.asarray(averages)
    shape = tuple(images.shape)
    if len(shape) != 3 or shape[1] != shape[2] or 0 in shape:
        raise ValueError(
            f"averages must have shape (n_classes, box, box), got {shape}; stack square images"
        )
    return images


def _check_pixel_size(pixel_size_angstrom: Optional[float]) -> float:
    """Pixel size, or 0 if unknown."""
    value = float(pixel_size_angstrom or 0)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(
            f"pixel_size_angstrom must be positive, got {pixel_size_angstrom}; "
            "leave it out where it is not known"
        )
    return value


def _check_scores(scores: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (n_classes,) or not np.isfinite(values).all():
        raise ValueError(
            f"scores must be {n_classes} finite numbers, one for each class, got shape "
            f"{values.shape}; leave them out"
        )
    return values


def _labels(
    sizes: NDArray[np.int64],
    junk: NDArray[np.bool_],
    scores: Optional[NDArray[np.float64]],
    shown: NDArray[np.int64],
    first_number: int,
) -> Tuple[List[str], float, str]:
    """Labels of the tiles, the font size at which all fit, and the mark of junk."""
    room = _tile_px(_grid(len(shown))[1]) * 72 / DPI * 0.96
    for mark in (JUNK_WORD, JUNK_SIGN):
        labels = [
            f"{i + first_number}: {sizes[i]:,}"
            + (f" ({scores[i]:.2f})" if scores is not None else "")
            + (f" {mark}" if junk[i] else "")
            for i in shown
        ]
        points = min(LABEL_POINTS, room / text_width(labels))
        if points >= WORD_POINTS:
            break
    return labels, points, mark


def _summary(sizes: NDArray[np.int64], junk: NDArray[np.bool_], n_shown: int, mark: str) -> str:
    """A line about all classes, shown or not."""
    parts = [
        f"{len(sizes):,} {'class' if len(sizes) == 1 else 'classes'}",
        f"{sizes.sum():,} {'particle' if sizes.sum() == 1 else 'particles'}",
    ]
    if n_shown < len(sizes):
        parts.insert(1, f"the {n_shown:,} largest shown")
    if (sizes == 0).any():
        parts.append(f"{np.count_nonzero(sizes == 0):,} empty (striped)")
    if junk.any():
        parts.append(f"{np.count_nonzero(junk):,} flagged as junk (orange, “{mark}”)")
    return ", ".join(parts)


@dataclass(frozen=True)
class _Line:
    text: str
    points: float
    weight: str

    @property
    def height(self) -> float:
        """In px."""
        return self.points * ROW * DPI / 72


def _header(title: Optional[str], summary: str, columns: int) -> List[_Line]:
    """Lines above the mosaic, wrapped to the figure."""
    points = (_figure_width(columns) - 2 * MARGIN) * 72 / DPI
    lines = []
    for text, size, weight, letter in (
        (title or "", TITLE_POINTS, "bold", 0.72),  # mean width of a letter in font sizes
        (summary, SUMMARY_POINTS, "normal", 0.6),
    ):
        rows = textwrap.wrap(text, max(8, int(points / (size * letter))))
        lines += [_Line(row, size, weight) for row in rows]
    return lines


def _text_height(lines: Sequence[_Line]) -> int:
    return math.ceil(sum(line.height for line in lines))


def _grid(n_tiles: int) -> Tuple[int, int]:
    """Rows and columns: few empty cells, and a shape between square and 3:2."""
    low, high = np.log(ASPECT_RANGE)
    columns = np.arange(1, n_tiles + 1)
    rows = -(-n_tiles // columns)
    aspect = np.log(columns / (rows * 1.12))  # a tile is higher than wide by its label
    outside = np.maximum(low - aspect, 0) + np.maximum(aspect - high, 0)
    best = int(np.argmin((rows * columns - n_tiles) / n_tiles + outside))
    return int(rows[best]), int(columns[best])


def _tile_px(columns: int) -> int:
    """Side of a tile: the mosaic widens with the root of its columns, up to a limit."""
    return int(min(FIRST_TILE * math.sqrt(columns), WIDEST_MOSAIC) / columns)


def _figure_width(columns: int) -> int:
    tile = _tile_px(columns)
    mosaic = columns * (tile + 2 * _frame_px(tile) + _gap_px(tile)) - _gap_px(tile)
    return max(mosaic + 2 * MARGIN, NARROWEST_FIGURE)


def _frame_px(tile: int) -> int:
    return max(2, round(tile / 50))


def _gap_px(tile: int) -> int:
    return max(3, round(tile / 18))


@dataclass(frozen=True)
class _Layout:
    """Where everything is, in px of the figure, the first row on top."""

    rows: int
    columns: int
    tile: int
    strip: int  # height of the label under a tile
    left: int
    top: int
    width: int
    height: int

    @property
    def frame(self) -> int:
        return _frame_px(self.tile)

    @property
    def cell(self) -> Tuple[int, int]:
        """Height and width of a tile with its frame and label."""
        return self.tile + self.frame + self.strip, self.tile + 2 * self.frame

    @property
    def mosaic(self) -> Tuple[int, int]:
        """Height and width of all cells with the gaps between them."""
        gap, (height, width) = _gap_px(self.tile), self.cell
        return self.rows * (height + gap) - gap, self.columns * (width + gap) - gap

    def corner(self, place: int) -> Tuple[int, int]:
        """Row and column in the mosaic where a cell begins."""
        row, column = divmod(place, self.columns)
        gap, (height, width) = _gap_px(self.tile), self.cell
        return row * (height + gap), column * (width + gap)


def _layout(n_tiles: int, points: float, header: int, scale_bar: bool) -> _Layout:
    rows, columns = _grid(n_tiles)
    tile = _tile_px(columns)
    strip = math.ceil(points * ROW * DPI / 72)
    cells = _Layout(rows, columns, tile, strip, 0, 0, 0, 0)
    height, mosaic_width = cells.mosaic
    top = MARGIN + header + MARGIN // 3
    bottom = MARGIN + (math.ceil(SUMMARY_POINTS * 2 * DPI / 72) if scale_bar else 0)
    width = _figure_width(columns)
    left = (width - mosaic_width) // 2
    return _Layout(rows, columns, tile, strip, left, top, width, top + height + bottom)


def _mosaic(
    images: Any,
    sizes: NDArray[np.int64],
    junk: NDArray[np.bool_],
    shown: NDArray[np.int64],
    layout: _Layout,
) -> NDArray[np.uint8]:
    """All cells without their text, RGB."""
    mosaic = np.full((*layout.mosaic, 3), 255, dtype=np.uint8)
    frames = [np.round(255 * np.array(to_rgb(c))) for c in (PLAIN_FRAME, JUNK_FRAME)]
    place = np.arange(layout.tile)
    stripe = np.add.outer(place, place) // max(3, layout.tile // 12) % 2
    empty = np.where(stripe, *EMPTY_STRIPES)
    height, width = layout.cell
    for start in range(0, len(shown), CHUNK):
        some = shown[start : start + CHUNK]
        tiles = grey_tiles(np.asarray(images[some], dtype=np.float32), layout.tile)
        for i, tile in enumerate(tiles):
            y, x = layout.corner(start + i)
            mosaic[y : y + height, x : x + width] = frames[int(junk[some[i]])]
            inner = mosaic[y + layout.frame :, x + layout.frame :][: layout.tile, : layout.tile]
            inner[:] = (tile if sizes[some[i]] else empty)[..., None]
    return mosaic


def grey_tiles(images: NDArray[np.float32], tile: int) -> NDArray[np.uint8]:
    """Images at their displayed size, each stretched from black to white."""
    box = images.shape[1]
    resample = _resampling(box, tile)
    # Without its ground a flat region is exactly 0, and no rounding is there to be stretched.
    step = max(1, box // 32)
    ground = np.median(images[:, ::step, ::step], axis=(1, 2), keepdims=True)
    tiles = resample @ (images - ground) @ resample.T
    radius = (np.arange(tile) + 0.5) / tile - 0.5
    inside = np.add.outer(radius**2, radius**2) <= 0.25
    low, high = np.percentile(tiles[:, inside], CONTRAST_PERCENTILES, axis=1)
    narrow = ~(high > low)  # a few points on a flat ground
    low[narrow], high[narrow] = tiles[narrow].min(axis=(1, 2)), tiles[narrow].max(axis=(1, 2))
    span = np.where(high > low, high - low, 1.0)
    stretched = np.clip((tiles - low[:, None, None]) / span[:, None, None], 0, 1)
    flat = ~(high > low)
    stretched[flat] = FLAT_GREY / 255
    return np.asarray(np.round(255 * stretched), dtype=np.uint8)


def _resampling(n_pixels: int, n_shown: int) -> NDArray[np.float32]:
    """Weights, shape (n_shown, n_pixels): linear, and wide enough to average where shrunk."""
    step = n_pixels / n_shown
    center = (np.arange(n_shown) + 0.5) * step - 0.5
    distance = np.abs(np.subtract.outer(center, np.arange(n_pixels)))
    weights = np.maximum(1 - distance / max(step, 1.0), 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def show_mosaic(axes: Axes, mosaic: NDArray[np.uint8], corner: Tuple[int, int]) -> None:
    """Pixels of the figure, grey or RGB, from their left upper corner x, y; axes in px."""
    left, top = corner
    height, width = mosaic.shape[:2]
    extent = (left, left + width, top + height, top)
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto",
                interpolation="nearest")  # fmt: skip


def _write(axes: Axes, x: float, y: float, text: str, points: float, **style: Any) -> None:
    axes.text(x, y, text, fontsize=points, family=FONT, parse_math=False, **style)


def _draw_header(axes: Axes, lines: Sequence[_Line]) -> None:
    y = float(MARGIN)
    for line in lines:
        _write(axes, MARGIN, y, line.text, line.points, weight=line.weight, va="top")
        y += line.height


def _draw_labels(
    axes: Axes, layout: _Layout, labels: Sequence[str], junk: NDArray[np.bool_], points: float
) -> None:
    for place, label in enumerate(labels):
        row, column = layout.corner(place)
        x = layout.left + column + layout.cell[1] / 2
        y = layout.top + row + layout.cell[0] - layout.strip / 2
        color = JUNK_TEXT if junk[place] else PLAIN_TEXT
        _write(axes, x, y, label, points, color=color, ha="center", va="center_baseline")


def _draw_scale_bar(axes: Axes, layout: _Layout, box: int, pixel_size_angstrom: float) -> None:
    """A bar of a round length, at most half a tile, under the mosaic."""
    half = box * pixel_size_angstrom / 2
    decade = 10.0 ** math.floor(math.log10(half))
    length = max(step * decade for step in (0.5, 1, 2, 5) if step * decade <= half)
    long = length / (box * pixel_size_angstrom) * layout.tile
    y = layout.top + layout.mosaic[0] + SUMMARY_POINTS * 1.4 * DPI / 72
    start = layout.left
    axes.plot([start, start + long], [y, y], color="black", linewidth=2.5, solid_capstyle="butt")
    text = f"{length:g} Å" if length < 1000 else f"{length / 10:g} nm"
    _write(axes, start + long + 14, y, text, SUMMARY_POINTS, va="center")
