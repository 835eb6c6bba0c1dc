"""Picks of simulated pickers of known recall and precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, ndtr, ndtri

from repic_plugin.arguments import (
    check_box_size,
    check_fraction,
    check_micrograph_size,
    check_not_negative,
    check_seed,
    check_whole_number,
)
from repic_plugin.consensus import Picks
from repic_plugin.simulation.checks import check_per_picker, check_room
from repic_plugin.simulation.placement import Region, place_apart

JITTER_BOX_FRACTION = 1 / 20
MIN_DISTANCE_BOX_FRACTION = 0.9
# Minimum distance of false picks from all particles and from each other.
FALSE_PICK_BOX_FRACTION = 0.5
# Above it the scores of true and false picks are fully separated, and the logistic saturates.
MAX_SCORE_SEPARATION = 20.0

# Fraction of the shared junk found by the picker of a family with the most false picks.
JUNK_FOUND = 0.7
COMMON_STREAM = 2**31  # in addition to those of the pickers, whatever their number

PerPicker = Union[float, Sequence[float]]


@dataclass(frozen=True)
class SimulatedPicks:
    """Simulated picks with their ground truth.

    Attributes
    ----------
    picks : Picks
        Scored picks of all pickers, by micrograph, picker and decreasing score.
    truth : Picks
        The particles, without scores, as picks of one picker named ``truth``.
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
    """Parameters of one simulated picker."""

    recall: float
    precision: float
    jitter_px: float
    score_separation: float

    def n_false(self, n_particles: int) -> float:
        """Expected number of false picks on a micrograph with this many particles."""
        return n_particles * self.recall * (1 - self.precision) / self.precision


class _Common(NamedTuple):
    """Properties shared by the pickers of a family on a micrograph.

    `difficulty` is a standard normal variable for each particle, and `miss_correlation` its
    fraction of the variance that determines detection; a picker with n expected shared false
    picks picks each of the sites `junk` with probability n / len(junk).
    """

    difficulty: NDArray[np.float64]
    miss_correlation: float
    junk: NDArray[np.float64]
    shared_junk: float


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
    miss_correlation: float = 0.0,
    shared_junk: float = 0.0,
    family: Optional[Sequence[int]] = None,
    picker_names: Optional[Sequence[str]] = None,
    random_state: int = 0,
) -> SimulatedPicks:
    """Simulated particles and the picks of several pickers.

    Particles are distributed uniformly, at least `min_distance_px` apart, with their boxes inside
    the micrograph. A picker finds each with probability `recall`, with Gaussian noise on its
    centre, and adds a Poisson number of false picks such that its expected precision is
    `precision`. False picks are distributed uniformly, at least half a box from all particles and
    from each other, so that none is correct by chance. Pickers are independent unless
    `miss_correlation` or `shared_junk` is given.

    Parameters
    ----------
    n_micrographs, n_pickers : int
    n_particles : int
        Number on each micrograph.
    micrograph_size_px : (int, int)
        Width and height.
    box_size_px : int
    recall : float or sequence of float, shape (n_pickers,)
        In [0, 1], for all pickers or for each.
    precision : float or sequence of float, shape (n_pickers,)
        In (0, 1].
    jitter_px : float or sequence of float, shape (n_pickers,), optional
        Standard deviation of the noise on x and y, a twentieth of the box by default. Boxes may
        then extend slightly beyond the micrograph.
    score_separation : float or sequence of float, shape (n_pickers,)
        In [0, 20]. Scores are the logistic of normal variables of standard deviation 1, whose
        means for true and false picks are half of this above and below 0.
    min_distance_px : float, optional
        Minimum distance between particles, nine tenths of the box by default.
    miss_correlation : float
        In [0, 1). Tetrachoric correlation of the misses of two pickers of the family, as some
        particles are hard. Hard particles also get correspondingly lower scores.
    shared_junk : float
        In [0, 1). Fraction of the false picks of the family's pickers at sites that attract all
        of them.
    family : sequence of int, optional
        Indices of the pickers with correlated errors; all by default.
    picker_names : sequence of str, optional
        ``picker_1, picker_2, ...`` by default.
    random_state : int
        Seed. Each micrograph and each picker has its own random stream, so more of either leave
        the first ones unchanged.

    Returns
    -------
    SimulatedPicks
        With micrographs named ``mic_000, mic_001, ...``

    Raises
    ------
    ValueError
        If an argument is out of range, or the points do not fit into the micrograph.
    """
    n_micrographs = check_whole_number("n_micrographs", n_micrographs, 1)
    n_pickers = check_whole_number("n_pickers", n_pickers, 1)
    n_particles = check_whole_number("n_particles", n_particles, 0)
    box_px = check_box_size("box_size_px", box_size_px)
    size_px = check_micrograph_size(micrograph_size_px)
    names = _picker_names(picker_names, n_pickers)
    region = _region(size_px, box_px)
    spacing_px = check_not_negative(
        "min_distance_px",
        box_px * MIN_DISTANCE_BOX_FRACTION if min_distance_px is None else min_distance_px,
        "give it in px",
    )
    jitter = box_px * JITTER_BOX_FRACTION if jitter_px is None else jitter_px
    pickers = _pickers(n_pickers, recall, precision, jitter, score_separation)
    correlation = check_fraction("miss_correlation", miss_correlation)
    share = check_fraction("shared_junk", shared_junk)
    in_family = np.isin(np.arange(n_pickers), range(n_pickers) if family is None else family)
    relatives = [picker for picker, is_in in zip(pickers, in_family) if is_in]
    truth, found = [], []
    for seed in np.random.SeedSequence(check_seed(random_state)).spawn(n_micrographs):
        truth_seed, *picker_seeds = seed.spawn(n_pickers + 1)
        particles = place_apart(n_particles, region, spacing_px, np.random.default_rng(truth_seed))
        truth.append(particles)
        common_seed = np.random.SeedSequence(
            seed.entropy, spawn_key=(*seed.spawn_key, COMMON_STREAM)
        )
        common = _common(particles, relatives, correlation, share, region, box_px, common_seed)
        alone = common._replace(miss_correlation=0.0, shared_junk=0.0)
        for picker, is_in, picker_seed in zip(pickers, in_family, picker_seeds):
            rng = np.random.default_rng(picker_seed)
            found.append(_pick(particles, picker, common if is_in else alone, region, box_px, rng))
    return SimulatedPicks(
        _as_picks(found, n_micrographs, names),
        _as_picks(truth, n_micrographs, ["truth"]),
        size_px,
        box_px,
    )


def simulate_pickers(
    particles: Sequence[ArrayLike],
    n_pickers: int = 3,
    *,
    micrograph_size_px: Sequence[int],
    box_size_px: int,
    recall: PerPicker = 0.8,
    precision: PerPicker = 0.8,
    jitter_px: Optional[PerPicker] = None,
    score_separation: PerPicker = 2.0,
    random_state: int = 0,
) -> Picks:
    """Picks of several pickers on given particles; pickers are independent.

    Parameters
    ----------
    particles : sequence of array_like of float, shape (n_particles, 2)
        Centres in px, x then y, on each micrograph.
    n_pickers, micrograph_size_px, box_size_px, recall, precision, jitter_px, score_separation
        As of `simulate_picks`.
    random_state : int
        Seed.

    Raises
    ------
    ValueError
        If an argument is out of range, or the false picks do not fit into the micrograph.
    """
    n_pickers = check_whole_number("n_pickers", n_pickers, 1)
    box_px = check_box_size("box_size_px", box_size_px)
    region = _region(check_micrograph_size(micrograph_size_px), box_px)
    jitter = box_px * JITTER_BOX_FRACTION if jitter_px is None else jitter_px
    pickers = _pickers(n_pickers, recall, precision, jitter, score_separation)
    seeds = np.random.SeedSequence(check_seed(random_state)).spawn(len(particles))
    found = []
    for centers, seed in zip(particles, seeds):
        true = np.asarray(centers, dtype=np.float64).reshape(-1, 2)
        alone = _Common(np.zeros(len(true)), 0.0, np.zeros((0, 2)), 0.0)
        for picker, of_picker in zip(pickers, seed.spawn(n_pickers)):
            rng = np.random.default_rng(of_picker)
            found.append(_pick(true, picker, alone, region, box_px, rng))
    return _as_picks(found, len(particles), _picker_names(None, n_pickers))


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


def _common(
    particles: NDArray[np.float64],
    relatives: Sequence[_Picker],
    miss_correlation: float,
    shared_junk: float,
    region: Region,
    box_px: int,
    seed: np.random.SeedSequence,
) -> _Common:
    """Properties shared by the pickers of a family on one micrograph."""
    rng = np.random.default_rng(seed)
    difficulty = rng.standard_normal(len(particles))
    most = max((picker.n_false(len(particles)) for picker in relatives), default=0.0)
    n_junk = int(np.ceil(shared_junk * most / JUNK_FOUND))
    junk = _false_places(n_junk, particles, region, box_px, rng)
    return _Common(difficulty, miss_correlation, junk, shared_junk if n_junk else 0.0)


def _false_places(
    n: int, particles: NDArray[np.float64], region: Region, box_px: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    return place_apart(
        n,
        region,
        box_px * FALSE_PICK_BOX_FRACTION,
        rng,
        keep_clear=particles,
        what="false picks (set by precision)",
    )


def _pick(
    particles: NDArray[np.float64],
    picker: _Picker,
    common: _Common,
    region: Region,
    box_px: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Picks of one picker on one micrograph: columns x, y, score, by decreasing score."""
    own, shared = np.sqrt(1 - common.miss_correlation), np.sqrt(common.miss_correlation)
    chance = rng.random(len(particles))
    if shared:
        chance = ndtr(own * ndtri(chance) + shared * common.difficulty)
    is_found = chance < picker.recall
    hits = particles[is_found]
    hits = hits + rng.normal(0.0, 1.0, hits.shape) * picker.jitter_px
    n_false = picker.n_false(len(particles))
    n_own = int(rng.poisson(n_false * (1 - common.shared_junk)))
    misses = _false_places(n_own, particles, region, box_px, rng)
    if common.shared_junk:
        is_picked = rng.random(len(common.junk)) < n_false * common.shared_junk / len(common.junk)
        junk = common.junk[is_picked]
        misses = np.concatenate([misses, junk + rng.normal(0.0, picker.jitter_px, junk.shape)])
    half = picker.score_separation / 2
    means = np.repeat([half, -half], [len(hits), len(misses)])
    noise = rng.normal(0.0, 1.0, len(means))
    noise[: len(hits)] *= own
    noise[: len(hits)] -= shared * common.difficulty[is_found]
    rows = np.column_stack([np.concatenate([hits, misses]), expit(means + noise)])
    return rows[np.argsort(-rows[:, 2], kind="stable")]


def _region(size_px: Tuple[int, int], box_px: int) -> Region:
    """Region of the centres whose boxes are inside the micrograph."""
    check_room(box_px, size_px)
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
    """Picks from tables of x, y and optional score, by micrograph and then by picker."""
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
