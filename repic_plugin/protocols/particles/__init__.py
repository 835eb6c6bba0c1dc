"""Extraction of particles."""
