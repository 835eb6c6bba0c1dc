"""Consensus particle picking for Scipion."""

__version__ = "0.1.0"
