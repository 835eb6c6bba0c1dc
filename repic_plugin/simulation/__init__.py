"""Simulation of picks, micrographs and particle images with known ground truth."""

from repic_plugin.simulation.directions import (
    directions_from_euler,
    euler_from_directions,
    half_sphere_directions,
    rotation_matrices,
)
from repic_plugin.simulation.exposures import (
    DEFAULT_GRADIENT,
    DEFAULT_N_JUNK,
    DEFAULT_SNR,
    SimulatedExposure,
    simulate_exposures,
)
from repic_plugin.simulation.micrographs import background_micrograph, simulate_micrograph
from repic_plugin.simulation.molecule import map_diameter
from repic_plugin.simulation.particles import (
    DEFAULT_AMPLITUDE_CONTRAST,
    DEFAULT_DEFOCUS_RANGE_ANGSTROM,
    DEFAULT_MAX_SHIFT_PX,
    DEFAULT_SPHERICAL_ABERRATION_MM,
    DEFAULT_SPREAD_DEG,
    DEFAULT_VOLTAGE_KV,
    SimulatedParticles,
    simulate_particles,
)
from repic_plugin.simulation.phantom import PHANTOM_BOX_PX, PHANTOM_PIXEL_SIZE_ANGSTROM, phantom_map
from repic_plugin.simulation.picks import SimulatedPicks, simulate_pickers, simulate_picks
from repic_plugin.simulation.projections import project_map, resize_box

__all__ = [
    "DEFAULT_AMPLITUDE_CONTRAST",
    "DEFAULT_DEFOCUS_RANGE_ANGSTROM",
    "DEFAULT_GRADIENT",
    "DEFAULT_MAX_SHIFT_PX",
    "DEFAULT_N_JUNK",
    "DEFAULT_SNR",
    "DEFAULT_SPHERICAL_ABERRATION_MM",
    "DEFAULT_SPREAD_DEG",
    "DEFAULT_VOLTAGE_KV",
    "PHANTOM_BOX_PX",
    "PHANTOM_PIXEL_SIZE_ANGSTROM",
    "SimulatedExposure",
    "SimulatedParticles",
    "SimulatedPicks",
    "background_micrograph",
    "directions_from_euler",
    "euler_from_directions",
    "half_sphere_directions",
    "map_diameter",
    "phantom_map",
    "project_map",
    "resize_box",
    "rotation_matrices",
    "simulate_exposures",
    "simulate_micrograph",
    "simulate_particles",
    "simulate_pickers",
    "simulate_picks",
]
