"""`repic-plugin score-classes`: scores of classes that can be worked out by hand."""

import pytest

from tests.commands.helpers import assert_refused, csv_header, csv_rows, tree

TRUTH = "particle,view,rot_deg,tilt_deg,psi_deg,shift_x_px,shift_y_px,defocus_angstrom\n"
ASSIGNMENTS = "particle,class,rotation_deg,shift_x_px,shift_y_px,mirror,dissimilarity\n"
# view and tilt of each particle; all at one rot, so that tilts are angles between views
VIEWS = [(0, 0), (0, 10), (0, 20), (1, 50), (1, 90), (2, 7), (2, 3), (-1, None)]
LABELS = [0, 0, 0, 1, 1, 2, -1, 2]
# class 0: pairs of 10, 20, 10 degrees; class 1: 40; class 2: one particle and one of noise
PAIRS, PARTICLES = 2 / 4, (0.5 + 1 + 0.5) / 6
PERFECT = 3 / 5  # views 0: 10, 20, 10; 1: 40; 2: 4


def truth_text(views=VIEWS, name="{:06d}@particles.mrcs"):
    rows = [
        f"{name.format(i)},{view},{'' if tilt is None else 30},{'' if tilt is None else tilt},"
        f"{'' if tilt is None else 77 * i % 360},,,10000\n"
        for i, (view, tilt) in enumerate(views, 1)
    ]
    return TRUTH + "".join(rows)


def assignments_text(labels=LABELS, name="{:06d}@sim/particles.mrcs"):
    rows = [f"{name.format(i)},{label},10,0,0,0,0.5\n" for i, label in enumerate(labels, 1)]
    return ASSIGNMENTS + "".join(rows)


@pytest.fixture
def score(run, tmp_path):
    """Score; the two files may be given as text."""

    def run_score(*options, assignments=None, truth=None):
        (tmp_path / "assignments.csv").write_text(assignments or assignments_text())
        (tmp_path / "truth.csv").write_text(truth or truth_text())
        return run("score-classes", tmp_path / "assignments.csv", tmp_path / "truth.csv", *options)

    return run_score


def printed(outcome):
    """The measures of the printed table."""
    assert (outcome.code, outcome.err) == (0, ())
    return dict(line.rsplit(None, 1) for line in outcome.out[1:12])


def test_the_printed_table(score):
    outcome = score()
    assert outcome.out[0].split() == ["measure", "value"]
    assert printed(outcome) == {
        "particles in classes": "7",
        "excluded": "1",
        "pure noise": "1",
        "pairs within 15 degrees": f"{PAIRS:.3f}",
        "class members within 15 degrees, mean over particles": f"{PARTICLES:.3f}",
        "pairs of the true views within 15 degrees": f"{PERFECT:.3f}",
        "classes": "3",
        "smallest class": "2",
        "largest class": "3",
        "coefficient of variation of the sizes": "0.202",
        "classes under 5 members": "3",
    }
    assert len(outcome.out) == 12


def test_another_angle(score):
    table = printed(score("--max-angle", 45))
    assert table["pairs within 45 degrees"] == "1.000"


def test_more_classes_than_are_used(score):
    table = printed(score("--classes", 5))
    assert (table["classes"], table["smallest class"], table["classes under 5 members"]) == (
        "5",
        "0",
        "5",
    )


def test_rot_counts_too(score):
    views = [(0, 90), (0, 90)]
    truth = truth_text(views).replace("000002@particles.mrcs,0,30", "000002@particles.mrcs,0,130")
    table = printed(score(assignments=assignments_text([0, 0]), truth=truth))
    assert table["pairs within 15 degrees"] == "0.000"
    assert printed(score("--max-angle", 101, assignments=assignments_text([0, 0]), truth=truth))


def test_classes_of_noise_are_listed(score):
    outcome = score(assignments=assignments_text([0, 0, 0, 0, 0, 0, 0, 1]))
    assert outcome.out[13] == "classes with more noise than particles:"
    assert outcome.out[15].split() == ["1", "1", "1", "1.000"]


def test_the_tables_and_plots(score, tmp_path):
    out = tmp_path / "out"
    outcome = score("--out", out)
    assert (outcome.code, outcome.out[-1]) == (0, f"written to {out}")
    plots = ["angular_distances.png", "class_sizes.png"]
    tables = ["angular_distances.csv", "classes.csv", "scores.csv"]
    assert sorted(tree(out)) == sorted([*plots, *tables])
    for name in plots:
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    (row,) = csv_rows(out / "scores.csv")
    expected = {
        "max_angle_deg": 15,
        "n_particles": 7,
        "n_unclassified": 1,
        "n_junk": 1,
        "pair_fraction": PAIRS,
        "particle_fraction": PARTICLES,
        "perfect_fraction": PERFECT,
        "n_classes": 3,
        "smallest": 2,
        "largest": 3,
        "size_variation": 0.202031,
        "n_under_5": 3,
    }
    assert {name: float(cell) for name, cell in row.items()} == pytest.approx(expected, abs=1e-6)
    classes = csv_rows(out / "classes.csv")
    assert csv_header(out / "classes.csv")[:3] == ["class", "size", "junk"]
    assert [list(row.values())[:3] for row in classes] == [
        ["0", "3", "0"],
        ["1", "2", "0"],
        ["2", "2", "1"],
    ]
    assert [float(row["pair_fraction"]) for row in classes] == pytest.approx(
        [2 / 3, 0, 0], abs=1e-6
    )
    assert float(classes[2]["junk_fraction"]) == 0.5


def test_the_angles_are_counted(score, tmp_path):
    # away from whole degrees, where rounding decides
    views = [(0, 0), (0, 10.5), (0, 20.7), (1, 50), (1, 90.5)]
    score(
        *("--out", tmp_path / "out"),
        assignments=assignments_text([0, 0, 0, 1, 1]),
        truth=truth_text(views),
    )
    rows = csv_rows(tmp_path / "out" / "angular_distances.csv")
    assert [list(rows[i].values())[:2] for i in (0, -1)] == [["0", "1"], ["179", "180"]]
    counts = {int(row["from_deg"]): int(row["pairs"]) for row in rows if row["pairs"] != "0"}
    assert counts == {10: 2, 20: 1, 40: 1}


def test_what_was_simulated_can_be_scored(run, tmp_path):
    made = tmp_path / "made"
    run("simulate-particles", "phantom", "--out", made, "--per-view", 40, "--box-size", 16)
    rows = csv_rows(made / "truth.csv")
    lines = [f"{row['particle']},{row['view']},0,0,0,0,0\n" for row in rows]
    (tmp_path / "perfect.csv").write_text(ASSIGNMENTS + "".join(lines))
    outcome = run("score-classes", tmp_path / "perfect.csv", made / "truth.csv")
    table = printed(outcome)
    assert float(table["pairs within 15 degrees"]) == pytest.approx(0.97, abs=0.02)
    assert table["pairs within 15 degrees"] == table["pairs of the true views within 15 degrees"]
    assert table["coefficient of variation of the sizes"] == "0.000"
    assert (table["classes"], table["smallest class"]) == ("25", "40")


# Bad input


@pytest.mark.parametrize(
    "texts, words",
    [
        ({"assignments": assignments_text(LABELS[:-1])}, ["as many particles", "7 and 8"]),
        ({"assignments": ASSIGNMENTS, "truth": TRUTH}, ["no particles"]),
        ({"assignments": "particle,label\na,1\n"}, ["column class is missing", "particle, label"]),
        ({"truth": assignments_text()}, ["column view, rot_deg", "truth.csv"]),
        ({"assignments": assignments_text([0.5] * 8)}, ["class", "whole number", "line 2", "0.5"]),
        ({"assignments": assignments_text([0, -2] * 4)}, ["class", "-1 for none", "line 3"]),
        ({"assignments": assignments_text(["x"] * 8)}, ["class", "number", "'x'"]),
        ({"truth": truth_text([(0, None)] * 8)}, ["must be numbers", "view is not -1", "line 2"]),
        (
            {
                "assignments": assignments_text(LABELS, "{:06d}@p.mrcs").replace(
                    "000003@", "000004@"
                )
            },
            ["in their order", "000004@p.mrcs for 000003@particles.mrcs in row 3"],
        ),
    ],
)
def test_bad_files(score, texts, words):
    assert_refused(score(**texts), *words)


def test_names_without_a_number_are_taken_in_order(score):
    assert score(assignments=assignments_text(LABELS, "image{}")).code == 0


@pytest.mark.parametrize(
    "options, words",
    [
        (["--max-angle", "200"], ["--max-angle", "[0, 180]", "200"]),
        (["--max-angle", "nan"], ["--max-angle", "nan"]),
        (["--classes", "2"], ["--classes", "3 or more", "got 2"]),
    ],
    ids=" ".join,
)
def test_bad_value(score, options, words):
    assert_refused(score(*options), *words)


def test_missing_files(run, tmp_path):
    (tmp_path / "a.csv").write_text(assignments_text())
    for first, second in (("gone.csv", "a.csv"), ("a.csv", "gone.csv")):
        outcome = run("score-classes", tmp_path / first, tmp_path / second)
        assert_refused(outcome, "gone.csv", "no such file")


def test_nothing_half_written(score, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("dear")
    assert_refused(score("--out", tmp_path / "out"), "is not empty")
    assert tree(tmp_path / "out") == {"thesis.tex": b"dear"}
