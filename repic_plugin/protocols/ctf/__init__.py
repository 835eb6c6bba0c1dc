"""CTFs of micrographs."""
