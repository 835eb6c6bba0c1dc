"""Probability of candidates to be particles, with a second look at those in classes of junk.

Where most candidates are junk, classes of junk hold particles as well: a few among many peaks of
noise, at low signal-to-noise ratios a fourth of all. Each member of a class of junk is compared
with the classes of particles alone. It is a particle if it agrees with one of them beyond chance,
as in `members`, unless its own class explains it much better, as it does explain contamination,
whose high contrast agrees with anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from repic_plugin.classification.assignment import Assignment, Measured, assign_particles
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.members import (
    JUNK_SHARE,
    Members,
    Normal,
    fit_members,
    level_of_junk,
    mixed,
)
from repic_plugin.classification.references import References
from repic_plugin.classification.result import Classification

# Squared distance to the own class, in variances of the noise, that may be less than that to the
# class of particles, and the width of this limit. It limits the probability: as a prior it would be
# outweighed by the agreement, which in contamination is far beyond what noise may have.
MOST_LOSS, LOSS_WIDTH = 100.0, 10.0
LEAST_ABOVE = 2.0  # mean agreement of particles, in standard deviations of junk above it
PART, PART_WEIGHT, N_ITERATIONS = 0.05, 20.0, 50  # prior of particles in classes of junk

Single = NDArray[np.float32]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class SecondLook(NamedTuple):
    """What decides whether members of classes of junk are particles.

    Attributes
    ----------
    good : ndarray of int64, shape (n_good,)
        Classes of particles.
    references : References
        Their averages.
    measured : Measured
        Noise of the images.
    junk : Normal
        Agreement of junk with the nearest class of particles.
    part : float
        Of particles among the members of classes of junk.
    """

    good: Labels
    references: References
    measured: Measured
    junk: Normal
    part: float


class CandidateJudge(NamedTuple):
    """Judges images in classes of which some hold particles.

    Attributes
    ----------
    share : ndarray of float64, shape (k,)
        Probability of each class to hold particles.
    members : Members
    second : SecondLook or None
        None without classes of particles, or without others.
    """

    share: Floats
    members: Members
    second: Optional[SecondLook]

    def probability(
        self,
        images: Single,
        found: Assignment,
        ctf: Optional[CtfParameters] = None,
        n_threads: int = 1,
    ) -> Floats:
        """Probability of further images, which were assigned to all classes, shape (n,).

        NaN for empty images.
        """
        probability = np.full(len(found), np.nan)
        kept = found.labels >= 0
        labels, agreement = found.labels[kept], found.fit[kept]
        probability[kept] = self.share[labels] * self.members.probability(agreement, labels)
        rows = _in_junk(found.labels, self.share)
        if self.second is None or not len(rows):
            return probability
        own = images[rows], _taken(ctf, rows)
        again = _assigned(*own, self.second.references, self.second.measured, n_threads)
        loss = again.dissimilarity - found.dissimilarity[rows]
        probability[rows] = np.maximum(
            probability[rows], _probability(again, loss, self.share, self.members, self.second)
        )
        return probability


def judge_candidates(
    images: Single,
    found: Classification,
    share: Floats,
    ctf: Optional[CtfParameters] = None,
    n_threads: int = 1,
) -> Tuple[CandidateJudge, Floats]:
    """Probability of the images of a classification to be particles, and what judges further ones.

    Parameters
    ----------
    images : ndarray of float32, shape (n, box, box)
        Those that were classified.
    found : Classification
    share : ndarray of float64, shape (k,)
        Probability of each class to hold particles, see `particle_shares`.
    ctf : CtfParameters, optional
        If they were classified with it.
    n_threads : int

    Returns
    -------
    CandidateJudge
    ndarray of float64, shape (n,)
        NaN for empty images.

    Raises
    ------
    ValueError
        If the classes were not judged, as on ranks of MPI other than the first.
    """
    if found.quality is None:
        raise ValueError("found must have the quality of its classes, got that of another rank")
    kept = found.labels >= 0
    own = found.quality.agreement[kept], found.labels[kept]
    members = fit_members(share, *own)
    probability = np.full(len(found), np.nan)
    probability[kept] = share[own[1]] * members.probability(*own)
    rows, good = (
        _in_junk(found.labels, share),
        np.flatnonzero((share >= JUNK_SHARE) & (found.sizes > 0)),
    )
    if not (len(rows) and len(good)):
        return CandidateJudge(share, members, None), probability
    references = found.references()
    references = replace(references, averages=references.averages[good])
    again = _assigned(images[rows], _taken(ctf, rows), references, None, n_threads)
    loss = again.dissimilarity - found.dissimilarity[rows]
    second = SecondLook(good, references, again.measured, level_of_junk(again.fit), PART)
    for _ in range(N_ITERATIONS):
        new = _probability(again, loss, share, members, second)
        part = (new.sum() + PART * PART_WEIGHT) / (len(rows) + PART_WEIGHT)
        second = second._replace(part=float(part))
    probability[rows] = np.maximum(probability[rows], new)
    return CandidateJudge(share, members, second), probability


def _in_junk(labels: Labels, share: Floats) -> Labels:
    """Rows of the images in classes of junk."""
    return np.flatnonzero((labels >= 0) & (share[labels] < JUNK_SHARE))


def _assigned(
    images: Single,
    ctf: Optional[CtfParameters],
    references: References,
    known: Optional[Measured],
    n_threads: int,
) -> Assignment:
    return assign_particles(
        images,
        references,
        ctf=ctf,
        measured_before=known,
        check_contrast=False,  # junk may resemble inverted particles
        n_threads=n_threads,
    )


def _probability(
    again: Assignment, loss: Floats, share: Floats, members: Members, second: SecondLook
) -> Floats:
    """Probability of members of classes of junk, compared with those of particles."""
    label = second.good[again.labels]
    least = second.junk.mean + LEAST_ABOVE * second.junk.deviation
    mean = np.maximum(members.mean[label], least)
    found = mixed(again.fit, second.part, mean, members.deviation, second.junk)
    return np.asarray(share[label] * found * expit((MOST_LOSS - loss) / LOSS_WIDTH))


def _taken(ctf: Optional[CtfParameters], rows: Labels) -> Optional[CtfParameters]:
    return None if ctf is None else ctf.take(rows)
