"""Scores that are ranked among those of more picks than are worked on."""

import numpy as np

from tests.plain_consensus import find_consensus
from tests.two_pickers import two_pickers


def test_ranks_may_be_among_other_scores():
    """A part of the picks, ranked among all of them, gives that part of the whole."""
    picks = two_pickers(range(6), 0)
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
