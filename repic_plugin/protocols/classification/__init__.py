"""2D classification."""
