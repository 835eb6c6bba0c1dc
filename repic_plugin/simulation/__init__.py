"""Seeded synthetic picks, micrographs and particle images."""

from repic_plugin.simulation.directions import (
    directions_from_euler,
    euler_from_directions,
    half_sphere_directions,
    rotation_matrices,
)
from repic_plugin.simulation.exposures import SimulatedExposure, simulate_exposures
from repic_plugin.simulation.micrographs import background_micrograph, simulate_micrograph
from repic_plugin.simulation.molecule import map_diameter
from repic_plugin.simulation.particles import SimulatedParticles, simulate_particles
from repic_plugin.simulation.phantom import phantom_map
from repic_plugin.simulation.picks import SimulatedPicks, simulate_picks
from repic_plugin.simulation.projections import project_map, resize_box

__all__ = [
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
    "simulate_picks",
]
