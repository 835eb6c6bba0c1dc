"""Basics of all files: errors, atomic writing, arrays, text tables, STAR."""
