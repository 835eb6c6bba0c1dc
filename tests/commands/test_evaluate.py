"""`repic-plugin evaluate` against numbers worked out by hand."""

import numpy as np
import pytest

from tests.commands.helpers import (
    TINY,
    assert_refused,
    box_text,
    csv_header,
    csv_rows,
    tree,
    write_picks,
)

SIZE = ("--box-size", 10)
REFERENCE = [(50, 50), (100, 100)]
# one 2 px off, one 5 px off, one nowhere near
PICKED = [(52, 50), (100, 105), (300, 300)]


@pytest.fixture
def case(tmp_path):
    """Picks and reference, boxes of 10 px."""
    pickers = {
        "good": {"m1.box": box_text(REFERENCE, 10)},
        "poor": {"m1.box": box_text(PICKED, 10)},
    }
    write_picks(tmp_path / "picks", pickers)
    write_picks(tmp_path, {"reference": {"m1.box": box_text(REFERENCE, 10)}})
    return tmp_path


@pytest.fixture
def evaluate(run, case):
    """Run `evaluate` with options, and return {picker: its row of the table}."""

    def rows(*options, picks="picks", reference="reference"):
        table = case / "metrics.csv"
        arguments = ("evaluate", case / picks, case / reference, *SIZE, "--out", table)
        outcome = run(*arguments, *options)
        assert (outcome.code, outcome.err) == (0, ())
        return {row["picker"]: row for row in csv_rows(table)}

    return rows


def numbers(row, kind, *names):
    return [float(row[f"{kind}_{name}"]) for name in names]


RATIOS = ("precision", "recall", "f1")
COUNTS = ("tp", "fp", "fn")


def test_pixels(evaluate):
    row = evaluate()["poor"]
    # 8 x 10 px of the first box and 10 x 5 px of the second are right, of 300 and of 200
    assert numbers(row, "pixel", *COUNTS) == [130, 170, 70]
    assert numbers(row, "pixel", *RATIOS) == pytest.approx(
        [130 / 300, 130 / 200, 260 / 500], abs=1e-6
    )


def test_matching_within_a_quarter_of_a_box(evaluate):
    row = evaluate()["poor"]
    assert numbers(row, "matching", *COUNTS) == [1, 2, 1]
    assert numbers(row, "matching", *RATIOS) == pytest.approx([1 / 3, 1 / 2, 2 / 5], abs=1e-6)


def test_matching_within_a_given_radius(evaluate):
    assert numbers(evaluate("--radius", 5)["poor"], "matching", *COUNTS) == [2, 1, 0]
    assert numbers(evaluate("--radius", 4.99)["poor"], "matching", *COUNTS) == [1, 2, 1]


def test_perfect(evaluate):
    row = evaluate()["good"]
    assert numbers(row, "pixel", *RATIOS, *COUNTS) == [1, 1, 1, 200, 0, 0]
    assert numbers(row, "matching", *RATIOS, *COUNTS) == [1, 1, 1, 2, 0, 0]


def test_columns(run, case):
    run("evaluate", case / "picks", case / "reference", *SIZE, "--out", case / "m.csv")
    header = ["picker", "n_picks", "n_reference", "n_micrographs"]
    header += [f"pixel_{name}" for name in RATIOS + COUNTS]
    header += [f"matching_{name}" for name in RATIOS + COUNTS]
    header += ["n_left_out", "average_precision"]
    assert csv_header(case / "m.csv") == header
    row = csv_rows(case / "m.csv")[1]
    assert [row[name] for name in header[:4]] == ["poor", "3", "2", "1"]


def test_the_table_is_printed(run, case):
    outcome = run("evaluate", case / "picks", case / "reference", *SIZE)
    poor = next(line.split() for line in outcome.out if line.startswith("poor"))
    assert poor == ["poor", "3", "0.433", "0.650", "0.520", "0.333", "0.500", "0.400", "-"]
    assert outcome.out[-1] == "reference: 2 particles on 1 micrographs"
    assert sorted(path.name for path in case.iterdir()) == ["picks", "reference"]


def test_counts_are_summed_over_micrographs(evaluate, case):
    write_picks(case / "picks", {"poor": {"m2.box": ""}, "good": {"m2.box": ""}})
    write_picks(case, {"reference": {"m2.box": box_text([(500, 500)], 10)}})
    row = evaluate()["poor"]
    assert row["n_micrographs"] == "2"
    assert numbers(row, "pixel", *COUNTS) == [130, 170, 170]
    assert numbers(row, "matching", *COUNTS) == [1, 2, 2]


def test_a_micrograph_without_a_reference_is_left_out(run, case):
    write_picks(case / "picks", {"poor": {"m7.box": box_text([(1, 1)], 10)}})
    outcome = run("evaluate", case / "picks", case / "reference", *SIZE)
    assert (
        outcome.out[-1] == "reference: 2 particles on 1 micrographs; 1 without a reference excluded"
    )


def test_one_pickers_folder_given_directly(evaluate):
    rows = evaluate(picks="picks/poor")
    assert list(rows) == ["poor"]
    assert numbers(rows["poor"], "matching", *COUNTS) == [1, 2, 1]


def test_a_folder_with_one_picker(evaluate, case):
    write_picks(case, {"single/poor": {"m1.box": box_text(PICKED, 10)}})
    assert list(evaluate(picks="single")) == ["poor"]


def test_pixels_outside_the_micrograph_do_not_count(evaluate, case):
    write_picks(case / "edge", {"one": {"m1.box": box_text([(0, 50)], 10)}})
    write_picks(case, {"inside": {"m1.box": box_text([(5, 50)], 10)}})
    paths = {"picks": "edge", "reference": "inside"}
    assert numbers(evaluate(**paths)["one"], "pixel", *COUNTS) == [50, 50, 50]
    clipped = evaluate("--micrograph-size", 400, 300, **paths)["one"]
    assert numbers(clipped, "pixel", *COUNTS) == [50, 0, 50]


def test_flip_y_mirrors_the_reference(evaluate, case):
    flipped = [(x, 300 - y) for x, y in REFERENCE]
    write_picks(case, {"flipped": {"m1.box": box_text(flipped, 10)}})
    size = ("--micrograph-size", 400, 300)
    assert numbers(evaluate(*size, reference="flipped")["good"], "matching", "tp") == [0]
    row = evaluate(*size, "--flip-y", reference="flipped")["good"]
    assert numbers(row, "matching", *RATIOS) == [1, 1, 1]
    assert numbers(row, "pixel", *RATIOS) == [1, 1, 1]


def test_flip_y_needs_the_height(run, case):
    outcome = run("evaluate", case / "picks", case / "reference", *SIZE, "--flip-y")
    assert_refused(outcome, "--flip-y", "add --micrograph-size")


@pytest.mark.parametrize("name", ["box", "star", "csv"])
def test_a_consensus_can_be_evaluated_directly(run, tmp_path, name):
    picks = write_picks(tmp_path / "picks", TINY)
    found = tmp_path / "found"
    options = ("--mode", "quorum", "--format", name)
    run("consensus", picks, "--box-size", 100, "--out", found, *options)
    table = tmp_path / "metrics.csv"
    outcome = run("evaluate", found, picks / "topaz", "--box-size", 100, "--out", table)
    assert (outcome.code, outcome.err) == (0, ())
    (row,) = csv_rows(table)
    assert row["picker"] == "found"
    # two particles on m1, one on m2; topaz has looked at these two, and found one
    assert (row["n_picks"], row["n_reference"], row["n_micrographs"]) == ("3", "1", "3")
    assert numbers(row, "matching", *COUNTS) == [1, 2, 0]


def test_a_consensus_can_be_the_reference(run, tmp_path):
    picks = write_picks(tmp_path / "picks", TINY)
    found = tmp_path / "found"
    run("consensus", picks, "--box-size", 100, "--out", found)
    outcome = run("evaluate", found, found, "--box-size", 100)
    assert outcome.code == 0
    assert outcome.out[1].split()[2:] == ["1.000"] * 7


def test_a_consensus_beside_its_pickers(run, evaluate, case):
    run("consensus", case / "picks", *SIZE, "--out", case / "found")
    alone = evaluate(picks="found")["found"]
    rows = evaluate("--consensus", case / "found", "--per-micrograph", case / "each.csv")
    assert list(rows) == ["good", "poor", "consensus"]
    assert rows["consensus"] == {**alone, "picker": "consensus"}
    assert [row["picker"] for row in csv_rows(case / "each.csv")] == list(rows)


def test_a_picker_may_not_be_named_as_the_consensus(run, case):
    (case / "picks" / "poor").rename(case / "picks" / "consensus")
    folders = case / "picks", case / "reference"
    outcome = run("evaluate", *folders, *SIZE, "--consensus", case / "picks" / "good")
    assert_refused(outcome, "has a picker named consensus", "rename its folder")


def test_an_earlier_table_is_replaced(evaluate, case):
    (case / "metrics.csv").write_text("dear\n")
    assert set(evaluate()) == {"good", "poor"}


@pytest.mark.parametrize("picker", ["my picker", "a=b", "a,b", 'say "a"'])
def test_unusual_picker_names(evaluate, case, picker):
    (case / "picks" / "poor").rename(case / "picks" / picker)
    assert numbers(evaluate()[picker], "matching", *COUNTS) == [1, 2, 1]


# The further files

# A picker with scores: right, wrong, right; the second reference particle is on m2.
SCORED = {
    "m1.box": "45 45 10 10 0.9\n295 295 10 10 0.6\n",
    "m2.box": "495 495 10 10 0.3\n",
}


@pytest.fixture
def scored(case):
    write_picks(case / "picks", {"scored": SCORED, "good": {"m2.box": ""}, "poor": {"m2.box": ""}})
    write_picks(case, {"reference": {"m2.box": box_text([(500, 500)], 10)}})
    return case


def test_average_precision(run, evaluate, scored):
    outcome = run("evaluate", scored / "picks", scored / "reference", *SIZE)
    printed = next(line.split() for line in outcome.out if line.startswith("scored"))
    area = 1 / 3 + 1 / 3 * 2 / 3  # of three reference particles two are found
    assert printed[-1] == f"{area:.3f}"
    rows = evaluate()
    assert float(rows["scored"]["average_precision"]) == pytest.approx(area, abs=1e-6)
    assert rows["poor"]["average_precision"] == ""


def test_scores_of_each_micrograph(run, scored):
    table = scored / "by.csv"
    arguments = (scored / "picks", scored / "reference", *SIZE, "--radius", 5)
    outcome = run("evaluate", *arguments, "--per-micrograph", table)
    assert (outcome.code, outcome.out[-1]) == (0, f"written to {table}")
    rows = {(row["picker"], row["micrograph"]): row for row in csv_rows(table)}
    assert len(rows) == 6
    assert numbers(rows["poor", "m1"], "matching", *COUNTS) == [2, 1, 0]
    assert numbers(rows["poor", "m2"], "matching", *COUNTS) == [0, 0, 1]
    assert numbers(rows["scored", "m1"], "pixel", *COUNTS) == [100, 100, 100]
    assert rows["scored", "m1"]["n_picks"] == "2"


def test_curve(run, scored):
    table = scored / "curve.csv"
    outcome = run("evaluate", scored / "picks", scored / "reference", *SIZE, "--curve", table)
    assert (outcome.code, outcome.out[-1]) == (0, f"written to {table}")
    rows = [row for row in csv_rows(table) if row["picker"] == "scored"]
    columns = ("threshold", "n_picks", "precision", "recall", "f1")
    assert [[float(row[name]) for name in columns] for row in rows] == [
        pytest.approx(row, abs=1e-6)
        for row in (
            [0.9, 1, 1, 1 / 3, 1 / 2],
            [0.6, 2, 1 / 2, 1 / 3, 2 / 5],
            [0.3, 3, 2 / 3, 2 / 3, 2 / 3],
        )
    ]
    (unscored,) = (row for row in csv_rows(table) if row["picker"] == "poor")
    assert (unscored["threshold"], unscored["average_precision"]) == ("", "")


def test_plot(run, scored):
    picture = scored / "scores.png"
    outcome = run("evaluate", scored / "picks", scored / "reference", *SIZE, "--plot", picture)
    assert (outcome.code, outcome.out[-1]) == (0, f"written to {picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in scored.iterdir()) == ["picks", "reference", "scores.png"]


# Bad input


@pytest.fixture
def refuses(run, case):
    """Check that `evaluate` is refused with `words` and writes nothing."""

    def check(*options, words, picks="picks", reference="reference", size=SIZE):
        before = tree(case)
        table = () if "--out" in options else ("--out", case / "metrics.csv")
        outcome = run("evaluate", case / picks, case / reference, *size, *table, *options)
        assert_refused(outcome, *words)
        assert tree(case) == before

    return check


def test_threads_change_nothing(run, scored, tmp_path):
    def files(n_threads):
        folder = tmp_path / str(n_threads)
        folder.mkdir()
        tables = ("--out", folder / "a", "--per-micrograph", folder / "b", "--curve", folder / "c")
        outcome = run(
            "evaluate",
            scored / "picks",
            scored / "reference",
            *SIZE,
            *tables,
            "--threads",
            n_threads,
        )
        assert (outcome.code, outcome.err) == (0, ())
        return tree(folder)

    assert files(1) == files(3)


def test_no_threads(refuses):
    refuses("--threads", 0, words=["--threads must be a whole number, 1 or more, got 0"])


def test_missing_folders(refuses):
    refuses(picks="gone", words=["gone: no such folder", "check the name"])
    refuses(reference="gone", words=["gone: no such folder", "check the name"])


def test_files_instead_of_folders(refuses):
    refuses(picks="picks/good/m1.box", words=["m1.box: must be a folder"])
    refuses(reference="reference/m1.box", words=["m1.box: must be a folder"])


def test_folders_without_files(refuses, case):
    (case / "empty").mkdir()
    refuses(picks="empty", words=["empty: must have a file with suffix .box", "add one"])
    refuses(reference="empty", words=["empty: must have a file with suffix .box", "add one"])
    refuses(reference="picks", words=["m1 may be any of 2", "good/m1", "poor/m1"])


def test_no_micrograph_in_common(refuses, case):
    (case / "reference" / "m1.box").rename(case / "reference" / "mic.box")
    refuses(words=["REFERENCE_DIR", "'mic'", "'m1'", "make the names the same"])


def test_a_bad_reference_file(refuses, case):
    (case / "reference" / "m1.box").write_text("1 2 3 4\n1 2 x 4\n")
    refuses(words=["reference/m1.box, line 2", "'x'"])


@pytest.mark.parametrize(
    "options, words",
    [
        (["--radius", "0"], ["radius", "positive", "got 0"]),
        (["--radius", "nan"], ["radius", "positive", "got nan"]),
        (["--micrograph-size", "0", "9"], ["--micrograph-size", "positive", "(0, 9)"]),
        (["--flip-y", "--micrograph-size", "9", "-1"], ["-1"]),
    ],
    ids=" ".join,
)
def test_bad_value(refuses, options, words):
    refuses(*options, words=words)


@pytest.mark.parametrize("size_px", [0, -5])
def test_bad_box_size(refuses, size_px):
    refuses(size=("--box-size", size_px), words=["--box-size", "1 or more", f"got {size_px}"])


def test_a_table_in_a_folder_that_is_missing(refuses, case):
    table = case / "gone" / "metrics.csv"
    refuses("--out", table, words=[str(table)])


def test_a_table_named_as_a_folder(refuses, case):
    refuses("--out", case / "picks", words=[str(case / "picks")])


@pytest.mark.parametrize("option", ["--per-micrograph", "--curve", "--plot"])
def test_a_file_in_a_folder_that_is_missing(refuses, case, option):
    file = case / "gone" / "file.png"
    refuses(option, file, words=[option, str(file), "an existing folder"])


def test_two_files_of_one_name(refuses, case):
    words = ["--curve", "is also the file of --per-micrograph", "choose another"]
    refuses("--per-micrograph", case / "t.csv", "--curve", case / "t.csv", words=words)


def test_a_plot_that_is_no_png(refuses, case):
    refuses("--plot", case / "scores.jpg", words=["--plot", "scores.jpg", "must end in .png"])


def test_a_refined_reference_is_where_its_shifts_put_it(run, case):
    rows = "".join(f"m1.mrc {x + 30} {y - 20} 60 -40 1\n" for x, y in REFERENCE)
    optics = "data_optics\nloop_\n_rlnOpticsGroup\n_rlnMicrographPixelSize\n1 2.0\n\n"
    labels = ("MicrographName", "CoordinateX", "CoordinateY")
    labels += ("OriginXAngst", "OriginYAngst", "OpticsGroup")
    head = "data_particles\nloop_\n" + "".join(f"_rln{label}\n" for label in labels)
    write_picks(case, {"refined": {"run_data.star": optics + head + rows}})
    outcome = run("evaluate", case / "picks", case / "refined", *SIZE, "--out", case / "m.csv")
    assert "coordinate minus shift, up to 30 px" in outcome.err[0]
    scores = {row["picker"]: row for row in csv_rows(case / "m.csv")}
    assert numbers(scores["good"], "matching", *RATIOS) == [1, 1, 1]


# The same basis for all rows


@pytest.fixture
def three(tmp_path):
    """Three micrographs; one of two pickers has a file for the first only."""
    centers = [(300, 300), (500, 500), (20, 300)]
    files = {f"m{i}.box": box_text(centers, 100) for i in (1, 2, 3)}
    write_picks(tmp_path / "picks", {"all": files, "one": {"m1.box": files["m1.box"]}})
    write_picks(tmp_path, {"reference": files})
    return tmp_path


def test_a_missing_file_is_not_a_miss(run, three):
    words = (three / "reference", "--box-size", 100)
    outcome = run("evaluate", three / "picks", *words, "--out", three / "m.csv")
    rows = {row["picker"]: row for row in csv_rows(three / "m.csv")}
    assert rows["one"]["matching_recall"] == "1.000000"
    assert (rows["one"]["n_micrographs"], rows["one"]["n_reference"]) == ("1", "3")
    assert (rows["all"]["n_micrographs"], rows["all"]["n_reference"]) == ("3", "9")
    header, *printed = (line.split() for line in outcome.out[:3])
    assert header[2:4] == ["micrographs", "reference"]
    assert [line[2:4] for line in printed] == [["3", "9"], ["1", "3"]]
    assert "9 particles on 3 micrographs; each row rests on those" in outcome.out[-2]
    alone = run("evaluate", three / "picks" / "one", *words, "--out", three / "alone.csv")
    assert csv_rows(three / "alone.csv") == [rows["one"]]
    assert (
        "3 particles on 1 micrographs; 2 of the reference without picks excluded" in alone.out[-2]
    )


def test_an_empty_file_is_a_miss(run, three):
    for name in ("m2.box", "m3.box"):
        (three / "picks" / "one" / name).write_text("")
    run("evaluate", three / "picks", three / "reference", "--box-size", 100, "--out", three / "m")
    assert csv_rows(three / "m")[1]["matching_recall"] == "0.333333"


def test_particles_at_the_edges_are_left_out(run, three):
    inner = {f"m{i}.box": box_text([(300, 300), (500, 500)], 100) for i in (1, 2, 3)}
    write_picks(three / "picks", {"one": inner})  # a picker that discards what is at the edges
    words = ("evaluate", three / "picks", three / "reference", "--box-size", 100)
    run(*words, "--out", three / "m")
    assert [row["matching_recall"] for row in csv_rows(three / "m")] == ["1.000000", "0.666667"]
    size = ("--micrograph-size", 1000, 1000)
    outcome = run(*words, *size, "--skip-edges", "--out", three / "m")
    rows = csv_rows(three / "m")
    assert [row["matching_recall"] for row in rows] == ["1.000000"] * 2
    assert [row["matching_precision"] for row in rows] == ["1.000000"] * 2
    assert "particles at the edges left out (--skip-edges): 3 of the reference" in outcome.out
    assert_refused(run(*words, "--skip-edges"), "--skip-edges", "--micrograph-size")


CBOX = (
    "data_cryolo\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n_Confidence\n"
    "45 45 10 10 0.9\n200 200 10 10 0.2\n"
)


def test_picks_below_the_pickers_threshold_are_hinted_at(run, case):
    write_picks(case / "cryolo", {"c": {"m1.cbox": CBOX}})
    words = ("evaluate", case / "cryolo", case / "reference", *SIZE, "--out", case / "m")
    (hint,) = run(*words).err
    assert "1 of 2 picks of c are below its own threshold of 0.3; --min-score c=0.3" in hint
    assert numbers(csv_rows(case / "m")[0], "matching", "precision") == [0.5]
    assert run(*words, "--min-score", "c=0.3").err == ()
    assert numbers(csv_rows(case / "m")[0], "matching", "precision") == [1]
    (of_reference,) = run("evaluate", case / "picks", case / "cryolo" / "c", *SIZE).err
    assert "all of them count as particles" in of_reference


def test_what_is_cut_from_names_is_reported(run, case):
    (case / "reference" / "m1.box").rename(case / "reference" / "m1_DW.box")
    outcome = run("evaluate", case / "picks", case / "reference", *SIZE)
    (note,) = outcome.err
    assert "names of the reference have _DW that others lack: 1 of them is matched" in note
    assert "reference: 2 particles on 1 micrographs" in outcome.out[-1]


@pytest.mark.parametrize("scale, random", [(8, False), (1, False), (8, True)])
def test_picks_that_would_meet_the_reference_at_another_scale_are_reported(
    run, tmp_path, scale, random
):
    rng = np.random.default_rng(0)
    truth = rng.uniform(100, 3900, (300, 2)).round()
    picked = rng.uniform(100, 3900, (300, 2)) if random else truth + rng.normal(0, 8, (300, 2))
    write_picks(tmp_path / "picks", {"binned": {"m1.box": box_text(picked / scale, 100)}})
    write_picks(tmp_path, {"reference": {"m1.box": box_text(truth, 100)}})
    outcome = run("evaluate", tmp_path / "picks", tmp_path / "reference", "--box-size", 100)
    assert outcome.code == 0
    if scale == 1 or random:
        assert outcome.err == ()
    else:
        (line,) = outcome.err
        assert "of binned's picks meet the reference" in line
        assert "would if they were 8 times as large: they are scored as they are" in line
