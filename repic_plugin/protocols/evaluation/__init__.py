"""Evaluation of picks and of maps."""
