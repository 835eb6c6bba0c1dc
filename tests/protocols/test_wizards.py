"""Wizards on the protocols of a real project, without a screen."""

import numpy as np
import pytest

from repic_plugin.simulation import simulate_picks
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow

NAMES = ("mic_1", "mic_2")
BOX_PX = 20
PICKS = {"mic_1": [(20, 20), (60, 40)], "mic_2": [(30, 30)]}


class Form:
    """What a wizard uses of Scipion's window."""

    root = None

    def __init__(self, protocol):
        self.protocol = protocol
        self.values = {}
        self.said = []

    def setVar(self, name, value):
        assert hasattr(self.protocol, name)
        self.values[name] = value

    def showInfo(self, message, header=""):
        self.said.append(message)


@pytest.fixture(scope="module")
def runs(project, tmp_path_factory):
    """Three pickers on micrographs of 1 A/px; the last on binned ones with a larger box."""
    folder = tmp_path_factory.mktemp("wizards")
    full = project.micrographs("mics", write_images(folder / "full", NAMES, 128))
    binned = project.micrographs("bin", write_images(folder / "half", NAMES, 64), sampling=2.0)
    boxes = {"one": (full, BOX_PX), "two": (full, BOX_PX), "three": (binned, 12)}
    made = {
        name: project.picks(
            name,
            micrographs,
            write_picker(
                folder / name,
                {
                    mic: np.array(rows) / (2 if name == "three" else 1)
                    for mic, rows in PICKS.items()
                },
                box_px,
            ),
        )
        for name, (micrographs, box_px) in boxes.items()
    }
    return {"full": full, "binned": binned, **made}


def sized(protocol):
    from repic_plugin.wizards import RepicBoxSizeWizard

    form = Form(protocol)
    RepicBoxSizeWizard().show(form)
    return form


def micrographs(run):
    return run, "outputMicrographs"


def coordinates(run):
    return run, "outputCoordinates"


def test_scipion_finds_them(project):
    from pyworkflow.viewer import DESKTOP_TKINTER

    domain = project.project.getDomain()
    for name in ("ProtRepicConsensus", "ProtRepicIterative", "ProtTemplatePick"):
        wizards = domain.findWizards(project.new(name, "form"), DESKTOP_TKINTER)
        assert wizards["boxSize"].__name__ == "RepicBoxSizeWizard"
    wizards = domain.findWizards(project.new("ProtRepicConsensus", "form"), DESKTOP_TKINTER)
    for param in ("mode", "quorum", "targetPrecision", "minOverlap"):
        assert wizards[param].__name__ == "RepicPreviewWizard"
    assert wizards["numParticles"].__name__ == "RepicExpectedNumberWizard"


def test_the_box_size_of_a_consensus_is_on_the_first_sets_micrographs(project, runs):
    pickers = [runs["one"], runs["three"]]
    assert sized(project.consensus(pickers)).values == {"boxSize": 24}  # 12 px of 2 A
    assert sized(project.consensus(pickers[::-1])).values == {"boxSize": 12}


def test_the_box_size_of_training_and_of_iterations(project, runs):
    inputs = {
        "inputMicrographs": micrographs(runs["binned"]),
        "inputCoordinates": coordinates(runs["one"]),
    }
    training = project.new("ProtTemplateTrain", "training", inputs)
    assert sized(training).values == {"boxSize": 10}
    inputs = {
        "inputMicrographs": micrographs(runs["full"]),
        "coordinates2": coordinates(runs["three"]),
        "referenceCoordinates": coordinates(runs["one"]),
    }
    assert sized(project.new("ProtRepicIterative", "loop", inputs)).values == {"boxSize": 24}
    del inputs["coordinates2"]
    assert sized(project.new("ProtRepicIterative", "loop", inputs)).values == {"boxSize": 20}


def test_the_box_size_of_template_picking_is_that_of_the_templates(project, runs):
    from types import SimpleNamespace

    inputs = {"inputMicrographs": micrographs(runs["full"])}
    picking = project.new("ProtTemplatePick", "picking", inputs)
    averages = SimpleNamespace(
        getSize=lambda: 3, getDim=lambda: (16, 16, 1), getSamplingRate=lambda: 2.5
    )
    picking.inputAverages.get = lambda *_: averages
    assert sized(picking).values == {"boxSize": 40}


def test_where_there_is_none_it_says_so(project, runs, monkeypatch):
    for name in ("ProtRepicConsensus", "ProtRepicIterative", "ProtTemplatePick"):
        form = sized(project.new(name, "empty"))
        assert form.values == {}
        assert form.said == ["The inputs are missing; choose them first."]
    consensus = project.consensus([runs["one"], runs["two"]])
    for pointer in consensus.inputCoordinates:
        monkeypatch.setattr(pointer.get(), "_boxSize", type(pointer.get()._boxSize)(0))
    form = sized(consensus)
    assert (form.values, form.said) == ({}, ["No input has a box size; give one in px."])


def expected(protocol):
    from repic_plugin.wizards import RepicExpectedNumberWizard

    form = Form(protocol)
    RepicExpectedNumberWizard().show(form)
    return form


@pytest.fixture(scope="module")
def simulated(project, tmp_path_factory):
    """Picks of three pickers, and of a second set at random places; 60 true particles each."""
    folder = tmp_path_factory.mktemp("simulated")
    made = simulate_picks(8, 3, n_particles=60, random_state=4)
    names = [f"s{number}" for number in range(8)]
    side_px = made.micrograph_size_px[0]
    images = project.micrographs("simulated", write_images(folder / "mics", names, side_px))
    rng, runs = np.random.default_rng(0), {"images": images}
    for picker, picker_name in enumerate(made.picks.picker_names):
        for kind in ("true", "random"):
            rows, scores = {}, {}
            for number, name in enumerate(names):
                mine = (made.picks.picker == picker) & (made.picks.micrograph == number)
                centers = made.picks.centers[mine]
                places = rng.uniform(90, side_px - 90, centers.shape)
                rows[name] = centers if kind == "true" else places
                scores[name] = made.picks.score[mine]
            name = f"{kind}_{picker_name}"
            files = write_picker(folder / name, rows, made.box_size_px, scores)
            runs.setdefault(kind, []).append(project.picks(name, images, files))
    return runs


def test_the_expected_number_is_estimated_and_said(project, simulated):
    form = expected(project.consensus(simulated["true"]))
    assert 54 <= form.values["numParticles"] <= 66
    (said,) = form.said
    assert f"About {form.values['numParticles']} particles per micrograph are expected" in said
    assert "on 8 micrographs" in said


def test_picks_that_cover_the_micrographs_tell_no_number(project, simulated, tmp_path):
    names = [f"s{number}" for number in range(8)]
    x, y = (axis.ravel() for axis in np.mgrid[90:4000:90, 90:4000:90])
    rng, runs = np.random.default_rng(1), []
    for picker in "ab":
        rows = {name: np.column_stack([x, y]) + rng.normal(0, 12, (len(x), 2)) for name in names}
        scores = {name: rng.random(len(x)) for name in names}
        files = write_picker(tmp_path / picker, rows, 180, scores)
        images = simulated["images"]
        runs.append(project.picks(f"cover {picker}", images, files))
    form = expected(project.consensus([*runs, simulated["true"][0]]))
    assert form.values == {}
    assert "chance" in form.said[0]


def test_where_nothing_can_be_estimated_the_field_is_left(project, simulated):
    form = expected(project.consensus(simulated["random"]))
    assert form.values == {}
    assert "no more than by chance" in form.said[0]
    form = expected(project.new("ProtRepicConsensus", "empty"))
    assert (form.values, len(form.said)) == ({}, 1)


def test_the_options_of_a_picker_are_listed_with_their_defaults(project, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.pickers import PICKERS, option_value, read_options
    from repic_plugin.viewers.options_window import OptionsWindow
    from repic_plugin.wizards import RepicOptionsWizard

    shown = []

    def show(window):
        shown.append(window)

    monkeypatch.setattr(OptionsWindow, "show", show)
    values = {"picker2": "template", "options2": "train.seed=7"}
    form = Form(project.new("ProtRepicIterative", "options", **values))
    form.wizParamName = "options2"
    RepicOptionsWizard().show(form)
    (window,) = shown
    offered = window._offered
    assert {"train.numberOfTemplates", "pick.angularStep", "pick.maskContamination"} <= set(offered)
    assert not any(key.endswith(("inputMicrographs", "numberOfThreads")) for key in offered)
    assert offered["pick.angularStep"].default == "15.0"
    assert offered["pick.maskContamination"].default == "yes"
    assert window.values == {"train.seed": "7"}
    known = project.protocols
    samples = {role: known[name]() for role, name in PICKERS["template"].protocols.items()}
    for key, one in offered.items():  # every default is a value that can be typed
        role, _, name = key.partition(".")
        option_value(samples[role], name, one.default)
    window._use({"train.seed": "7", "pick.angularStep": "10"})
    assert read_options(form.values["options2"]) == {"train.seed": "7", "pick.angularStep": "10"}
    form.wizParamName = "options1"
    RepicOptionsWizard().show(form)
    assert form.said == ["Choose a picker first."]


def test_the_preview_needs_inputs(project):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.wizards import RepicPreviewWizard

    form = Form(project.new("ProtRepicConsensus", "empty"))
    RepicPreviewWizard().show(form)
    assert len(form.said) == 1
    assert "at least two pickers" in form.said[0]


@pytest.mark.filterwarnings("ignore")
def test_the_preview_of_mode_probabilistic_is_its_run(project, simulated, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.plots.preview import PreviewSettings
    from repic_plugin.viewers.preview_window import PreviewWindow
    from repic_plugin.wizards import RepicPreviewWizard

    shown = []

    def show(window):
        shown.append(window)

    monkeypatch.setattr(PreviewWindow, "show", show)
    values = {"mode": 2, "targetPrecision": 0.97}
    protocol = project.consensus(simulated["true"], **values)
    RepicPreviewWizard().show(Form(protocol))
    (window,) = shown
    now = PreviewSettings(2, 0.3, 0, 0.97)
    assert window._first == now
    found = [window._compute(place, now) for place in range(8)]
    text = window._describe(found[0], now)
    run = project.run(protocol)
    assert sum(map(len, found)) == run.outputCoordinates.getSize() > 100
    (told,) = (line for line in run._summary() if "xpected precision" in line)
    assert text.split("expected precision ")[1].split(" (")[0] in told
    assert "images" not in text
    looking = project.consensus(simulated["true"], lookAtImages=True, **values)
    RepicPreviewWizard().show(Form(looking))
    assert "The images are not looked at here" in shown[1]._describe(found[0], now)


def test_the_preview_begins_with_the_values_of_the_form(project, runs):
    from repic_plugin.wizards import form_settings

    run = project.consensus([runs["one"], runs["two"]], "fine", mode=2)
    for given, used in ((0.995, 0.995), (0.305, 0.305), (-1.0, 0.0), (1.0, 0.99), (7.0, 0.99)):
        run.targetPrecision.set(given)
        run.minOverlap.set(given)
        found = form_settings(run, 2)
        assert (found.target_precision, found.min_overlap) == (used, used)


def test_the_preview_computes_with_the_form_and_writes_to_it(project, runs, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.plots.preview import PreviewSettings
    from repic_plugin.viewers.preview_window import PreviewWindow
    from repic_plugin.wizards import RepicPreviewWizard

    shown = []

    def show(window):
        shown.append(window)

    monkeypatch.setattr(PreviewWindow, "show", show)
    protocol = project.consensus([runs["one"], runs["two"], runs["three"]], mode=1, quorum=0)
    form = Form(protocol)
    RepicPreviewWizard().show(form)
    (window,) = shown
    assert window._first == PreviewSettings(2, 0.3, 0)
    assert [one.name for one in window.model.sets] == ["one", "two", "three"]
    found = window._compute(0, PreviewSettings(3, 0.3))
    assert len(found) == 2
    assert len(window._compute(0, PreviewSettings(3, 0.3, 1))) == 1
    with pytest.raises(ValueError, match="can never overlap"):
        window._compute(0, PreviewSettings(3, 0.7))  # boxes of 20 and 24 px
    assert len(window._compute(0, PreviewSettings(2, 0.7))) == 2

    window._use(PreviewSettings(2, 0.45, 7))
    assert form.values == {"mode": 1, "quorum": 2, "minOverlap": 0.45, "numParticles": 7}
    window._use(PreviewSettings(3, 0.3, 0))
    assert form.values == {"mode": 0, "quorum": 0, "minOverlap": 0.3, "numParticles": 0}
