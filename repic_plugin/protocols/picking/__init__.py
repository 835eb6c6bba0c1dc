"""Picking, and the import of picks from files."""
