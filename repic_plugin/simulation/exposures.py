"""Micrographs simulated from a density map: particles, CTF, ice, junk and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import (
    check_box_size,
    check_micrograph_size,
    check_not_negative,
    check_positive,
    check_whole_number,
)
from repic_plugin.classification import CtfParameters
from repic_plugin.simulation.checks import check_range, check_room
from repic_plugin.simulation.contamination import junk_rims, place_junk
from repic_plugin.simulation.molecule import molecule_at
from repic_plugin.simulation.particles import (
    DEFAULT_AMPLITUDE_CONTRAST,
    DEFAULT_DEFOCUS_RANGE_ANGSTROM,
    DEFAULT_SPHERICAL_ABERRATION_MM,
    DEFAULT_VOLTAGE_KV,
)
from repic_plugin.simulation.picture import Plan, Streams, particles_on, picture, streams_of
from repic_plugin.simulation.placement import place_apart

# Roughly those of unprocessed micrographs of ribosomes at 5 Å/px.
DEFAULT_SNR = 0.08
DEFAULT_GRADIENT = 0.5
DEFAULT_N_JUNK = 3
# Minimum distance between the centres of particles, in diameters.
DEFAULT_SPACING = 1.05
SMALLEST_BOX_PX = 4

Floats = NDArray[np.float64]
Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SimulatedExposure:
    """Simulated micrograph with its ground truth.

    Attributes
    ----------
    micrograph : ndarray of float32, shape (height, width)
        In units of the standard deviation of a particle over its box; particles are dark.
    centers : ndarray of float64, shape (n_particles, 2)
        x, y of the particles' origins in px, measured from the outer edge of the first pixels: the
        centre of the pixel in row i and column j is (j + 0.5, i + 0.5).
    euler_deg : ndarray of float64, shape (n_particles, 3)
        rot, tilt, psi (RELION's, ZYZ).
    junk_centers : ndarray of float64, shape (n_junk, 2)
        x, y in px, as `centers`.
    junk_radius_px : ndarray of float64, shape (n_junk,)
        Radius beyond which the blob vanishes.
    ctf : CtfParameters or None
        CTF of this micrograph; None if simulated without CTF.
    pixel_size_angstrom : float
    box_size_px : int
    """

    micrograph: Image
    centers: Floats
    euler_deg: Floats
    junk_centers: Floats
    junk_radius_px: Floats
    ctf: Optional[CtfParameters]
    pixel_size_angstrom: float
    box_size_px: int


def simulate_exposures(
    volume: ArrayLike,
    n_micrographs: int = 12,
    *,
    pixel_size_angstrom: float,
    n_particles: int = 60,
    micrograph_size_px: Sequence[int] = (1024, 1024),
    micrograph_pixel_size_angstrom: Optional[float] = None,
    box_size_px: Optional[int] = None,
    min_distance_px: Optional[float] = None,
    snr: Optional[float] = DEFAULT_SNR,
    defocus_range_angstrom: Optional[Sequence[float]] = DEFAULT_DEFOCUS_RANGE_ANGSTROM,
    voltage_kv: float = DEFAULT_VOLTAGE_KV,
    spherical_aberration_mm: float = DEFAULT_SPHERICAL_ABERRATION_MM,
    amplitude_contrast: float = DEFAULT_AMPLITUDE_CONTRAST,
    n_junk: int = DEFAULT_N_JUNK,
    gradient: float = DEFAULT_GRADIENT,
    random_state: int = 0,
) -> Iterator[SimulatedExposure]:
    """Micrographs of a map as taken by a microscope, simulated one after another.

    Particles are projections in uniformly distributed orientations, at uniformly distributed free
    positions, with their boxes inside the micrograph. The CTF of the micrograph is applied to
    all of them together; ice, junk and white noise are added.

    Parameters
    ----------
    volume : array_like of float, shape (box, box, box)
        Density, z, y, x; the origin is voxel box // 2. Outside the sphere inscribed in the box is
        solvent: its mean is subtracted, and it is not drawn.
    n_micrographs : int
    pixel_size_angstrom : float
        Pixel size of the map.
    n_particles : int
        Number on each micrograph.
    micrograph_size_px : (int, int)
        Width and height.
    micrograph_pixel_size_angstrom : float, optional
        By default that of the map; otherwise the map is resampled.
    box_size_px : int, optional
        Box for the definition of `snr`. By default the map's box at the pixel size of the
        micrographs, or one less if that is odd.
    min_distance_px : float, optional
        Minimum distance between the centres of particles, and from these to any junk. At least
        the diameter of the particle (see `map_diameter`), by default 1.05 times that.
    snr : float or None
        Variance of the particles over their boxes after the CTF, averaged over the boxes of each
        micrograph, divided by the variance of the white noise. None: no noise.
    defocus_range_angstrom : (float, float) or None
        Range of the uniformly distributed defocus of the micrographs. None: no CTF.
    voltage_kv, spherical_aberration_mm, amplitude_contrast : float
    n_junk : int
        Number of contaminating blobs on each micrograph, large crystals or small dense spots,
        dark or bright. The CTF is not applied to them.
    gradient : float
        Standard deviation of the slow variations by ice thickness, in units of that of a particle
        over its box.
    random_state : int
        Seed. Each micrograph has its own random stream, so more micrographs leave the first ones
        unchanged. Another `snr` gives the same particles and noise pattern.

    Returns
    -------
    iterator of SimulatedExposure
        Arguments are checked immediately; each micrograph is computed on demand.

    Raises
    ------
    ValueError
        If an argument is out of range; during iteration, if the particles or the junk do not fit
        into a micrograph.
    """
    molecule = molecule_at(volume, pixel_size_angstrom, micrograph_pixel_size_angstrom)
    size_px = check_micrograph_size(micrograph_size_px)
    plan = Plan(
        molecule,
        size_px=size_px,
        box_px=_check_box(box_size_px, molecule.slices.box_size_px, size_px),
        noise_std=0.0 if snr is None else check_positive("snr", snr) ** -0.5,
        ice_std=check_not_negative("gradient", gradient),
    )
    contents = _Contents(
        _check_spacing(min_distance_px, molecule.diameter_px),
        check_whole_number("n_particles", n_particles, 0),
        check_whole_number("n_junk", n_junk, 0),
    )
    n = check_whole_number("n_micrographs", n_micrographs, 1)
    streams = streams_of(n, random_state)
    ctf = None
    if defocus_range_angstrom is not None:
        bounds = check_range("defocus_range_angstrom", defocus_range_angstrom)
        ctf = CtfParameters.from_columns(
            np.array([own.defocus.uniform(*bounds) for own in streams]),
            voltage_kv=voltage_kv,
            spherical_aberration_mm=spherical_aberration_mm,
            amplitude_contrast=amplitude_contrast,
        )
    own_ctf = [None] * n if ctf is None else [ctf.take([m]) for m in range(n)]
    return (_expose(plan, contents, *own) for own in zip(own_ctf, streams))


class _Contents(NamedTuple):
    """Contents of each micrograph."""

    spacing_px: float
    n_particles: int
    n_junk: int


def _check_box(box_size_px: Optional[int], usual_px: int, size_px: Tuple[int, int]) -> int:
    box_px = usual_px
    if box_size_px is not None:
        box_px = check_box_size("box_size_px", box_size_px, SMALLEST_BOX_PX)
    check_room(box_px, size_px)
    return box_px


def _check_spacing(min_distance_px: Optional[float], diameter_px: float) -> float:
    if min_distance_px is None:
        return DEFAULT_SPACING * diameter_px
    if not (np.isfinite(min_distance_px) and min_distance_px >= diameter_px):
        raise ValueError(
            f"min_distance_px must be the particle's diameter, {diameter_px:g}, or more, got "
            f"{min_distance_px}; particles would overlap"
        )
    return float(min_distance_px)


def _expose(
    plan: Plan, contents: _Contents, ctf: Optional[CtfParameters], own: Streams
) -> SimulatedExposure:
    junk = place_junk(contents.n_junk, plan.size_px, plan.molecule.diameter_px, own.junk)
    half = plan.box_px / 2
    region = ((half, half), (plan.size_px[0] - half, plan.size_px[1] - half))
    centers = place_apart(
        contents.n_particles, region, contents.spacing_px, own.places, keep_clear=junk_rims(junk)
    )
    euler = _any_orientation(contents.n_particles, own.orientations)
    return SimulatedExposure(
        picture(plan, particles_on(plan, centers, euler, ctf), junk, own),
        centers,
        euler,
        junk.centers,
        junk.radius_px,
        ctf,
        plan.molecule.pixel_size_angstrom,
        plan.box_px,
    )


def _any_orientation(n: int, rng: np.random.Generator) -> Floats:
    """Uniformly distributed Euler angles."""
    rot, psi = rng.uniform(-180, 180, (2, n))
    return np.column_stack([rot, np.rad2deg(np.arccos(rng.uniform(-1, 1, n))), psi])
