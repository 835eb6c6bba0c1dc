"""The 2D classification in a real Scipion project: what comes out."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.formats import read_particles
from tests.protocols.particle_set import (
    PIXEL_SIZE,
    aligned,
    classification,
    classify,
    import_set,
    members,
    simulated,
    tables,
    write_particle_set,
)

pytestmark = pytest.mark.slow

N_VIEWS, PER_VIEW, EMPTY = 4, 20, 7


@pytest.fixture(scope="module")
def made():
    return simulated(n_views=N_VIEWS, per_view=PER_VIEW)


@pytest.fixture(scope="module")
def imported(project, made, tmp_path_factory):
    """Particles with a CTF, one of them without an image in its image."""
    images = made.images.copy()
    images[EMPTY] = 3.0
    folder = tmp_path_factory.mktemp("particles") / "set"
    return import_set(project, "particles", write_particle_set(folder, images, made.ctf))


@pytest.fixture(scope="module")
def classified(project, imported):
    return classify(project, imported, "classes", numberOfClasses=N_VIEWS)


# What comes out


def test_classes_are_the_views(classified, made):
    found = {number: cls for number, (cls, _) in members(classified).items()}
    assert set(found) == set(range(1, len(made) + 1)) - {EMPTY + 1}
    view = [made.view[number - 1] for number in found]
    pairs = {*zip(view, found.values())}
    assert len(pairs) == N_VIEWS  # a class for each view, and none in two


def test_sets_tell_sizes_alignment_and_pixel_size(classified):
    sizes = tables(classified).sizes.tolist()
    classes = classified.outputClasses
    assert classes.getSize() == N_VIEWS
    assert classes.isStreamClosed()
    assert [(one.getObjId(), one.getSize()) for one in classes] == [*enumerate(sizes, 1)]
    for one in classes:
        assert one.getAlignment() == "2D"
        assert one.getSamplingRate() == PIXEL_SIZE
        assert one.getRepresentative().getIndex() == one.getObjId()
        assert one.getRepresentative().getDim()[:2] == (48, 48)
        assert not getattr(one, constants.IS_JUNK).get()
    averages = classified.outputAverages
    assert [getattr(item, constants.CLASS_SIZE).get() for item in averages] == sizes
    assert averages.getSamplingRate() == PIXEL_SIZE
    assert (
        averages.getFirstItem().getFileName()
        == classes.getFirstItem().getRepresentative().getFileName()
    )


def test_particles_of_good_classes_are_an_output(classified):
    """Here all classes are good, and nothing is rejected."""
    good = classified.outputParticles
    assert good.getSize() == N_VIEWS * PER_VIEW - 1
    assert good.getAlignment() == "2D"
    assert not hasattr(classified, "outputRejected")
    found = {number: cls for number, (cls, _) in members(classified).items()}
    for item in good:
        assert item.getClassId() == found[item.getObjId()]
        assert 0.5 < getattr(item, constants.PROBABILITY).get() <= 1
    for one in classified.outputClasses:
        assert 0.5 < one._rlnPredictedClassScore.get() <= 1
        assert 0 < one._rlnEstimatedResolution.get() < 999
    distribution = [one._rlnClassDistribution.get() for one in classified.outputAverages]
    assert sum(distribution) == pytest.approx(1)


def test_a_minimum_score_divides_the_particles_without_classifying_again(project, imported):
    values = {"numberOfClasses": N_VIEWS, "maxIterations": 4}
    protocol = classify(project, imported, "by score", **values)
    scores = tables(protocol).scores.score
    least = round(float(np.sort(scores)[-2:].mean()), 9)
    written = Path(protocol.classes_folder(), "assignments.csv").stat().st_ino
    protocol.selection.set(1)
    protocol.minScore.set(least)
    again = project.run(protocol)
    assert again.isFinished(), again.getErrorMessage()
    assert Path(again.classes_folder(), "assignments.csv").stat().st_ino == written
    best = set((np.flatnonzero(scores >= least) + 1).tolist())
    assert {item.getClassId() for item in again.outputParticles} == best
    assert not best & {item.getClassId() for item in again.outputRejected}
    n_all = again.outputParticles.getSize() + again.outputRejected.getSize()
    assert n_all == N_VIEWS * PER_VIEW - 1
    assert f"score {least!r} or more" in " ".join(again._summary())


def test_outputs_point_to_their_source(project, classified, imported):
    images = classified.outputClasses.getImages()
    assert images.getObjId() == imported.outputParticles.getObjId()
    for output in (classified.outputClasses, classified.outputAverages):
        parents = project.project.getSourceParents(output)
        assert [one.getObjId() for one in parents] == [imported.getObjId()] or [
            one.getObjId() for one in parents
        ] == [images.getObjId()]


def test_summary_and_methods_are_true(classified):
    summary = " ".join(classified._summary())
    sizes = tables(classified).sizes
    assert "79 particles in 4 classes" in summary
    assert f"of {sizes.min()} to {sizes.max()} particles, median 20" in summary
    assert f"variation {sizes.std() / sizes.mean():.2f}" in summary
    n_iterations = len(tables(classified).convergence["fraction_changed"])
    assert f"converged after {n_iterations} iterations" in summary
    assert "in no class: 1." in summary
    assert "junk" not in summary
    assert "19.8 particles per class on average, fewer than 30" in summary
    assert 'set "Number of classes" to 2 or fewer.' in summary
    assert "ACK-means [Xu2016]" in classified._methods()[0]


def test_analyze_results_shows_averages_sizes_and_convergence(project, classified):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.viewers import RepicClassesViewer

    (window,) = RepicClassesViewer(project=project.project)._visualize(classified)
    assert [*window.pictures] == ["sizes", "convergence"]
    drawn = {name: draw() for name, draw in window.pictures.items()}
    sizes = tables(classified).sizes
    choice, averages = window._open_classes()
    assert sorted(choice.shown.tolist()) == np.flatnonzero(sizes).tolist()
    assert averages.shape[0] == len(sizes)
    heights = sorted(bar.get_height() for bar in drawn["sizes"].axes[0].patches)
    assert heights[-N_VIEWS:] == sorted(sizes)
    changed = tables(classified).convergence["fraction_changed"]
    moved = changed > 0
    lines = [np.asarray(line.get_ydata()) for line in drawn["convergence"].axes[0].lines]
    same_length = [line for line in lines if len(line) == len(changed)]
    assert any(np.array_equal(line[moved], changed[moved]) for line in same_length)


def test_every_iteration_is_in_the_log(classified):
    log = Path(classified.getStdoutLog()).read_text()
    for iteration in range(1, 1 + len(tables(classified).convergence["fraction_changed"])):
        assert f"iteration {iteration} (" in log


def test_nothing_is_left_over(classified):
    names = {path.name for path in Path(classified._getExtraPath()).iterdir()}
    assert names == {"particles.star", "particle_ids.npz", "classes", "summary.json"}


def test_members_brought_into_register_are_the_average(project, tmp_path):
    """By the matrix as it stands, for shifts, both senses of rotation and mirrors."""
    made = simulated(n_views=2, per_view=24, snr=3.0, defocus_range_angstrom=None)
    images = made.images.copy()
    images[::2, :, 1:] = images[::2, :, :0:-1]  # about the pixel (box // 2, box // 2)
    particles = import_set(project, "mirrored", write_particle_set(tmp_path / "m", images))
    protocol = classify(project, particles, "mirrors", numberOfClasses=2, mirror=True)
    found = members(protocol)
    y, x = np.mgrid[-24:24, -24:24]
    disc = np.hypot(x, y) < 18
    flips = {np.linalg.det(matrix[:2, :2]) < 0 for _, matrix in found.values()}
    assert flips == {True, False}
    for one in protocol.outputClasses:
        mine = [(number, m) for number, (cls, m) in found.items() if cls == one.getObjId()]
        mean = np.mean([aligned(images[number - 1], m) for number, m in mine], axis=0)
        average = read_particles(one.getRepresentative().getFileName()).images[one.getObjId() - 1]
        assert np.corrcoef(mean[disc], average[disc])[0, 1] > 0.97


def test_the_input_star_file_tells_the_ctf(classified, made):
    table = read_particles(classified._starFile())
    assert len(table) == len(made)
    assert table.ctf.defocus_u_angstrom == pytest.approx(made.ctf.defocus_u_angstrom, abs=1e-3)
    assert not table.phase_flipped


@pytest.mark.parametrize(
    ("values", "setup", "told"),
    [
        ({"ctf": 2}, {}, ("none", False, None)),
        ({"ctf": 1}, {"phase_flipped": True}, ("flip", True, True)),
        ({}, {"ctf": None}, ("none", False, None)),
    ],
)
def test_which_ctf_is_used(project, made, tmp_path, values, setup, told):
    mode, has_ctf, flipped = told
    rows = slice(0, None, 4)
    options = {"ctf": made.ctf.take(rows), "n_stacks": 1, **setup}
    particles = import_set(
        project, f"for {mode}", write_particle_set(tmp_path / "s", made.images[rows], **options)
    )
    particles.outputParticles.setIsPhaseFlipped(bool(setup.get("phase_flipped")))
    protocol = classification(
        project, particles, mode, numberOfClasses=2, maxIterations=2, **values
    )
    protocol.makePathsAndClean()
    steps = settings_of(protocol)
    protocol.convertInputStep(steps["particles"])
    assert f'"ctf": "{mode}"' in steps["classification"]
    table = read_particles(protocol._starFile())
    assert (table.ctf is not None) == has_ctf
    assert table.phase_flipped == bool(flipped)


def settings_of(protocol):
    """The arguments of the steps."""
    inserted = []
    protocol._insertFunctionStep = lambda step, *arguments, **_: inserted.append(arguments)
    try:
        protocol._insertAllSteps()
    finally:
        del protocol._insertFunctionStep
    return {"particles": inserted[0][0], "classification": inserted[1][1]}


# What others make of it


def test_a_subset_of_the_classes_gives_their_particles(project, classified, tmp_path):
    """As ShowJ does it: the user disables a class and asks for the particles of the others."""
    sizes = tables(classified).sizes
    selection = tmp_path / "selection.sqlite"
    shutil.copy(classified.outputClasses.getFileName(), selection)
    with closing(sqlite3.connect(selection)) as connection, connection:
        connection.execute("UPDATE Objects SET enabled = 0 WHERE id = 1")
    subset = project.finished(
        "ProtUserSubSet",
        "subset",
        {"inputObject": (classified, "outputClasses")},
        sqliteFile=f"{selection},",
        outputClassName="SetOfParticles",
    )
    particles = subset.outputParticles
    assert particles.getSize() == sizes[1:].sum()
    assert particles.getAlignment() == "2D"
    expected = {number: m for number, (cls, m) in members(classified).items() if cls != 1}
    found = {item.getObjId(): item.getTransform().getMatrix().copy() for item in particles}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[number], expected[number]) for number in found)
    again = classify(project, subset, "again", numberOfClasses=2, maxIterations=2)
    assert again.outputClasses.getSize() == 2


@pytest.mark.parametrize("label", ["", "of score 0.50 or more"])
def test_particles_of_chosen_classes_are_a_run_of_their_own(project, classified, label):
    launched = classified.create_subset([3, 1], label=label, wait=True)
    run = project.project.getProtocol(launched.getObjId())
    assert run.isFinished(), run.getErrorMessage()
    assert run.getObjLabel() == (label or "classes 1, 3")
    assert run.getObjComment() == "classes 1, 3"
    expected = {number: m for number, (cls, m) in members(classified).items() if cls in (1, 3)}
    found = {
        item.getObjId(): item.getTransform().getMatrix().copy() for item in run.outputParticles
    }
    assert 0 < len(found) < classified.outputClasses.getImages().getSize()
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[number], expected[number]) for number in found)


def test_what_is_no_class_has_no_particles(project, classified):
    for numbers, problem in (([1, 99], "has no class 99"), ([], "needs one class")):
        with pytest.raises(ValueError, match=problem):
            classified.create_subset(numbers)
    with pytest.raises(ValueError, match="no outputClasses; they come at its end"):
        project.new("ProtAckMeans2D", "new").create_subset([1])


def test_the_largest_classes_and_the_good_averages_are_selected(project, classified):
    sizes = np.sort(tables(classified).sizes)
    largest = project.finished(
        "ProtClassesSelector",
        "largest",
        {"inputClasses": (classified, "outputClasses")},
        firstNElements=2,
    )
    assert largest.output.getSize() == sizes[-2:].sum()
    formula = f"not item.{constants.IS_JUNK}.get() and item.{constants.CLASS_SIZE} > 0"
    good = project.finished(
        "ProtSetFilter", "good", {"inputSet": (classified, "outputAverages")}, formula=formula
    )
    assert good.outputAverages.getSize() == N_VIEWS
