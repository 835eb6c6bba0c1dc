"""Best rotation and shift of each image for each reference.

For images and references as circular harmonics the correlation at rotation phi is

    sum over m of Re[ exp(i m phi) * sum over rings of a(r, m) conj(b(r, m)) ].

The inner sums of all images and references are one matrix product for each m. The outer sum is a
small product with cosines and sines: only a quarter turn is computed, since the values at phi,
-phi, pi - phi and pi + phi are sums and differences of the even and odd, cosine and sine parts.
Shifts and mirrors are applied to the references, which are fewer.

Where only some of the references are wanted for each image, the inner sums are computed pair by
pair, with the same outer sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import local
from typing import List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.threads import for_each_chunk
from repic_plugin.compiled import compiled

# Images, and pairs of an image and a moved reference, processed at a time so that the factors of
# one product stay in the cache.
IMAGES_PER_CHUNK = 128
PAIRS_PER_BLOCK = 20_000
# Pairs whose outer sums are computed at a time.
COLUMNS_PER_TILE = 1024
# Orders whose inner sums are computed at a time, for single pairs.
ORDERS_PER_STEP = 8
IMAGES_PER_SEARCH = 512

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Poses:
    """Best pose of each image for each reference.

    Attributes
    ----------
    score : ndarray of float32, shape (n_images, n_references)
        Maximum correlation.
    place : ndarray of int32, shape (n_images, n_references)
        Its position: ``candidate * n_angles + angle``, rotation in steps of a turn / n_angles.
    """

    score: Single
    place: NDArray[np.int32]


def shift_grid(radius_px: float, step_px: float) -> NDArray[np.float64]:
    """Shifts on a square grid within a disc, shape (n, 2), the zero shift first."""
    n_steps = np.floor(radius_px / step_px + 1e-9)
    steps = np.arange(-n_steps, n_steps + 1) * step_px
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    inside = np.hypot(x, y) <= radius_px + 1e-9
    shifts = np.column_stack((x, y))[inside]
    return shifts[np.argsort(np.hypot(*shifts.T), kind="stable")]


def best_poses(grid: PolarGrid, images: Samples, references: Samples, n_threads: int = 1) -> Poses:
    """Best poses over all rotations and candidates for each pair of image and reference.

    Parameters
    ----------
    grid : PolarGrid
    images : ndarray of complex64, shape (n_images, n_coefficients)
    references : ndarray of complex64, shape (n_references, n_candidates, n_coefficients)
        Each reference under every shift, also mirrored if requested.
    n_threads : int

    Returns
    -------
    Poses
        Independent of the number of threads.
    """
    n_references, n_candidates, _ = references.shape
    waves = _quarter_waves(grid)
    per_block = max(1, PAIRS_PER_BLOCK // (IMAGES_PER_CHUNK * n_candidates))
    blocks = [
        (slice(k, min(k + per_block, n_references)), _columns(grid, references[k : k + per_block]))
        for k in range(0, n_references, per_block)
    ]
    score = np.empty((len(images), n_references), np.float32)
    place = np.empty((len(images), n_references), np.int32)

    scratch = local()  # reused, since memory returned to the system must be cleared again

    def search(rows: slice) -> None:
        parts = _rows(grid, images[rows])
        if not hasattr(scratch, "values"):
            widest = IMAGES_PER_CHUNK * min(per_block, n_references) * n_candidates
            scratch.values = np.empty(2 * grid.n_orders * widest, np.float32)
        for mine, columns in blocks:
            products = _products(parts, columns, scratch.values)
            _keep_best(
                products, *waves, n_candidates, grid.n_angles, score[rows, mine], place[rows, mine]
            )

    for_each_chunk(search, len(images), IMAGES_PER_CHUNK, n_threads)
    return Poses(score, place)


def search_pairs(
    grid: PolarGrid,
    images: Samples,
    references: Samples,
    wanted: NDArray[np.bool_],
    near: NDArray[np.int64],
    poses: Poses,
    n_threads: int = 1,
) -> None:
    """Replace the poses of some pairs of image and reference by the best nearby, in place.

    Parameters
    ----------
    grid : PolarGrid
    images, references : ndarrays of complex64
        See `best_poses`.
    wanted : ndarray of bool, shape (n_images, n_references)
        The pairs. Each is computed by itself, so that its result depends on no other.
    near : ndarray of int64, shape (n_candidates, n_near)
        Candidates to search if the given pose has this one, ascending; at all rotations.
    poses : Poses
    n_threads : int
    """
    PairSearch(grid, references)(images, wanted, near, poses, n_threads)


class PairSearch:
    """Search of pairs as by `search_pairs`, with references that are laid out once.

    Parameters
    ----------
    grid : PolarGrid
    references : ndarray of complex64, shape (n_references, n_candidates, n_coefficients)
    """

    def __init__(self, grid: PolarGrid, references: Samples) -> None:
        self.grid = grid
        self._waves = _quarter_waves(grid)
        self._moved = _dense(grid, references.reshape(-1, references.shape[2]))

    def __call__(
        self,
        images: Samples,
        wanted: NDArray[np.bool_],
        near: NDArray[np.int64],
        poses: Poses,
        n_threads: int = 1,
    ) -> None:
        """Replace the poses of the wanted pairs, in place; arguments as of `search_pairs`."""

        def search(rows: slice) -> None:
            _search_pairs(
                _dense(self.grid, images[rows]),
                self._moved,
                wanted[rows],
                near,
                *self._waves,
                self.grid.n_angles,
                poses.score[rows],
                poses.place[rows],
            )

        for_each_chunk(search, len(images), IMAGES_PER_SEARCH, n_threads)


def _dense(grid: PolarGrid, coefficients: Samples) -> Single:
    """Real and imaginary parts by ring and order, shape (n, 2, n_rings, orders and some zeros)."""
    n_columns = -(-grid.n_orders // ORDERS_PER_STEP) * ORDERS_PER_STEP
    dense = np.zeros((len(coefficients), 2, len(grid.rings), n_columns), np.float32)
    dense[:, 0, grid.ring, grid.order] = coefficients.real
    dense[:, 1, grid.ring, grid.order] = coefficients.imag
    return dense


def _quarter_waves(grid: PolarGrid) -> Tuple[Single, Single]:
    """Cosines and sines of all orders over a quarter turn, shape (n_angles / 4 + 1, n_orders)."""
    angles = 2 * np.pi * np.arange(grid.n_angles // 4 + 1) / grid.n_angles
    turns = np.outer(angles, np.arange(grid.n_orders))
    return np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)


def _rows(grid: PolarGrid, images: Samples) -> List[Single]:
    """Real and imaginary parts side by side, a matrix for each order."""
    parts = (images[:, start:stop] for start, stop in zip(grid.starts, grid.starts[1:]))
    return [np.concatenate((part.real, part.imag), axis=1) for part in parts]


def _columns(grid: PolarGrid, references: Samples) -> List[Tuple[Single, Single]]:
    """Factors by which `_rows` is multiplied to give the real and imaginary parts of a conj(b)."""
    flat = references.reshape(-1, references.shape[-1])
    parts = (flat[:, start:stop].T for start, stop in zip(grid.starts, grid.starts[1:]))
    return [
        (np.concatenate((part.real, part.imag)), np.concatenate((-part.imag, part.real)))
        for part in parts
    ]


def _products(rows: List[Single], columns: List[Tuple[Single, Single]], space: Single) -> Single:
    """Sums over rings of a conj(b), real and imaginary parts, shape (2, n_orders, pairs)."""
    shape = (2, len(rows), len(rows[0]), columns[0][0].shape[1])
    products = space[: int(np.prod(shape))].reshape(shape)
    for m, (row, factors) in enumerate(zip(rows, columns)):
        for product, column in zip(products[:, m], factors):
            np.matmul(row, column, out=product)
    return products.reshape(*shape[:2], -1)


@compiled
def _keep_best(products, cosine, sine, n_candidates, n_angles, score, place):  # type: ignore[no-untyped-def]
    """Keep the maximum of each image and reference."""
    n_references = score.shape[1]
    best = np.empty(products.shape[2], np.float32)
    turn = np.empty(products.shape[2], np.int32)
    _best_turns(products, len(best), cosine, sine, best, turn)
    for i in range(score.shape[0]):
        for k in range(n_references):
            first = (i * n_references + k) * n_candidates
            score[i, k], place[i, k] = _best_place(
                products, first, n_candidates, cosine, sine, n_angles, best, turn
            )


@compiled
def _search_pairs(images, moved, wanted, near, cosine, sine, n_angles, score, place):  # type: ignore[no-untyped-def]
    """Keep the maximum of each wanted pair; some images of one reference at a time."""
    n_images, n_references = wanted.shape
    n_candidates, n_near = near.shape
    per_tile = max(1, COLUMNS_PER_TILE // n_near)
    # rows are an odd number of cache lines apart: they would evict each other otherwise
    width = per_tile * n_near // 32 * 32 + 48
    products = np.zeros((2, cosine.shape[1], width), np.float32)
    best = np.empty(products.shape[2], np.float32)
    turn = np.empty(products.shape[2], np.int32)
    sums = np.empty((2, images.shape[3]), np.float32)
    rows = np.empty(per_tile, np.int64)
    for k in range(n_references):
        n_rows = 0
        for i in range(n_images):
            if wanted[i, k]:
                for t in range(n_near):
                    candidate = near[place[i, k] // n_angles, t]
                    _sum_rings(images, i, moved, k * n_candidates + candidate, sums)
                    for m in range(products.shape[1]):
                        products[0, m, n_rows * n_near + t] = sums[0, m]
                        products[1, m, n_rows * n_near + t] = sums[1, m]
                rows[n_rows] = i
                n_rows += 1
            if n_rows == per_tile or (i == n_images - 1 and n_rows > 0):
                _best_turns(products, n_rows * n_near, cosine, sine, best, turn)
                for r in range(n_rows):
                    row = rows[r]
                    top, found = _best_place(
                        products, r * n_near, n_near, cosine, sine, n_angles, best, turn
                    )
                    candidate = near[place[row, k] // n_angles, found // n_angles]
                    score[row, k] = top
                    place[row, k] = candidate * n_angles + found % n_angles
                n_rows = 0


@compiled
def _sum_rings(images, i, moved, k, sums):  # type: ignore[no-untyped-def]
    """Sums over rings of a conj(b) for one pair; real and imaginary parts, shape (2, orders)."""
    n_orders = images.shape[3]
    sums[:] = 0
    for r in range(images.shape[2]):
        for m in range(n_orders):
            sums[0, m] += images[i, 0, r, m] * moved[k, 0, r, m]
            sums[1, m] += images[i, 1, r, m] * moved[k, 0, r, m]
            sums[0, m] += images[i, 1, r, m] * moved[k, 1, r, m]
            sums[1, m] -= images[i, 0, r, m] * moved[k, 1, r, m]


@compiled
def _best_turns(products, width, cosine, sine, best, turn):  # type: ignore[no-untyped-def]
    """Maximum over all angles, and its row in the quarter turn, for each of the first columns."""
    sums = np.empty((4, products.shape[2]), np.float32)
    best[:width] = -np.inf
    turn[:width] = 0
    for first in range(0, width, COLUMNS_PER_TILE):
        # unsigned, so that no index counts from the end and loops fill the registers
        start, stop = np.uint64(first), np.uint64(min(width, first + COLUMNS_PER_TILE))
        for a in range(cosine.shape[0]):
            row = np.int32(a)
            for part in range(4):
                wave = cosine if part < 2 else sine
                _add_orders(sums, part, wave, a, products, start, stop)
            for j in range(start, stop):
                here = sums[0, j] + sums[1, j] + abs(sums[2, j] + sums[3, j])
                opposite = sums[0, j] - sums[1, j] + abs(sums[2, j] - sums[3, j])
                top = max(here, opposite)
                is_larger = top > best[j]
                best[j] = top if is_larger else best[j]
                turn[j] = row if is_larger else turn[j]


@compiled
def _add_orders(sums, part, wave, a, products, start, stop):  # type: ignore[no-untyped-def]
    """Sum over even (part 0 and 2) or odd orders of real or imaginary parts, four at a time."""
    n_orders, p, m = products.shape[1], part // 2, part % 2
    for j in range(start, stop):
        sums[part, j] = 0
    while m + 6 < n_orders:
        w, x, y, z = wave[a, m], wave[a, m + 2], wave[a, m + 4], wave[a, m + 6]
        for j in range(start, stop):
            sums[part, j] += (
                w * products[p, m, j]
                + x * products[p, m + 2, j]
                + y * products[p, m + 4, j]
                + z * products[p, m + 6, j]
            )
        m += 8
    while m < n_orders:
        w = wave[a, m]
        for j in range(start, stop):
            sums[part, j] += w * products[p, m, j]
        m += 2


@compiled
def _best_place(products, first, n_candidates, cosine, sine, n_angles, best, turn):  # type: ignore[no-untyped-def]
    """Maximum over the candidates of one reference, and its position."""
    j = first
    for other in range(first + 1, first + n_candidates):
        if best[other] > best[j]:
            j = other
    a, half = turn[j], n_angles // 2
    even_cos, odd_cos, even_sin, odd_sin = 0.0, 0.0, 0.0, 0.0
    for m in range(0, products.shape[1], 2):
        even_cos += cosine[a, m] * products[0, m, j]
        even_sin += sine[a, m] * products[1, m, j]
    for m in range(1, products.shape[1], 2):
        odd_cos += cosine[a, m] * products[0, m, j]
        odd_sin += sine[a, m] * products[1, m, j]
    top, angle = even_cos + odd_cos - even_sin - odd_sin, a
    if even_cos + odd_cos + even_sin + odd_sin > top:
        top, angle = even_cos + odd_cos + even_sin + odd_sin, n_angles - a
    if even_cos - odd_cos + even_sin - odd_sin > top:
        top, angle = even_cos - odd_cos + even_sin - odd_sin, half - a
    if even_cos - odd_cos - even_sin + odd_sin > top:
        angle = half + a
    return best[j], (j - first) * n_angles + angle % n_angles
