"""What `scipion3 tests` finds: the protocols on simulated data, with nothing to download."""
