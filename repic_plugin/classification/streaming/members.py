"""Sums over the members of classes, by which averages are refreshed."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.full_averages import AverageSums, average_sums
from repic_plugin.classification.normalisation import Normaliser, background
from repic_plugin.classification.references import References

# New members of an average for each that it has, at most, in one refreshment.
MOST_NEW = 1.0

Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


def some_of_each(labels: Labels, is_wanted: Flags, most: Labels) -> Flags:
    """The first wanted ones of each class, at most so many; shape (n,).

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        From -1 to k - 1.
    is_wanted : ndarray of bool, shape (n,)
    most : ndarray of int64, shape (k,)
    """
    rows = np.flatnonzero(is_wanted & (labels >= 0))
    order = rows[np.argsort(labels[rows], kind="stable")]
    own = labels[order]
    place = np.arange(len(order)) - np.searchsorted(own, own)
    taken = np.zeros(len(labels), np.bool_)
    taken[order[place < most[own]]] = True
    return taken


def sums_of(
    images: Any,
    found: Assignment,
    is_member: Flags,
    references: References,
    *,
    ctf: Optional[CtfParameters],
    phase_flipped: bool,
    n_threads: int,
) -> AverageSums:
    """Sums over the images that are members of averages, in the poses of their assignment.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
    found : Assignment
        Of these images.
    is_member : ndarray of bool, shape (n,)
    references : References
    ctf, phase_flipped, n_threads
        As for `assign_particles`.
    """
    sizes = references.sizes
    radius = sizes.mask_diameter_px / 2
    outside = background(sizes.box_px, radius + sizes.edge_px)
    rows = np.flatnonzero(is_member)
    poses = (found.labels, found.rotation_deg, found.shift_px, found.mirror, found.factor)
    sums, _ = average_sums(
        images,
        (rows, *(column[rows] for column in poses)),
        (0, len(references)),
        pixel_size_angstrom=sizes.pixel_size_angstrom,
        ctf=ctf if references.ctf_mode != "none" else None,
        flip=not phase_flipped,
        weight=references.ctf_mode == "weight",
        normaliser=Normaliser(outside, references.dust_deviations),
        n_threads=n_threads,
    )
    return sums
