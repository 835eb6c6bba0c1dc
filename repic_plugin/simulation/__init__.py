"""Seeded synthetic picks and micrographs."""

from repic_plugin.simulation.micrographs import background_micrograph, simulate_micrograph
from repic_plugin.simulation.picks import SimulatedPicks, simulate_picks

__all__ = ["SimulatedPicks", "background_micrograph", "simulate_micrograph", "simulate_picks"]
