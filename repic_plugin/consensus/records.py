"""Records passed between the stages of a batch: settings, picks, consensus."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray


class Settings(NamedTuple):
    """Settings that hold for every micrograph; see `find_consensus`."""

    quorum: int
    min_overlap: float
    sizes_px: NDArray[np.float64]
    reach_px: float
    position: str
    num_particles: Optional[int]
    time_limit_s: Optional[float]
    largest_component: bool = False
    solver: str = "highs"
    min_distance_px: float = 0.0
    rank_by: str = "weight"


class BatchPicks(NamedTuple):
    """Picks of some micrographs, by micrograph and then by picker.

    `pick` is the index in the given picks; `micrograph` is the index in the batch, whose m-th
    holds the picks ``starts[m]`` to ``starts[m + 1]``; `score` is comparable between pickers, in
    [0, 1].
    """

    starts: NDArray[np.int64]
    pick: NDArray[np.int64]
    micrograph: NDArray[np.int64]
    picker: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: NDArray[np.float64]


class BatchConsensus(NamedTuple):
    """Particles of some micrographs, with counts per micrograph.

    Columns of particles and of micrographs as in `ConsensusResult` and `MicrographCounts`, but
    `micrograph` is the index in the batch; `unmatched` holds indices of the given picks that are
    in no selected clique, `in_clique` those of them that are in another clique.
    """

    micrograph: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    overlap: NDArray[np.float64]
    score: NDArray[np.float64]
    members: NDArray[np.int64]
    unmatched: NDArray[np.int64]
    in_clique: NDArray[np.int64]
    n_picks: NDArray[np.int64]
    n_edges: NDArray[np.int64]
    n_cliques: NDArray[np.int64]
    n_selected: NDArray[np.int64]
    objective: NDArray[np.float64]
    is_optimal: NDArray[np.bool_]
    seconds: NDArray[np.float64]
