"""Which micrographs a report shows."""

from types import SimpleNamespace

import numpy as np
import pytest

from repic_plugin.reports.consensus import agreement_by_micrograph, telling_micrographs


def tables(n_picks, n_members):
    """One particle for each micrograph, with so many members."""
    used = [m for m, n in enumerate(n_members) if n]
    return SimpleNamespace(
        micrograph_names=tuple(f"m{i}" for i in range(len(n_picks))),
        micrograph=np.array(used, dtype=np.int64),
        n_members=np.array([n_members[m] for m in used], dtype=np.int64),
        n_picks=np.array(n_picks, dtype=np.int64).reshape(-1, 1),
    )


def test_agreement_is_the_part_of_picks_in_the_consensus():
    found = agreement_by_micrograph(tables([4, 0, 5], [2, 0, 5]))
    np.testing.assert_array_equal(found, [0.5, np.nan, 1.0])


@pytest.mark.parametrize(
    ("n_members", "wanted"),
    [
        ([3, 9, 5, 7], {"best": 1, "typical": 3, "worst": 0}),
        ([3, 9], {"best": 1, "worst": 0}),
        ([4], {"best": 0}),
        ([0, 0, 0], {"best": 2, "typical": 1, "worst": 0}),
    ],
)
def test_best_typical_and_worst_each_once(n_members, wanted):
    assert telling_micrographs(tables([10] * len(n_members), n_members)) == wanted


def test_without_a_pick_there_is_nothing_to_look_at():
    assert telling_micrographs(tables([0, 0], [0, 0])) == {}
