"""What the images of the candidates showed, for the summary and the methods."""

from __future__ import annotations

from typing import List, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import GOOD_CLASS, shares_in_good_classes
from repic_plugin.formats import CandidateClasses, listed, told_classes
from repic_plugin.wording import counted


def image_lines(
    classes: CandidateClasses, counts: NDArray[np.int64], names: Sequence[str]
) -> List[str]:
    """Number of candidates and classes, and for each picker its share in good classes.

    Parameters
    ----------
    classes : CandidateClasses
    counts : ndarray of int64, shape (n_pickers, n_classes, 2)
        See `picker_classes`.
    names : sequence of str
        Of the pickers.
    """
    is_good = classes.share >= GOOD_CLASS
    n_seen = int((classes.label >= 0).sum())
    lines = [
        f"Images: {n_seen:,} of {len(classes.label):,} candidates were looked at, in "
        f"{told_classes(classes, '2D class')}.",
        *(f"! Caution: {note}." for note in classes.notes),
    ]
    if classes.is_filtered:  # the model says so, too
        return lines
    return lines + picker_lines(is_good, counts, names)


def picker_lines(
    is_good: NDArray[np.bool_], counts: NDArray[np.int64], names: Sequence[str]
) -> List[str]:
    """For each picker its share in good classes, with arguments as of `image_lines`."""
    lines = []
    for name, n, share in zip(names, *shares_in_good_classes(counts, is_good)):
        kinds = ("picks that it alone found", "shared picks")
        told = [f"{part:.0%} of {m:,} {kind}" for m, part, kind in zip(n, share, kinds) if m]
        lines.append(f"{name}: {' and '.join(told) or 'no picks'} lie in classes of particles.")
    return lines


def without_ctf(names: Sequence[str]) -> List[str]:
    """A warning of micrographs that lack a CTF where others have one."""
    if not names:
        return []
    n = counted(len(names), "micrograph")
    return [f"! Caution: no CTF is known of {n} ({listed(names)}): not looked at."]


def image_methods(classes: CandidateClasses, has_ctf: bool) -> str:
    """A sentence on the images."""
    n_seen, n_good = int((classes.label >= 0).sum()), int((classes.share >= GOOD_CLASS).sum())
    corrected = ", with phase flip and CTF weighting" if has_ctf else ""
    sorted_ = (
        f"The images of {n_seen:,} candidates, at {classes.pixel_size_angstrom:.3g} Å/px, were "
        f"sorted into {counted(len(classes.share), 'class')} by ACK-means [Xu2016]{corrected}"
    )
    if classes.n_assigned:
        sorted_ += (
            f" ({n_seen - classes.n_assigned:,} of them, on evenly spread micrographs, made the "
            "classes, to which the others were assigned)"
        )
    if classes.is_filtered:
        return f"{sorted_}, but decided nothing, as they had been filtered or denoised."
    return (
        f"{sorted_}, of which {n_good} held particles by their scores; the shares of particles in "
        "the classes decided which candidates are particles, and from these the agreement and the "
        "scores of the pickers were learnt again."
    )


def chosen_methods(n_chosen: int, n_classes: int, has_classified: bool) -> str:
    """A sentence on classes or particles that the user chose."""
    of = f" of {n_classes:,} 2D classes" if n_classes > 1 else ""
    rest = "the other classified particles" if has_classified else "all other candidates"
    return (
        f"{n_chosen:,} candidates were among particles{of} that had been chosen by eye, and {rest} "
        "counted as junk; from these the agreement and the scores of the pickers were learnt again."
    )
