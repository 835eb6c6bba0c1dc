"""Agreement beyond chance in the report of a consensus."""

import warnings

import numpy as np
import pytest

from repic_plugin.consensus import Picks, agreement_line, find_consensus
from repic_plugin.formats import write_agreement, write_consensus_table, write_summary_table
from repic_plugin.reports.consensus import blocks
from repic_plugin.reports.document import Picture, Table, Warnings
from repic_plugin.simulation import simulate_picks


def random_picks():
    rng = np.random.default_rng(0)
    micrograph, picker = (one.ravel() for one in np.indices((10, 3, 200))[:2])
    return Picks.from_columns(
        micrograph, picker, *rng.uniform(0, 4096, (2, 6000)), rng.random(6000)
    )


@pytest.fixture
def reported(tmp_path):
    def make(picks, with_agreement=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = find_consensus(picks, 180, mode="quorum")
        write_consensus_table(tmp_path / "consensus.csv", result, np.arange(len(picks)) + 1)
        write_summary_table(tmp_path / "summary.csv", result)
        if with_agreement:
            write_agreement(tmp_path, result.agreement)
        return result.agreement, blocks(tmp_path)

    return make


def test_the_share_comes_first_and_the_pairs_are_listed(reported):
    agreement, found = reported(simulate_picks(4, 3).picks)
    assert found[0].lower() == f"{agreement_line(agreement)}.".lower()
    (table,) = (one for one in found if isinstance(one, Table) and "by chance" in one.header[-1])
    assert [row[1] for row in table.rows] == agreement.partners.sum(axis=1).tolist()
    assert any(isinstance(one, Picture) and "decoys" in one.caption for one in found)


def test_coincidences_are_warned_of(reported):
    _, found = reported(random_picks())
    assert "NONE" in found[0]
    (warned,) = (one for one in found if isinstance(one, Warnings))
    assert "no more than by chance" in warned.lines[0]


def test_results_of_earlier_versions_have_none(reported):
    _, found = reported(simulate_picks(4, 3).picks, with_agreement=False)
    assert "beyond chance" not in str(found)
