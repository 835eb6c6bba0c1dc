"""The 2D classification in a real Scipion project."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from particle_set import PIXEL_SIZE, SCIPION, aligned, simulated, write_particle_set

from repic_plugin import constants
from repic_plugin.formats import ClassTables, read_arrays, read_class_tables, read_particles

pytestmark = pytest.mark.slow

N_VIEWS, PER_VIEW, EMPTY = 4, 20, 7
SLOW = {"numberOfClasses": 12, "tolerance": 0.0, "trade": False, "maxIterations": 25}


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
    return finished(project, imported, "classes", numberOfClasses=N_VIEWS)


def import_set(project, label, file):
    values = {"importFrom": SCIPION, "sqliteFile": str(file), "samplingRate": PIXEL_SIZE}
    return project.finished("ProtImportParticles", label, **values)


def new(project, imported, label, **values):
    inputs = {"inputParticles": (imported, "outputParticles")}
    values = {"numberOfThreads": 1, **values}
    return project.new("ProtAckMeans2D", label, inputs, **values)


def finished(project, imported, label, **values):
    protocol = project.run(new(project, imported, label, **values))
    assert protocol.isFinished(), protocol.getErrorMessage()
    return protocol


def tables(protocol):
    return read_class_tables(protocol._classesFolder())


def members(protocol):
    """Id of each member with its class and matrix."""
    found = {
        item.getObjId(): (one.getObjId(), item.getTransform().getMatrix().copy())
        for one in protocol.outputClasses
        for item in one
    }
    protocol.outputClasses.close()  # Scipion would read on in a file that is written anew
    return found


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
    n_iterations = len(tables(classified).fraction_changed)
    assert f"Converged after {n_iterations} iterations" in summary
    assert "in no class: 1." in summary
    assert "junk" not in summary
    assert "ACK-means [Xu2016]" in classified._methods()[0]


def test_every_iteration_is_in_the_log(classified):
    log = Path(classified.getStderrLog()).read_text()
    for iteration in range(1, 1 + len(tables(classified).fraction_changed)):
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
    protocol = finished(project, particles, "mirrors", numberOfClasses=2, mirror=True)
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
    protocol = new(project, particles, mode, numberOfClasses=2, maxIterations=2, **values)
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


def test_every_value_of_the_form_reaches_the_command(project, imported):
    from repic_plugin.cli import build_parser
    from repic_plugin.protocols.ack_means_settings import classify_arguments, classify_settings

    values = {"method": 3, "alignment": 2, "ctf": 1, "mirror": True, "resolution": 30.0}
    values.update(maxShift=2.5, maskDiameter=30.0, beta=0.25, trade=False, tolerance=0.05)
    protocol = new(project, imported, "all", numberOfClasses=7, maxIterations=9, seed=5, **values)
    arguments = classify_arguments(classify_settings(protocol))
    args = build_parser().parse_args(["classify", "x.star", "--out", "o", *arguments])
    assert (args.classes, args.method, args.alignment, args.ctf) == (7, "spider", "rfa", "flip")
    assert (args.mirror, args.resolution_angstrom, args.max_shift_px) == (True, 30.0, 2.5)
    assert (args.mask_diameter_px, args.beta, args.no_trade) == (30.0, 0.25, True)
    assert (args.tolerance, args.max_iterations, args.seed) == (0.05, 9, 5)


def test_the_form_has_the_commands_defaults(project, imported):
    from repic_plugin.cli import build_parser
    from repic_plugin.protocols.ack_means_settings import classify_arguments, classify_settings

    settings = classify_settings(new(project, imported, "defaults"))
    words = ["classify", "x.star", "--out", "o"]
    mine = build_parser().parse_args([*words, *classify_arguments(settings)])
    plain = build_parser().parse_args([*words, "--classes", "50"])
    assert vars(mine) == vars(plain)


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
    again = finished(project, subset, "again", numberOfClasses=2, maxIterations=2)
    assert again.outputClasses.getSize() == 2


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


# Continue


def test_after_a_kill_it_goes_on_from_the_last_iteration(project, tmp_path):
    made = simulated(n_views=6, per_view=100, snr=0.05)  # long enough to be killed
    file = write_particle_set(tmp_path / "s", made.images, made.ctf)
    particles = import_set(project, "many", file)
    whole = finished(project, particles, "not disturbed", **SLOW)
    protocol = new(project, particles, "killed", **SLOW)
    project.project.launchProtocol(protocol, wait=False)
    checkpoint = wait_for(protocol, "checkpoint-*.npz", at_least=3)
    kill_all()
    assert checkpoint.is_file(), "it was killed too late"
    n_done = len(read_arrays(checkpoint)["stages"])
    dead = project.project.getProtocol(protocol.getObjId())
    project.project._updateProtocol(dead)
    assert f"Iteration {n_done} (" in dead._summary()[0]
    assert not hasattr(dead, "outputClasses")
    project.project.checkPid(dead)
    log = Path(dead.getStderrLog())
    before = len(log.read_text())
    mended = project.run(dead)
    assert mended.isFinished(), mended.getErrorMessage()
    told = log.read_text()[before:] if len(log.read_text()) > before else log.read_text()
    assert f"going on after iteration {n_done}" in told
    assert "iteration 1 (" not in told
    assert f"iteration {n_done + 1} (" in told
    for name in ("assignments.csv", "class_averages.mrcs", "convergence.csv", "classes.csv"):
        files = [Path(one._classesFolder(), name).read_bytes() for one in (whole, mended)]
        assert files[0] == files[1], name
    assert {k: v[0] for k, v in members(mended).items()} == {
        k: v[0] for k, v in members(whole).items()
    }


def wait_for(protocol, pattern, at_least):
    """The checkpoint, once it tells of some iterations."""
    pause = threading.Event()
    for _ in range(6000):
        for file in Path(protocol._getExtraPath()).glob(pattern):
            try:
                if len(read_arrays(file, ["stages"])["stages"]) >= at_least:
                    return file
            except ValueError:
                break  # removed as we look
        pause.wait(0.02)
    raise AssertionError(f"no {pattern} with {at_least} iterations came")


def kill_all():
    """SIGKILL to what this process has started, as by the kernel when memory is short."""
    started = psutil.Process().children(recursive=True)
    assert started
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(started, timeout=60)


def test_a_job_that_outlived_its_protocol_is_ended(tmp_path, monkeypatch):
    from repic_plugin.protocols.protocol_ack_means import _end_orphans

    monkeypatch.chdir(tmp_path)
    wait = [sys.executable, "-c", "input()"]
    ours = subprocess.Popen([*wait, "extra/checkpoint-1.npz"], stdin=subprocess.PIPE)
    other = subprocess.Popen([*wait, "extra/checkpoint-2.npz"], stdin=subprocess.PIPE)
    elsewhere = subprocess.Popen(
        [*wait, "extra/checkpoint-1.npz"], stdin=subprocess.PIPE, cwd=tmp_path.parent
    )
    try:
        _end_orphans("extra/checkpoint-1.npz")
        assert not psutil.pid_exists(ours.pid)
        assert other.poll() is None
        assert elsewhere.poll() is None
    finally:
        for process in (ours, other, elsewhere):
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdin.close()


def test_a_changed_value_is_not_skipped_by_continue(project, imported):
    values = {"numberOfClasses": 2, "maxIterations": 3}
    protocol = finished(project, imported, "changed", **values)
    first = Path(protocol._classesFolder(), "assignments.csv").stat().st_ino
    matrices = members(protocol)
    protocol.shiftOrder.set(1)
    again = project.run(protocol)
    assert again.isFinished(), again.getErrorMessage()
    assert Path(again._classesFolder(), "assignments.csv").stat().st_ino == first
    found, shift = members(again), tables(again).shift_px
    ids = read_arrays(again._idsFile())["ids"].tolist()
    for row, number in enumerate(ids):
        if number in found:
            assert np.array_equal(found[number][1][:2, :2], matrices[number][1][:2, :2])
            assert found[number][1][:2, 3] == pytest.approx(shift[row])
    protocol = again
    protocol.numberOfClasses.set(3)
    more = project.run(protocol)
    assert more.isFinished(), more.getErrorMessage()
    assert more.outputClasses.getSize() == 3
    assert more.outputAverages.getSize() == 3


def test_what_the_command_refuses_is_the_protocols_error(project, made, tmp_path):
    file = write_particle_set(tmp_path / "s", made.images[:10])
    particles = import_set(project, "to be cut", file)
    (stack, *_) = sorted(particles.outputParticles.getFiles())
    whole = Path(stack).read_bytes()
    real = Path(os.path.realpath(stack))
    real.write_bytes(whole[: len(whole) // 2])
    broken = project.run(new(project, particles, "cut", numberOfClasses=2, maxIterations=2))
    assert broken.isFailed()
    assert not hasattr(broken, "outputClasses")
    message = broken.getErrorMessage()
    assert Path(stack).name in message
    assert "exit status" not in message
    assert broken._summary() == ["The classes are not ready yet."]
    real.write_bytes(whole)
    mended = project.run(broken)
    assert mended.isFinished(), mended.getErrorMessage()


# Before the run


def test_before_the_run(project, imported):
    protocol = new(project, imported, "before", numberOfClasses=N_VIEWS)
    assert protocol._validate() == []
    assert protocol._warnings() == []
    assert protocol._summary() == ["The classes are not ready yet."]
    assert protocol._methods() == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"numberOfClasses": 1}, ["number of classes", "2", "1"]),
        ({"numberOfClasses": 81}, ["number of classes", "80", "81"]),
        ({"beta": -0.5}, ["beta", "-0.5"]),
        ({"tolerance": 1.5}, ["tolerance", "1.5"]),
        ({"maxIterations": 0}, ["number of iterations", "0"]),
        ({"maxShift": -1.0}, ["shift", "-1"]),
        ({"resolution": -3.0}, ["resolution", "-3"]),
        ({"maxShift": 25.0}, ["shift", "24", "25"]),
        ({"resolution": 2.0}, ["resolution", "48"]),
        ({"resolution": 1e-308}, ["resolution", "48"]),
        ({"resolution": float("nan")}, ["resolution", "nan"]),
        ({"maskDiameter": 47.0}, ["mask", "47"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"numberOfThreads": 0}, ["threads", "0"]),
    ],
)
def test_bad_values_are_one_line_before_the_run(project, imported, values, words):
    (message,) = new(project, imported, "bad", **{"numberOfClasses": 4, **values})._validate()
    assert "\n" not in message
    assert "_" not in message  # no names of the program's
    for word in words:
        assert word in message


def test_images_that_cannot_be_read_are_told_before_the_run(project, made, tmp_path):
    file = write_particle_set(tmp_path / "s", made.images[:10], n_stacks=1)
    particles = import_set(project, "strange", file)
    output = particles.outputParticles
    output.close()
    with closing(sqlite3.connect(output.getFileName())) as connection, connection:
        column = dict(connection.execute("SELECT label_property, column_name FROM Classes"))
        connection.execute(f"UPDATE Objects SET {column['_filename']} = 'images.hdf'")
    (message,) = new(project, particles, "strange", numberOfClasses=2)._validate()
    assert "images.hdf" in message
    assert "convert" in message


def test_what_is_warned_of(project, imported):
    protocol = new(project, imported, "few", numberOfClasses=20)
    (few,) = protocol._warnings()
    assert "fewer than 20" in few
    particles = protocol.inputParticles.get()
    particles.setStreamState(particles.STREAM_OPEN)
    try:
        growing, _ = protocol._warnings()
    finally:
        particles.setStreamState(particles.STREAM_CLOSED)
    assert "still growing" in growing


def test_without_particles_there_is_nothing_to_say(project):
    protocol = project.new("ProtAckMeans2D", "nothing")
    assert protocol._validate() == []
    assert protocol._warnings() == []


# Words


def test_junk_empty_classes_and_the_end_of_patience_are_told():
    from repic_plugin.protocols.ack_means_report import classification_facts

    labels = np.array([0, 0, 0, 2, 2, 3, -1])
    found = ClassTables(
        names=[""] * 7,
        labels=labels,
        rotation_deg=np.zeros(7),
        shift_px=np.zeros((7, 2)),
        mirror=np.zeros(7, bool),
        dissimilarity=np.zeros(7),
        sizes=np.array([3, 0, 2, 1]),
        explained=np.zeros(4),
        is_junk=np.array([False, False, True, True]),
        fraction_changed=np.array([0.5, 0.25]),
    )
    settings = {"method": "eqk", "alignment": "rfa", "ctf": "none", "max_iterations": 2}
    facts = classification_facts(found, settings)
    summary = " ".join(facts["summary"])
    assert "6 particles in 3 classes" in summary
    assert "of 1 to 3 particles, median 2" in summary
    assert "NOT converged after 2 iterations (25.0% changed class in the last)" in summary
    assert "left out: 1." in summary
    assert "in no class: 1." in summary
    assert "junk: classes 3, 4 (3 particles)" in summary
    assert constants.IS_JUNK in summary
    assert "EQK" in facts["methods"][0]
    assert "no CTF" in facts["methods"][0]


def test_the_protocol_stands_under_2d_classify(project):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    import pwem
    from pyworkflow.gui.project.viewprotocols_extra import ProtocolTreeConfig

    base = Path(pwem.__file__).with_name("protocols.conf")
    views = ProtocolTreeConfig.load(project.project.getDomain(), str(base))
    assert ("2D", "Classify", "ProtAckMeans2D") in paths(views["Protocols SPA"])


def paths(node, above=()):
    """The tree's branches."""
    for child in node.childs:
        path = (*above, child.value or child.text)
        yield path
        yield from paths(child, path)


def test_what_scipion_asks_of_a_protocol(project):
    import bibtexparser

    from repic_plugin import bibtex

    protocol = project.new("ProtAckMeans2D", "asked")
    assert list(protocol._possibleOutputs) == ["outputClasses", "outputAverages"]
    assert protocol.getPlugin().getName() == "repic_plugin"
    known = {entry["ID"] for entry in bibtexparser.loads(bibtex.__doc__).entries}
    assert set(protocol._citations()) <= known
    for name, param in protocol.getDefinition().iterParams():
        assert param.label.get(), name
