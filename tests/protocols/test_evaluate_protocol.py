"""Scores against a reference, in a real Scipion project."""

import csv

import pytest

from repic_plugin import constants
from repic_plugin.evaluation import Scores
from repic_plugin.formats import read_curves, read_micrograph_scores, read_scores
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow

NAMES = ["mic a", "mic b", "mic c"]
BOX = 20  # pairs lie within 5 px
# On "mic c" nobody has looked.
TRUTH = {"mic a": [(100, 100), (200, 200)], "mic b": [(300, 300)]}
# Right, wrong, right of falling score; one pick where nobody has looked.
PICKED = {"mic a": [(102, 100), (400, 400)], "mic b": [(300, 300)], "mic c": [(50, 50)]}
SCORED = {"mic a": [0.9, 0.6], "mic b": [0.3], "mic c": [0.8]}
HALF = {name: [(x / 2, y / 2) for x, y in rows] for name, rows in TRUTH.items()}
MATCHING = Scores(tp=2, fp=1, fn=1)
AREA = 1 / 3 * 1 + 1 / 3 * 2 / 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluate")


@pytest.fixture(scope="module")
def micrographs(project, folder):
    images = write_images(folder / "micrographs", NAMES, size_px=512)
    return project.micrographs("micrographs to score on", images, sampling=1.0)


@pytest.fixture(scope="module")
def truth(project, micrographs, folder):
    return project.picks("truth", micrographs, write_picker(folder / "truth", TRUTH, BOX))


@pytest.fixture(scope="module")
def picker(project, micrographs, folder):
    picks = write_picker(folder / "picker", PICKED, BOX, SCORED)
    return project.picks("my picker", micrographs, picks)


@pytest.fixture(scope="module")
def binned(project, folder):
    """The truth once more, found on micrographs of twice the pixel size."""
    images = write_images(folder / "binned", NAMES, size_px=256)
    coarse = project.micrographs("binned micrographs", images, sampling=2.0)
    return project.picks("binned", coarse, write_picker(folder / "half", HALF, BOX // 2))


def evaluation(project, pickers, reference, label, **values):
    inputs = {
        "inputCoordinates": [(one, "outputCoordinates") for one in pickers],
        "referenceCoordinates": (reference, "outputCoordinates"),
    }
    return project.new("ProtRepicEvaluate", label, inputs, **values)


@pytest.fixture(scope="module")
def scored(project, picker, binned, truth):
    run = project.run(evaluation(project, [picker, binned], truth, "scores"))
    assert run.isFinished(), run.getErrorMessage()
    return run


def test_the_tables(scored):
    mine, other = read_scores(scored.scores_file())
    assert (mine.picker, other.picker) == ("my picker", "binned")
    # "mic c" has no reference particle, so the pick on it does not count
    assert (mine.n_picks, mine.n_reference, mine.n_micrographs, mine.n_left_out) == (3, 3, 2, 1)
    assert mine.matching == MATCHING
    assert mine.pixel == Scores(tp=18 * 20 + 400, fp=40 + 400, fn=40 + 400)
    rows = read_micrograph_scores(scored.micrographs_file())
    assert [(row.picker, row.micrograph) for row in rows] == [
        (picker, name) for picker in ("my picker", "binned") for name in ("mica", "micb")
    ]
    assert rows[1].matching == Scores(1, 0, 0)
    curve = read_curves(scored.curves_file())[0]
    assert curve.threshold.tolist() == pytest.approx([0.9, 0.6, 0.3])
    assert curve.average_precision == pytest.approx(AREA, abs=1e-6)


def test_another_pixel_size_is_rescaled(scored):
    other = read_scores(scored.scores_file())[1]
    assert other.matching == Scores(3, 0, 0)
    assert other.pixel == Scores(3 * BOX**2, 0, 0)  # boxes of 10 px are boxes of 20 px


def test_what_is_told(scored):
    summary = scored._summary()
    assert summary[0] == "3 reference particles on 2 micrographs."
    assert "*my picker*: 3 picks, precision 0.667, recall 0.667, F1 0.667" in summary[1]
    assert f"average precision {AREA:.3f}" in summary[1]
    assert "1 of its micrographs ignored" in summary[1]
    assert "average precision" not in summary[2]  # it has no scores
    assert "within 5 px" in scored._methods()[0]
    assert scored._citations() == ["Cameron2024"]


def test_the_pictures_are_drawn_from_the_tables(scored, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from pyworkflow.viewer import DESKTOP_TKINTER

    from repic_plugin.viewers import RepicScoresViewer

    domain = type(scored).getClassDomain()
    assert domain.findViewers(scored, DESKTOP_TKINTER)[0].__name__ == "RepicScoresViewer"
    viewer = RepicScoresViewer(project=scored.getProject())
    monkeypatch.setattr(viewer, "getTkRoot", lambda: None)
    (window,) = viewer._visualize(scored)
    assert {"scores", "precision-recall", "micrographs"} <= set(window.pictures)
    for draw in window.pictures.values():
        draw().canvas.draw()
    legend = window.pictures["scores"]().legends[0]
    assert [text.get_text() for text in legend.texts] == ["my picker", "binned"]


def test_a_consensus_is_told_from_a_picker_and_ranked_by_its_weight(project, picker, binned, truth):
    agreed = project.run(project.consensus([picker, binned], "agreed"))
    assert agreed.isFinished(), agreed.getErrorMessage()
    settings = evaluation(project, [picker, agreed], truth, "told").run_settings()
    assert settings["names"] == ["my picker", "agreed (consensus)"]
    assert settings["score_attributes"] == [constants.PICK_SCORE, constants.WEIGHT]


def test_its_boxes_lie_over_those_of_the_reference(scored, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.viewers.overlay.viewer import overlay_window

    monkeypatch.chdir(scored.getProject().path)
    model = overlay_window(None, scored).load()
    roles = [(one.name, one.role) for one in model.sets]
    assert roles == [("my picker", "picker"), ("binned", "picker"), ("reference", "reference")]
    model.go_to(0)
    shown = {layer.name: layer.centers.tolist() for layer in model.layers()}
    assert shown["reference"] == [[float(c) for c in one] for one in TRUTH["mic a"]]


@pytest.fixture(scope="module")
def with_empty(project, picker, truth):
    """A wider radius, a given box, and all micrographs."""
    values = {"countEmpty": True, "boxSize": 10, "radius": 1.5}
    run = project.run(evaluation(project, [picker], truth, "all micrographs", **values))
    assert run.isFinished(), run.getErrorMessage()
    return run


def test_the_values_of_the_form(with_empty):
    (mine,) = read_scores(with_empty.scores_file())
    assert (mine.n_micrographs, mine.n_left_out) == (3, 0)
    assert mine.matching == Scores(tp=1, fp=3, fn=2)  # 2 px off is too far now
    assert mine.pixel == Scores(tp=80 + 100, fp=20 + 100 + 100, fn=20 + 100)


def test_the_table_can_be_read_by_others(scored):
    with open(scored.scores_file(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["matching_f1"]) == pytest.approx(2 / 3, abs=1e-6)
    assert float(rows[0]["average_precision"]) == pytest.approx(AREA, abs=1e-6)
    assert rows[1]["average_precision"] == ""


# told before the run


def test_nothing_yet(project, picker, truth):
    one = evaluation(project, [picker], truth, "not run")
    assert one._validate() == []
    assert one._summary() == ["The scores are not ready yet."]
    assert one._methods() == []


def test_wrong_values_are_told(project, picker, truth):
    one = evaluation(project, [picker], truth, "bad radius", radius=-2.0)
    (told,) = one._validate()
    assert "must be positive and finite, got -2" in told
    one = evaluation(project, [picker], truth, "bad box", boxSize=-5)
    assert "must be 1 px or more, got -5" in one._validate()[0]
    one = evaluation(project, [], truth, "none")
    assert one._validate() == ['"Coordinates to evaluate" must have one set or more, got none']


def test_names_in_common(project, picker, folder):
    images = write_images(folder / "others", ["other"])
    others = project.micrographs("other micrographs", images)
    elsewhere = write_picker(folder / "elsewhere", {"other": [(30, 30)]}, BOX)
    truth = project.picks("truth elsewhere", others, elsewhere)
    one = evaluation(project, [picker], truth, "elsewhere")
    assert "no micrograph in common" in one._validate()[0]
