"""Particle images in, 2D classes out."""

from repic_plugin.classification.ctf import CtfParameters, contrast_transfer

__all__ = ["CtfParameters", "contrast_transfer"]
