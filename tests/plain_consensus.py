"""REPIC's consensus: no pick is a copy, and particles may lie as close as they like."""

from functools import partial

from repic_plugin import consensus

find_consensus = partial(consensus.find_consensus, copy_distance_px=0, min_distance_px=0)
