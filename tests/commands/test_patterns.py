"""`repic-plugin consensus --pattern` on picks whose sets can be worked out by hand."""

import shutil

import pytest

from repic_plugin.formats import read_consensus_tables, read_picker_folder
from tests.commands.helpers import (
    PAIR_WEIGHT,
    assert_refused,
    box_rows,
    csv_rows,
    each,
    without_seconds,
    write_picks,
)

ALONE, PAIR, NONE = "crYOLO, not deepPicker", "deepPicker, crYOLO, not topaz", "topaz, not crYOLO"
FOLDERS = ["crYOLO_not_deepPicker", "crYOLO+deepPicker_not_topaz", "topaz_not_crYOLO"]


def patterns(out):
    return csv_rows(out / "patterns" / "patterns.csv")


@pytest.mark.parametrize("mode", [(), ("--mode", "quorum"), ("--num-particles", 1)])
def test_each_pattern_is_a_set_whatever_the_consensus_selected(consensus, out, mode):
    outcome = consensus(*mode, *each("--pattern", ALONE, PAIR, NONE))
    assert (outcome.code, outcome.err) == (0, ())
    folders = [out / "patterns" / name for name in FOLDERS]
    rows = [csv_rows(folder / "consensus.csv") for folder in folders]
    assert [(row["micrograph"], row["x_center"], row["crYOLO"]) for row in rows[0]] == [
        ("m1", "20", "3"),
        ("m3", "60", "1"),
    ]
    assert [float(row["weight"]) for row in rows[0]] == [0.5, 0.4]  # their scores
    assert [(row["micrograph"], row["crYOLO"], row["deepPicker"]) for row in rows[1]] == [
        ("m1", "2", "1"),
        ("m2", "1", "1"),
    ]
    assert float(rows[1][0]["weight"]) == pytest.approx(PAIR_WEIGHT)
    assert rows[2] == []
    assert [len(box_rows(folders[0] / f"m{i}.box")) for i in (1, 2, 3)] == [1, 0, 1]
    assert box_rows(folders[0] / "m1.box").tolist() == [[-30, -20, 100, 100, 0.5]]
    assert [[*row.values()] for row in patterns(out)] == [
        [ALONE, FOLDERS[0], "2", "2"],
        ["crYOLO, deepPicker, not topaz", FOLDERS[1], "2", "2"],
        [NONE, FOLDERS[2], "0", "0"],
    ]
    assert [line for line in outcome.out if line.startswith("found by")] == [
        f"found by crYOLO, not by deepPicker: 2 particles on 2 of 3 micrographs, in {folders[0]}",
        "found by crYOLO and deepPicker, not by topaz: 2 particles on 2 of 3 micrographs, in "
        f"{folders[1]}",
        f"found by topaz, not by crYOLO: no particle, in {folders[2]}",
    ]


def test_all_pickers_are_the_consensus_itself(consensus, out):
    consensus("--pattern", "topaz, crYOLO, deepPicker")
    own = out / "patterns" / "crYOLO+deepPicker+topaz"
    whole, alone = without_seconds(out), without_seconds(own)
    tables = [csv_rows(folder / "consensus.csv") for folder in (out, own)]
    for rows in tables:
        for row in rows:
            row.pop("false_agreement")  # of the consensus only
    assert tables[0] == tables[1]
    for files in (whole, alone):
        files.pop("consensus.csv")
    assert alone == {name: whole[name] for name in alone}


def test_where_an_excluded_picker_has_no_file_there_is_no_particle(run, tiny, out):
    (tiny / "deepPicker" / "m3.box").unlink()
    arguments = ("--box-size", 100, "--out", out, *each("--pattern", ALONE, "crYOLO"))
    outcome = run("consensus", tiny, *arguments)
    assert [row["n_particles"] for row in patterns(out)] == ["1", "5"]
    (line,) = [line for line in outcome.out if "not by deepPicker" in line]
    assert "1 particles on 1 of 3 micrographs (left out: 1, for which a picker" in line


def test_options_of_the_consensus_hold_for_patterns(run, tiny, out):
    options = ("--min-score", "deepPicker=0.6", "--drop-outside", 1000, 1000)
    run("consensus", tiny, "--box-size", 100, "--out", out, *options, "--pattern", ALONE)
    rows = csv_rows(out / "patterns" / FOLDERS[0] / "consensus.csv")
    # deepPicker's pick on m2 is below the minimum score; of crYOLO's, one is at the edge
    assert [(row["micrograph"], row["crYOLO"]) for row in rows] == [("m2", "1"), ("m3", "1")]


def test_formats_are_those_of_the_consensus(consensus, out):
    consensus("--format", "relion", "--pattern", ALONE)
    own = out / "patterns" / FOLDERS[0]
    assert str(own / "m1_autopick.star") in (own / "autopick.star").read_text()
    assert (own / "m1_autopick.star").is_file()


def test_mode_probabilistic_has_patterns_too(run, simulated_picks, out):
    options = ("--mode", "probabilistic", "--pattern", "picker_1, not picker_2")
    assert run("consensus", simulated_picks, "--box-size", 100, "--out", out, *options).code == 0
    found = read_consensus_tables(out / "patterns" / "picker_1_not_picker_2")
    assert len(found) > 5
    assert (found.members[:, 1] < 0).all()
    assert (found.overlap == 0).all()


@pytest.fixture
def simulated_picks(run, tmp_path):
    folder = tmp_path / "simulated"
    size = ("--micrographs", 3, "--recall", 0.9, 0.8, 0.7, "--precision", 0.8, 0.7, 0.7)
    assert run("simulate", folder, *size).code == 0
    return folder / "picks"


def test_a_later_run_overwrites_them_all_and_nothing_else(consensus, out):
    consensus(*each("--pattern", ALONE, PAIR))
    assert consensus("--overwrite", "--pattern", ALONE).code == 0
    assert sorted(one.name for one in (out / "patterns").iterdir()) == [FOLDERS[0], "patterns.csv"]
    mine = out / "patterns" / "mine.txt"
    mine.write_text("a note")
    assert_refused(consensus("--overwrite"), "patterns/mine.txt")
    mine.unlink()
    assert consensus("--overwrite").code == 0
    assert not (out / "patterns").exists()


def test_the_folder_as_a_picker_has_the_particles_of_the_consensus_alone(consensus, out, tmp_path):
    consensus("--pattern", ALONE)
    shutil.copytree(out, tmp_path / "again" / "agreed")
    found = read_picker_folder(tmp_path / "again" / "agreed")
    assert len(found.picks) == 1
    assert [path.name for path in found.ignored] == ["patterns"]


def test_names_with_spaces_hyphens_commas_and_long_ones(run, out, tmp_path):
    names = ["a, b", "not-c - 2", "d" * 150, "e" * 150]
    rows = "100 100 100 100 0.9\n"
    picks = write_picks(tmp_path / "picks", {name: {"m.box": rows} for name in names[:3]})
    write_picks(picks, {names[3]: {"m.box": "500 500 100 100 0.9\n"}})
    wanted = ["a, b, not-c - 2, not " + names[3], f"{names[3]}, not {names[2]}"]
    outcome = run("consensus", picks, "--box-size", 100, "--out", out, "--no-coordinate-check",
                  *each("--pattern", *wanted))  # fmt: skip
    assert outcome.code == 0
    assert [row["pattern"] for row in patterns(out)] == wanted
    assert [row["folder"] for row in patterns(out)] == [
        f"a, b+not-c - 2_not_{names[3]}",
        "pattern_2",
    ]
    assert [row["n_particles"] for row in patterns(out)] == ["1", "1"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["crYOLO, not Topaz"], ["'Topaz'", "the pickers are crYOLO, deepPicker, topaz"]),
        (["not crYOLO"], ["--pattern 'not crYOLO' must name a picker that found"]),
        (["crYOLO", " crYOLO "], ["--pattern 'crYOLO' is given twice"]),
        ([""], ["--pattern '' names picker ''"]),
    ],
)
def test_wrong_patterns_are_refused(consensus, out, wrong, words):
    assert_refused(consensus(*each("--pattern", *wrong)), *words)
    assert not out.exists()
