"""Tables that are empty or damaged: a section that says so, or one line with the file."""

from pathlib import Path

import pytest

from repic_plugin.formats import write_scores
from repic_plugin.iteration import ITERATION_COLUMNS
from repic_plugin.reports import folder_sections, render_report
from repic_plugin.workflow import read_workflow
from tests.reports.consensus_runs import consensus_runs

NAMES = ("a", "b", "c")


def test_scores_without_a_row(tmp_path):
    write_scores(tmp_path / "scores.csv", [])
    (section,) = folder_sections(tmp_path)
    assert section.blocks == ["No set of picks was scored."]


def test_an_unknown_subset_of_iterations(tmp_path):
    row = "1,a,other,3,1" + "," * (len(ITERATION_COLUMNS) - 5)
    (tmp_path / "iterations.csv").write_text(",".join(ITERATION_COLUMNS) + f"\n{row}\n")
    with pytest.raises(ValueError, match=r"iterations\.csv: subset must be one of .*, got other"):
        folder_sections(tmp_path)


def test_one_damaged_run_among_others_leaves_the_report_of_the_others(tmp_path):
    consensus_runs(tmp_path, NAMES)
    (tmp_path / NAMES[0] / "consensus.csv").write_text("micrograph,x_cen")
    (tmp_path / NAMES[2] / "summary.csv").unlink()
    with pytest.warns(UserWarning) as told:
        first, *sections = folder_sections(tmp_path)
    assert [Path(str(one.message).split(":")[0].split(",")[0]).parent.name for one in told] == [
        NAMES[0],
        NAMES[2],
    ]
    page = render_report("t", "a", [first, *sections])
    assert page.count("These results cannot be read") == 2
    (tmp_path / NAMES[1] / "summary.csv").unlink()
    with pytest.raises(ValueError, match="ends within a line"):
        folder_sections(tmp_path)


def test_a_workflow_that_is_nested_too_deeply(tmp_path):
    (tmp_path / "w.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"w\.json: is not JSON"):
        read_workflow(str(tmp_path / "w.json"), [])


def test_a_home_that_is_nobody_s():
    values = ["micrographs=~nosuchuser/m", "picks1=.", "picks2=.", "picks3=."]
    with pytest.raises(ValueError, match="there is no such user"):
        read_workflow("consensus", values)
