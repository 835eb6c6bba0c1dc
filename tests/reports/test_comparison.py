"""The comparison of consensus runs."""

import math
from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.consensus import expected_scores
from repic_plugin.formats import (
    RunRecord,
    read_consensus_tables,
    write_ensemble,
    write_run_record,
)
from repic_plugin.reports import Picture, Section, Table, folder_sections
from repic_plugin.reports.comparison import compared, overall_agreement, run_row
from tests.reports.consensus_runs import consensus_runs, write_run

NAMES = ("by probability", "by two", "by all")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return folder, consensus_runs(folder, NAMES)


def cells_of(table):
    return {row[0]: dict(zip(table.header, row)) for row in table.rows}


def test_all_runs_are_rows_of_one_table_on_top(runs):
    folder, results = runs
    first, *others = folder_sections(folder)
    table, picture = first.blocks
    assert first.title == "All consensus runs" and isinstance(picture, Picture)
    assert len(others) == 3
    cells = cells_of(table)
    assert set(cells) == set(NAMES)
    for name, result in results.items():
        row = cells[name]
        assert row["particles"] == len(result) and row["micrographs"] == 6
        n_agreed = sum(n for n in (result.members >= 0).sum(axis=1).tolist() if n >= 2)
        n_picks = result.micrographs.n_picks.sum()
        assert row["agreement"] == pytest.approx(n_agreed / n_picks)
        assert (row["Å/px"], row["version"]) == (1.5, "9.8.7")
    assert [cells[name]["mode"] for name in NAMES] == [
        "probabilistic",
        "quorum of 2 pickers",
        "all pickers",
    ]


def test_only_a_consensus_by_probability_promises_anything(runs):
    folder, results = runs
    result = results[NAMES[0]]
    row = run_row("a", folder / NAMES[0])
    expected = expected_scores(result.weight, result.ensemble, 6)
    assert (row.precision, row.recall) == pytest.approx((expected.precision, expected.recall))
    low, high = row.recall_interval
    assert low <= row.recall <= high <= 1
    n_low, n_high = expected.n_particles_interval
    n_true = float(result.weight.sum())
    assert (low, high) == pytest.approx((n_true / n_high, min(n_true / n_low, 1)), abs=1e-4)
    for name in NAMES[1:]:
        row = run_row("a", folder / name)
        assert math.isnan(row.precision) and math.isnan(row.recall)


def test_a_picker_alone_is_no_agreement(runs):
    found = read_consensus_tables(runs[0] / NAMES[0])
    assert (found.n_members == 1).any()
    assert overall_agreement(found) < found.n_members.sum() / found.n_picks.sum()


def test_runs_of_earlier_versions_have_gaps_that_are_explained(tmp_path):
    consensus_runs(tmp_path, NAMES, recorded=False)
    (tmp_path / "new").mkdir()
    consensus_runs(tmp_path / "new", NAMES)
    old = [run_row(name, tmp_path / name) for name in NAMES[1:]]
    new = [run_row(f"new {name}", tmp_path / "new" / name) for name in NAMES[1:]]
    table = compared([], [*old, *new])[0].blocks[0]
    assert cells_of(table)[NAMES[2]]["version"] == "" and "Empty in" in table.caption
    table = compared([], old)[0].blocks[0]
    assert not {"version", "Å/px", "expected recall"} & set(table.header)
    assert "Empty in" not in compared([], new)[0].blocks[0].caption


def test_whether_images_decided_is_told(runs, tmp_path):
    result = runs[1][NAMES[0]]
    folder = tmp_path / "with images"
    write_run(folder, result, "probabilistic", 10_000)
    write_run_record(folder, RunRecord("probabilistic", 1, images=True))
    assert run_row("a", folder).mode == "probabilistic; images did not decide"
    rule = f"{result.ensemble.threshold_rule}, with images"
    write_ensemble(folder, replace(result.ensemble, threshold_rule=rule))
    assert run_row("a", folder).mode == "probabilistic with images"


def test_a_single_run_has_its_row_in_its_own_section(runs):
    row = run_row("one", runs[0] / NAMES[1])
    sections = [Section("other", ["x"]), Section("mine", ["y"])]
    found = compared(sections, [row], 1)
    assert [one.title for one in found] == ["other", "mine"]
    assert isinstance(found[1].blocks[0], Table) and found[1].blocks[1] == "y"
    assert found[0] == sections[0]
    assert compared(sections, []) == sections


def test_micrographs_without_picks_agree_on_nothing(runs):
    found = read_consensus_tables(runs[0] / NAMES[2])
    none = replace(found, n_picks=np.zeros_like(found.n_picks), members=found.members[:0])
    assert math.isnan(overall_agreement(none))
