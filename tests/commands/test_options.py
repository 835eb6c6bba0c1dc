"""Options of `repic-plugin consensus` that change the picks before the graph is built."""

import sys
import warnings
from dataclasses import replace

import pytest
from scipy.special import expit

from repic_plugin.cli import main
from repic_plugin.commands import consensus as consensus_module
from repic_plugin.formats import TABLES_OF_RUN
from tests.commands.helpers import (
    CRYOLO_TOPAZ,
    PAIR_WEIGHT,
    TINY,
    TRIPLE_WEIGHT,
    assert_refused,
    box_rows,
    csv_rows,
    each,
    tree,
    without_seconds,
    write_picks,
)

QUORUM = ("--mode", "quorum")


def column(out, name):
    return [row[name] for row in csv_rows(out / "summary.csv")]


def weights(out):
    return [float(row["weight"]) for row in csv_rows(out / "consensus.csv")]


def test_min_score_of_one_picker(consensus, out):
    consensus(*QUORUM, "--min-score", "deepPicker=0.75")
    assert column(out, "n_picks_deepPicker") == ["1", "0", "0"]
    assert column(out, "n_picks_crYOLO") == ["3", "1", "1"]
    # crYOLO and topaz are left of the three: 0.9 and 0.8
    assert weights(out) == pytest.approx([CRYOLO_TOPAZ * 0.85, PAIR_WEIGHT])


def test_min_score_keeps_a_pick_with_exactly_that_score(consensus, out):
    consensus("--min-score", "topaz=0.8", "deepPicker=0.7")
    assert column(out, "n_selected") == ["1", "0", "0"]


def test_min_score_of_all_pickers(consensus, out):
    consensus("--min-score", 0.75)
    assert column(out, "n_picks_crYOLO") == ["1", "1", "0"]
    assert column(out, "n_picks_deepPicker") == ["1", "0", "0"]


@pytest.mark.parametrize(
    "options",
    [
        ("--min-score", "topaz=0.9", "deepPicker=0.75"),
        each("--min-score", "topaz=0.9", "deepPicker=0.75"),
    ],
)
def test_min_score_of_two_pickers(consensus, out, options):
    consensus(*options)
    assert column(out, "n_picks_deepPicker") == ["1", "0", "0"]
    assert column(out, "n_picks_topaz") == ["0", "0", "0"]


def test_min_score_may_be_negative(consensus, out):
    consensus("--min-score", "topaz=-3")
    assert column(out, "n_picks_topaz") == ["1", "0", "0"]


def test_row_numbers_count_the_dropped_picks(consensus, out):
    consensus("--drop-outside", 1000, 550)
    assert column(out, "n_picks_deepPicker") == ["1", "1", "0"]
    (triple,) = csv_rows(out / "consensus.csv")
    assert triple["deepPicker"] == "2"  # still the second row of its file


def test_score_transform_of_one_picker(consensus, out):
    outcome = consensus("--score-transform", "crYOLO=identity", "topaz=logistic")
    assert expit(0.8) < 0.7  # now the lowest of the three: deepPicker's 0.7 is the median
    assert weights(out) == pytest.approx([CRYOLO_TOPAZ * 0.7])
    assert [line.split()[-1] for line in outcome.out[3:6]] == ["identity", "identity", "logistic"]


def test_score_transform_of_all_pickers(consensus, out):
    outcome = consensus("--score-transform", "rank")
    # shares that score no better: crYOLO 4.5 of 5 (a tie), deepPicker 2 of 3, topaz 1 of 1
    assert weights(out) == pytest.approx([CRYOLO_TOPAZ * 0.9])
    assert [line.split()[-1] for line in outcome.out[3:6]] == ["rank"] * 3


def test_scores_beyond_one_are_ranked_and_reported(consensus, tiny):
    (tiny / "crYOLO" / "m1.box").write_text("100 100 100 100 7\n")
    assert consensus().out[3].split()[-1] == "rank"


def test_one_transform_for_both_scales_of_a_picker(consensus, tiny):
    """One file in [0, 1] and one beyond: decided once for the picker, not file by file."""
    (tiny / "topaz" / "m2.box").write_text("300 300 100 100 -2.5\n")
    assert consensus().out[5].split()[-1] == "logistic"


def test_drop_outside(consensus, out):
    consensus("--drop-outside", 1000, 1000)
    assert column(out, "n_picks_crYOLO") == ["2", "1", "1"]


def test_drop_outside_takes_width_then_height(consensus, out):
    consensus("--drop-outside", 620, 600)
    assert column(out, "n_picks_deepPicker") == ["2", "1", "0"]  # a box at 520 to 620
    consensus("--drop-outside", 600, 620, "--overwrite")
    assert column(out, "n_picks_deepPicker") == ["1", "1", "0"]


def test_largest_component(consensus, out):
    consensus(*QUORUM, "--largest-component")
    assert column(out, "n_selected") == ["1", "1", "0"]
    assert weights(out)[0] == pytest.approx(1 + TRIPLE_WEIGHT)


def test_min_overlap(consensus, out):
    consensus("--min-overlap", 0.85)
    assert column(out, "n_edges") == ["2", "0", "0"]  # deepPicker and topaz: 0.822
    assert column(out, "n_selected") == ["0", "0", "0"]


def test_box_size_of_each_picker(consensus, out):
    consensus(*each("--box-size", "crYOLO=100", "deepPicker=100", "topaz=80"))
    # topaz's box lies inside the other two: 80^2 / 100^2
    assert weights(out) == pytest.approx([0.64 * 0.8])
    # centres stay those of the file, whose boxes are of 100; particles get the largest box
    assert box_rows(out / "m1.box")[0, :4].tolist() == [100, 100, 100, 100]


def test_box_size_of_one_picker_is_not_enough(consensus):
    assert_refused(consensus("--box-size", "crYOLO=100"), "deepPicker", "give one for each")


def test_overwrite_replaces_an_earlier_result(consensus, out):
    consensus()
    assert consensus(*QUORUM, "--format", "star", "--overwrite").code == 0
    written = {path.name for path in out.iterdir()}.difference(TABLES_OF_RUN)
    assert written == {"m1.star", "m2.star", "m3.star"}


def test_without_overwrite_an_earlier_result_stays(consensus, out):
    consensus()
    before = tree(out)
    assert_refused(consensus(*QUORUM), str(out), "is not empty", "--overwrite")
    assert tree(out) == before


@pytest.mark.parametrize("name", ["thesis.tex", "summary.csv", "consensus.csv"])
def test_overwrite_keeps_its_hands_off_other_folders(consensus, out, name):
    out.mkdir()
    (out / name).write_text("dear")
    outcome = consensus("--overwrite")
    assert_refused(outcome, str(out), "not written by this command", "choose another folder")
    assert tree(out) == {name: b"dear"}


def test_gurobi_without_its_package(consensus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    outcome = consensus("--solver", "gurobi")
    assert_refused(outcome, "gurobipy", "not installed", "highs")
    assert [path.name for path in tmp_path.iterdir()] == ["picks"]


def test_auto_does_without_gurobi(consensus, monkeypatch):
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    assert consensus().code == 0


def test_gurobi_finds_the_same_or_says_why_not(run, consensus, tiny, out, tmp_path):
    pytest.importorskip("gurobipy")
    consensus(*QUORUM)
    other = tmp_path / "other"
    size = ("--box-size", 100)
    outcome = run("consensus", tiny, *size, "--out", other, *QUORUM, "--solver", "gurobi")
    if outcome.code:  # a licence that has run out
        assert_refused(outcome, "highs")
        assert not other.exists()
    else:
        assert without_seconds(other) == without_seconds(out)


def test_what_is_not_proven_optimal_says_so(consensus, out, monkeypatch):
    find = consensus_module.find_consensus

    def unproven_on_m1(*args, **kwargs):
        found = find(*args, **kwargs)
        proven = found.micrographs.is_optimal.copy()
        proven[0] = False
        return replace(found, micrographs=replace(found.micrographs, is_optimal=proven))

    monkeypatch.setattr(consensus_module, "find_consensus", unproven_on_m1)
    outcome = consensus("--time-limit", 1)
    assert column(out, "is_optimal") == ["false", "true", "true"]
    assert any("NOT proven optimal" in line for line in outcome.out)


# What is odd but right


def test_boxes_that_stick_out_count(run, out, tmp_path):
    file = {"m1.box": "-90 -40 100 100 0.9\n"}
    picks = write_picks(tmp_path / "picks", {"one": file, "two": file})
    assert run("consensus", picks, "--box-size", 100, "--out", out).code == 0
    assert box_rows(out / "m1.box").tolist() == [[-90, -40, 100, 100, 0.9]]
    assert csv_rows(out / "consensus.csv")[0]["x_center"] == "-40"


def test_no_consensus_at_all(run, out, tmp_path):
    pickers = {"one": {"m1.box": "10 10 20 20 0.5\n"}, "two": {"m1.box": "500 10 20 20 0.5\n"}}
    outcome = run("consensus", write_picks(tmp_path / "p", pickers), "--box-size", 20, "--out", out)
    assert (outcome.code, outcome.err) == (0, ())
    assert (out / "m1.box").read_text() == ""
    assert csv_rows(out / "consensus.csv") == []
    assert column(out, "n_selected") == ["0"]


def test_only_empty_files(run, out, tmp_path):
    pickers = {"one": {"m1.box": ""}, "two": {"m1.box": "\n\n"}}
    outcome = run("consensus", write_picks(tmp_path / "p", pickers), "--box-size", 20, "--out", out)
    assert (outcome.code, outcome.err) == (0, ())
    assert column(out, "n_picks_one") == ["0"]


# Warnings


def without_scores(files):
    return {
        name: "".join(line.rsplit(" ", 1)[0] + "\n" for line in text.splitlines())
        for name, text in files.items()
    }


def test_missing_scores_warn_once_for_each_picker(run, out, tmp_path):
    pickers = {
        "crYOLO": without_scores(TINY["crYOLO"]),
        "deepPicker": without_scores(TINY["deepPicker"]),
        "topaz": TINY["topaz"],
    }
    picks = write_picks(tmp_path / "picks", pickers)
    outcome = run("consensus", picks, "--box-size", 100, "--out", out)
    assert outcome.code == 0
    assert len(outcome.err) == 2
    for line, picker, count in zip(outcome.err, ("crYOLO", "deepPicker"), (5, 3)):
        assert line.startswith(f"repic-plugin: warning: {count} picks of {picker} have no score")
    # 1, 1 and 0.8
    assert weights(out) == pytest.approx([CRYOLO_TOPAZ])


def test_complete_scores_do_not_warn(consensus):
    assert consensus().err == ()


@pytest.mark.parametrize("filters", ["error", "ignore"])
def test_warnings_are_shown_whatever_python_is_told(tiny, out, capsys, filters):
    """PYTHONWARNINGS is for programmers; what was assumed about the picks is for users."""
    write_picks(tiny, {"topaz": without_scores(TINY["topaz"])})
    arguments = ["consensus", str(tiny), "--box-size", "100", "--out", str(out)]
    with warnings.catch_warnings():
        warnings.simplefilter(filters)
        assert main(arguments) == 0
    assert capsys.readouterr().err.startswith("repic-plugin: warning: 1 picks of topaz have no")
