"""Consensus picking."""
