"""repic-plugin select-classes."""

import numpy as np
import pytest

from repic_plugin.formats import read_class_tables, read_particles
from tests.commands.helpers import csv_rows, tree
from tests.commands.small_particles import PIXEL_SIZE, labels_of, small_particles, star_columns

N_CLASSES = 8


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """Classes of particles of which a third is noise."""
    from repic_plugin.cli import main

    folder = tmp_path_factory.mktemp("set")
    made = small_particles(folder, snr=1.0, junk_fraction=0.4)
    arguments = ["classify", folder / "particles.star", "--classes", N_CLASSES]
    main([*map(str, arguments), "--out", str(folder / "classes"), "--threads", "1"])
    return folder / "classes", made


@pytest.fixture
def select(run, classes, out):
    return lambda *options: run("select-classes", classes[0], "--out", out, *options)


def images(path):
    return star_columns(path)["rlnImageName"]


def test_both_files_hold_all_particles_and_everything_about_them(select, classes, out):
    outcome = select("--classes", "0,2, 5")
    assert outcome.code == 0, outcome.err
    every = star_columns(classes[0] / "classes.star")
    chosen, rest = (star_columns(out / f"{name}.star") for name in ("particles", "rejected"))
    rows = sorted([*zip(*chosen.values()), *zip(*rest.values())])
    assert rows == sorted(zip(*every.values()))
    assert list(chosen) == list(every)
    assert set(chosen["rlnClassNumber"]) == {"1", "3", "6"}
    assert not {"1", "3", "6"} & set(rest["rlnClassNumber"])
    assert f"{len(images(out / 'particles.star'))} of " in outcome.out[0]


def test_the_files_are_read_as_particles(select, classes, out):
    select("--classes", "1")
    table = read_particles(out / "particles.star")
    made = classes[1]
    rows = np.flatnonzero(labels_of(classes[0]) == 1)
    assert np.allclose(table.images[:], made.images[rows], atol=1e-5)
    assert table.pixel_size_angstrom == PIXEL_SIZE
    assert np.allclose(table.ctf.defocus_u_angstrom, made.ctf.defocus_u_angstrom[rows], rtol=1e-5)


def test_automatically_particles_are_kept_and_noise_is_not(select, classes, out):
    assert select("--auto").code == 0
    is_particle = classes[1].view >= 0
    kept = np.isin(read_class_tables(classes[0]).names, images(out / "particles.star"))
    names = star_columns(classes[0] / "classes.star")["rlnImageName"]
    kept = np.isin(names, images(out / "particles.star"))
    assert kept[is_particle].mean() > 0.8
    assert kept[~is_particle].mean() < 0.4


def test_by_score(select, classes, out):
    scores = read_class_tables(classes[0]).scores.score
    least = float(np.sort(scores)[-2])
    assert select("--min-score", f"{least:.6g}").code == 0
    rows = csv_rows(out / "selected_classes.csv")
    assert [row["is_chosen"] == "1" for row in rows] == (scores >= least - 1e-9).tolist()
    numbers = set(star_columns(out / "particles.star")["rlnClassNumber"])
    assert numbers == {str(k + 1) for k in np.flatnonzero(scores >= least - 1e-9)}


def test_only_probable_particles(select, classes, out):
    own = read_class_tables(classes[0])
    select("--classes", ",".join(map(str, range(N_CLASSES))), "--min-probability", 0.5)
    chosen = star_columns(out / "particles.star")["repicProbability"]
    assert len(chosen) == (own.scores.particle_probability >= 0.5).sum()
    assert min(map(float, chosen)) >= 0.5


def test_where_all_are_chosen_no_file_of_rejected_ones_is_written(select, out):
    assert select("--min-score", 0).code == 0
    assert sorted(tree(out)) == ["particles.star", "selected_classes.csv"]


@pytest.mark.parametrize(
    "options, told",
    [
        (("--classes", "0,8"), "--classes 0,8: must be numbers of classes from 0 to 7"),
        (("--classes", "a"), "--classes a: must be numbers"),
        (("--min-score", 2), "--min-score must lie in [0, 1], got 2"),
        (("--auto", "--min-probability", -1), "--min-probability must lie in [0, 1], got -1"),
        (("--min-score", 1), "no particle is chosen (score 1 or more)"),
    ],
)
def test_what_cannot_be_chosen_is_refused_in_one_line(select, out, options, told):
    outcome = select(*options)
    assert outcome.code == 2
    assert len(outcome.err) == 1
    assert told in outcome.err[0]
    assert not out.exists()


def test_classes_of_an_earlier_version_are_chosen_by_number_only(run, classes, out, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for path in classes[0].iterdir():
        if path.name == "sizes.csv":
            continue
        if path.suffix == ".csv":
            n_columns = {"classes.csv": 4, "assignments.csv": 7}.get(path.name, 6)
            lines = [line.split(",")[:n_columns] for line in path.read_text().splitlines()]
            (old / path.name).write_text("".join(",".join(line) + "\n" for line in lines))
        else:
            (old / path.name).symlink_to(path)
    outcome = run("select-classes", old, "--auto", "--out", out)
    assert outcome.code == 2
    assert "has no scores: it is of an earlier version; run the classification" in outcome.err[0]
    assert run("select-classes", old, "--classes", "1", "--out", out).code == 0
