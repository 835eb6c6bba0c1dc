"""Picks of two pickers that find the same particles."""

import numpy as np

from repic_plugin.consensus import Picks


def two_pickers(micrographs, seed):
    """20 particles on each micrograph, which are numbers that their names end with."""
    rng = np.random.default_rng(seed)
    where = np.repeat(np.arange(len(micrographs)), 20)
    centers = rng.uniform(0, 300, (len(where), 2))
    columns = [np.concatenate([where, where])]
    columns += [np.concatenate([axis, axis + 2]) for axis in centers.T]
    who = np.repeat([0, 1], len(where))
    names = [f"m{one}" for one in micrographs]
    return Picks.from_columns(
        columns[0],
        who,
        *columns[1:],
        rng.random(len(who)),
        micrograph_names=names,
        picker_names=["one", "two"],
    )
