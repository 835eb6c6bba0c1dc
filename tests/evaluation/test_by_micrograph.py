"""Scores of each micrograph: by hand, and as parts of the whole."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.consensus import Picks
from repic_plugin.evaluation import (
    MicrographScores,
    Scores,
    evaluate_by_micrograph,
    evaluate_picks,
    match_scores,
    pixel_scores,
    sum_by_picker,
)
from repic_plugin.simulation import simulate_picks


def picks_of(rows, micrographs, pickers):
    micrograph, picker, x, y = zip(*rows)
    return Picks.from_columns(
        micrograph, picker, x, y, micrograph_names=micrographs, picker_names=pickers
    )


def test_rows_by_hand():
    rows = [(0, 0, 50, 50), (1, 0, 20, 20), (1, 1, 80, 80), (2, 1, 50, 50)]
    picks = picks_of(rows, ["a", "b", "c"], ["one", "two"])
    # other order of micrographs; "c" is missing, "d" was not picked
    rows = [(0, 0, 5, 5), (1, 0, 20, 20), (1, 0, 80, 80), (2, 0, 50, 52)]
    reference = picks_of(rows, ["d", "b", "a"], ["hand"])
    assert evaluate_by_micrograph(picks, reference, 20) == (
        MicrographScores("one", "a", 1, 1, Scores(360, 40, 40), Scores(1, 0, 0)),
        MicrographScores("one", "b", 1, 2, Scores(400, 0, 400), Scores(1, 0, 1)),
        MicrographScores("two", "a", 0, 1, Scores(0, 0, 400), Scores(0, 0, 1)),
        MicrographScores("two", "b", 1, 2, Scores(400, 0, 400), Scores(1, 0, 1)),
    )


@pytest.fixture(scope="module")
def simulated():
    found = simulate_picks(4, 3, n_particles=40, random_state=3)
    return found.picks, found.truth


OPTIONS = {"reference_box_size_px": 120, "radius_px": 30, "micrograph_size_px": (3000, 3500)}


def test_the_sums_are_the_scores_of_the_pickers(simulated):
    rows = evaluate_by_micrograph(*simulated, 180, **OPTIONS)
    assert sum_by_picker(rows) == evaluate_picks(*simulated, 180, **OPTIONS)
    assert len(rows) == 12


def test_a_row_is_what_the_micrograph_alone_gives(simulated):
    picks, truth = simulated
    rows = evaluate_by_micrograph(picks, truth, 180, **OPTIONS)
    name = picks.micrograph_names[2]
    alone = [
        replace(one.take(one.micrograph == 2), micrograph_names=("x", "y", name))
        for one in (picks, truth)
    ]
    expected = [row for row in evaluate_by_micrograph(*alone, 180, **OPTIONS) if row.n_reference]
    assert [row for row in rows if row.micrograph == name] == expected


@pytest.mark.parametrize("options", [OPTIONS, {}])
def test_threads_and_batches_change_nothing(options, monkeypatch):
    from repic_plugin.evaluation import by_micrograph

    found = simulate_picks(37, 3, n_particles=30, random_state=5)  # some batches, one not full
    drop = found.truth.micrograph % 5 != 2  # micrographs without a reference particle
    sides = found.picks, found.truth.take(drop)
    rows = evaluate_by_micrograph(*sides, 180, **options)
    assert len(rows) == 3 * 37
    assert evaluate_by_micrograph(*sides, 180, n_threads=3, **options) == rows
    scores = evaluate_picks(*sides, 180, **options)
    assert evaluate_picks(*sides, 180, n_threads=3, **options) == scores
    monkeypatch.setattr(by_micrograph, "BATCH_SIZE", 1)
    assert evaluate_by_micrograph(*sides, 180, n_threads=2, **options) == rows


def test_a_row_is_what_the_functions_for_one_micrograph_give(simulated):
    picks, truth = simulated
    rows = evaluate_by_micrograph(picks, truth, 180, **OPTIONS)
    sizes = {name: OPTIONS[name] for name in ("reference_box_size_px", "micrograph_size_px")}
    for row in rows:
        mine = picks.take(
            (picks.picker == picks.picker_names.index(row.picker))
            & (picks.micrograph == picks.micrograph_names.index(row.micrograph))
        )
        theirs = truth.take(truth.micrograph == truth.micrograph_names.index(row.micrograph))
        centers = [np.column_stack([one.x, one.y]) for one in (mine, theirs)]
        assert row.pixel == pixel_scores(*centers, 180, **sizes)
        assert row.matching == match_scores(*centers, OPTIONS["radius_px"])


@pytest.mark.parametrize("n_threads", [0, -1, 1.5])
def test_wrong_numbers_of_threads(simulated, n_threads):
    with pytest.raises(ValueError, match="n_threads must be a whole number, 1 or more"):
        evaluate_by_micrograph(*simulated, 180, n_threads=n_threads)


def test_what_is_left_out_is_kept():
    row = MicrographScores("one", "a", 1, 1, Scores(), Scores(1, 0, 0))
    assert sum_by_picker([row], n_left_out=4)[0].n_left_out == 4
    assert sum_by_picker([]) == ()
