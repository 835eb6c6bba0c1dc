"""Messages, methods and automatic values in terms of the forms, in a real Scipion project."""

import re

import mrcfile
import numpy as np
import pytest
import scipy

from repic_plugin import __version__
from repic_plugin.protocols.common.form_values import in_form_terms, listed, with_angstrom
from repic_plugin.reports.document import Folded
from repic_plugin.reports.project import run_section
from repic_plugin.simulation import simulate_micrograph
from tests.protocols.scipion_project import write_picker

pytestmark = pytest.mark.slow

PIXEL, BOX, SIZE = 4.0, 40, 320
GRID = [(x, y) for x in (60, 160, 260) for y in (60, 160, 260)]
NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture(scope="module")
def inputs(project, tmp_path_factory):
    """Protocols by name: micrographs, three pickers, and their finished results."""
    folder = tmp_path_factory.mktemp("terms")
    (folder / "images").mkdir()
    for number, name in enumerate(NAMES):
        image = simulate_micrograph(GRID, (SIZE, SIZE), BOX, random_state=number)
        with mrcfile.new(folder / "images" / f"{name}.mrc", data=image):
            pass
    made = {"micrographs": project.micrographs("mics", folder / "images", PIXEL)}
    for place, name in enumerate("ABC"):
        centres = {one: np.array(GRID) + place for one in NAMES}
        scores = {one: np.linspace(0.3, 1, len(GRID)) * (20 if name == "C" else 1) for one in NAMES}
        picks = write_picker(folder / name, centres, BOX, scores)
        made[name] = project.picks(name, made["micrographs"], picks)
    return made


def protocol(project, inputs, name, **values):
    """One that is ready to run."""
    micrographs = ("inputMicrographs", (inputs["micrographs"], "outputMicrographs"))
    coordinates = ("inputCoordinates", (inputs["A"], "outputCoordinates"))
    pickers = ("inputCoordinates", [(inputs[one], "outputCoordinates") for one in "ABC"])
    wanted = {
        "ProtRepicConsensus": [pickers],
        "ProtRepicEvaluate": [pickers, ("referenceCoordinates", coordinates[1])],
        "ProtRepicExtract": [coordinates],
        "ProtRepicImportPicks": [micrographs],
        "ProtRepicIterative": [micrographs],
        "ProtRepicLabels": [micrographs, coordinates],
        "ProtRepicSubsets": [micrographs],
        "ProtTemplateTrain": [micrographs, coordinates],
        "ProtTemplatePick": [micrographs],
        "ProtDeepPickerTrain": [micrographs, coordinates],
        "ProtDeepPickerPick": [micrographs],
    }[name]
    return project.new(name, name, dict(wanted), **values)


def finished(project, inputs, name, **values):
    run = project.run(protocol(project, inputs, name, **values))
    assert run.isFinished(), run.getErrorMessage()
    return run


# ------------------------------------------------------------------ fields


def our_protocols():
    from repic_plugin import protocols

    return [name for name in vars(protocols) if name.startswith("Prot")]


def test_every_field_has_a_label_and_a_help_that_says_more(project):
    for class_name in our_protocols():
        fields = list(project.new(class_name, class_name).getDefinition().iterParams())
        assert len(fields) > 2
        for name, field in fields:
            label, text = field.label.get(), field.help.get()
            # Scipion has its own row, and labels, for GPUs
            assert label or name in ("useGpu", "gpuList"), (class_name, name)
            assert text, (class_name, name)
            assert len(text) >= 10, (class_name, name, text)
            assert text.strip(" .").casefold() != label.casefold(), (class_name, name)


# What a zero, or -1, stands for where it is no value that the program chooses.
FIXED = "none|never|not used|any|wait|until|always wait"
CHOSEN = re.compile(rf"(?<!\S)(-1|0): (?!(?:{FIXED})\b)")
RUNS = [
    ("ProtRepicConsensus", {"mode": 1}),
    ("ProtRepicConsensus", {"mode": 2, "lookAtImages": True}),
    ("ProtRepicEvaluate", {}),
    ("ProtRepicExtract", {}),
    ("ProtAckMeans2D", {"numberOfClasses": 2, "maxIterations": 2}),
    ("ProtAckMeans2DStream", {"numberOfClasses": 2}),
    ("ProtTemplateTrain", {}),
    ("ProtTemplatePick", {"boxSize": 40}),
    ("ProtRepicIterative", {"picker1": "template", "picker2": "template", "numIterations": 1,
                            "mode": 1, "boxSize": 40, "numValidation": 0, "useGpu": False}),
]  # fmt: skip


def chosen_by_the_program(class_or_run):
    """Fields whose help says that the program chooses a value at their default."""
    return {
        name
        for name, field in class_or_run.getDefinition().iterParams()
        for found in [CHOSEN.search(field.help.get() or "")]
        if found and field.default.get() is not None
        if float(field.default.get()) == float(found.group(1))
    }


@pytest.mark.parametrize(("name", "values"), RUNS)
def test_a_zero_that_stands_for_a_value_is_shown_as_the_value(project, inputs, name, values):
    if name.startswith("ProtAck"):
        inputs.setdefault("particles", finished(project, inputs, "ProtRepicExtract"))
        particles = {"inputParticles": (inputs["particles"], "outputParticles")}
        run = project.finished(name, name, particles, **values)
    else:
        run = finished(project, inputs, name, **values)
    left = {one for one in chosen_by_the_program(run) if one not in values}
    left = {one for one in left if run.evalParamCondition(one)}
    assert left
    assert left <= set(run.values_used())
    summary = " ".join(run._summary())
    for one in left:
        assert f"{run.label(one)} {run.values_used()[one]}" in summary


def test_every_protocol_where_the_program_chooses_is_among_those_runs(project):
    choosing = {one for one in our_protocols() if chosen_by_the_program(project.new(one, one))}
    # the box size, tested below and where they are
    elsewhere = {"ProtRepicImportPicks", "ProtDeepPickerTrain", "ProtRepicByHand"}
    assert choosing - elsewhere == {name for name, _ in RUNS}


# --------------------------------------------------------------- messages


WRONG = [
    ("ProtRepicConsensus", {"mode": 1, "quorum": 9}, "quorum"),
    ("ProtRepicConsensus", {"mode": 2, "targetPrecision": 1.5}, "targetPrecision"),
    ("ProtRepicConsensus", {"mode": 2, "largestComponent": True}, "largestComponent"),
    ("ProtRepicConsensus", {"boxSize": -3}, "boxSize"),
    ("ProtRepicConsensus", {"minOverlap": 1.0}, "minOverlap"),
    ("ProtRepicConsensus", {"minScores": "high"}, "minScores"),
    ("ProtRepicConsensus", {"minScores": "nan"}, "minScores"),
    ("ProtRepicConsensus", {"scoreAttributes": "a b"}, "scoreAttributes"),
    ("ProtRepicConsensus", {"scoreTransforms": "sigmoid"}, "scoreTransforms"),
    ("ProtRepicConsensus", {"numParticles": -1}, "numParticles"),
    ("ProtRepicConsensus", {"timeLimit": -1.0}, "timeLimit"),
    ("ProtRepicEvaluate", {"boxSize": -5}, "boxSize"),
    ("ProtRepicEvaluate", {"radius": -2.0}, "radius"),
    ("ProtRepicExtract", {"boxSize": 2}, "boxSize"),
    ("ProtRepicExtract", {"imageSize": 400}, "imageSize"),
    ("ProtRepicImportPicks", {}, "picksFolder"),
    ("ProtRepicIterative", {"picker1": "template", "picker2": "template"}, "boxSize"),
    ("ProtRepicIterative", {"boxSize": 40, "trainingPercent": 150.0}, "trainingPercent"),
    ("ProtRepicIterative", {"boxSize": 40, "numIterations": 0}, "numIterations"),
    ("ProtRepicIterative", {"boxSize": 40, "mode": 2, "targetPrecision": -1.0}, "targetPrecision"),
    ("ProtRepicIterative", {"boxSize": 40, "numValidation": -1}, "numValidation"),
    ("ProtRepicIterative", {"boxSize": 40, "seed": -1}, "seed"),
    ("ProtRepicIterative", {"boxSize": 40, "picker1": "template", "threshold1": "x"}, "threshold1"),
    ("ProtRepicLabels", {"numParticles": -1}, "numParticles"),
    ("ProtRepicLabels", {"probability": 2.0}, "probability"),
    ("ProtRepicSubsets", {"numValidation": -1}, "numValidation"),
    ("ProtRepicSubsets", {"numValidation": 0, "trainingPercent": 0.0}, "trainingPercent"),
    ("ProtRepicSubsets", {"numValidation": 0, "seed": -1}, "seed"),
    ("ProtTemplateTrain", {"boxSize": 8}, "boxSize"),
    ("ProtTemplateTrain", {"numberOfTemplates": -1}, "numberOfTemplates"),
    ("ProtTemplateTrain", {"seed": -1}, "seed"),
    ("ProtTemplatePick", {"boxSize": 8}, "boxSize"),
    ("ProtTemplatePick", {"boxSize": 40, "minScore": 2.0}, "minScore"),
    ("ProtTemplatePick", {"boxSize": 40, "minDistance": 9.0}, "minDistance"),
    ("ProtTemplatePick", {"boxSize": 40, "maxPerMicrograph": -1}, "maxPerMicrograph"),
    ("ProtTemplatePick", {"boxSize": 40, "angularStep": 0.0}, "angularStep"),
    ("ProtDeepPickerTrain", {"validationPercent": 0.0}, "validationPercent"),
    ("ProtDeepPickerPick", {"boxSize": 0}, "boxSize"),
]


@pytest.mark.parametrize(("name", "values", "param"), WRONG)
def test_a_message_has_the_label_of_the_form_and_no_argument(project, inputs, name, values, param):
    one = protocol(project, inputs, name, **values)
    label = f'"{one.getParam(param).label.get()}"'
    (message,) = [text for text in one._validate() if not re.match("DEEPPICKER|There is no", text)]
    assert label in message
    assert not re.search(r"\b[a-z]+_[a-z_]+\b", message)


def test_a_step_that_fails_on_an_argument_has_the_label_too(project, inputs):
    run = project.run(protocol(project, inputs, "ProtTemplateTrain", numberOfTemplates=500))
    assert '"Number of templates" must not exceed' in run.getErrorMessage()


def test_words_that_are_no_arguments_are_kept(project, inputs):
    one = protocol(project, inputs, "ProtRepicConsensus")
    error = ValueError("quorum of min_overlap, my_quorum, no quorum")
    params = {"quorum": "quorum", "min_overlap": "the ratio to minOverlap"}
    assert in_form_terms(one, error, params) == (
        '"Minimum number of pickers" of the ratio to "Minimum overlap (Jaccard)", my_quorum, '
        "no quorum"
    )


# ------------------------------------------------------ methods and values


def assert_holds(run, *texts):
    (methods,) = run._methods()
    assert f"repic_plugin {__version__}" in methods
    for text in texts:
        assert text in methods, (text, methods)
    assert set(re.findall(r"\[(\w+)\]", methods)) <= set(run._citations())
    return methods


def shown(run):
    """Values in the report, by label; they are those in the summary."""
    folded = {one.title: one for one in run_section(run).blocks if isinstance(one, Folded)}
    (table,) = folded["Parameters"].blocks
    rows = dict(row[:2] for row in table.rows)
    summary = " ".join(run._summary())
    for name, value in run.values_used().items():
        label = run.getParam(name).label.get()
        assert rows[label] == value
        assert f'"{label}" {value}' in summary
    return rows


def test_consensus_by_a_quorum(project, inputs):
    values = {"mode": 1, "minScores": "- - 8", "scoreTransforms": "identity rank logistic"}
    run = finished(project, inputs, "ProtRepicConsensus", numParticles=5, solver=1, **values)
    assert_holds(
        run,
        "at least 2 of the 3 pickers",
        "Jaccard index exceeded 0.3",
        f"HiGHS [Huangfu2018] of SciPy {scipy.__version__} (proven optimal)",
        "Picks within 10 px (40 Å) of a better pick of the same picker had been discarded",
        "at a minimum distance of 10 px (40 Å)",
        "40 px (160 Å)",
        "used as they were for A, replaced by their ranks for B, transformed by the logistic",
        "scores below 8 (C)",
        "The 5 particles of the highest weight",
        "best overlapping member",
        "[Cameron2024]",
    )
    rows = shown(run)
    assert rows["Minimum number of pickers"] == "2"
    assert rows["Box size (px)"] == "40"
    assert rows["Time limit per micrograph (s)"] == "none"
    assert rows["Solver"] == "HiGHS"
    assert rows["Distance of copies within a picker (px)"] == "10"
    assert rows["Minimum distance of particles (px)"] == "10"


def test_consensus_of_all_with_every_option(project, inputs):
    options = {"dropOutside": True, "largestComponent": True, "position": 1, "boxSize": 36}
    distances = {"copyDistance": 0, "minDistance": 8}
    values = {"minOverlap": 0.4, **options, **distances}
    run = finished(project, inputs, "ProtRepicConsensus", **values)
    methods = assert_holds(
        run,
        "all 3 pickers",
        "exceeded 0.4",
        "36 px (144 Å)",
        "mean of the members",
        "extend beyond the micrograph",
        "largest connected component",
        "at a minimum distance of 8 px (32 Å)",
    )
    assert "of the same picker" not in methods
    rows = shown(run)
    assert "replaced" not in rows["Score transforms"]
    assert rows["Score attributes"] == "_repicPickScore"
    assert rows["Solver"] in ("HiGHS", "Gurobi")
    assert "Minimum number of pickers" not in rows
    assert not {"copyDistance", "minDistance"} & set(run.values_used())


def test_probabilistic_consensus(project, inputs):
    run = finished(project, inputs, "ProtRepicConsensus", mode=2, targetPrecision=0.9)
    assert_holds(run, "[DawidSkene1979]", "0.9", "probability of being a particle", "40 px (160 Å)")
    free = finished(project, inputs, "ProtRepicConsensus", mode=2)
    assert shown(free)["Target precision"].startswith("none, threshold ")


def test_extraction_and_classification(project, inputs):
    run = finished(project, inputs, "ProtRepicExtract", imageSize=32)
    assert_holds(run, "40 px (160 Å)", "downscaled to 32 px", "contrast inverted", "5.000 Å/px")
    assert shown(run)["Box size (px)"] == "40"
    plain = finished(project, inputs, "ProtRepicExtract", invert=False, normalise=False)
    assert_holds(plain, "not downscaled", "contrast not inverted", "background not normalised")
    assert shown(plain)["Downscale to (px)"] == "40"
    values = {"numberOfClasses": 2, "maxIterations": 3, "seed": 7, "mirror": True}
    particles = {"inputParticles": (plain, "outputParticles")}
    classes = project.finished("ProtAckMeans2D", "classes", particles, maxShift=3, **values)
    assert_holds(
        classes,
        "of 2 classes",
        "ACK-means [Xu2016]",
        "multi-reference alignment",
        "mirror images allowed",
        "3 px (12 Å)",
        "at 16 Å",
        "Å within a mask of",
        "No CTF correction was applied. The classification ",
        "at most 3",
        "random seed 7",
        "beta 0.5",
        "with splitting and merging",
    )
    rows = shown(classes)
    assert rows["Resolution (Å)"] == "16"
    assert 18 < float(rows["Mask diameter (px)"]) <= 33.6


def test_evaluation(project, inputs):
    run = finished(project, inputs, "ProtRepicEvaluate", countEmpty=True)
    assert_holds(run, "10 px (40 Å)", "40 px (160 Å)", "[Cameron2024]", "included")
    rows = shown(run)
    assert (rows["Box size (px)"], rows["Maximum matching distance (px)"]) == ("40", "10")


def test_templates(project, inputs):
    trained = finished(project, inputs, "ProtTemplateTrain", seed=3)
    assert_holds(trained, "40 px (160 Å)", "random seed 3", "[Xu2016]")
    assert trained.values_used()["numberOfTemplates"] == str(trained.outputAverages.getSize())
    picking = protocol(project, inputs, "ProtTemplatePick", angularStep=30.0, maxPerMicrograph=9)
    picking.inputAverages.set(trained)
    picking.inputAverages.setExtended("outputAverages")
    picked = project.run(picking)
    assert_holds(picked, "40 px (160 Å)", "30.0 degrees", "noise reaches", "at most 9")
    assert 0 < float(picked.values_used()["minScore"].split()[0]) < 1
    scored = finished(project, inputs, "ProtTemplatePick", boxSize=40, minScore=0.2, invert=True)
    assert_holds(scored, "a round blob, inverted", "at least 0.2")


def test_subsets_labels_and_imports(project, inputs):
    subsets = finished(project, inputs, "ProtRepicSubsets", numValidation=0, seed=5)
    assert_holds(subsets, "3 for training", "20.0 per cent", "random seed 5", "[Cameron2024]")
    labels = finished(project, inputs, "ProtRepicLabels", seed=4)
    assert_holds(labels, "all particles per micrograph", "random seed 4")
    assert labels.values_used() == {"numParticles": "all"}
    assert_holds(inputs["A"], "40 px (160 Å)", "54 picks")
    assert inputs["A"].values_used() == {"boxSize": "40"}


def test_iterative_picking(project, inputs):
    pickers = {"picker1": "template", "picker2": "template", "options2": "angularStep=45"}
    values = {"numIterations": 1, "mode": 1, "numValidation": 0, "boxSize": 40, "useGpu": False}
    run = finished(project, inputs, "ProtRepicIterative", **pickers, **values)
    assert_holds(
        run,
        "Template (1), Template (2)",
        "for 1 iteration with",
        "at least 2 of the 2 pickers",
        "Jaccard index above 0.3",
        "40 px (160 Å)",
        "20 per cent",
        "random seed 0",
        "automatic",
        "at random",
        "recommended",
        "integer programming with ",
        "Scores were replaced by their ranks",
    )
    used = run.values_used()
    assert (used["quorum"], used["threshold1"]) == ("2", "none")
    assert "boxSize" not in used
    summary = " ".join(run._summary())
    assert summary.count('"Minimum score"') == 1
    assert '"Minimum score" of Template (1) and Template (2) none.' in summary


def test_fields_of_one_label_are_told_apart_by_their_picker(project, inputs):
    pickers = {f"picker{line}": "template" for line in (1, 2, 4)}
    one = protocol(project, inputs, "ProtRepicIterative", boxSize=40, threshold2="0.4", **pickers)
    one._automatic = lambda: {"numParticles": "many", "threshold1": "none", "threshold4": "0.2"}
    assert one._valueLines() == [
        'Automatic values: "Expected particles per micrograph" many; "Minimum score" of '
        'Template (1) none; "Minimum score" of Template (3) 0.2.'
    ]


def test_values_are_written_once_if_they_are_the_same():
    assert with_angstrom(40, 4.0) == "40 px (160 Å)"
    assert listed(["1", "1"], "AB") == "1"
    assert listed(["1", "2", "1"], "ABC") == "1 for A and C, 2 for B"


def test_reports_of_runs_whose_inputs_are_gone_have_the_values_of_the_form(project, inputs):
    one = protocol(project, inputs, "ProtRepicExtract")
    one.inputCoordinates.setExtended("outputGone")
    assert one.values_used() == {}


# ------------------------------------------------- windows of templates and particles


def test_training_and_extraction_open_windows_of_their_own(project, inputs):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from matplotlib.text import Text
    from pyworkflow.viewer import DESKTOP_TKINTER, MessageView

    from repic_plugin.viewers import RepicParticlesViewer, RepicTemplatesViewer

    runs = {
        RepicTemplatesViewer: finished(project, inputs, "ProtTemplateTrain", numberOfTemplates=2),
        RepicParticlesViewer: finished(project, inputs, "ProtRepicExtract"),
    }
    opened = {}
    for viewer, run in runs.items():
        found = project.project.getDomain().findViewers(run, DESKTOP_TKINTER)
        assert found[0] is viewer
        new = protocol(project, inputs, run.getClassName())
        assert isinstance(
            viewer(project=project.project, protocol=new)._visualize(new)[0], MessageView
        )
        (opened[viewer],) = viewer(project=project.project, protocol=run)._visualize(run)
    figure = opened[RepicTemplatesViewer].pictures["templates"]()
    texts = [text.get_text() for text in figure.findobj(Text)]
    n_used = sum(one._repicSize.get() for one in runs[RepicTemplatesViewer].outputAverages)
    assert f"Templates of {n_used} particles" in " ".join(texts)
    window, particles = opened[RepicParticlesViewer], runs[RepicParticlesViewer].outputParticles
    pages, name_of = window._open_pages()
    assert sum(one.last - one.first for one in pages.pages) == particles.getSize() == 54
    assert [name_of(one) for one in pages.micrographs] == [f"{name}.mrc" for name in NAMES]
    images = window._read(pages.pages[2])
    with mrcfile.open(runs[RepicParticlesViewer].stack(3)) as file:
        np.testing.assert_array_equal(images, file.data)
