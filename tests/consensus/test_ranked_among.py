"""Scores that are ranked among those of more picks than are worked on."""

import numpy as np

from repic_plugin.consensus import Picks, find_consensus


def batch(micrographs, seed):
    rng = np.random.default_rng(seed)
    where = np.repeat(np.arange(len(micrographs)), 20)
    centers = rng.uniform(0, 300, (len(where), 2))
    columns = [np.concatenate([where, where])]
    columns += [np.concatenate([axis, axis + 2]) for axis in centers.T]
    who = np.repeat([0, 1], len(where))
    names = [f"m{one}" for one in micrographs]
    return Picks.from_columns(
        columns[0],
        who,
        *columns[1:],
        rng.random(len(who)),
        micrograph_names=names,
        picker_names=["one", "two"],
    )


def test_ranks_may_be_among_other_scores():
    """A part of the picks, ranked among all of them, gives that part of the whole."""
    picks = batch(range(6), 0)
    whole = find_consensus(picks, 20, score_transform="rank", mode="quorum", quorum=2)
    part = picks.take(picks.micrograph < 3)
    among = {name: picks.score[picks.picker == i] for i, name in enumerate(picks.picker_names)}
    found = find_consensus(
        part, 20, score_transform="rank", ranked_among=among, mode="quorum", quorum=2
    )
    mine = whole.micrograph < 3
    np.testing.assert_array_equal(found.weight, whole.weight[mine])
    alone = find_consensus(part, 20, score_transform="rank", mode="quorum", quorum=2)
    assert (alone.score != found.score).any()
