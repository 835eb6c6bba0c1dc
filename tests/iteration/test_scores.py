"""The table of an iterative run."""

import math

import numpy as np
import pytest

from repic_plugin.consensus import Picks
from repic_plugin.evaluation import evaluate_picks
from repic_plugin.iteration import agreement, iteration_rows, least_agreeing

NAMES = ["a", "b", "c", "d"]
BOX = 40


def picks(places, pickers=("one",), names=NAMES):
    """`places` are (micrograph, picker, x, y)."""
    m, p, x, y = (np.array(column) for column in zip(*places)) if places else [[]] * 4
    return Picks.from_columns(m, p, x, y, micrograph_names=names, picker_names=pickers)


@pytest.fixture(scope="module")
def scene():
    """Two pickers, 40 particles on four micrographs, a consensus and a reference."""
    rng = np.random.default_rng(0)
    truth = [(m, 0, *xy) for m in range(4) for xy in 100 * rng.permutation(100)[:10, None] + [0, 0]]
    truth = [(m, 0, 100.0 * i, 50.0 * m) for m in range(4) for i in range(10)]
    good = [(m, 0, x + 3, y) for m, _, x, y in truth[:36]]
    weak = [(m, 1, x, y - 2) for m, _, x, y in truth[::2]] + [(0, 1, 5000.0, 0.0)]
    agreed = [(m, 0, x, y) for m, _, x, y in truth[::2] if (m, x) not in {(3, 600.0), (3, 800.0)}]
    return picks(good + weak, ("good", "weak")), picks(agreed), picks(truth)


def test_agreement_is_two_times_pairs_over_both():
    mine = picks([(0, 0, 0, 0), (0, 0, 100, 0), (1, 0, 0, 0)])
    other = picks([(0, 0, 4, 0), (0, 0, 200, 0)])
    assert agreement(mine, other, BOX) == [pytest.approx(2 * 1 / (3 + 2))]
    assert agreement(mine, mine, BOX) == [1.0]
    assert agreement(picks([]), picks([]), BOX) == [1.0]
    assert agreement(mine, picks([]), BOX) == [0.0]


def test_a_row_for_each_set_and_subset(scene):
    found, agreed, truth = scene
    subset_of = ["training", "testing", "testing", "validation"]
    rows = iteration_rows(2, found, agreed, subset_of, BOX, truth)
    assert [(row.subset, row.name) for row in rows] == [
        (subset, name)
        for subset in ("training", "validation", "testing", "all")
        for name in ("good", "weak", "consensus")
    ]
    assert {row.iteration for row in rows} == {2}
    for name, source in (("good", found), ("weak", found), ("consensus", agreed)):
        total = next(row for row in rows if row.subset == "all" and row.name == name)
        parts = [row for row in rows if row.subset != "all" and row.name == name]
        assert total.n_particles == sum(row.n_particles for row in parts)
        assert total.n_micrographs == sum(row.n_micrographs for row in parts) == 4
        index = list(source.picker_names).index(name if name != "consensus" else "one")
        score = evaluate_picks(source, truth, BOX)[index].matching
        assert (total.precision, total.recall, total.f1) == (
            score.precision,
            score.recall,
            score.f1,
        )


def test_subsets_are_counted_on_their_own_micrographs(scene):
    found, agreed, truth = scene
    rows = iteration_rows(0, found, agreed, ["training", *["testing"] * 3], BOX, truth)
    weak = next(row for row in rows if row.subset == "training" and row.name == "weak")
    assert weak.n_particles == 6  # five true ones of micrograph a, and one elsewhere
    assert weak.precision == pytest.approx(5 / 6)
    assert weak.agreement == pytest.approx(2 * 5 / (6 + 5))


def test_without_a_reference_nothing_is_said_of_truth(scene):
    found, agreed, _ = scene
    rows = iteration_rows(0, found, agreed, ["testing"] * 4, BOX)
    assert all(math.isnan(row.f1) and math.isnan(row.precision) for row in rows)
    assert all(math.isnan(row.agreement) == (row.name == "consensus") for row in rows)


def test_a_subset_that_the_reference_lacks_has_no_scores(scene):
    found, agreed, truth = scene
    part = picks([(0, 0, 100.0 * i, 0.0) for i in range(10)], names=["a"])
    rows = iteration_rows(0, found, agreed, ["training", *["testing"] * 3], BOX, part)
    by = {(row.subset, row.name): row for row in rows}
    assert math.isnan(by["testing", "good"].f1)
    assert by["training", "good"].f1 == 1.0
    assert len(truth) == 40


def test_the_picker_that_agrees_least(scene):
    found, agreed, _ = scene
    rows = iteration_rows(0, found, agreed, ["testing"] * 4, BOX)
    values = dict(zip(found.picker_names, agreement(found, agreed, BOX)))
    assert least_agreeing(rows) == min(values, key=values.get) == "good"
