"""Iterative picking, and the protocols that prepare its subsets and labels."""
