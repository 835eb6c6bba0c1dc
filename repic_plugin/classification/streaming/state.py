"""State of a classification in a stream after some of the particles."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, List, Mapping, NamedTuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment, Measured
from repic_plugin.classification.assignment.contrast_prior import ContrastPrior
from repic_plugin.classification.full_averages import AverageSums
from repic_plugin.classification.quality import (
    JUNK_PROBABILITY,
    ClassQuality,
    means_of_classes,
    member_probability,
)
from repic_plugin.classification.references import References
from repic_plugin.classification.sizes import Sizes
from repic_plugin.classification.streaming.usual import Usual

# Standard deviations by which a class has more unexplained particles than by chance.
SURE = 4.0

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


class Scores(NamedTuple):
    """What `ClassQuality` tells of k classes, when they were made."""

    score: Floats
    probability: Floats
    resolution_angstrom: Floats
    is_off_centre: NDArray[np.bool_]

    def followed_by(self, other: Scores) -> Scores:
        """Of the classes of both, one after the other."""
        both: List[Any] = [np.concatenate(pair) for pair in zip(self, other)]
        return Scores(*both)

    def of(self, classes: Labels) -> Scores:
        """Of some of the classes."""
        some: List[Any] = [values[classes] for values in self]
        return Scores(*some)


class Unexplained(NamedTuple):
    """The latest particles that no class explains.

    Attributes
    ----------
    rows, labels : ndarray of int64, shape (m,)
        Number of each particle in the stream, and its class.
    expected : ndarray of float64, shape (k,)
        How many of each class there would be as usual.
    """

    rows: Labels
    labels: Labels
    expected: Floats

    @classmethod
    def none(cls, k: int) -> Unexplained:
        """No particles, of k classes."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(k))

    def with_more(self, rows: Labels, labels: Labels, expected: Floats, most: int) -> Unexplained:
        """The latest ones, at most so many."""
        rows, labels = np.append(self.rows, rows), np.append(self.labels, labels)
        part = min(1.0, most / max(len(rows), 1))
        return Unexplained(rows[-most:], labels[-most:], (self.expected + expected) * part)

    def excess(self) -> Floats:
        """How many more there are in each class than usual; 0 where this may be chance."""
        more = np.bincount(self.labels, minlength=len(self.expected)) - self.expected
        is_sure = more > SURE * np.sqrt(self.expected + 1)
        return np.where(is_sure & (more > self.expected), more, 0.0)


@dataclass(frozen=True, eq=False)
class StreamState:
    """State on which the next block depends, besides the images and the settings.

    Attributes
    ----------
    n_seen, n_first : int
        Particles so far, and those that the classes were made of.
    references : References
        Averages as they are now.
    sums : AverageSums
        What they are made of.
    n_averaged : ndarray of int64, shape (k,)
        Members of each average.
    sizes : ndarray of int64, shape (k,)
        All particles of each class.
    made_after : ndarray of int64, shape (k,)
        Particles that had been seen when the class was made.
    scores : Scores
    mean_fit : ndarray of float64, shape (k,)
        Of the particles that each class was made of; whatever comes later is judged by it.
    measured : Measured
        Noise and contrast of the first particles.
    usual : Usual
    unexplained : Unexplained
    """

    n_seen: int
    n_first: int
    references: References
    sums: AverageSums
    n_averaged: Labels
    sizes: Labels
    made_after: Labels
    scores: Scores
    mean_fit: Floats
    measured: Measured
    usual: Usual
    unexplained: Unexplained

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def is_junk(self) -> NDArray[np.bool_]:
        """Whether each class is probably junk, shape (k,)."""
        return np.asarray((self.sizes > 0) & (self.scores.probability < JUNK_PROBABILITY))

    def quality(self, labels: Labels, fit: Floats) -> ClassQuality:
        """Scores of the classes as they were when these were made, and of some of the particles.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,)
            Class of each particle; -1 for none.
        fit : ndarray of float64, shape (n,)
            As in `Assignment`.
        """
        own = member_probability(self.scores.probability, fit, labels, self.mean_fit)
        return ClassQuality(
            **self.scores._asdict(),
            threshold=float("nan"),
            member_probability=own,
            agreement=fit,
        )


def mean_fits(found: Assignment) -> Floats:
    """Mean fit of the particles of each class, shape (k,)."""
    kept = found.labels >= 0
    return means_of_classes(found.fit[kept], found.labels[kept], len(found.sizes))


def stream_to_arrays(state: StreamState) -> Dict[str, NDArray[Any]]:
    """State as arrays, which can be stored without pickle."""
    references, measured = state.references, state.measured
    sizes = asdict(references.sizes)
    return {
        "counts": np.array([state.n_seen, state.n_first]),
        "averages": references.averages,
        "comparison": np.array([np.nan if v is None else v for v in sizes.values()], np.float64),
        "ctf_mode": np.array([references.ctf_mode]),
        "flags": np.array([references.mirror, references.has_grey_scale]),
        "limits": np.array([references.dust_deviations, references.max_energy]),
        "noise": measured.noise,
        "measured": np.array(
            [
                measured.prior.noise_variance,
                measured.prior.spread_variance,
                measured.scale,
                measured.max_energy,
            ]
        ),
        "usual_centre": state.usual.centre,
        "usual_scale": state.usual.scale,
        "usual_limit": np.array([state.usual.limit]),
        "usual_share": state.usual.share,
        "unexplained_rows": state.unexplained.rows,
        "unexplained_labels": state.unexplained.labels,
        "unexplained_expected": state.unexplained.expected,
        "n_averaged": state.n_averaged,
        "sizes": state.sizes,
        "made_after": state.made_after,
        "mean_fit": state.mean_fit,
        **{f"sum_{name}": values for name, values in state.sums._asdict().items()},
        **state.scores._asdict(),
    }


def stream_from_arrays(arrays: Arrays) -> StreamState:
    """State from the arrays of `stream_to_arrays`.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    n_seen, n_first = arrays["counts"].tolist()
    limit = float(arrays["usual_limit"][0])
    unexplained = (arrays[f"unexplained_{name}"] for name in Unexplained._fields)
    return StreamState(
        n_seen=n_seen,
        n_first=n_first,
        references=_references(arrays),
        sums=AverageSums(*(arrays[f"sum_{name}"] for name in AverageSums._fields)),
        n_averaged=arrays["n_averaged"],
        sizes=arrays["sizes"],
        made_after=arrays["made_after"],
        scores=Scores(*(arrays[name] for name in Scores._fields)),
        mean_fit=arrays["mean_fit"],
        measured=_measured(arrays),
        usual=Usual(arrays["usual_centre"], arrays["usual_scale"], limit, arrays["usual_share"]),
        unexplained=Unexplained(*unexplained),
    )


def _references(arrays: Arrays) -> References:
    mirror, has_grey_scale = arrays["flags"].tolist()
    dust_deviations, max_energy = arrays["limits"].tolist()
    return References(
        averages=arrays["averages"],
        sizes=_comparison(arrays["comparison"]),
        ctf_mode=str(arrays["ctf_mode"][0]),
        mirror=mirror,
        dust_deviations=dust_deviations,
        max_energy=max_energy,
        has_grey_scale=has_grey_scale,
    )


def _comparison(values: Floats) -> Sizes:
    names = [one.name for one in fields(Sizes)]
    found: Dict[str, Any] = dict(zip(names, values.tolist()))
    for name in ("box_px", "n_rings"):
        found[name] = int(found[name])
    if np.isnan(found["particle_diameter_angstrom"]):
        found["particle_diameter_angstrom"] = None
    return Sizes(**{**found, "is_measured": bool(found["is_measured"])})


def _measured(arrays: Arrays) -> Measured:
    noise_variance, spread_variance, scale, max_energy = arrays["measured"].tolist()
    prior = ContrastPrior(noise_variance, spread_variance)
    return Measured(arrays["noise"], prior, scale, max_energy)
