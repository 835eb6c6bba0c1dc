"""`repic-plugin consensus --classes FILE.star`: classes and choices of other programs."""

import numpy as np
import pytest

from repic_plugin.formats import (
    open_stack,
    read_classified_particles,
    write_picks_file,
    write_stack,
)
from tests.commands.helpers import assert_refused, command, csv_rows

BOX, SIZE, N, N_BLOBS, N_MICROGRAPHS = 40, 900, 40, 40, 4
GOOD, JUNK = (1, 3), (2, 4)
OPTICS = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnMicrographOriginalPixelSize #3
_rlnImagePixelSize #4
1 opticsGroup1 1.5 6.0
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Picks of two blob detectors that share their mistakes, and of a better picker; the truth."""
    folder, rng = tmp_path_factory.mktemp("chosen"), np.random.default_rng(0)
    truth, picks = {}, {}
    for number in range(N_MICROGRAPHS):
        name = f"mic{number}"
        grid = np.stack(np.meshgrid(*[np.arange(45, SIZE - 40, 65)] * 2), -1).reshape(-1, 2)
        places = rng.permutation(grid + rng.uniform(-3, 3, grid.shape))[: N + N_BLOBS]
        truth[name], blobs = places[:N], places[N:]
        for picker, rows in {
            "one": [truth[name][rng.random(N) < 0.5], blobs],
            "two": [truth[name][rng.random(N) < 0.5], blobs],
            "good": [truth[name][rng.random(N) < 0.95], rng.uniform(50, SIZE - 50, (6, 2))],
        }.items():
            found = np.concatenate(rows)
            found = (found + rng.normal(0, 1, found.shape)).round()
            place = folder / "picks" / picker / f"{name}.box"
            place.parent.mkdir(parents=True, exist_ok=True)
            write_picks_file(place, *found.T, box_size_px=BOX, score=rng.random(len(found)))
            picks.setdefault(name, []).append(found)
    return folder, truth, {name: np.concatenate(rows) for name, rows in picks.items()}


def near(points, centers):
    return np.hypot(*(points[:, None] - centers).T).min(axis=0) < BOX / 4


def relion_star(path, material, changed=lambda xy: xy, chosen_only=False, classes=True):
    """All picks as extracted, with a class of particles or junk each, as RELION writes them."""
    _, truth, picks = material
    rng, rows = np.random.default_rng(1), []
    for name, every in picks.items():
        # picks at one place were extracted once
        apart = np.hypot(*(every[:, None] - every).T) + np.tri(len(every)).T * 1e9
        centers = every[apart.min(axis=1) > BOX / 3]
        is_true = near(centers, truth[name])
        number = np.where(is_true, rng.choice(GOOD, len(centers)), rng.choice(JUNK, len(centers)))
        for (x, y), one, kept in zip(changed(centers), number, is_true | (not chosen_only)):
            if kept:
                # the shift is large, to show that it is not applied
                cells = [
                    f"MotionCorr/job002/{name}.mrc",
                    x,
                    y,
                    *([one] if classes else []),
                    30,
                    -30,
                ]
                rows.append(" ".join(map(str, [*cells, 1])))
    labels = ["MicrographName", "CoordinateX", "CoordinateY", *(["ClassNumber"] if classes else [])]
    labels += ["OriginXAngst", "OriginYAngst", "OpticsGroup"]
    head = "\n".join(f"_rln{label} #{i}" for i, label in enumerate(labels, 1))
    path.write_text(f"{OPTICS}\ndata_particles\n\nloop_\n{head}\n" + "\n".join(rows) + "\n")
    return path


def consensus(run, folder, out, *options):
    picks = ("consensus", folder / "picks", "--box-size", BOX, "--mode", "probabilistic")
    return run(*picks, "--out", out, *options)


def f1(out, truth):
    rows, right = csv_rows(out / "consensus.csv"), 0
    for name, centers in truth.items():
        mine = [(float(r["x_center"]), float(r["y_center"])) for r in rows
                if r["micrograph"] == name]  # fmt: skip
        right += int(near(centers, np.array(mine)).sum()) if mine else 0
    return 2 * right / (len(rows) + N * len(truth))


@pytest.fixture(scope="module")
def blind(material, tmp_path_factory):
    out = tmp_path_factory.mktemp("blind") / "out"
    assert consensus(command, material[0], out).code == 0
    return out


def test_good_classes_of_a_star_file_decide(run, material, blind, tmp_path):
    star = relion_star(tmp_path / "run_it025_data.star", material)
    outcome = consensus(run, material[0], tmp_path / "o", "--classes", star, "--good", "1,3")
    assert outcome.code == 0, outcome.err
    assert f1(blind, material[1]) < 0.7
    assert f1(tmp_path / "o", material[1]) > 0.95
    assert any("classes taken as particles: 1, 3 of 1 to 4" in line for line in outcome.out)
    wrong = consensus(run, material[0], tmp_path / "w", "--classes", star, "--good", "2,4")
    assert wrong.code == 0
    assert f1(tmp_path / "w", material[1]) < 0.2


def test_classes_keep_the_numbers_of_the_file(run, material, tmp_path):
    star = relion_star(tmp_path / "run_it025_data.star", material)
    averages = np.random.default_rng(0).normal(size=(4, 16, 16)).astype(np.float32)
    write_stack(tmp_path / "run_it025_classes.mrcs", averages, 6.0)
    out = tmp_path / "o"
    assert consensus(run, material[0], out, "--classes", star, "--good", "1,3").code == 0
    rows = csv_rows(out / "image_classes.csv")
    assert [row["class"] for row in rows if float(row["share"]) > 0.5] == ["1", "3"]
    assert (rows[0]["size"], rows[0]["score"]) == ("0", "")
    np.testing.assert_allclose(open_stack(out / "candidate_averages.mrcs")[1:], averages, atol=1e-6)
    again = consensus(run, material[0], tmp_path / "again", "--classes", out)
    assert again.code == 0, again.err
    names = ("consensus.csv", "image_classes.csv", "picker_classes.csv")
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_a_selection_makes_the_rest_junk(run, material, tmp_path):
    star = relion_star(tmp_path / "particles.star", material, chosen_only=True, classes=False)
    outcome = consensus(run, material[0], tmp_path / "o", "--classes", star, "--good", "all")
    assert outcome.code == 0, outcome.err
    assert f1(tmp_path / "o", material[1]) > 0.95
    assert any("all its particles are taken as chosen" in line for line in outcome.out)
    rows = csv_rows(tmp_path / "o" / "candidate_images.csv")
    assert {row["class"] for row in rows} == {"0", "1"}


def test_candidates_that_are_not_in_a_classification_were_not_seen(run, material, tmp_path):
    star = relion_star(tmp_path / "data.star", material)
    lines = star.read_text().splitlines()
    star.write_text("\n".join(line for line in lines if "mic3" not in line) + "\n")
    out = tmp_path / "o"
    assert consensus(run, material[0], out, "--classes", star, "--good", "1,3").code == 0
    rows = [r for r in csv_rows(out / "candidate_images.csv") if r["micrograph"] == "mic3"]
    assert {row["class"] for row in rows} == {"-1"}
    probability = np.array([float(row["probability"]) for row in rows])
    assert probability.min() < 0.5 < probability.max()  # judged by what is learnt from the others


def test_what_was_perhaps_not_looked_at_is_told(run, material, tmp_path):
    star = relion_star(tmp_path / "particles.star", material, chosen_only=True)
    lines = [line for line in star.read_text().splitlines() if "mic3" not in line]
    star.write_text("\n".join(lines) + "\n")
    outcome = consensus(run, material[0], tmp_path / "o", "--classes", star, "--good", "all")
    assert outcome.code == 0
    assert any("nothing was chosen on 1 of 4 micrographs, such as mic3" in line
               for line in outcome.err)  # fmt: skip


@pytest.mark.parametrize(
    "changed, problem",
    [
        (lambda xy: xy / 4, "would if they were 4 times as large"),
        (lambda xy: xy * 2, "would if they were 0.5 times as large"),
        (lambda xy: np.column_stack([xy[:, 0], SIZE - xy[:, 1]]), "y were counted from the other"),
        (lambda xy: np.random.default_rng(2).uniform(0, SIZE, xy.shape), "hardly more than by"),
    ],
)
def test_coordinates_of_something_else_are_refused(run, material, tmp_path, changed, problem):
    star = relion_star(tmp_path / "run_data.star", material, changed)
    outcome = consensus(run, material[0], tmp_path / "o", "--classes", star, "--good", "1,3")
    assert_refused(outcome, "particles lie within a quarter of the box", problem)
    assert not (tmp_path / "o").exists()


def test_a_file_that_is_half_of_something_else_is_told(run, material, tmp_path):
    rng = np.random.default_rng(3)

    def half(xy):
        return np.where(rng.random(len(xy))[:, None] < 0.7, rng.uniform(0, SIZE, xy.shape), xy)

    star = relion_star(tmp_path / "run_data.star", material, half)
    outcome = consensus(run, material[0], tmp_path / "o", "--classes", star, "--good", "1,3")
    assert outcome.code == 0
    assert any("only" in line and "y not flipped" in line for line in outcome.err)


@pytest.mark.parametrize(
    "good, problem",
    [
        ((), "add --good with the numbers of the classes that hold particles, or --good all"),
        (("--good", "0"), "which are 1 to 4 there, from 1 to 4"),
        (("--good", "5"), "from 1 to 4, separated by commas, got '5'"),
        (("--good", "1,x"), "got 'x'"),
    ],
)
def test_good_has_numbers_of_the_file(run, material, tmp_path, good, problem):
    star = relion_star(tmp_path / "run_data.star", material)
    outcome = consensus(run, material[0], tmp_path / "o", "--classes", star, *good)
    assert_refused(outcome, problem)


def test_what_is_no_such_file_is_refused(run, material, tmp_path):
    folder = material[0]
    star = relion_star(tmp_path / "chosen.star", material, classes=False)
    without = consensus(run, folder, tmp_path / "o", "--classes", star, "--good", "1")
    assert_refused(without, "has no classes (_rlnClassNumber); give --good all")
    nothing = tmp_path / "none.star"
    outcome = consensus(run, folder, tmp_path / "o", "--classes", nothing, "--good", "all")
    assert_refused(outcome, "none.star: no such file")
    star.write_text(star.read_text().replace("mic", "other"))
    outcome = consensus(run, folder, tmp_path / "o", "--classes", star, "--good", "all")
    assert_refused(outcome, "none of its 4 micrographs", "is one of the picks', such as")
    star.write_text("data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n1 2\n")
    outcome = consensus(run, folder, tmp_path / "o", "--classes", star, "--good", "all")
    assert_refused(outcome, "_rlnMicrographName")
    (tmp_path / "classes.star").write_text("")
    outcome = consensus(run, folder, tmp_path / "o", "--classes", tmp_path, "--good", "1")
    assert_refused(outcome, "classes.star, in which classes count from 1")
    outcome = consensus(run, folder, tmp_path / "o", "--classes", tmp_path, "--good", "all")
    assert_refused(outcome, "--good all is for a STAR file")


@pytest.mark.parametrize("number", ["1.5", "-1", "1e9"])
def test_a_class_is_a_whole_number(tmp_path, number):
    path = tmp_path / "a.star"
    labels = ("MicrographName", "CoordinateX", "CoordinateY", "ClassNumber")
    head = "\n".join(f"_rln{label}" for label in labels)
    path.write_text(f"data_particles\n\nloop_\n{head}\nmic1.mrc 1 2 {number}\n")
    with pytest.raises(ValueError, match="line 8: rlnClassNumber must be a whole number"):
        read_classified_particles(path)
