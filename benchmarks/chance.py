"""Agreement beyond chance: part of `make bench`. Prints the tables of docs/understand/chance.md.

For each kind of picks, the share of chance agreements that is estimated with decoys and the true
one: groups without two picks of one simulated particle.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from repic_plugin.consensus import ConsensusResult, Picks, find_consensus
from repic_plugin.formats import read_picks_dir
from repic_plugin.simulation import SimulatedPicks, simulate_picks

BOX_PX = 180
NEAR = 0.25  # of the box: a pick of the particle
MODES = ("all", "quorum")
CROWD = {"n_particles": 500, "min_distance_px": BOX_PX / 2}
KINDS: Dict[str, Dict[str, Any]] = {
    "as the default": {},
    "recall and precision 0.4": {"recall": 0.4, "precision": 0.4},
    "30 particles, 0.6 and 0.5": {"n_particles": 30, "recall": 0.6, "precision": 0.5},
    "crowded": CROWD,
    "crowded, misplaced by 0.11 box": {**CROWD, "n_particles": 400, "jitter_px": 20},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="data sets without particles")
    parser.add_argument("--picks", nargs="*", default=(), metavar="DIR=BOX", help="real picks")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = ("picks", "mode", "groups", "in a decoy", "chance, estimated", "true")
    print(f"\n| {' | '.join(columns)} | rate up to 0.05 | of these chance |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kind, values in KINDS.items():
        simulated = simulate_picks(20, 3, **values)
        for mode in MODES:
            row(kind, mode, find_consensus(simulated.picks, BOX_PX, mode=mode), simulated)
    for text in args.picks:
        folder, _, box_px = text.rpartition("=")
        picks = read_picks_dir(folder).picks
        for mode in MODES:
            row(folder, mode, find_consensus(picks, float(box_px), mode=mode))
    nothing(args.seeds)
    speed()


def row(
    kind: str, mode: str, result: ConsensusResult, simulated: Optional[SimulatedPicks] = None
) -> None:
    found = result.agreement
    kept = result.false_agreement <= 0.05
    true, left = "", ""
    if simulated is not None:
        is_true = is_agreement(simulated, result)
        true, left = f"{1 - is_true.mean():.3f}", f"{1 - is_true[kept].mean():.3f}"
    share = found.n_chance / found.n_groups
    print(
        f"| {kind} | {mode} | {found.n_groups:,} | {found.n_in_decoys:,.0f} | {share:.3f} | {true} "
        f"| {kept.sum():,} | {left} |"
    )


def is_agreement(simulated: SimulatedPicks, result: ConsensusResult) -> NDArray[np.bool_]:
    """Groups with two picks of one particle."""
    picks, truth = simulated.picks, simulated.truth
    found = np.full(len(picks) + 1, -1)
    for m in range(picks.n_micrographs):
        mine, real = (np.flatnonzero(one.micrograph == m) for one in (picks, truth))
        distance, place = cKDTree(truth.centers[real]).query(picks.centers[mine])
        found[mine] = np.where(distance < NEAR * BOX_PX, real[place], -1)
    of = np.sort(found[result.members], axis=1)
    return np.asarray(((of[:, 1:] == of[:, :-1]) & (of[:, 1:] >= 0)).any(axis=1))


def nothing(n_seeds: int) -> None:
    """Sets without particles, and with particles on half of the micrographs."""
    print("\n| 20 micrographs | mode | said to be above chance |")
    print("| --- | --- | ---: |")
    for mode in (*MODES, "probabilistic"):
        above = [agrees(random_picks(seed), mode) for seed in range(n_seeds)]
        print(f"| 3 x 200 random picks | {mode} | {sum(above)} of {n_seeds} |")
    for mode in (*MODES, "probabilistic"):
        few = max(n_seeds // 4, 1)
        above = [agrees(half(seed), mode) for seed in range(few)]
        print(f"| particles on half of them | {mode} | {sum(above)} of {few} |")


def agrees(picks: Picks, mode: str) -> bool:
    try:
        return bool(find_consensus(picks, BOX_PX, mode=mode).agreement.is_above_chance)
    except ValueError:
        return False


def random_picks(seed: int, n_micrographs: int = 20, n_picks: int = 200) -> Picks:
    rng = np.random.default_rng(seed)
    n = n_micrographs * 3 * n_picks
    return Picks.from_columns(
        np.repeat(np.arange(n_micrographs), 3 * n_picks),
        np.tile(np.repeat(np.arange(3), n_picks), n_micrographs),
        *rng.uniform(0, 4096, (2, n)),
        rng.random(n),
    )


def half(seed: int) -> Picks:
    one = simulate_picks(10, 3, recall=0.5, precision=0.5, random_state=seed).picks
    other = random_picks(seed, 10, 50)
    names = ("picker", "x", "y", "score")
    columns = [np.append(getattr(one, name), getattr(other, name)) for name in names]
    return Picks.from_columns(np.append(2 * one.micrograph, 2 * other.micrograph + 1), *columns)


def speed() -> None:
    print("\n| crowded micrographs | mode | consensus | with decoys |")
    print("| --- | --- | ---: | ---: |")
    for n_micrographs in (20, 500):
        picks = simulate_picks(n_micrographs, 3, recall=0.85, **CROWD).picks
        for mode in MODES:
            times: List[Tuple[float, float]] = []
            for _ in range(3):
                times.append((timed(picks, mode, False), timed(picks, mode, True)))
            plain, full = np.min(times, axis=0)
            print(f"| {n_micrographs} | {mode} | {plain:.2f} s | {full:.2f} s |")


def timed(picks: Picks, mode: str, decoys: bool) -> float:
    start = time.perf_counter()
    find_consensus(picks, BOX_PX, mode=mode, decoys=decoys)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
