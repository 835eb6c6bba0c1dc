"""The real picks of EMPIAR-10017, against what REPIC 1.0.0 finds on them and the oracle."""

import csv

import numpy as np
import pytest

from repic_plugin.consensus import Picks
from tests import oracle
from tests.consensus.inputs import DataSet, assert_is_consensus, oracle_of
from tests.plain_consensus import find_consensus

PICKERS = ("crYOLO", "deepPicker", "topaz")
BOX_SIZE_PX = 180


@pytest.fixture(scope="module")
def reference(shared_data):
    with open(shared_data / "empiar-10017" / "repic_reference.csv", newline="") as file:
        return {row["micrograph"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def picks(shared_data, reference):
    columns = []
    for p, picker in enumerate(PICKERS):
        for m, name in enumerate(reference):
            table = np.loadtxt(shared_data / "empiar-10017" / picker / f"{name}.box", ndmin=2)
            centres = table[:, :2] + table[:, 2:4] / 2
            index = np.full((2, len(table)), [[m], [p]])
            columns.append((*index, *centres.T, table[:, 4]))
    return Picks.from_columns(
        *(np.concatenate(column) for column in zip(*columns)),
        micrograph_names=list(reference),
        picker_names=PICKERS,
    )


@pytest.fixture(scope="module")
def comparable(picks):
    """The same picks with the scores that the oracle is given: Topaz's by the logistic function."""
    score = np.where(picks.picker == 2, 1 / (1 + np.exp(-picks.score)), picks.score)
    return Picks.from_columns(
        picks.micrograph, picks.picker, picks.x, picks.y, score, picker_names=PICKERS
    )


def test_mode_all_equals_repic(picks, reference):
    result = find_consensus(picks, BOX_SIZE_PX)
    assert result.score_transforms == ("identity", "identity", "logistic")
    assert result.is_optimal
    counts, expected = result.micrographs, list(reference.values())
    assert len(expected) == 6
    assert counts.names == tuple(reference)
    assert counts.n_cliques.tolist() == [int(row["n_cliques"]) for row in expected]
    assert counts.n_selected.tolist() == [int(row["n_selected"]) for row in expected]
    objectives = [float(row["objective"]) for row in expected]
    assert counts.objective == pytest.approx(objectives, abs=1e-4)


@pytest.mark.parametrize("quorum", [2, 3])
def test_everything_equals_the_oracle(picks, comparable, quorum):
    data = DataSet(comparable, (BOX_SIZE_PX,) * 3, 0.3, quorum)
    result = find_consensus(picks, BOX_SIZE_PX, mode="quorum", quorum=quorum)
    counts = result.micrographs
    for m in range(picks.n_micrographs):
        _, graph, cliques, weights, objective = oracle_of(data, m)
        assert counts.n_edges[m] == graph.number_of_edges()
        assert counts.n_cliques[m] == len(cliques)
        assert counts.objective[m] == pytest.approx(objective, abs=1e-6)
        assert counts.objective[m] >= oracle.greedy_weight(cliques, weights) - 1e-9
    assert counts.is_optimal.all()
    assert_is_consensus(result, data)


def test_a_quorum_finds_more_than_all(picks, reference):
    found = find_consensus(picks, BOX_SIZE_PX, mode="quorum").micrographs.n_selected
    assert (found > [int(row["n_selected"]) for row in reference.values()]).all()
