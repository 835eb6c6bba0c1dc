"""2D classification of particles that are still arriving."""
