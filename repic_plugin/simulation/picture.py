"""Rendering of a micrograph: particles with CTF, then ice, junk and noise."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from repic_plugin.arguments import check_seed
from repic_plugin.classification import CtfParameters, contrast_transfer
from repic_plugin.simulation.contamination import Junk, add_junk, ice
from repic_plugin.simulation.molecule import Molecule

Floats = NDArray[np.float64]
Image = NDArray[np.float32]


class Plan(NamedTuple):
    """Parameters of all micrographs."""

    molecule: Molecule
    size_px: Tuple[int, int]
    box_px: int
    noise_std: float
    ice_std: float


class Streams(NamedTuple):
    """Independent random generators of one micrograph, one for each kind of variable."""

    defocus: np.random.Generator
    junk: np.random.Generator
    places: np.random.Generator
    orientations: np.random.Generator
    ice: np.random.Generator
    noise: np.random.Generator


def streams_of(n: int, random_state: int) -> Sequence[Streams]:
    """Random streams of n micrographs; a larger n leaves the first ones unchanged."""
    seeds = np.random.SeedSequence(check_seed(random_state)).spawn(n)
    parts = len(Streams._fields)
    return [Streams(*map(np.random.default_rng, seed.spawn(parts))) for seed in seeds]


def particles_on(plan: Plan, centers: Floats, euler: Floats, ctf: Optional[CtfParameters]) -> Image:
    """Dark particles on a background of 0, shape (height, width), of mean box variance 1."""
    slices = plan.molecule.slices
    width, height = plan.size_px
    # margin for patches beyond the border, and for delocalisation by the CTF
    margin = slices.box_size_px
    shape = [fft.next_fast_len(side + 2 * margin, real=True) for side in (height, width)]
    canvas = np.zeros(shape, dtype=np.float32)
    pixels = np.rint(centers - 0.5).astype(np.int64)  # of the origins
    corners = pixels + margin - slices.box_size_px // 2
    for rows in slices.blocks(len(centers)):
        shifts = centers[rows] - 0.5 - pixels[rows]
        patches = slices.images(_shifted(slices.spectra(euler[rows]), shifts))
        for (x, y), patch in zip(corners[rows].tolist(), patches):
            canvas[y : y + len(patch), x : x + len(patch)] += patch
    if ctf is not None:
        canvas = _through_microscope(canvas, ctf, plan.molecule.pixel_size_angstrom)
    layer = canvas[margin : margin + height, margin : margin + width]
    return layer / np.float32(-(_box_variance(canvas, centers + margin, plan.box_px) ** 0.5))


def picture(plan: Plan, particles: Image, junk: Optional[Junk], own: Streams) -> Image:
    """Micrograph: particles from `particles_on`, to which everything else is added in place."""
    if plan.ice_std > 0:
        particles += ice(plan.size_px, plan.ice_std, own.ice)
    if junk is not None:
        add_junk(particles, junk)
    if plan.noise_std > 0:
        noise = own.noise.standard_normal(particles.shape, dtype=np.float32)
        particles += np.float32(plan.noise_std) * noise
    return particles


def _shifted(spectra: NDArray[np.complex64], shift_px: Floats) -> NDArray[np.complex64]:
    """Fourier transforms of images shifted along x and y, shape (n, box, box // 2 + 1)."""
    box_px = spectra.shape[1]
    turns_x = fft.rfftfreq(box_px) * shift_px[:, :1]
    turns_y = fft.fftfreq(box_px) * shift_px[:, 1:]
    along_x, along_y = (np.exp(-2j * np.pi * turns) for turns in (turns_x, turns_y))
    waves = along_y[:, :, None] * along_x[:, None, :]
    moved: NDArray[np.complex64] = spectra * waves.astype(np.complex64)
    return moved


def _through_microscope(image: Image, ctf: CtfParameters, pixel_size_angstrom: float) -> Image:
    height, width = image.shape
    x = fft.rfftfreq(width, pixel_size_angstrom)
    y = fft.fftfreq(height, pixel_size_angstrom)[:, None]
    spectrum = fft.rfft2(image)
    spectrum *= contrast_transfer(ctf, x, y, dtype=np.float32)[0]
    seen: Image = fft.irfft2(spectrum, s=image.shape)
    return seen


def _box_variance(layer: Image, centers: Floats, box_px: int) -> float:
    """Mean variance over boxes; 1 without any."""
    corners = np.rint(centers - box_px / 2).astype(np.int64).tolist()
    variances = [layer[y : y + box_px, x : x + box_px].var(dtype=np.float64) for x, y in corners]
    return float(np.mean(variances)) if variances else 1.0
