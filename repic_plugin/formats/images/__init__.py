"""MRC headers, stacks of images and the STAR files of particles and classes."""
