"""Consensus by probability with classes or particles that a person chose, in a real project."""

import csv

import numpy as np
import pytest
from matplotlib.text import Text

from repic_plugin import constants
from repic_plugin.formats import CANDIDATE_FILES, open_stack, read_picker_classes
from tests.protocols.faults import killed, outcome, unfinished
from tests.protocols.iterative_runs import run_again
from tests.protocols.pwem_sets import write_classified
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow

BOX, SIZE, N, N_JUNK, N_MICROGRAPHS = 40, 900, 30, 30, 4
PICKERS = ("good", "ice one", "ice two")  # the latter two share what they pick by mistake


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Folder of picks and micrographs; places by micrograph, the particles among them first."""
    folder, rng = tmp_path_factory.mktemp("chosen"), np.random.default_rng(0)
    names = [f"mic{number}" for number in range(N_MICROGRAPHS)]
    write_images(folder / "micrographs", names, SIZE)
    places, picks = {}, {name: {} for name in PICKERS}
    for name in names:
        grid = np.stack(np.meshgrid(*[np.arange(45, SIZE - 40, 65)] * 2), -1).reshape(-1, 2)
        places[name] = rng.permutation(grid)[: N + N_JUNK].astype(float)
        for picker, shares in zip(PICKERS, ((0.9, 0.1), (0.5, 0.9), (0.5, 0.9))):
            kept = rng.random(N + N_JUNK) < np.repeat(shares, (N, N_JUNK))
            picks[picker][name] = (places[name] + rng.normal(0, 1, (N + N_JUNK, 2)))[kept].round()
    for picker, rows in picks.items():
        scores = {mic: rng.random(len(one)).round(3) for mic, one in rows.items()}
        write_picker(folder / "picks" / picker, rows, BOX, scores)
    return folder, places


@pytest.fixture(scope="module")
def micrographs(project, material):
    return project.micrographs("chosen", material[0] / "micrographs", 2.0)


@pytest.fixture(scope="module")
def pickers(project, material, micrographs):
    return [project.picks(name, micrographs, material[0] / "picks" / name) for name in PICKERS]


def numbers(material, names=None):
    """Particles are in classes 1 and 3, junk in 2 and 4."""
    of_place = np.repeat([0, 1], (N, N_JUNK)) + 1 + 2 * (np.arange(N + N_JUNK) % 2)
    return dict.fromkeys(names or material[1], of_place)


@pytest.fixture(scope="module")
def classified(project, material, micrographs):
    return write_classified(project, micrographs, material[1], numbers(material))


def choosing(project, pickers, label, chosen, rest=None, **values):
    run = project.consensus(pickers, label, mode=2, unmatchedOutput=True, **values)
    for name, source in (("chosenParticles", chosen), ("classifiedParticles", rest)):
        if source is not None:
            getattr(run, name).set(source[0])
            getattr(run, name).setExtended(source[1])
    return run


@pytest.fixture(scope="module")
def done(project, pickers, classified):
    """Chosen classes, and all classes."""
    chosen, rest = (classified, "outputOddClasses"), (classified, "outputClasses")
    run = project.run(choosing(project, pickers, "chosen", chosen, rest))
    assert run.isFinished(), run.getErrorMessage()
    return run


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def f1(run, places):
    found, right = [one.clone() for one in run.outputCoordinates], 0
    for name, centers in places.items():
        mine = [one for one in found if one.getMicName() == f"{name}.mrc"]
        here = np.array([(one.getX(), one.getY()) for one in mine]).reshape(-1, 2)
        apart = np.hypot(*(here[:, None] - centers[:N]).T)
        right += int((apart.min(axis=1) < BOX / 4).sum())
    return 2 * right / (len(found) + N * len(places))


def test_chosen_classes_decide_what_a_particle_is(project, pickers, material, done):
    agreed = project.run(project.consensus(pickers, "agrees", mode=2))
    assert agreed.isFinished(), agreed.getErrorMessage()
    assert f1(agreed, material[1]) < 0.7
    assert f1(done, material[1]) > 0.93
    labels = [getattr(one, constants.IMAGE_CLASS).get() for one in done.outputCoordinates]
    assert sum(one in (1, 3) for one in labels) > 0.9 * len(labels)
    one = done.outputCoordinates.getFirstItem()
    assert getattr(one, constants.IMAGE_CLASS_SCORE).get() is None


def test_summary_and_methods_say_what_was_taken(project, done):
    lines = done._summary()
    labels = [int(row["class"]) for row in rows_of(project.folder(done) / CANDIDATE_FILES[0])]
    n_good, n_junk = (sum(one in some for one in labels) for some in ((1, 3), (2, 4)))
    assert labels.count(0) == 0
    assert (
        f"Chosen: {n_good} candidates. {n_junk} were classified, but not chosen, and count as "
        f"junk; {labels.count(-1)} were not looked at."
    ) in lines
    n_chosen, n_all = N * N_MICROGRAPHS, (N + N_JUNK) * N_MICROGRAPHS
    assert any(f'are among the {n_chosen} particles of "Chosen classes' in one for one in lines)
    assert any(f'are among the {n_all} particles of "Classified' in one for one in lines)
    assert any("ice one" in one and "lie in classes of particles." in one for one in lines)
    (methods,) = done._methods()
    assert "of 2 2D classes that had been chosen by eye" in methods
    assert "Xu2016" not in done._citations()


def test_averages_of_the_classes_are_columns_of_the_picture(project, classified, done, monkeypatch):
    from repic_plugin.viewers import RepicConsensusViewer

    found = read_picker_classes(project.folder(done))
    stack = open_stack(project.folder(classified) / "averages.mrcs")
    for number in (1, 2, 3, 4):
        np.testing.assert_allclose(found.averages[number], stack[number - 1], atol=1e-5)
    assert found.share.tolist() == [0.05, 0.95, 0.05, 0.95, 0.05]
    monkeypatch.chdir(project.project.path)
    (window,) = RepicConsensusViewer(project=project.project, protocol=done)._visualize(done)
    figure = window.pictures["pickers by class"]()
    shown = {text.get_text() for text in figure.findobj(Text)}
    assert {*PICKERS} <= shown


def test_without_the_classified_particles_the_rest_is_junk(project, pickers, material, classified):
    run = project.run(choosing(project, pickers, "particles", (classified, "outputOdd")))
    assert run.isFinished(), run.getErrorMessage()
    assert f1(run, material[1]) > 0.93
    labels = {row["class"] for row in rows_of(project.folder(run) / CANDIDATE_FILES[0])}
    assert labels == {"0", "1"}
    assert any("were not chosen, and count as junk." in line for line in run._summary())


def test_what_was_not_classified_was_not_seen(project, pickers, material, micrographs, done):
    some = {name: material[1][name] for name in ("mic0", "mic1", "mic2")}
    part = write_classified(project, micrographs, some, numbers(material, some), "part")
    chosen, rest = (part, "outputOdd"), (part, "outputParticles")
    run = project.run(choosing(project, pickers, "part", chosen, rest))
    assert run.isFinished(), run.getErrorMessage()
    rows = rows_of(project.folder(run) / CANDIDATE_FILES[0])
    assert {row["class"] for row in rows if row["micrograph"] == "mic3"} == {"-1"}
    alone = project.run(choosing(project, pickers, "part alone", chosen))
    assert any("nothing was chosen on 1 of 4 micrographs, such as mic3" in line
               for line in alone._summary())  # fmt: skip


def test_coordinates_at_another_scale(project, pickers, material, micrographs):
    """The particles' own pixel size, 3 Å, is that of their coordinates: 2/3 of the px."""
    small = write_classified(
        project, micrographs, material[1], numbers(material), "small", scale=2 / 3
    )
    run = project.run(choosing(project, pickers, "small", (small, "outputOddClasses")))
    assert run.isFinished(), run.getErrorMessage()
    assert f1(run, material[1]) > 0.93
    assert any("were multiplied by 1.5, to px" in line for line in run._summary())
    other = write_classified(project, micrographs, material[1], numbers(material), "x", scale=0.25)
    run = project.run(choosing(project, pickers, "other", (other, "outputOdd")))
    assert run.isFailed()
    assert "would if they were 4 times as large" in run.getErrorMessage()


def test_what_cannot_be_used_is_refused_in_the_form(project, pickers, material, micrographs):
    bare = write_classified(
        project, micrographs, material[1], numbers(material), "bare", has_coordinates=False
    )
    for output in ("outputOdd", "outputOddClasses"):
        (message,) = choosing(project, pickers, "no", (bare, output))._validate()
        assert message.startswith('"Chosen classes or particles" must hold particles with coord')
    (message,) = choosing(project, pickers, "no", None, (bare, "outputOdd"))._validate()
    assert message.startswith('"Classified particles" needs "Chosen classes or particles"')
    hidden = choosing(project, pickers, "no", (bare, "outputOdd"), lookAtImages=True)
    assert hidden._validate() == []


@pytest.mark.parametrize("where", ["2 start", "2 5", "2 end"])
def test_killed_while_it_takes_them_it_goes_on(project, pickers, classified, done, tmp_path, where):
    chosen, rest = (classified, "outputOddClasses"), (classified, "outputClasses")
    run, place = killed(
        project, choosing(project, pickers, "chosen", chosen, rest), where, tmp_path
    )
    assert place.startswith(where)
    again = run_again(project, run)
    assert again.isFinished(), again.getErrorMessage()
    assert outcome(project, again) == outcome(project, done)
    assert unfinished(project, again) == []


def test_another_choice_leaves_the_candidates(project, pickers, classified):
    run = project.run(choosing(project, pickers, "again", (classified, "outputOdd")))
    assert run.isFinished(), run.getErrorMessage()
    (model,) = (project.folder(run) / "stream").glob("ensemble.npz")
    before, n = model.stat().st_mtime_ns, run.outputCoordinates.getSize()
    run.chosenParticles.setExtended("outputParticles")
    again = run_again(project, run)
    assert again.isFinished(), again.getErrorMessage()
    assert model.stat().st_mtime_ns == before
    assert again.outputCoordinates.getSize() > 1.2 * n
