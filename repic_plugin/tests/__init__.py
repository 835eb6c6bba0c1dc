"""Tests for `scipion3 tests`: the protocols on simulated data, without downloads."""
