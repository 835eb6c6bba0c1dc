"""The 2D classification before it runs, and the words it says afterwards."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.formats import ClassTables
from tests.protocols.particle_set import classification, import_set, simulated, write_particle_set

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made():
    return simulated()


@pytest.fixture(scope="module")
def imported(project, made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("particles") / "set"
    return import_set(project, "particles", write_particle_set(folder, made.images, made.ctf))


def test_every_value_of_the_form_reaches_the_command(project, imported):
    from repic_plugin.cli import build_parser
    from repic_plugin.protocols.classification.settings import classify_arguments, classify_settings

    values = {"method": 3, "alignment": 2, "ctf": 1, "mirror": True, "resolution": 30.0}
    values.update(maxShift=2.5, maskDiameter=30.0, beta=0.25, trade=False, tolerance=0.05)
    protocol = classification(
        project, imported, "all", numberOfClasses=7, maxIterations=9, seed=5, **values
    )
    arguments = classify_arguments(classify_settings(protocol))
    args = build_parser().parse_args(["classify", "x.star", "--out", "o", *arguments])
    assert (args.classes, args.method, args.alignment, args.ctf) == (7, "spider", "rfa", "flip")
    assert (args.mirror, args.resolution_angstrom, args.max_shift_px) == (True, 30.0, 2.5)
    assert (args.mask_diameter_px, args.beta, args.no_trade) == (30.0, 0.25, True)
    assert (args.tolerance, args.max_iterations, args.seed) == (0.05, 9, 5)


def test_the_form_has_the_commands_defaults(project, imported):
    from repic_plugin.cli import build_parser
    from repic_plugin.protocols.classification.settings import classify_arguments, classify_settings

    settings = classify_settings(classification(project, imported, "defaults"))
    words = ["classify", "x.star", "--out", "o"]
    mine = build_parser().parse_args([*words, *classify_arguments(settings)])
    plain = build_parser().parse_args([*words, "--classes", "50"])
    assert vars(mine) == vars(plain)


def test_before_the_run(project, imported):
    protocol = classification(project, imported, "before", numberOfClasses=2)
    assert protocol._validate() == []
    assert protocol._warnings() == []
    assert protocol._summary() == ["The classes are not ready yet."]
    assert protocol._methods() == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"numberOfClasses": 1}, ["Number of classes", "2", "1"]),
        ({"numberOfClasses": 81}, ["Number of classes", "80", "81"]),
        ({"beta": -0.5}, ["beta", "-0.5"]),
        ({"tolerance": 1.5}, ["Convergence threshold", "1.5"]),
        ({"maxIterations": 0}, ["Maximum number of iterations", "0"]),
        ({"maxShift": -1.0}, ["Maximum shift", "-1"]),
        ({"resolution": -3.0}, ["Resolution (Å)", "-3"]),
        ({"maxShift": 25.0}, ["Maximum shift", "24", "25"]),
        ({"resolution": 2.0}, ["Resolution (Å)", "48"]),
        ({"resolution": 1e-308}, ["Resolution (Å)", "48"]),
        ({"resolution": float("nan")}, ["Resolution (Å)", "nan"]),
        ({"maskDiameter": 47.0}, ["Mask diameter", "47"]),
        ({"seed": -1}, ["Random seed", "-1"]),
        ({"numberOfThreads": 0}, ["Threads", "0"]),
    ],
)
def test_bad_values_are_one_line_before_the_run(project, imported, values, words):
    (message,) = classification(
        project, imported, "bad", **{"numberOfClasses": 4, **values}
    )._validate()
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
    (message,) = classification(project, particles, "strange", numberOfClasses=2)._validate()
    assert "images.hdf" in message
    assert "convert" in message


def test_what_is_warned_of(project, imported):
    protocol = classification(project, imported, "few", numberOfClasses=20)
    (few,) = protocol._warnings()
    assert "fewer than 30" in few
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
    from repic_plugin.protocols.classification.summary import classification_facts

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
        convergence={"fraction_changed": np.array([0.5, 0.25])},
        used={
            "particle_diameter_angstrom": np.array([np.nan]),
            "resolution_angstrom": np.array([27.2]),
            "mask_diameter_px": np.array([40.0]),
            "max_shift_px": np.array([3.0]),
            "notes": np.array(["one image was damaged"]),
        },
    )
    settings = {"method": "eqk", "alignment": "rfa", "ctf": "none", "max_iterations": 2}
    settings.update(classes=4, mirror=False, resolution_angstrom=None, max_shift_px=4)
    settings.update(mask_diameter_px=None, tolerance=0.01, seed=0)
    facts = classification_facts(found, settings, 1.0)
    summary = " ".join(facts["summary"])
    assert "6 particles in 3 classes" in summary
    assert "of 1 to 3 particles, median 2" in summary
    assert "did not converge within 2 iterations; 25.0% of the particles" in summary
    assert "left out: 1." in summary
    assert "in no class: 1." in summary
    assert "junk: classes 3, 4 (3 particles)" in summary
    assert constants.IS_JUNK in summary
    assert "One image was damaged." in summary
    one = replace(found, is_junk=np.arange(len(found.sizes)) == 2)
    said = " ".join(classification_facts(one, settings, 1.0)["summary"])
    assert "junk: class 3 (2 particles), marked" in said
    assert facts["values"]["maxShift"] == "3"
    assert facts["values"]["particleDiameter"] == "not visible"
    assert "at 27.2 Å within a mask of 40 px" in facts["methods"][0]
    assert "EQK" in facts["methods"][0]
    assert "No CTF correction was applied." in facts["methods"][0]


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
    assert list(protocol._possibleOutputs) == [
        *("outputClasses", "outputAverages"),
        *("outputParticles", "outputRejected"),
    ]
    assert protocol.getPlugin().getName() == "repic_plugin"
    known = {entry["ID"] for entry in bibtexparser.loads(bibtex.__doc__).entries}
    assert set(protocol._citations()) <= known
    for name, param in protocol.getDefinition().iterParams():
        assert param.label.get(), name
