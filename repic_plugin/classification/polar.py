"""Images on polar Fourier rings, where a rotation is a phase.

An image is sampled on rings of integer radius r (in Fourier pixels of its box), at equal angles,
and each ring is expanded in circular harmonics. Rotated content multiplies the coefficient of
order m by exp(-i m angle), mirrored content conjugates it, shifted content multiplies the samples
by a phase. Inner products of coefficients are those of the images, band-limited to the rings.

For rotational alignment in such coordinates see Joyeux and Penczek 2002, Ultramicroscopy 92:33
(section 2), and for the harmonics that a ring can hold Zhao and Singer 2014, J Struct Biol
186:153 (section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Tuple

import numpy as np
from numpy.typing import NDArray

# Rings 0 and 1 hold the brightness of the ice, not the shape of the particle.
FIRST_RING = 2
# Orders above pi r D / L are negligible on ring r, for content of diameter D in a box of side L.
EXTRA_ORDERS = 2

Samples = NDArray[np.complex64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PolarGrid:
    """Rings, angles and the orders kept on each ring; built by `polar_grid`.

    Attributes
    ----------
    box_size_px : int
        Side of the box that the rings refer to: ring r is r / box_size_px cycles per px.
    rings : ndarray of int64, shape (n_rings,)
    n_angles : int
        In a full turn; a multiple of 4. Only samples of the first half are kept: those of the
        second half are their conjugates, since images are real.
    order : ndarray of int64, shape (n_coefficients,)
        0 or more, ascending; negative orders follow from these.
    ring : ndarray of int64, shape (n_coefficients,)
        Index into `rings` of each coefficient.
    starts : ndarray of int64, shape (n_orders + 1,)
        The coefficients of order m are ``starts[m]:starts[m + 1]``.
    scale : ndarray of float32, shape (n_coefficients,)
        Factor that makes inner products of coefficients equal those of images.
    """

    box_size_px: int
    rings: NDArray[np.int64]
    n_angles: int
    order: NDArray[np.int64]
    ring: NDArray[np.int64]
    starts: NDArray[np.int64]
    scale: NDArray[np.float32]

    @property
    def n_orders(self) -> int:
        """Number of orders m, from 0."""
        return len(self.starts) - 1

    @property
    def n_coefficients(self) -> int:
        """Number of complex coefficients of an image."""
        return len(self.order)

    @property
    def angles(self) -> Floats:
        """Angles of the samples, radians from x (columns) towards y (rows), half a turn."""
        return 2 * np.pi * np.arange(self.n_angles // 2) / self.n_angles

    def frequencies(self) -> Tuple[Floats, Floats]:
        """Frequencies x and y of the samples, cycles per px, each (n_rings, n_angles / 2)."""
        radius = self.rings[:, None] / self.box_size_px
        return radius * np.cos(self.angles), radius * np.sin(self.angles)

    def coefficients(self, samples: Samples) -> Samples:
        """Circular harmonics of the rings.

        Parameters
        ----------
        samples : ndarray of complex64, shape (n, n_rings, n_angles / 2)

        Returns
        -------
        ndarray of complex64, shape (n, n_coefficients)
        """
        every = np.empty((*samples.shape[:2], self.n_orders), np.complex64)
        for first, part, wave in zip((0, 1), (samples.real, samples.imag), self._waves):
            sums = (np.ascontiguousarray(part).reshape(-1, len(wave)) @ wave).view(np.complex64)
            every[:, :, first::2] = sums.reshape(*samples.shape[:2], sums.shape[1])
        kept: Samples = every[:, self.ring, self.order]
        kept *= self.scale
        return kept

    def samples(self, coefficients: Samples) -> Samples:
        """Rings from their harmonics, the inverse of `coefficients` for what it keeps.

        Parameters
        ----------
        coefficients : ndarray of complex64, shape (n, n_coefficients)

        Returns
        -------
        ndarray of complex64, shape (n, n_rings, n_angles / 2)
        """
        every = np.zeros((len(coefficients), len(self.rings), self.n_orders), np.complex64)
        every[:, self.ring, self.order] = coefficients * (self.n_angles / self.scale)
        every[:, :, 0] /= 2  # all other orders stand for m and -m
        turn = np.empty((*every.shape[:2], self.n_angles // 2), np.complex64)
        for first, part, wave in zip((0, 1), (turn.real, turn.imag), self._waves):
            half = np.ascontiguousarray(every[:, :, first::2]).view(np.float32)
            part[:] = (half.reshape(-1, wave.shape[1]) @ wave.T).reshape(part.shape)
        return turn

    @cached_property
    def _waves(self) -> Tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Factors from samples to harmonics of even and of odd orders; transposed, the inverse.

        The second half of a turn is the conjugate of the first, since images are real: even
        orders follow from the real parts of the samples, odd ones from the imaginary parts. For so
        few samples a matrix product is several times as fast as an FFT.
        """
        waves = 2 / self.n_angles * np.exp(-1j * np.outer(self.angles, np.arange(self.n_orders)))
        even, odd = (
            np.ascontiguousarray(half, dtype=np.complex64).view(np.float32)
            for half in (waves[:, ::2], 1j * waves[:, 1::2])
        )
        return even, odd

    def shift_phases(self, shift_px: Floats) -> Samples:
        """Factors of the samples for a shift of the content.

        Parameters
        ----------
        shift_px : ndarray of float, shape (n, 2)
            x and y.

        Returns
        -------
        ndarray of complex64, shape (n, n_rings, n_angles / 2)
        """
        x, y = (f.astype(np.float32) for f in self.frequencies())
        shift = shift_px.astype(np.float32)[:, :, None, None]
        turns = -2 * np.float32(np.pi) * (x * shift[:, 0] + y * shift[:, 1])
        phases = np.empty(turns.shape, np.complex64)
        np.cos(turns, out=phases.real)
        np.sin(turns, out=phases.imag)
        return phases

    def power(self, coefficients: Samples) -> NDArray[np.float32]:
        """Sum of squares on each ring.

        Parameters
        ----------
        coefficients : ndarray of complex64, shape (n, n_coefficients)

        Returns
        -------
        ndarray of float32, shape (n, n_rings)
        """
        squares = coefficients.real**2 + coefficients.imag**2
        member = self.ring[:, None] == np.arange(len(self.rings))
        return np.asarray(squares @ member.astype(np.float32), dtype=np.float32)


def polar_grid(box_size_px: int, last_ring: int, diameter_px: float) -> PolarGrid:
    """Polar grid of the rings 2 to `last_ring`.

    Parameters
    ----------
    box_size_px : int
    last_ring : int
        In Fourier pixels: the resolution is box_size_px * pixel_size_angstrom / last_ring.
    diameter_px : float
        Diameter of the mask, which limits the orders that a ring can hold.
    """
    rings = np.arange(FIRST_RING, last_ring + 1)
    highest = np.floor(np.pi * rings * diameter_px / box_size_px + EXTRA_ORDERS).astype(np.int64)
    kept = [np.flatnonzero(highest >= m) for m in range(int(highest.max()) + 1)]
    order = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    ring = np.concatenate(kept)
    # Parseval on rings of width 1; orders m and -m count together.
    weight = 2 * np.pi * rings[ring] / box_size_px**2 * np.where(order == 0, 1, 2)
    return PolarGrid(
        box_size_px=box_size_px,
        rings=rings,
        n_angles=4 * (int(highest.max()) // 2 + 1),
        order=order,
        ring=ring,
        starts=np.searchsorted(order, np.arange(len(kept) + 1)),
        scale=np.sqrt(weight).astype(np.float32),
    )
