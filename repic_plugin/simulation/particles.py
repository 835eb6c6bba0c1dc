"""Simulated particle images of known views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from repic_plugin.arguments import (
    check_box_size,
    check_fraction,
    check_not_negative,
    check_pixel_size,
    check_positive,
    check_seed,
    check_whole_number,
)
from repic_plugin.classification import CtfParameters, contrast_transfer
from repic_plugin.simulation.checks import SMALLEST_BOX_PX, check_range, check_volume
from repic_plugin.simulation.directions import (
    directions_from_euler,
    euler_from_directions,
    half_sphere_directions,
)
from repic_plugin.simulation.projections import MapSlices, resize_box

# Usual for current microscopes: 300 kV, Cs 2.7 mm, and 1 to 2.5 um underfocus.
DEFAULT_VOLTAGE_KV = 300.0
DEFAULT_SPHERICAL_ABERRATION_MM = 2.7
DEFAULT_AMPLITUDE_CONTRAST = 0.1
DEFAULT_DEFOCUS_RANGE_ANGSTROM = (10_000.0, 25_000.0)
# With this, 0.970 of the pairs of one view lie within 15 degrees of each other.
DEFAULT_SPREAD_DEG = 4.0
DEFAULT_MAX_SHIFT_PX = 3.0

JUNK = -1  # view of an image without a particle

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SimulatedParticles:
    """Simulated particle images with their ground truth, in random order.

    Attributes
    ----------
    images : ndarray of float32, shape (n, box, box)
        In units of the standard deviation of the noise; particles are white. Not CTF-corrected.
    view : ndarray of int64, shape (n,)
        Index of the view, -1 for junk.
    euler_deg : ndarray of float64, shape (n, 3)
        rot, tilt, psi of each image (RELION's, ZYZ); nan for junk.
    shift_px : ndarray of float64, shape (n, 2)
        Offset x, y of the particle's origin from pixel (box // 2, box // 2); nan for junk.
    ctf : CtfParameters or None
        None if simulated without CTF.
    pixel_size_angstrom : float
    """

    images: NDArray[np.float32]
    view: NDArray[np.int64]
    euler_deg: Floats
    shift_px: Floats
    ctf: Optional[CtfParameters]
    pixel_size_angstrom: float

    def __len__(self) -> int:
        return len(self.view)

    def directions(self) -> Floats:
        """Viewing direction of each image as a unit vector, shape (n, 3); nan for junk."""
        found = np.full((len(self), 3), np.nan)
        seen = self.view != JUNK
        found[seen] = directions_from_euler(self.euler_deg[seen])
        return found


def simulate_particles(
    volume: ArrayLike,
    n_views: int,
    n_per_view: int,
    *,
    pixel_size_angstrom: float,
    snr: Optional[float],
    box_size_px: Optional[int] = None,
    spread_deg: float = DEFAULT_SPREAD_DEG,
    max_shift_px: float = DEFAULT_MAX_SHIFT_PX,
    defocus_range_angstrom: Optional[Sequence[float]] = DEFAULT_DEFOCUS_RANGE_ANGSTROM,
    voltage_kv: float = DEFAULT_VOLTAGE_KV,
    spherical_aberration_mm: float = DEFAULT_SPHERICAL_ABERRATION_MM,
    amplitude_contrast: float = DEFAULT_AMPLITUDE_CONTRAST,
    uneven: Optional[float] = None,
    junk_fraction: float = 0.0,
    random_state: int = 0,
    progress: Optional[Callable[[int, int], None]] = None,
) -> SimulatedParticles:
    """Simulated images around views distributed evenly over half a sphere.

    The benchmark of ACK-means, after the simulated data of Xu et al. 2016,
    doi:10.1371/journal.pone.0167765. The viewing direction of each image deviates from its view by
    a normally distributed rotation about each of two perpendicular axes; the image is rotated in
    the plane by a random angle, shifted by up to `max_shift_px`, and has its own CTF and noise.

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)
        Density, z, y, x; the origin is voxel box // 2.
    n_views, n_per_view : int
        Their product is the number of images with a particle.
    pixel_size_angstrom : float
        Pixel size of the map and of the images.
    snr : float or None
        Variance of the particles over the whole box after the CTF, averaged over images, divided
        by that of the noise. None: no noise, and images of mean variance 1.
    box_size_px : int, optional
        The map is cropped or zero-padded to it around its origin. By default the map's box, or one
        less if that is odd: the last layer of voxels along each axis is then cropped.
    spread_deg : float
        Standard deviation about each axis.
    max_shift_px : float
        Shifts are uniform in a disc of this radius, with periodic boundaries.
    defocus_range_angstrom : (float, float) or None
        Range of the uniformly distributed defocus of the images. None: no CTF.
    voltage_kv, spherical_aberration_mm, amplitude_contrast : float
    uneven : float, optional
        Images are assigned to views at random, with lognormal weights of this standard deviation.
        None: `n_per_view` images for each.
    junk_fraction : float
        In [0, 1). Fraction of all images that is pure noise, in addition to the others.
    random_state : int
        Seed. Another `snr` gives the same particles and noise pattern.
    progress : callable, optional
        Called as ``progress(n_done, n)`` while projecting.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    density = _density(volume, box_size_px)
    n = check_whole_number("n_views", n_views, 1) * check_whole_number("n_per_view", n_per_view, 1)
    pixel_size = check_pixel_size("pixel_size_angstrom", pixel_size_angstrom)
    noise_std = 0.0 if snr is None else check_positive("snr", snr) ** -0.5
    max_shift = _check_max_shift(max_shift_px, len(density))
    junk = check_fraction("junk_fraction", junk_fraction)
    n_junk = round(n * junk / (1 - junk))
    seeds = np.random.SeedSequence(check_seed(random_state)).spawn(len(_Streams._fields))
    streams = _Streams(*map(np.random.default_rng, seeds))

    place = streams.order.permutation(n + n_junk)[:n]
    view = np.full(n + n_junk, JUNK, dtype=np.int64)
    view[place] = _populations(n_views, n, uneven, streams.populations)
    euler = np.full((n + n_junk, 3), np.nan)
    euler[place] = _euler_around(
        half_sphere_directions(n_views)[view[place]],
        check_not_negative("spread_deg", spread_deg, "give it in degrees"),
        streams.orientations,
    )
    shift = np.full((n + n_junk, 2), np.nan)
    shift[place] = _in_disc(n, max_shift, streams.shifts)
    ctf = None
    if defocus_range_angstrom is not None:
        bounds = check_range("defocus_range_angstrom", defocus_range_angstrom)
        ctf = CtfParameters.from_columns(
            streams.defoci.uniform(*bounds, n + n_junk),
            voltage_kv=voltage_kv,
            spherical_aberration_mm=spherical_aberration_mm,
            amplitude_contrast=amplitude_contrast,
        )
    images = _signal(density, euler, shift, ctf, pixel_size, progress)
    _add_noise(images, noise_std, streams.noise)
    return SimulatedParticles(images, view, euler, shift, ctf, pixel_size)


class _Streams(NamedTuple):
    """Independent random generators, one for each kind of variable."""

    order: np.random.Generator
    populations: np.random.Generator
    orientations: np.random.Generator
    shifts: np.random.Generator
    defoci: np.random.Generator
    noise: np.random.Generator


def _density(volume: ArrayLike, box_size_px: Optional[int]) -> NDArray[np.float32]:
    density = check_volume(volume)
    if box_size_px is None:
        return resize_box(density, len(density) - len(density) % 2)
    return resize_box(density, check_box_size("box_size_px", box_size_px, SMALLEST_BOX_PX))


def _check_max_shift(max_shift_px: float, box_px: int) -> float:
    radius = check_not_negative("max_shift_px", max_shift_px, "give it in px")
    if radius > box_px / 2:
        raise ValueError(
            f"max_shift_px must not exceed half of the box, {box_px / 2:g}, got {radius:g}; "
            "particles would wrap around"
        )
    return radius


def _populations(
    n_views: int, n: int, uneven: Optional[float], rng: np.random.Generator
) -> NDArray[np.int64]:
    """View of each image."""
    if uneven is None:
        return np.repeat(np.arange(n_views), n // n_views)
    spread = check_not_negative("uneven", uneven)
    weights = np.exp(spread * rng.standard_normal(n_views))
    return np.sort(rng.choice(n_views, n, p=weights / weights.sum()))


def _euler_around(directions: Floats, spread_deg: float, rng: np.random.Generator) -> Floats:
    """Euler angles of perturbed directions, with random angles in the plane."""
    steps = rng.normal(0.0, np.deg2rad(spread_deg), (len(directions), 2))
    psi = rng.uniform(-180, 180, len(directions))
    return euler_from_directions(_turned(directions, steps), psi)


def _turned(directions: Floats, steps: Floats) -> Floats:
    """Directions rotated about two axes perpendicular to them, by steps of (n, 2) radians."""
    not_parallel = np.where(np.abs(directions[:, 2:]) < 0.9, [[0.0, 0, 1]], [[1.0, 0, 0]])
    first = np.cross(directions, not_parallel)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(directions, first)
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    sideways = steps[:, :1] * first + steps[:, 1:] * second
    # numpy's sinc is sin(pi x) / (pi x): a step of 0 is no special case
    return np.asarray(np.cos(length) * directions + np.sinc(length / np.pi) * sideways)


def _in_disc(n: int, radius: float, rng: np.random.Generator) -> Floats:
    length, direction = radius * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    return np.column_stack([length * np.cos(direction), length * np.sin(direction)])


def _signal(
    density: NDArray[np.float32],
    euler_deg: Floats,
    shift_px: Floats,
    ctf: Optional[CtfParameters],
    pixel_size_angstrom: float,
    progress: Optional[Callable[[int, int], None]],
) -> NDArray[np.float32]:
    """Noise-free images of mean variance 1; 0 where the angles are nan."""
    slices = MapSlices(density)
    box_px = slices.box_size_px
    x, y = fft.rfftfreq(box_px), fft.fftfreq(box_px)[:, None]
    images = np.zeros((len(euler_deg), box_px, box_px), dtype=np.float32)
    seen = np.flatnonzero(np.isfinite(euler_deg[:, 0]))
    variance = 0.0
    for block in slices.blocks(len(seen)):
        rows = seen[block]
        spectra = slices.spectra(euler_deg[rows])
        spectra *= _waves(shift_px[rows, 0, None, None], x)
        spectra *= _waves(shift_px[rows, 1, None, None], y)
        if ctf is not None:
            frequencies = (x / pixel_size_angstrom, y / pixel_size_angstrom)
            spectra *= contrast_transfer(ctf.take(rows), *frequencies, dtype=np.float32)
        drawn = slices.images(spectra)
        variance += float(drawn.var(axis=(1, 2), dtype=np.float64).sum())
        images[rows] = drawn
        if progress is not None:
            progress(block.stop, len(seen))
    images *= np.float32((variance / len(seen)) ** -0.5)
    return images


def _waves(shift_px: Floats, frequency: Floats) -> NDArray[np.complex64]:
    """Fourier factors that shift the image."""
    waves: NDArray[np.complex64] = np.exp(-2j * np.pi * shift_px * frequency).astype(np.complex64)
    return waves


def _add_noise(images: NDArray[np.float32], std: float, rng: np.random.Generator) -> None:
    """Add white noise of this standard deviation, in place, and scale it to 1."""
    if std == 0:
        return
    images /= np.float32(std)
    for i in range(len(images)):  # one image at a time: no second stack in memory
        images[i] += rng.standard_normal(images.shape[1:], dtype=np.float32)
