"""Picks of imagined pickers whose recall and precision are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from repic_plugin.consensus import Picks, check_micrograph_size
from repic_plugin.simulation.checks import (
    check_count,
    check_distance,
    check_per_picker,
    check_seed,
)
from repic_plugin.simulation.placement import Region, place_apart

__all__ = ["SimulatedPicks", "simulate_picks"]

JITTER_BOX_FRACTION = 1 / 20
MIN_DISTANCE_BOX_FRACTION = 0.9
# False picks stay this far from all particles, and from each other.
FALSE_PICK_BOX_FRACTION = 0.5
# Above it no score of a false pick comes near one of a true pick, and the logistic saturates.
MAX_SCORE_SEPARATION = 20.0

PerPicker = Union[float, Sequence[float]]


@dataclass(frozen=True)
class SimulatedPicks:
    """Synthetic picks together with what is true.

    Attributes
    ----------
    picks : Picks
        Scored picks of all pickers, on each micrograph by picker and then by falling score.
    truth : Picks
        The particles, unscored, as picks of one picker named ``truth``.
    micrograph_size_px : (int, int)
        Width and height.
    box_size_px : int
    """

    picks: Picks
    truth: Picks
    micrograph_size_px: Tuple[int, int]
    box_size_px: int


@dataclass(frozen=True)
class _Picker:
    """How one picker works."""

    recall: float
    precision: float
    jitter_px: float
    score_separation: float


def simulate_picks(
    n_micrographs: int = 6,
    n_pickers: int = 3,
    *,
    n_particles: int = 200,
    micrograph_size_px: Sequence[int] = (4096, 4096),
    box_size_px: int = 180,
    recall: PerPicker = 0.8,
    precision: PerPicker = 0.8,
    jitter_px: Optional[PerPicker] = None,
    score_separation: PerPicker = 2.0,
    min_distance_px: Optional[float] = None,
    picker_names: Optional[Sequence[str]] = None,
    random_state: int = 0,
) -> SimulatedPicks:
    """Draw particles and what each of several independent pickers makes of them.

    Particles lie uniformly with their boxes inside the micrograph, `min_distance_px` apart. A
    picker finds each with probability `recall`, at a centre off by Gaussian noise, and adds a
    Poisson number of false picks such that its expected precision is `precision`. False picks
    lie uniformly, half a box or more from every particle and from each other, so that none is
    right by chance.

    Parameters
    ----------
    n_micrographs, n_pickers : int
    n_particles : int
        On each micrograph.
    micrograph_size_px : (int, int)
        Width and height.
    box_size_px : int
    recall : float or sequence of float, shape (n_pickers,)
        In [0, 1], for all pickers or for each.
    precision : float or sequence of float, shape (n_pickers,)
        In (0, 1].
    jitter_px : float or sequence of float, shape (n_pickers,), optional
        Standard deviation of the noise on x and on y, a twentieth of the box by default. Jittered
        boxes may stick out of the micrograph a little.
    score_separation : float or sequence of float, shape (n_pickers,)
        In [0, 20]. Scores are the logistic of normal variables of standard deviation 1 whose
        means for true and for false picks are this far apart, at half of it above and below 0.
    min_distance_px : float, optional
        Smallest distance between particles, nine tenths of the box by default.
    picker_names : sequence of str, optional
        ``picker_1, picker_2, ...`` by default.
    random_state : int
        Seed. Every micrograph, and on it every picker, has its own stream: asking for more of
        either leaves the first ones as they were.

    Returns
    -------
    SimulatedPicks
        With micrographs named ``mic_000, mic_001, ...``

    Raises
    ------
    ValueError
        If an argument breaks its rule, or if the points do not fit into the micrograph.
    """
    n_micrographs = check_count("n_micrographs", n_micrographs, 1)
    n_pickers = check_count("n_pickers", n_pickers, 1)
    n_particles = check_count("n_particles", n_particles, 0)
    box_px = check_count("box_size_px", box_size_px, 1)
    size_px = check_micrograph_size(micrograph_size_px)
    names = _picker_names(picker_names, n_pickers)
    region = _region(size_px, box_px)
    spacing_px = check_distance(
        "min_distance_px",
        box_px * MIN_DISTANCE_BOX_FRACTION if min_distance_px is None else min_distance_px,
        zero=True,
    )
    jitter = box_px * JITTER_BOX_FRACTION if jitter_px is None else jitter_px
    pickers = _pickers(n_pickers, recall, precision, jitter, score_separation)
    truth, found = [], []
    for seed in np.random.SeedSequence(check_seed(random_state)).spawn(n_micrographs):
        truth_seed, *picker_seeds = seed.spawn(n_pickers + 1)
        particles = place_apart(n_particles, region, spacing_px, np.random.default_rng(truth_seed))
        truth.append(particles)
        for picker, picker_seed in zip(pickers, picker_seeds):
            rng = np.random.default_rng(picker_seed)
            found.append(_pick(particles, picker, region, box_px, rng))
    return SimulatedPicks(
        _as_picks(found, n_micrographs, names),
        _as_picks(truth, n_micrographs, ["truth"]),
        size_px,
        box_px,
    )


def _pickers(
    n_pickers: int,
    recall: PerPicker,
    precision: PerPicker,
    jitter_px: PerPicker,
    score_separation: PerPicker,
) -> List[_Picker]:
    columns = (
        check_per_picker("recall", recall, n_pickers, (0, 1)),
        check_per_picker("precision", precision, n_pickers, (0, 1), open_below=True),
        check_per_picker("jitter_px", jitter_px, n_pickers, (0, np.inf)),
        check_per_picker(
            "score_separation", score_separation, n_pickers, (0, MAX_SCORE_SEPARATION)
        ),
    )
    return [_Picker(*row) for row in zip(*columns)]


def _pick(
    particles: NDArray[np.float64],
    picker: _Picker,
    region: Region,
    box_px: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """What one picker finds on one micrograph: columns x, y, score, by falling score."""
    hits = particles[rng.random(len(particles)) < picker.recall]
    hits = hits + rng.normal(0.0, 1.0, hits.shape) * picker.jitter_px
    n_expected = len(particles) * picker.recall * (1 - picker.precision) / picker.precision
    n_false = int(rng.poisson(n_expected))
    misses = place_apart(
        n_false,
        region,
        box_px * FALSE_PICK_BOX_FRACTION,
        rng,
        keep_clear=particles,
        what="false picks (set by precision)",
    )
    half = picker.score_separation / 2
    means = np.repeat([half, -half], [len(hits), len(misses)])
    scores = expit(rng.normal(means, 1.0))
    rows = np.column_stack([np.concatenate([hits, misses]), scores])
    return rows[np.argsort(-scores, kind="stable")]


def _region(size_px: Tuple[int, int], box_px: int) -> Region:
    """Where a centre may lie for its box to be inside the micrograph."""
    if box_px > min(size_px):
        raise ValueError(
            f"box_size_px must not exceed the micrograph's sides {size_px}, got {box_px}; "
            "give a smaller box or a larger micrograph_size_px"
        )
    half = box_px / 2
    return (half, half), (size_px[0] - half, size_px[1] - half)


def _picker_names(names: Optional[Sequence[str]], n_pickers: int) -> List[str]:
    if names is None:
        return [f"picker_{i + 1}" for i in range(n_pickers)]
    if len(names) != n_pickers or len(set(names)) != n_pickers:
        raise ValueError(
            f"picker_names must be {n_pickers} different names, one for each of n_pickers, "
            f"got {list(names)}"
        )
    return list(names)


def _as_picks(
    tables: Sequence[NDArray[np.float64]], n_micrographs: int, picker_names: Sequence[str]
) -> Picks:
    """Tables of x, y and perhaps score, by micrograph and then by picker, as one record."""
    counts = [len(table) for table in tables]
    columns = np.concatenate(list(tables)).T
    n_pickers = len(picker_names)
    return Picks.from_columns(
        np.repeat(np.repeat(np.arange(n_micrographs), n_pickers), counts),
        np.repeat(np.tile(np.arange(n_pickers), n_micrographs), counts),
        columns[0],
        columns[1],
        columns[2] if len(columns) == 3 else None,
        micrograph_names=[f"mic_{i:03d}" for i in range(n_micrographs)],
        picker_names=picker_names,
    )
