"""Picks to test with, and what is asked of every result."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from repic_plugin.consensus import Picks
from repic_plugin.consensus.boxes import box_sizes, largest_reach
from repic_plugin.consensus.cliques import Cliques, find_cliques
from repic_plugin.consensus.graph import overlap_graph
from repic_plugin.consensus.records import BatchPicks
from tests import oracle
from tests.plain_consensus import find_consensus


class DataSet(NamedTuple):
    """Picks and the arguments to find their consensus with."""

    picks: Picks
    sizes: tuple
    min_overlap: float
    quorum: int

    def arguments(self):
        return {"mode": "quorum", "quorum": self.quorum, "min_overlap": self.min_overlap}

    def consensus(self, **changes):
        return find_consensus(self.picks, self.sizes, **{**self.arguments(), **changes})


def picks_of(rows, **names):
    """Picks from rows of micrograph, picker, x, y, score; without a score where it is None."""
    micrograph, picker, x, y, score = zip(*rows) if rows else [()] * 5
    has_score = [value is not None for value in score]
    return Picks.from_columns(
        micrograph, picker, x, y, [value or 0 for value in score], has_score=has_score, **names
    )


def rows_of(picks):
    columns = (picks.micrograph, picks.picker, picks.x, picks.y, picks.score)
    return list(zip(*(column.tolist() for column in columns)))


@st.composite
def data_sets(draw, max_pickers=5, max_picks=20, max_micrographs=2):
    """Crowded micrographs with many ties; all numbers are exact, so is what follows from them.

    No two picks of a micrograph have the same place: such picks could stand for each other.
    """
    k = draw(st.integers(2, max_pickers))
    n_micrographs = draw(st.integers(1, max_micrographs))
    n_picks = draw(st.integers(0, max_picks))
    steps = draw(st.sampled_from([1, 8]))  # whole px, or finer
    side = draw(st.sampled_from([10, 24])) * steps + 1

    def numbers(n, **changes):
        return draw(st.lists(st.integers(0, n - 1), min_size=n_picks, max_size=n_picks, **changes))

    places = numbers(n_micrographs * side * side, unique=True)  # one number each: quick to draw
    who = numbers(8 * k)
    picks = picks_of(
        [
            (at // side**2, p // 8, at // side % side / steps, at % side / steps, (p % 8 + 1) / 8)
            for at, p in zip(places, who)
        ],
        micrograph_names=[f"mic{i}" for i in range(n_micrographs)],
        picker_names=[f"picker{i}" for i in range(k)],
    )
    sizes = tuple(draw(st.lists(st.sampled_from([10, 12, 16]), min_size=k, max_size=k)))
    min_overlap = draw(st.sampled_from([0.0, 0.125, 0.3]))
    return DataSet(picks, sizes, min_overlap, draw(st.integers(2, k)))


def random_picks(seed, n_pickers, n_particles=60, n_micrographs=1, field_px=600.0):
    """Pickers that find most of the same particles, with jitter, and some false ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for m in range(n_micrographs):
        particles = rng.uniform(0, field_px, (n_particles, 2))
        for p in range(n_pickers):
            found = particles[rng.random(n_particles) < 0.8]
            false = rng.uniform(0, field_px, (n_particles // 4, 2))
            centres = np.concatenate((found + rng.normal(0, 6, found.shape), false))
            for x, y in centres.tolist():
                rows.append((m, p, x, y, rng.random()))
    return picks_of(rows)


def crowd(counts, seed=0):
    """All pickers' picks on one spot, so that each choice of one pick for each is a clique."""
    rng = np.random.default_rng(seed)
    return picks_of(
        [
            (0, p, *rng.uniform(0, 20, 2).tolist(), rng.uniform(0.1, 1))
            for p, count in enumerate(counts)
            for _ in range(count)
        ]
    )


def oracle_of(data, micrograph):
    """The oracle's graph, cliques, weights and objective, with the indices of the picks."""
    picks = data.picks
    mine = np.flatnonzero(picks.micrograph == micrograph)
    centres = np.column_stack((picks.x, picks.y))[mine]
    answer = oracle.consensus(
        centres, picks.picker[mine], picks.score[mine], data.sizes, data.quorum, data.min_overlap
    )
    return (mine, *answer)


def cliques_in(data):
    """The cliques of a one-micrograph data set, their members as indices of its picks."""
    picks = data.picks
    order = np.argsort(picks.picker, kind="stable")
    batch = BatchPicks(
        np.array([0, len(order)]),
        order,
        *(c[order] for c in (picks.micrograph, picks.picker, picks.x, picks.y, picks.score)),
    )
    sizes = box_sizes(data.sizes, picks.picker_names)
    reach = largest_reach(sizes, data.min_overlap, picks.picker_names, all_pairs=False)
    boxes = (batch.x, batch.y, batch.picker, sizes[batch.picker], batch.starts)
    graph = overlap_graph(*boxes, data.min_overlap, reach)
    cliques = find_cliques(graph, batch, picks.n_pickers, data.quorum)
    members = np.where(cliques.members >= 0, np.append(order, -1)[cliques.members], -1)
    return cliques._replace(members=members, representative=order[cliques.representative])


def make_cliques(members, weight):
    """Cliques of one micrograph, best first, from tuples of vertices."""
    order = np.argsort(-np.asarray(weight, float), kind="stable")
    rows = np.full((len(members), max(map(len, members), default=2)), -1)
    for row, clique in enumerate(members):
        rows[row, : len(clique)] = sorted(clique)
    rows, weight = rows[order], np.asarray(weight, float)[order]
    nothing = np.zeros(len(rows))
    return Cliques(
        micrograph=np.zeros(len(rows), np.int64),
        members=rows,
        n_members=(rows >= 0).sum(axis=1),
        overlap=nothing,
        score=nothing,
        weight=weight,
        representative=rows[:, 0],
    )


def member_tuples(members):
    """Rows of members as sorted tuples, without the filler."""
    return [tuple(sorted(v for v in row if v >= 0)) for row in np.asarray(members).tolist()]


def particles(result):
    """The particles by value, whatever the picks, pickers and micrographs are numbered."""
    names = [result.micrograph_names[m] for m in result.micrograph.tolist()]
    columns = (result.x, result.y, result.weight, result.score, result.n_members)
    return sorted(zip(names, *(column.tolist() for column in columns)))


def assert_same(result, other):
    """Equal in everything but the time taken."""
    for a, b in ((result, other), (result.micrographs, other.micrographs)):
        for name, value in vars(a).items():
            if name not in ("micrographs", "seconds"):
                np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)


def assert_is_consensus(result, data):
    """What holds for every result: a packing of cliques, each with its quorum."""
    picks = data.picks
    members = member_tuples(result.members)
    assert oracle.is_packing(members)
    assert (result.n_members >= data.quorum).all()
    for particle, clique in enumerate(members):
        for picker, pick in enumerate(result.members[particle].tolist()):
            assert pick < 0 or picks.picker[pick] == picker
        assert {picks.micrograph[i] for i in clique} == {result.micrograph[particle]}
        for i, j in combinations(clique, 2):
            a, b = ((picks.x[v], picks.y[v]) for v in (i, j))
            size_a, size_b = (data.sizes[picks.picker[v]] for v in (i, j))
            assert oracle.overlap(a, b, size_a, size_b) > data.min_overlap
