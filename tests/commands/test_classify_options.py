"""`repic-plugin classify`: every option arrives, and every kind of input is understood."""

import os
import shutil

import mrcfile
import numpy as np
import pytest

from repic_plugin.cli import build_parser
from repic_plugin.commands import classify as classify_module
from repic_plugin.formats import read_particles
from tests.commands.helpers import assert_refused, csv_rows, tree
from tests.commands.small_particles import (
    BOX,
    FILES,
    N_VIEWS,
    PIXEL_SIZE,
    N,
    draw_once,
    labels_of,
    old_star,
    small_particles,
    with_optics,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with particles; not to be changed."""
    draw_once()
    folder = tmp_path_factory.mktemp("made")
    small_particles(folder)
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The same almost without noise, and without a CTF."""
    folder = tmp_path_factory.mktemp("clean")
    small_particles(folder, snr=50.0, ctf=False)
    return folder


@pytest.fixture
def particles(tmp_path):
    """Particles of a test of its own."""
    small_particles(tmp_path / "sim")
    return tmp_path / "sim"


@pytest.fixture
def classify(run, out):
    """Classify into `out`; options come on top."""

    def run_classify(path, *options):
        counts = () if "--classes" in options else ("--classes", N_VIEWS)
        return run("classify", path, "--out", out, *counts, *options)

    return run_classify


@pytest.fixture
def arguments(classify, made, monkeypatch):
    """What `classify_particles` is given for some options."""

    class Enough(Exception):
        pass

    def arguments_of(*options, path=None):
        given = {}

        def spy(images, **keywords):
            given.update(keywords, images=images)
            raise Enough

        monkeypatch.setattr(classify_module, "classify_particles", spy)
        with pytest.raises(Enough):
            classify(path or made / "particles.star", *options)
        return given

    return arguments_of


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--classes", 7], {"n_classes": 7}),
        (["--method", "eqk"], {"method": "eqk"}),
        (["--alignment", "rfa"], {"alignment": "rfa"}),
        (["--beta", 0.1], {"beta": 0.1}),
        (["--tolerance", 0.2], {"tolerance": 0.2}),
        (["--max-iterations", 3], {"max_iterations": 3}),
        (["--max-shift-px", 2.5], {"max_shift_px": 2.5}),
        (["--rings", 9], {"n_rings": 9}),
        (["--resolution-angstrom", 20], {"n_rings": 8}),
        (["--resolution-angstrom", 21], {"n_rings": 8}),
        (["--mask-diameter-px", 20], {"mask_diameter_px": 20}),
        (["--ctf", "flip"], {"ctf_mode": "flip"}),
        (["--mirror"], {"mirror": True}),
        (["--no-trade"], {"trade": False}),
        (["--seed", 8], {"random_state": 8}),
        (["--threads", 3], {"n_threads": 3}),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_every_option_arrives(arguments, options, expected):
    usual = {
        **{"n_classes": N_VIEWS, "method": "ack", "alignment": "mra", "beta": 0.5},
        **{"tolerance": 0.01, "max_iterations": 60, "max_shift_px": None, "n_rings": None},
        **{"mask_diameter_px": None, "ctf_mode": "weight", "mirror": False, "trade": True},
        **{"random_state": 0, "pixel_size_angstrom": PIXEL_SIZE, "phase_flipped": False},
    }
    given = arguments(*options)
    assert given["ctf"].defocus_u_angstrom.shape == (N,)
    assert given["images"].shape == (N, BOX, BOX)
    assert given["resume"] is None
    assert given["n_threads"] >= 1
    wanted = {**usual, **expected}
    assert {name: given[name] for name in wanted} == wanted


def test_a_stack(arguments, made):
    given = arguments("--pixel-size", 2.5, path=made / "particles.mrcs")
    assert (given["ctf"], given["ctf_mode"], given["pixel_size_angstrom"]) == (None, "none", 2.5)


def test_a_stack_is_classified(classify, clean, out):
    outcome = classify(clean / "particles.mrcs", "--pixel-size", 2.5)
    assert outcome.out[1].startswith(f"{N} particles without CTF, {N_VIEWS} classes")
    path = clean / "particles.mrcs"
    assert csv_rows(out / "assignments.csv")[0]["particle"] == f"000001@{path}"
    with mrcfile.open(out / "class_averages.mrcs") as mrc:
        assert float(mrc.voxel_size.x) == pytest.approx(2.5)


def test_relion_3_0(run, classify, particles, out, tmp_path):
    classify(particles / "particles.star")
    table = read_particles(particles / "particles.star")
    (particles / "old.star").write_text(old_star(table))
    old = tmp_path / "old"
    outcome = run("classify", particles / "old.star", "--classes", N_VIEWS, "--out", old)
    assert outcome.out[1].startswith(f"{N} particles with CTF (weight)")
    same = [name for name in FILES if name != "classes.star"]
    assert {name: tree(old)[name] for name in same} == {name: tree(out)[name] for name in same}


@pytest.mark.parametrize("label", ["rlnCtfDataArePhaseFlipped", "rlnCtfDataAreCtfPremultiplied"])
@pytest.mark.parametrize("mode", ["flip", "none"])
def test_flipped_phases_are_not_flipped_again(arguments, particles, label, mode):
    text = (particles / "particles.star").read_text()
    (particles / "flag.star").write_text(with_optics(text, label, 1))
    given = arguments("--ctf", mode, path=particles / "flag.star")
    assert (given["phase_flipped"], given["ctf_mode"]) == (True, mode)


def test_flipped_phases_can_be_weighted(arguments, particles):
    text = (particles / "particles.star").read_text()
    text = with_optics(text, "rlnCtfDataArePhaseFlipped", 1)
    (particles / "flag.star").write_text(text)
    given = arguments(path=particles / "flag.star")
    assert (given["phase_flipped"], given["ctf_mode"]) == (True, "weight")


def test_weights_that_are_in_the_images_already(classify, arguments, particles, clean, out):
    text = (particles / "particles.star").read_text()
    label = "rlnCtfDataAreCtfPremultiplied"
    (particles / "flag.star").write_text(with_optics(text, label, 1))
    outcome = classify(particles / "flag.star")
    assert_refused(outcome, "flag.star", "multiplied by their CTF", "use --ctf flip or none")
    assert not out.exists()
    # without a CTF there is nothing to be weighted
    shutil.copy(clean / "particles.mrcs", particles)
    text = (clean / "particles.star").read_text()
    (particles / "flag.star").write_text(with_optics(text, label, 1))
    assert arguments(path=particles / "flag.star")["ctf_mode"] == "none"


def test_all_processors_are_used(arguments):
    assert arguments()["n_threads"] == len(os.sched_getaffinity(0))


def test_systems_that_do_not_tell_which_processors(arguments, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert arguments()["n_threads"] == 7


def test_the_same_seed_gives_the_same_bytes(run, made, tmp_path):
    for name, seed, threads in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        options = ("--classes", 3, "--seed", seed, "--threads", threads)
        run("classify", made / "particles.star", "--out", tmp_path / name, *options)
    same, again, other = (tree(tmp_path / name) for name in "abc")
    assert same == again
    assert all(same[name] != other[name] for name in ("assignments.csv", "convergence.csv"))


@pytest.mark.parametrize("alignment", ["msa", "rfa"])
def test_other_alignments(classify, made, out, alignment):
    outcome = classify(made / "particles.star", "--alignment", alignment)
    assert outcome.code == 0
    assert np.bincount(labels_of(out), minlength=N_VIEWS).sum() == N
    if alignment == "rfa":  # no particle has a class to change yet
        assert outcome.err[0] == "iteration 1 (common): all aligned to one average"
        assert csv_rows(out / "convergence.csv")[0]["stage"] == "common"


def test_every_option_is_explained():
    commands = next(a for a in build_parser()._actions if a.dest == "command")
    for action in commands.choices["classify"]._actions:
        assert action.help, action.option_strings


def test_help(run):
    outcome = run("classify", "--help")
    assert (outcome.code, outcome.err) == (0, ())
    text = " ".join(" ".join(outcome.out).split())
    assert "Sort particle images into 2D classes" in text
    assert "no finer than 4 px" in text
