"""Accuracy of the estimates of mode probabilistic: part of `make bench`.

Prints the tables of docs/understand/probabilistic.md. Without --picks and --map only
simulated pickers are tried.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any, Dict, List, NamedTuple

import numpy as np
from real_pickers import real_picks
from scipy.spatial import cKDTree
from scipy.special import logsumexp

from repic_plugin.consensus import Picks, find_consensus
from repic_plugin.consensus.cliques import find_cliques
from repic_plugin.consensus.ensemble.candidates import as_cells, score_bins
from repic_plugin.consensus.ensemble.latent_class import log_weights
from repic_plugin.consensus.graph import overlap_graph
from repic_plugin.consensus.packing import pack
from repic_plugin.consensus.records import BatchPicks, Settings
from repic_plugin.consensus.solvers import get_solver
from repic_plugin.formats import read_picks_dir
from repic_plugin.simulation import simulate_picks

BOX_PX = 180
N_PARTICLES = 100  # on a micrograph of 4096 x 4096 px
CLOSE, OFF = 0.05, 0.10
CALIBRATION = (0.8, 0.9)
CROWD = {"n_particles": 250, "min_distance_px": BOX_PX / 2, "precision": 0.8}
KINDS = ("independent", "hard particles", "shared junk", "both")


class Case(NamedTuple):
    """One simulated data set and its results."""

    kind: str
    error: float  # the largest of all pickers' recalls and precisions
    covered: List[bool]
    is_flagged: bool
    calibration: Any  # number and number of true ones of the candidates with p in CALIBRATION
    f1: float
    best_f1: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picks", metavar="DIR", help="a folder with a sub-folder for each picker")
    parser.add_argument("--map", metavar="FILE", help="an MRC map to draw micrographs of")
    parser.add_argument("--pixel-size", type=float, default=5.0, metavar="ANGSTROM")
    parser.add_argument("--cases", type=int, default=10, help="of each kind of pickers")
    parser.add_argument("--only", choices=("simulated", "real", "picks", "speed", "joint"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    wanted = (args.only,) if args.only else ("simulated", "joint", "real", "picks", "speed")
    if "simulated" in wanted:
        simulated(args.cases)
    if "joint" in wanted:
        joint(max(args.cases // 4, 2))
    if "real" in wanted and args.map:
        real(args.map, args.pixel_size)
    if "picks" in wanted and args.picks:
        given(read_picks_dir(args.picks).picks)
    if "speed" in wanted:
        speed()


# simulated pickers


def simulated(n_cases: int) -> None:
    """3 to 6 pickers, recall 0.3 to 0.98, precision 0.4 to 0.95, 20 to 500 micrographs."""
    cases = [case(kind, seed) for kind in KINDS for seed in range(n_cases)]
    print(f"simulated pickers, {n_cases} data sets of each kind")
    print(
        "| kind | within 0.05 | median error | largest | off by > 0.10 | of these flagged |", end=""
    )
    print(" flagged | 95 % intervals cover | p 0.8-0.9 true | F1 at least the best picker's |")
    print("| --- " * 10 + "|")
    for kind in KINDS:
        mine = [one for one in cases if one.kind == kind]
        error = np.array([one.error for one in mine])
        flagged = np.array([one.is_flagged for one in mine])
        n, n_true = np.sum([one.calibration for one in mine], axis=0)
        off = error > OFF
        wins = np.mean([one.f1 >= one.best_f1 for one in mine])
        print(
            f"| {kind} | {np.mean(error <= CLOSE):.0%} | {np.median(error):.3f} | "
            f"{error.max():.2f} | {off.sum()} of {len(off)} | "
            f"{flagged[off].mean() if off.any() else 1:.0%} | {flagged.mean():.0%} | "
            f"{np.mean(np.concatenate([one.covered for one in mine])):.0%} | "
            f"{n_true / max(n, 1):.2f} ({n:,}) | {wins:.0%} |"
        )


def draw(kind: str, seed: int) -> Dict[str, Any]:
    """Pickers of a data set."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    k = int(rng.integers(3, 7))
    values = {
        "n_micrographs": round(float(np.exp(rng.uniform(np.log(20), np.log(500))))),
        "n_pickers": k,
        "recall": rng.uniform(0.3, 0.98, k),
        "precision": rng.uniform(0.4, 0.95, k),
        "score_separation": rng.uniform(1, 3, k),
        "random_state": seed,
    }
    if kind != "independent" and rng.random() < 0.5:
        values["family"] = rng.choice(k, 2, replace=False).tolist()
    if kind in ("hard particles", "both"):
        values["miss_correlation"] = rng.uniform(0.3, 0.7)
    if kind in ("shared junk", "both"):
        values["shared_junk"] = rng.uniform(0.3, 0.7)
    return values


def case(kind: str, seed: int) -> Case:
    values = draw(kind, seed)
    data = simulate_picks(n_particles=N_PARTICLES, box_size_px=BOX_PX, **values)
    picks, truth, n = data.picks, data.truth, len(data.truth)
    is_true = confirmed(picks.micrograph, picks.x, picks.y, picks, truth)
    recall = np.array([is_true[picks.picker == j].sum() / n for j in range(picks.n_pickers)])
    precision = np.array([is_true[picks.picker == j].mean() for j in range(picks.n_pickers)])
    result = find_consensus(picks, BOX_PX, mode="probabilistic")
    model = result.ensemble
    ends = np.concatenate([model.recall_interval, model.precision_interval])
    true = np.concatenate([recall, precision])
    every = find_consensus(picks, BOX_PX, mode="probabilistic", ensemble=model, num_particles=10**9)
    inside = (every.weight >= CALIBRATION[0]) & (every.weight < CALIBRATION[1])
    right = confirmed(every.micrograph, every.x, every.y, picks, truth)[inside]
    good = confirmed(result.micrograph, result.x, result.y, picks, truth)
    return Case(
        kind,
        float(np.abs(np.concatenate([model.recall, model.precision]) - true).max()),
        ((ends[:, 0] <= true) & (true <= ends[:, 1])).tolist(),
        bool(model.warnings),
        np.array([len(right), right.sum()]),
        2 * good.sum() / (len(result) + n),
        float((2 * recall * precision / (recall + precision)).max()),
    )


def confirmed(
    micrograph: Any, x: Any, y: Any, picks: Picks, truth: Picks, radius_px: float = BOX_PX / 4
) -> Any:
    """Whether each place is the nearest of a particle within the radius."""
    result = np.zeros(len(x), dtype=bool)
    for name_index in np.unique(micrograph):
        name = picks.micrograph_names[name_index]
        mine = np.flatnonzero(micrograph == name_index)
        there = truth.micrograph == truth.micrograph_names.index(name)
        tree = cKDTree(np.column_stack([truth.x[there], truth.y[there]]))
        distance, _ = tree.query(np.column_stack([x[mine], y[mine]]))
        result[mine] = distance <= radius_px
    return result


# one step or two


def joint(n_cases: int) -> None:
    """F1 of candidates chosen by their log-odds, and of those chosen by overlap and score."""
    print(f"\none step or two, {n_cases} data sets of each kind (F1, two steps -> one step)")
    for kind in KINDS:
        for crowd in ({}, CROWD):
            pairs = [both_ways(kind, seed, crowd) for seed in range(n_cases)]
            two, one, changed = np.mean(pairs, axis=0)
            name = f"{kind}, crowded" if crowd else kind
            print(f"{name}: {two:.4f} -> {one:.4f}, {changed:.2%} of the particles differ")


def both_ways(kind: str, seed: int, crowd: Dict[str, Any]) -> List[float]:
    values = {"n_particles": N_PARTICLES, **draw(kind, seed), **crowd, "n_micrographs": 40}
    data = simulate_picks(box_size_px=BOX_PX, **values)
    picks, n = data.picks, len(data.truth)
    two = find_consensus(picks, BOX_PX, mode="probabilistic")
    members, probability = by_log_odds(picks, two.ensemble)
    kept = probability >= two.ensemble.threshold
    first = np.argmax(members >= 0, axis=1)
    place = members[np.arange(len(members)), first][kept]
    right = confirmed(picks.micrograph[place], picks.x[place], picks.y[place], picks, data.truth)
    good = confirmed(two.micrograph, two.x, two.y, picks, data.truth)
    before = set(map(tuple, two.members.tolist()))
    changed = np.mean([tuple(row) not in before for row in members[kept].tolist()])
    return [2 * good.sum() / (len(two) + n), 2 * right.sum() / (kept.sum() + n), float(changed)]


def by_log_odds(picks: Picks, model: Any) -> Any:
    """Most probable partition of the picks into candidates under the model.

    The weight of a group is the logarithm of its expected count at a site minus those of its
    members alone, so single picks have weight 0.
    """
    k = picks.n_pickers
    order = np.lexsort((picks.picker, picks.micrograph))
    part = picks.take(order)
    starts = np.searchsorted(part.micrograph, np.arange(picks.n_micrographs + 1))
    batch = BatchPicks(
        starts, order, part.micrograph, part.picker, part.x, part.y, np.ones(len(part))
    )
    settings = Settings(2, 0.3, np.full(k, float(BOX_PX)), float(BOX_PX), "member", None, None)
    graph = overlap_graph(
        batch.x, batch.y, batch.picker, settings.sizes_px[batch.picker], starts, 0.3, BOX_PX
    )
    cliques = find_cliques(graph, batch, k, 2)
    bins = score_bins(part, model.score_edges)
    n_bins = model.score_edges.shape[1] + 1

    def worth(groups: Any) -> Any:
        cells, cell = as_cells(groups, bins, n_bins)
        particle, junk = log_weights(model.classes, cells)
        total = logsumexp([particle, junk], axis=0)
        return total[cell] - np.log(model.n_places), (particle - junk)[cell]

    rows = np.full((len(cliques.members), k), -1)
    clique, slot = np.nonzero(cliques.members >= 0)
    vertex = cliques.members[clique, slot]
    rows[clique, batch.picker[vertex]] = vertex
    alone = np.full((len(part), k), -1)
    alone[np.arange(len(part)), batch.picker] = np.arange(len(part))
    single = worth(alone)[0]
    gain = worth(rows)[0] - np.bincount(clique, single[vertex], len(rows))
    order = np.lexsort((-gain, cliques.micrograph))
    order = order[gain[order] > 0]
    fields = [column[order] for column in cliques]
    ordered = type(cliques)(*fields)._replace(weight=gain[order])
    packed = pack(ordered, len(part), picks.n_micrographs, get_solver("highs"))
    chosen = rows[order][packed.is_selected]
    is_free = np.ones(len(part), dtype=bool)
    is_free[chosen[chosen >= 0]] = False
    everything = np.concatenate([chosen, alone[is_free]])
    log_odds = worth(everything)[1]
    members = np.where(everything >= 0, np.append(batch.pick, -1)[everything], -1)
    return members, 1 / (1 + np.exp(-log_odds))


# real pickers, and given picks


def real(map_file: str, pixel_size: float) -> None:
    """Accuracy of third-party pickers on simulated micrographs."""
    found = real_picks(map_file, pixel_size)
    if found is None:
        print("\nreal pickers: fewer than two are installed; make test-pickers installs them")
        return
    picks, truth, box_px = found
    radius_px, n = box_px / 4, len(truth)
    is_true = confirmed(picks.micrograph, picks.x, picks.y, picks, truth, radius_px)
    result = find_consensus(picks, box_px, mode="probabilistic")
    model = result.ensemble
    print(f"\nreal pickers on {picks.n_micrographs} simulated micrographs")
    print("| picker | picks | recall | estimated | precision | estimated | F1 |")
    print("| --- " * 7 + "|")
    for j, name in enumerate(picks.picker_names):
        mine = is_true[picks.picker == j]
        recall, precision = mine.sum() / n, mine.mean()
        (a, b), (c, d) = model.recall_interval[j], model.precision_interval[j]
        print(
            f"| {name} | {len(mine):,} | {recall:.2f} | {model.recall[j]:.2f} ({a:.2f}-{b:.2f}) | "
            f"{precision:.2f} | {model.precision[j]:.2f} ({c:.2f}-{d:.2f}) | "
            f"{2 * mine.sum() / (len(mine) + n):.3f} |"
        )
    for mode in ("all", "quorum", "probabilistic"):
        one = find_consensus(picks, box_px, mode=mode) if mode != "probabilistic" else result
        good = confirmed(one.micrograph, one.x, one.y, picks, truth, radius_px)
        f1 = 2 * good.sum() / (len(one) + n)
        print(f"{mode}: {len(one):,} particles, precision {good.mean():.3f}, F1 {f1:.3f}")
    print(f"particles: {n:,}, estimated {model.n_particles:,.0f}")
    for told in model.warnings:
        print(f"warning: {told}")


def given(picks: Picks) -> None:
    """Number of particles kept, and how well half of the micrographs predicts the other half."""
    counts = np.bincount(picks.picker)
    n = {mode: len(find_consensus(picks, BOX_PX, mode=mode)) for mode in ("all", "quorum")}
    result = find_consensus(picks, BOX_PX, mode="probabilistic")
    print(f"\ngiven picks: {dict(zip(picks.picker_names, counts.tolist()))}")
    print(f"all {n['all']:,}, quorum {n['quorum']:,}, probabilistic {len(result):,}")
    for j, name in enumerate(picks.picker_names):
        print(
            f"{name}: recall {result.ensemble.recall[j]:.2f}, "
            f"precision {result.ensemble.precision[j]:.2f}"
        )
    for told in result.ensemble.warnings:
        print(f"warning: {told}")
    halves = [np.arange(picks.n_micrographs)[i::2] for i in (0, 1)]
    gains = []
    for learnt, held_out in (halves, halves[::-1]):
        mine = find_consensus(picks, BOX_PX, mode="probabilistic", micrographs=learnt)
        other = find_consensus(
            picks, BOX_PX, mode="probabilistic", micrographs=held_out, num_particles=10**9
        )
        gains.append(held_out_gain(mine.ensemble, other.members >= 0))
    print(f"held-out log-likelihood per candidate over independent pickers: {np.mean(gains):+.4f}")


def held_out_gain(model: Any, found: Any) -> float:
    """Gain in log-likelihood of the agreement patterns over independent pickers."""
    patterns = model.pattern_found
    codes = 1 << np.arange(found.shape[1])
    every = np.arange(1, 2 ** found.shape[1])
    bits = (every[:, None] & codes) > 0
    expected = sum(
        n * np.prod(np.where(bits, rate, 1 - rate), axis=1)
        for n, rate in ((model.n_particles, model.recall), (model.n_junk, model.junk_rate))
    )
    n_seen = model.pattern_count
    share = patterns.T @ n_seen / n_seen.sum()
    rate = independent_rates(share)
    null = np.prod(np.where(bits, rate, 1 - rate), axis=1)
    count = np.bincount(found @ codes, minlength=2 ** found.shape[1])[1:]
    ours, theirs = (np.log(p / p.sum()) @ count / count.sum() for p in (expected, null))
    return float(ours - theirs)


def independent_rates(share: Any) -> Any:
    """Picking rates in one class of sites, given each picker's fraction of the observed ones."""
    rate = share * 0.5
    for _ in range(10_000):
        rate = share * (1 - np.prod(1 - rate))
    return np.clip(rate, 1e-9, 1 - 1e-9)


def speed() -> None:
    """2,000 micrographs, 3.7 million picks, one thread."""
    data = simulate_picks(
        20, 3, n_particles=600, recall=0.9, precision=0.9, min_distance_px=45, random_state=1
    )
    n_copies = 100
    picks = data.picks
    many = Picks.from_columns(
        np.concatenate([picks.micrograph + 20 * i for i in range(n_copies)]),
        np.tile(picks.picker, n_copies),
        np.tile(picks.x, n_copies),
        np.tile(picks.y, n_copies),
        np.tile(picks.score, n_copies),
    )
    find_consensus(picks, BOX_PX, mode="probabilistic")  # compiles
    start = time.perf_counter()
    result = find_consensus(many, BOX_PX, mode="probabilistic")
    whole = time.perf_counter() - start
    start = time.perf_counter()
    find_consensus(many, BOX_PX, mode="quorum", quorum=2)
    groups = time.perf_counter() - start
    print(
        f"\n{len(many):,} picks on {many.n_micrographs:,} micrographs, one thread: {whole:.1f} s,"
    )
    print(f"{whole / groups:.1f} times the quorum's; {len(result):,} particles")


if __name__ == "__main__":
    main()
