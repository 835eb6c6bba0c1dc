"""The optics groups of a RELION STAR file, from 3.1 on: what many particles share."""

from __future__ import annotations

from typing import Dict, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import format_error, listed
from repic_plugin.formats.base.text_tables import TextTable

OPTICS, GROUP = "data_optics", "rlnOpticsGroup"


def group_rows(
    particles: TextTable,
    group: Optional[NDArray[np.float64]],
    optics: Optional[TextTable],
    optics_values: Dict[str, NDArray[np.float64]],
    n_particles: int,
) -> Optional[NDArray[np.int64]]:
    """The row in the optics table of each particle; None without such a table.

    Parameters
    ----------
    particles : TextTable
    group : ndarray of float64, shape (n,), or None
        ``_rlnOpticsGroup`` of each particle.
    optics : TextTable or None
    optics_values : dict of str to ndarray of float64
        Columns of `optics`.
    n_particles : int

    Returns
    -------
    ndarray of int64, shape (n,), or None

    Raises
    ------
    FormatError
        If a particle's group is not known, or which it is.
    """
    if optics is None:
        return None
    n_groups = len(optics.rows())
    if GROUP not in optics_values or group is None:
        if n_groups == 1:
            return np.zeros(n_particles, np.int64)
        lacking = OPTICS if GROUP not in optics_values else particles.name
        problem = (
            f"column _{GROUP} is missing in {lacking}, and there are {n_groups} groups; add it"
        )
        raise format_error(particles.path, problem)
    order = np.argsort(optics_values[GROUP], kind="stable")
    known = optics_values[GROUP][order]
    place = np.minimum(np.searchsorted(known, group), n_groups - 1)
    unknown = np.flatnonzero(known[place] != group) if n_groups else np.arange(n_particles)
    if len(unknown):
        row = int(unknown[0])
        problem = f"{GROUP} must be one of {listed(f'{g:g}' for g in known)}, got {group[row]:g}"
        raise particles.row_error(row, f"{problem}; add the group to {OPTICS}")
    return np.asarray(order[place], np.int64)
