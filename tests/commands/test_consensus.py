"""`repic-plugin consensus` on picks whose consensus can be worked out by hand."""

import os

import pytest

from repic_plugin.commands import consensus as consensus_module
from repic_plugin.formats import TABLES_OF_RUN
from repic_plugin.simulation import simulate_picks
from tests.commands.helpers import (
    CRYOLO_DEEPPICKER,
    CRYOLO_TOPAZ,
    M2_WEIGHT,
    PAIR_WEIGHT,
    TINY,
    TRIPLE_WEIGHT,
    assert_refused,
    box_rows,
    csv_header,
    csv_rows,
    each,
    without_seconds,
    write_picks,
)

QUORUM = ("--mode", "quorum")


def summary(out, column):
    return [row[column] for row in csv_rows(out / "summary.csv")]


def weights(out):
    return [float(row["weight"]) for row in csv_rows(out / "consensus.csv")]


def test_mode_all_keeps_what_all_pickers_found(consensus, out):
    outcome = consensus()
    assert (outcome.code, outcome.err) == (0, ())
    (particle,) = csv_rows(out / "consensus.csv")
    assert float(particle.pop("weight")) == pytest.approx(TRIPLE_WEIGHT)
    assert float(particle.pop("overlap")) == pytest.approx(CRYOLO_TOPAZ)
    assert float(particle.pop("score")) == pytest.approx(0.8)
    assert particle == {
        "micrograph": "m1",
        "x_center": "150",
        "y_center": "150",
        "n_pickers": "3",
        "false_agreement": "0",
        "crYOLO": "1",
        "deepPicker": "2",
        "topaz": "1",
    }


def test_mode_all_counts(consensus, out):
    consensus()
    assert summary(out, "micrograph") == ["m1", "m2", "m3"]
    assert summary(out, "n_picks_crYOLO") == ["3", "1", "1"]
    assert summary(out, "n_picks_topaz") == ["1", "0", "0"]
    assert summary(out, "n_edges") == ["4", "1", "0"]
    assert summary(out, "n_cliques") == ["1", "0", "0"]
    assert summary(out, "n_selected") == ["1", "0", "0"]
    assert float(summary(out, "objective")[0]) == pytest.approx(TRIPLE_WEIGHT, abs=1e-6)
    assert summary(out, "is_optimal") == ["true"] * 3
    assert all(float(seconds) >= 0 for seconds in summary(out, "seconds"))


def test_a_micrograph_without_a_consensus_gets_an_empty_file(consensus, out):
    consensus()
    assert len(box_rows(out / "m1.box")) == 1
    assert (out / "m2.box").read_text() == (out / "m3.box").read_text() == ""


def test_mode_quorum_keeps_pairs_and_leaves_their_third_cell_empty(consensus, out):
    assert consensus(*QUORUM).code == 0
    rows = csv_rows(out / "consensus.csv")
    assert [(row["micrograph"], row["n_pickers"]) for row in rows] == [
        ("m1", "3"),
        ("m1", "2"),
        ("m2", "2"),
    ]
    pair = rows[1]
    assert (pair["crYOLO"], pair["deepPicker"], pair["topaz"]) == ("2", "1", "")
    # one picker above the quorum adds 1
    assert weights(out) == pytest.approx([1 + TRIPLE_WEIGHT, PAIR_WEIGHT, M2_WEIGHT])


def test_quorum_of_all_pickers_is_mode_all(run, consensus, tiny, out, tmp_path):
    consensus()
    other = tmp_path / "other"
    run("consensus", tiny, "--box-size", 100, "--out", other, *QUORUM, "--quorum", 3)
    quorum, every = without_seconds(other), without_seconds(out)
    assert b",quorum,3," in quorum.pop("run.csv") and b",all,3," in every.pop("run.csv")
    assert quorum == every


def test_num_particles_keeps_the_best_of_each_micrograph(consensus, out):
    consensus(*QUORUM, "--num-particles", 1)
    assert weights(out) == pytest.approx([1 + TRIPLE_WEIGHT, M2_WEIGHT])
    assert summary(out, "n_selected") == ["2", "1", "0"]  # before the cut


def test_rank_by_confidence_keeps_and_writes_the_highest_median_score(run, tmp_path, out):
    # the first pair overlaps best, the second has the better scores
    first = {"m1.box": "100 100 100 100 0.6\n500 500 100 100 0.9\n"}
    second = {"m1.box": "100 100 100 100 0.6\n540 500 100 100 0.8\n"}
    picks = write_picks(tmp_path / "picks", {"A": first, "B": second})
    kept = {}
    for rank_by in ("weight", "confidence"):
        options = ("--box-size", 100, "--rank-by", rank_by, "--num-particles", 1)
        assert run("consensus", picks, "--out", out / rank_by, *options).code == 0
        kept[rank_by] = box_rows(out / rank_by / "m1.box")[0]
        assert [row["rank_by"] for row in csv_rows(out / rank_by / "summary.csv")] == [rank_by]
    assert kept["weight"][[0, 4]] == pytest.approx([100, 0.6])
    assert kept["confidence"][[0, 4]] == pytest.approx([500, 0.85])


def test_rank_by_has_no_meaning_where_probabilities_rank(consensus):
    outcome = consensus("--mode", "probabilistic", "--rank-by", "confidence")
    assert_refused(outcome, "--rank-by confidence has no meaning in mode probabilistic")


def test_merged_picks_are_counted_by_picker_and_micrograph(run, tmp_path, out):
    # A picked each particle of m1 twice, B one of m2
    near = "100 100 100 100 0.9\n105 100 100 100 0.6\n500 500 100 100 0.9\n500 503 100 100 0.8\n"
    one = "100 100 100 100 0.9\n"
    picks = write_picks(
        tmp_path / "picks",
        {"A": {"m1.box": near, "m2.box": one}, "B": {"m1.box": one, "m2.box": one + one}},
    )
    assert run("consensus", picks, "--out", out, "--box-size", 100).code == 0
    assert summary(out, "n_copies_A") == ["2", "0"]
    assert summary(out, "n_copies_B") == ["0", "1"]
    assert summary(out, "n_picks_A") == ["2", "1"]  # of those that are left
    everything = ("--box-size", 100, "--copy-distance", 0, "--overwrite")
    assert run("consensus", picks, "--out", out, *everything).code == 0
    assert summary(out, "n_copies_A") == ["0", "0"]
    assert summary(out, "n_picks_A") == ["4", "1"]


def test_position_member_is_the_box_that_overlaps_most(consensus, out):
    consensus("--position", "member")
    assert box_rows(out / "m1.box")[0, :2].tolist() == [100, 100]


def test_position_mean_weighs_by_score(consensus, out):
    consensus(*QUORUM, "--position", "mean")
    triple, pair = box_rows(out / "m1.box")[:, :2]
    assert triple == pytest.approx([100 + 4 * 0.7 / 2.4, 100 + 6 * 0.8 / 2.4], abs=1e-4)
    assert pair == pytest.approx([(500 * 0.6 + 520 * 0.8) / 1.4, 500], abs=1e-4)
    row = csv_rows(out / "consensus.csv")[1]
    assert float(row["x_center"]) == pytest.approx(pair[0] + 50, abs=1e-4)


def test_star_files_hold_centres_and_weights(consensus, out):
    consensus(*QUORUM, "--format", "star")
    text = (out / "m1.star").read_text()
    labels = [line.split()[0] for line in text.splitlines() if line.startswith("_")]
    assert labels == ["_rlnCoordinateX", "_rlnCoordinateY", "_rlnAutopickFigureOfMerit"]
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    assert len(rows) == 2
    assert [float(cell) for cell in rows[0]] == pytest.approx([150, 150, 1 + TRIPLE_WEIGHT])


def test_csv_files_hold_centres_and_weights(consensus, out):
    consensus(*QUORUM, "--format", "csv")
    rows = csv_rows(out / "m1.csv")
    assert (rows[0]["x_center"], rows[0]["y_center"], rows[0]["box_size_px"]) == ("150",) * 2 + (
        "100",
    )
    assert [float(row["score"]) for row in rows] == pytest.approx([1 + TRIPLE_WEIGHT, PAIR_WEIGHT])


@pytest.mark.parametrize("name", ["box", "star", "csv"])
def test_every_format_has_a_file_for_every_micrograph(consensus, out, name):
    consensus("--format", name)
    written = {path.name for path in out.iterdir()}.difference(TABLES_OF_RUN)
    assert written == {f"m1.{name}", f"m2.{name}", f"m3.{name}"}


@pytest.mark.parametrize("name", ["box", "star", "csv"])
def test_every_format_can_be_a_picker_again(run, consensus, out, tmp_path, name):
    consensus(*QUORUM, "--format", name)
    pickers = write_picks(tmp_path / "again", {"crYOLO": TINY["crYOLO"]})
    (pickers / "first").mkdir()
    for path in [*out.glob(f"m?.{name}")]:
        path.rename(pickers / "first" / path.name)
    again = tmp_path / "second"
    assert run("consensus", pickers, "--box-size", 100, "--out", again).code == 0
    assert summary(again, "n_picks_first") == ["2", "1", "0"]
    assert summary(again, "n_selected") == ["2", "1", "0"]


def test_two_threads_write_the_same(run, consensus, tiny, out, tmp_path):
    consensus(*QUORUM)
    other = tmp_path / "other"
    run("consensus", tiny, "--box-size", 100, "--out", other, *QUORUM, "--threads", 2)
    assert without_seconds(other) == without_seconds(out)


def test_threads_reach_the_consensus(consensus, monkeypatch):
    asked = []
    find = consensus_module.find_consensus

    def listen(*args, **kwargs):
        asked.append(kwargs["n_threads"])
        return find(*args, **kwargs)

    monkeypatch.setattr(consensus_module, "find_consensus", listen)
    consensus("--threads", 3)
    assert asked == [3]


@pytest.mark.parametrize("options", [("--solver", "highs"), ("--time-limit", 60)])
def test_how_it_is_solved_does_not_change_it(run, consensus, tiny, out, tmp_path, options):
    consensus(*QUORUM)
    other = tmp_path / "other"
    assert run("consensus", tiny, "--box-size", 100, "--out", other, *QUORUM, *options).code == 0
    assert without_seconds(other) == without_seconds(out)


def test_an_empty_folder_may_be_given_as_output(consensus, out):
    out.mkdir()
    assert consensus().code == 0
    assert (out / "summary.csv").is_file()


def test_folders_above_the_output_are_made(run, tiny, out):
    assert run("consensus", tiny, "--box-size", 100, "--out", out / "a" / "b").code == 0
    assert (out / "a" / "b" / "summary.csv").is_file()


def test_options_may_stand_before_the_folder(run, tiny, out):
    assert run("consensus", "--out", out, "--box-size", 100, tiny).code == 0


def test_relative_paths(run, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run("consensus", "picks", "--box-size", 100, "--out", "here/")
    assert outcome.code == 0
    assert (tmp_path / "here" / "summary.csv").is_file()
    assert sorted(os.listdir(tmp_path)) == ["here", "picks"]


def test_the_current_folder_may_be_given_as_output(run, tiny, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    outcome = run("consensus", tiny, "--box-size", 100, "--out", ".")
    # written or refused, but by a line that a user can follow
    if outcome.code == 0:
        assert (tmp_path / "empty" / "summary.csv").is_file()
    else:
        assert_refused(outcome, "choose another folder")


def test_the_output_may_be_a_link_to_an_empty_folder(run, tiny, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    outcome = run("consensus", tiny, "--box-size", 100, "--out", tmp_path / "link")
    if outcome.code == 0:
        assert (tmp_path / "link" / "summary.csv").is_file()
    else:
        assert_refused(outcome, "choose another folder")


def test_the_printed_table_adds_up(consensus):
    outcome = consensus(*QUORUM)
    lines = {line.split()[0]: line.split()[1:] for line in outcome.out if line}
    assert lines["crYOLO"] == ["5", "5", "3", "60.0%", "identity"]
    assert lines["topaz"] == ["1", "1", "1", "100.0%", "identity"]
    (total,) = [line for line in outcome.out if line.startswith("consensus:")]
    assert "3 particles on 2 of 3 micrographs" in total
    assert "proven optimal" in total


def test_files_of_other_kinds_are_named_not_read(consensus, tiny):
    (tiny / "topaz" / "notes.log").write_text("hello")
    outcome = consensus()
    assert outcome.code == 0
    (line,) = [line for line in outcome.out if line.startswith("not read: ")]
    assert line.startswith(f"not read: {tiny / 'topaz' / 'notes.log'}: a file of suffix .log, but ")
    assert line.endswith("; if it holds picks, rename or convert it")


def test_a_file_in_the_place_of_a_picker_is_named_with_the_rule(consensus, tiny):
    (tiny / "relion").write_text("1 2 3\n")
    outcome = consensus()
    assert outcome.code == 0
    assert (
        f"not read: {tiny / 'relion'}: a file, but each picker must be a folder; if it holds "
        "picks, move it into a folder of the picker's name"
    ) in outcome.out


def test_what_is_hidden_or_beside_the_pickers_is_passed_over(run, consensus, tiny, out, tmp_path):
    consensus()
    (tiny / ".thumbnails").mkdir()
    (tiny / "topaz" / ".m9.box").write_bytes(b"\0")
    (tiny / "README.txt").write_text("hello")
    other = tmp_path / "other"
    assert run("consensus", tiny, "--box-size", 100, "--out", other).code == 0
    assert without_seconds(other) == without_seconds(out)


def test_pickers_are_named_by_the_links_that_lead_to_them(run, out, tmp_path):
    picks = tmp_path / "picks"
    picks.mkdir()
    for number, picker in enumerate(TINY, 1):
        write_picks(tmp_path / f"run{number}", {"extra": TINY[picker]})
        (picks / picker).symlink_to(tmp_path / f"run{number}" / "extra")
    outcome = run("consensus", picks, "--box-size", 100, "--out", out)
    assert outcome.code == 0, outcome.err
    assert summary(out, "n_picks_deepPicker") == ["2", "1", "0"]


def test_an_earlier_result_among_the_pickers_is_no_picker(run, tiny):
    """A second run with --overwrite must not count the first run's result as an opinion."""
    arguments = ("consensus", tiny, "--box-size", 100, "--out", tiny / "consensus")
    run(*arguments)
    outcome = run(*arguments, "--overwrite")
    if outcome.code == 0:
        assert "n_picks_consensus" not in csv_header(tiny / "consensus" / "summary.csv")
    else:
        assert_refused(outcome, "--out")


def test_micrographs_named_as_the_tables_keep_their_files(run, out, tmp_path):
    files = {"consensus.box": TINY["crYOLO"]["m1.box"], "summary.box": "", "m1.box": ""}
    picks = write_picks(tmp_path / "picks", {"one": files, "two": files})
    outcome = run("consensus", picks, "--box-size", 100, "--out", out, "--format", "csv")
    if outcome.code == 0:
        assert len(list(out.glob("*.csv"))) == 5  # three micrographs and two tables
    else:
        assert_refused(outcome, "consensus", "--format")


@pytest.mark.parametrize("picker", ["my picker", "v=2", "a,b", "Tópaz"])
def test_unusual_picker_names(run, out, tmp_path, picker):
    picks = write_picks(tmp_path / "picks", {"one": TINY["crYOLO"], picker: TINY["deepPicker"]})
    sizes = each("--box-size", "one=100", f"{picker}=100")
    outcome = run("consensus", picks, "--out", out, *sizes, "--min-score", f"{picker}=0.6")
    assert outcome.code == 0, outcome.err
    assert summary(out, f"n_picks_{picker}") == ["2", "0", "0"]
    first = csv_rows(out / "consensus.csv")[0]
    assert first["micrograph"] == "m1"
    assert first["one"] == "1"
    assert float(first["weight"]) == pytest.approx(CRYOLO_DEEPPICKER * 0.8)
    assert first[picker] == "2"
    assert any(line.startswith(picker) for line in outcome.out)


def test_no_two_columns_of_consensus_csv_share_a_name(run, out, tmp_path):
    picks = write_picks(tmp_path / "picks", {"one": TINY["crYOLO"], "score": TINY["deepPicker"]})
    outcome = run("consensus", picks, "--box-size", 100, "--out", out)
    if outcome.code == 0:
        header = csv_header(out / "consensus.csv")
        assert len(set(header)) == len(header)
    else:
        assert_refused(outcome, "score")


def test_the_format_decides_on_scores_whatever_the_picker_is_called(run, tmp_path, consensus):
    rows = "".join(f"m{i}\t{100 + 9 * i}\t90\t0.{i + 1}\n" for i in range(3))
    files = {f"m{i}.box": f"{50 + 9 * i} 40 100 100 0.5\n" for i in range(3)}
    picks = write_picks(
        tmp_path / "p",
        {"one": {"all.txt": "image_name\tx_coord\ty_coord\tscore\n" + rows}, "two": files},
    )
    out = run("consensus", picks, "--box-size", 100, "--out", tmp_path / "o").out
    assert [line.split()[-1] for line in out[3:5]] == ["logistic", "identity"]
    out = run("consensus", picks, "--box-size", 100, "--out", tmp_path / "q",
              "--score-transform", "one=rank").out  # fmt: skip
    assert [line.split()[-1] for line in out[3:5]] == ["rank", "identity"]


def test_picks_below_the_pickers_threshold_are_hinted_at(run, tmp_path):
    row = "_Confidence\n0 0 100 100 0.9\n300 0 100 100 0.2\n"
    head = "data_cryolo\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n"
    files = {"a": {"m.cbox": head + row}, "b": {"m.box": "0 0 100 100 0.5\n"}}
    picks = write_picks(tmp_path / "p", files)
    arguments = ("consensus", picks, "--box-size", 100, "--out")
    told = run(*arguments, tmp_path / "o").err
    assert [one for one in told if "--min-score a=0.3 discards them" in one]
    assert not run(*arguments, tmp_path / "q", "--min-score", "a=0.1").err


@pytest.mark.parametrize("mode", ["all", "quorum"])
def test_low_scores_are_kept_with_the_expected_number(run, tmp_path, mode):
    row = "_Confidence\n0 0 100 100 0.9\n300 0 100 100 0.2\n"
    head = "data_cryolo\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n"
    files = {"a": {"m.cbox": head + row}, "b": {"m.box": "0 0 100 100 0.5\n"}}
    arguments = ("consensus", write_picks(tmp_path / "p", files), "--box-size", 100)
    arguments = (*arguments, "--mode", mode, "--out")
    (told,) = (one for one in run(*arguments, tmp_path / "o").err if "0.3" in one)
    assert "keep them with --num-particles N" in told
    assert "or --min-score a=0.3 discards them" in told
    assert not run(*arguments, tmp_path / "q", "--num-particles", 5).err


def test_by_probability_low_scores_are_hinted_at_even_with_it(run, tmp_path):
    made = simulate_picks(3, 3, n_particles=60, random_state=2).picks
    head = "data_cryolo\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n_Confidence\n"
    files = {}
    for picker, (name, suffix) in enumerate((("a", "cbox"), ("b", "box"), ("c", "box"))):
        for m in range(3):
            mine = made.take((made.picker == picker) & (made.micrograph == m))
            rows = zip(mine.x - 90, mine.y - 90, mine.score)
            text = "".join(f"{x:.1f} {y:.1f} 180 180 {score:.3f}\n" for x, y, score in rows)
            files.setdefault(name, {})[f"m{m}.{suffix}"] = (head if suffix == "cbox" else "") + text
    arguments = ("consensus", write_picks(tmp_path / "p", files), "--box-size", 180, "--out")
    for mode, is_told in (("probabilistic", True), ("all", False)):
        options = ("--mode", mode, "--num-particles", 60)
        told = run(*arguments, tmp_path / mode, *options).err
        assert any("; --min-score a=0.3 discards them" in one for one in told) == is_told, mode
