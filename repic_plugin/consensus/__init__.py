"""Picks in, consensus out."""

from repic_plugin.consensus.picks import Picks

__all__ = ["Picks"]
