"""One module for each command of `repic-plugin`: its arguments, and what it calls."""
