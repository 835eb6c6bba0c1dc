"""Probabilistic model of several pickers: its definition, fit and checks."""
