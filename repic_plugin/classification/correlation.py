"""Best rotation and shift of each image for each reference.

For images and references as circular harmonics the correlation at rotation phi is

    sum over m of Re[ exp(i m phi) * sum over rings of a(r, m) conj(b(r, m)) ].

The inner sums of all images and references are one matrix product for each m; the outer sum is a
small product with cosines and sines. Only a quarter turn is computed: the values at phi, -phi,
pi - phi and pi + phi are sums and differences of the even and odd, cosine and sine parts. Shifts
and mirrors are applied to the references, which are fewer.
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
            scratch.values = _scratch(waves, widest)
        for mine, columns in blocks:
            quarter = _quarter_turn(waves, parts, columns, scratch.values)
            _keep_best(*quarter, n_candidates, grid.n_angles, score[rows, mine], place[rows, mine])

    for_each_chunk(search, len(images), IMAGES_PER_CHUNK, n_threads)
    return Poses(score, place)


def _quarter_waves(grid: PolarGrid) -> Tuple[Single, Single, Single, Single]:
    """Cosines and sines of even and odd orders over a quarter turn, shape (n_angles / 4 + 1, m)."""
    angles = 2 * np.pi * np.arange(grid.n_angles // 4 + 1) / grid.n_angles
    even, odd = (angles[:, None] * np.arange(first, grid.n_orders, 2) for first in (0, 1))
    return tuple(  # type: ignore[return-value]
        wave(turns).astype(np.float32) for wave in (np.cos, np.sin) for turns in (even, odd)
    )


def _rows(grid: PolarGrid, images: Samples) -> List[Single]:
    """Real and imaginary parts side by side, a matrix for each order."""
    parts = (images[:, start:stop] for start, stop in zip(grid.starts, grid.starts[1:]))
    return [np.concatenate((part.real, part.imag), axis=1) for part in parts]


def _columns(grid: PolarGrid, references: Samples) -> List[Tuple[Single, Single]]:
    """Factor by which `_rows` is multiplied to give the real and imaginary parts of a conj(b)."""
    flat = references.reshape(-1, references.shape[-1])
    parts = (flat[:, start:stop].T for start, stop in zip(grid.starts, grid.starts[1:]))
    return [
        (np.concatenate((part.real, part.imag)), np.concatenate((-part.imag, part.real)))
        for part in parts
    ]


def _quarter_turn(
    waves: Tuple[Single, Single, Single, Single],
    rows: List[Single],
    columns: List[Tuple[Single, Single]],
    scratch: List[Single],
) -> List[Single]:
    """Even cosine, odd cosine, even sine and odd sine parts, shape (n_angles / 4 + 1, pairs)."""
    shape = (len(rows[0]), columns[0][0].shape[1])
    *spaces, space = scratch
    parts = []
    for wave, is_sine, first, part in zip(waves, (0, 0, 1, 1), (0, 1, 0, 1), spaces):
        orders = range(first, len(rows), 2)
        products = _shaped(space, (len(orders), *shape))
        for product, m in zip(products, orders):
            np.matmul(rows[m], columns[m][is_sine], out=product)
        found = _shaped(part, (len(wave), shape[0] * shape[1]))
        parts.append(np.matmul(wave, products.reshape(len(orders), -1), out=found))
    return parts


def _scratch(waves: Tuple[Single, Single, Single, Single], n_pairs: int) -> List[Single]:
    """Scratch memory for the four parts of `_quarter_turn` and its products."""
    sizes = [*(len(wave) for wave in waves), max(wave.shape[1] for wave in waves)]
    return [np.empty(size * n_pairs, np.float32) for size in sizes]


def _shaped(space: Single, shape: Tuple[int, ...]) -> Single:
    return space[: int(np.prod(shape))].reshape(shape)


@compiled
def _keep_best(even_cos, odd_cos, even_sin, odd_sin, n_candidates, n_angles, score, place):  # type: ignore[no-untyped-def]
    """Unfold the quarter turn to a full turn, and keep the maximum of each pair."""
    n_rows = even_cos.shape[0]
    n_references = score.shape[1]
    width = n_references * n_candidates
    best = np.empty(width, np.float32)
    angle = np.empty(width, np.int32)
    half = n_angles // 2
    for i in range(score.shape[0]):
        first = i * width
        best[:] = -np.inf
        for a in range(n_rows):
            for j in range(width):
                cos_sum = even_cos[a, first + j] + odd_cos[a, first + j]
                cos_gap = even_cos[a, first + j] - odd_cos[a, first + j]
                sin_sum = even_sin[a, first + j] + odd_sin[a, first + j]
                sin_gap = even_sin[a, first + j] - odd_sin[a, first + j]
                top, where = best[j], angle[j]
                if cos_sum - sin_sum > top:
                    top, where = cos_sum - sin_sum, a
                if cos_sum + sin_sum > top:
                    top, where = cos_sum + sin_sum, n_angles - a
                if cos_gap + sin_gap > top:
                    top, where = cos_gap + sin_gap, half - a
                if cos_gap - sin_gap > top:
                    top, where = cos_gap - sin_gap, half + a
                best[j], angle[j] = top, where
        for k in range(n_references):
            winner = k * n_candidates
            for j in range(winner, winner + n_candidates):
                if best[j] > best[winner]:
                    winner = j
            score[i, k] = best[winner]
            place[i, k] = (winner - k * n_candidates) * n_angles + angle[winner] % n_angles
