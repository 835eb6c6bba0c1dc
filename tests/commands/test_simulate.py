"""`repic-plugin simulate`, and what the other commands make of its files."""

import mrcfile
import numpy as np
import pytest

from tests.commands.helpers import assert_refused, box_rows, csv_rows, tree

SMALL = ("--micrographs", 2, "--particles", 10, "--micrograph-size", 900, 700, "--box-size", 60)


def corners(rows):
    return sorted(map(tuple, rows[:, :2]))


def test_layout(run, out):
    outcome = run("simulate", out, *SMALL, "--pickers", 2)
    assert (outcome.code, outcome.err) == (0, ())
    expected = {
        f"{folder}/mic_00{i}.box"
        for folder in ("picks/picker_1", "picks/picker_2", "reference")
        for i in (0, 1)
    }
    assert {name for name, content in tree(out).items() if content is not None} == expected


def test_the_reference_has_all_particles_inside_and_no_score(run, out):
    run("simulate", out, *SMALL)
    for path in (out / "reference").iterdir():
        rows = box_rows(path)
        assert rows.shape == (10, 4)
        assert (rows[:, 2:] == 60).all()
        assert (rows[:, :2] >= 0).all()
        assert (rows[:, :2] + 60 <= [900, 700]).all()


def test_the_picks_have_scores(run, out):
    run("simulate", out, *SMALL)
    rows = box_rows(out / "picks" / "picker_3" / "mic_001.box")
    assert rows.shape[1] == 5
    assert ((rows[:, 4] >= 0) & (rows[:, 4] <= 1)).all()


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for name in ("a", "b"):
        run("simulate", tmp_path / name, *SMALL, "--seed", 3)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_another_seed_gives_other_picks_and_particles(run, tmp_path):
    for seed in (3, 4):
        run("simulate", tmp_path / str(seed), *SMALL, "--seed", seed)
    three, four = tree(tmp_path / "3"), tree(tmp_path / "4")
    assert three.keys() == four.keys()
    assert all(three[name] != four[name] for name in three if name.endswith(".box"))


def test_each_picker_has_its_own_recall_and_precision(run, out):
    run("simulate", out, *SMALL, "--recall", 1, 0, 1, "--precision", 1, "--jitter", 0)
    for i in (0, 1):
        name = f"mic_00{i}.box"
        reference = box_rows(out / "reference" / name)
        for picker, n in (("picker_1", 10), ("picker_2", 0), ("picker_3", 10)):
            rows = box_rows(out / "picks" / picker / name)
            assert len(rows) == n
            assert not n or corners(rows) == corners(reference)


def test_the_printed_counts(run, out):
    outcome = run("simulate", out, *SMALL, "--recall", 1, "--precision", 1)
    assert outcome.out[0] == "60 picks of 3 pickers; 20 true particles"
    assert outcome.out[-1] == f"written to {out}"


def test_draw_writes_micrographs(run, out):
    assert run("simulate", out, *SMALL, "--draw", "--pixel-size", 1.77).code == 0
    paths = sorted((out / "micrographs").iterdir())
    assert [path.name for path in paths] == ["mic_000.mrc", "mic_001.mrc"]
    images = []
    for path in paths:
        assert mrcfile.validate(str(path))
        with mrcfile.open(path) as mrc:
            assert mrc.data.shape == (700, 900)
            voxel = mrc.voxel_size
            assert [float(voxel.x), float(voxel.y)] == pytest.approx([1.77, 1.77], rel=1e-4)
            images.append(mrc.data.copy())
    assert not np.array_equal(*images)


def test_the_same_seed_draws_the_same_noise(run, tmp_path):
    images = []
    for name in ("a", "b"):
        run("simulate", tmp_path / name, *SMALL, "--draw")
        with mrcfile.open(tmp_path / name / "micrographs" / "mic_000.mrc") as mrc:
            images.append(mrc.data.copy())
    assert np.array_equal(*images)


def test_every_micrograph_has_its_own_noise(run, out):
    run("simulate", out, *SMALL, "--particles", 0, "--draw")
    images = []
    for name in ("mic_000", "mic_001"):
        with mrcfile.open(out / "micrographs" / f"{name}.mrc") as mrc:
            images.append(mrc.data.astype(float).ravel())
    assert abs(np.corrcoef(*images)[0, 1]) < 0.05


def test_particles_lie_where_the_reference_says(run, out):
    run("simulate", out, *SMALL, "--draw")
    with mrcfile.open(out / "micrographs" / "mic_000.mrc") as mrc:
        image = mrc.data.astype(float)
    inside = np.zeros(image.shape, dtype=bool)
    for x, y, width, height in box_rows(out / "reference" / "mic_000.box"):
        # the middle half of the box
        rows = slice(round(y + height / 4), round(y + 3 * height / 4))
        columns = slice(round(x + width / 4), round(x + 3 * width / 4))
        inside[rows, columns] = True
    error = image.std() / np.sqrt(inside.sum())
    assert abs(image[inside].mean() - image[~inside].mean()) > 10 * error


# Through the other commands


def test_the_consensus_is_more_precise_than_every_picker(run, tmp_path):
    made, found = tmp_path / "made", tmp_path / "found"
    size = ("--box-size", 100)
    many = ("--micrographs", 4, "--particles", 60, "--micrograph-size", 2000, 2000)
    run("simulate", made, *size, *many, "--recall", 0.9, 0.9, 0.8, "--precision", 0.8, 0.6, 0.7)
    assert run("consensus", made / "picks", *size, "--out", found).code == 0
    tables = {}
    for name, folder in (("pickers", made / "picks"), ("consensus", found)):
        table = tmp_path / f"{name}.csv"
        assert run("evaluate", folder, made / "reference", *size, "--out", table).code == 0
        tables[name] = csv_rows(table)
    assert len(tables["pickers"]) == 3
    (consensus,) = tables["consensus"]
    for kind in ("pixel_precision", "matching_precision"):
        assert float(consensus[kind]) > max(float(row[kind]) for row in tables["pickers"])


def test_pickers_without_a_mistake_agree_on_everything(run, tmp_path):
    made, found = tmp_path / "made", tmp_path / "found"
    run("simulate", made, *SMALL, "--recall", 1, "--precision", 1, "--jitter", 0)
    run("consensus", made / "picks", "--box-size", 60, "--out", found)
    outcome = run("evaluate", found, made / "reference", "--box-size", 60)
    assert outcome.out[1].split()[1:] == ["20"] + ["1.000"] * 7


# Bad input


def test_a_folder_that_is_not_empty(run, out):
    out.mkdir()
    (out / "thesis.tex").write_text("dear")
    outcome = run("simulate", out, *SMALL)
    assert_refused(outcome, str(out), "is not empty", "choose another folder")
    assert tree(out) == {"thesis.tex": b"dear"}


def test_the_advice_names_only_options_that_there_are(run, out):
    run("simulate", out, *SMALL)
    outcome = run("simulate", out, *SMALL)
    assert_refused(outcome, "choose another folder")
    if "--overwrite" in outcome.err[0]:
        assert run("simulate", out, *SMALL, "--overwrite").code == 0


@pytest.mark.parametrize(
    "options, words",
    [
        (["--micrographs", "0"], ["micrographs", "1 or more", "got 0"]),
        (["--pickers", "0"], ["pickers", "1 or more", "got 0"]),
        (["--particles", "-1"], ["particles", "0 or more", "got -1"]),
        (["--particles", "5000"], ["particles", "fit", "ask for fewer"]),
        (["--micrograph-size", "0", "900"], ["--micrograph-size", "positive", "(0, 900)"]),
        (["--box-size", "0"], ["--box-size", "1 or more", "got 0"]),
        (["--box-size", "5000"], ["--box-size", "got 5000", "give a smaller box"]),
        (["--recall", "1.2"], ["recall", "[0, 1]", "got 1.2"]),
        (["--recall", "nan"], ["recall", "[0, 1]", "got nan"]),
        (["--recall", "0.5", "0.6"], ["recall", "one for each of the 3 pickers"]),
        (["--precision", "0"], ["precision", "(0, 1]", "got 0"]),
        (["--jitter", "-1"], ["jitter", "[0, inf)", "got -1"]),
        (["--score-separation", "99"], ["--score-separation", "[0, 20]", "got 99"]),
        (["--seed", "-1"], ["0 or more", "got -1"]),
        (["--draw", "--pixel-size", "0"], ["pixel", "0"]),
        (["--draw", "--pixel-size", "-1"], ["pixel", "-1"]),
        (["--draw", "--pixel-size", "nan"], ["pixel", "nan"]),
    ],
    ids=" ".join,
)
def test_bad_value(run, out, tmp_path, options, words):
    assert_refused(run("simulate", out, *SMALL, *options), *words)
    assert list(tmp_path.iterdir()) == []
