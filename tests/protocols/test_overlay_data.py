"""From Scipion's sets to what the overlay shows."""

import os

import numpy as np
import pytest
from pyworkflow.protocol import MODE_RESTART

from tests.protocols.scipion_project import coordinates, write_images, write_picker

pytestmark = pytest.mark.slow

NAMES = ("mic_1", "mic_2", "mic_3")
BOX_PX = 20
# found by both but for the last of the first and the last of the second
ONE = {"mic_1": [(20, 20), (60, 40)], "mic_2": [(30, 30)], "mic_3": [(10, 90)]}
TWO = {"mic_1": [(22, 20), (90, 90)], "mic_2": [(30, 32)]}
SCORES = {"mic_1": [0.9, 0.5], "mic_2": [0.8], "mic_3": [0.7]}


@pytest.fixture(scope="module")
def runs(project, tmp_path_factory):
    """Two pickers, the second on binned micrographs of another import, and their consensus."""
    folder = tmp_path_factory.mktemp("overlay")
    images = project.micrographs("mics", write_images(folder / "full", NAMES, 128))
    binned = project.micrographs("bin", write_images(folder / "half", NAMES[:2], 64), sampling=2.0)
    one = project.picks("first", images, write_picker(folder / "one", ONE, BOX_PX, SCORES))
    halves = {name: np.array(rows) / 2 for name, rows in TWO.items()}
    two = project.picks("second", binned, write_picker(folder / "two", halves, BOX_PX // 2))
    consensus = project.run(project.consensus([one, two], "agreed"))
    assert consensus.isFinished(), consensus.getErrorMessage()
    return {"images": images, "one": one, "two": two, "consensus": consensus}


@pytest.fixture(autouse=True)
def in_the_project(project):
    """As the viewers run: Scipion's paths are relative to the project."""
    before = os.getcwd()
    os.chdir(project.project.path)
    yield
    os.chdir(before)


def shown(model, place=0):
    model.go_to(place)
    return {layer.name: np.asarray(layer.centers).tolist() for layer in model.layers()}


def test_a_consensus_lies_over_its_pickers(runs):
    from repic_plugin.convert import open_micrograph
    from repic_plugin.protocols.consensus.overlays import of_consensus

    model = of_consensus(runs["consensus"])
    assert [(one.name, one.role, one.box_size_px) for one in model.sets] == [
        ("first", "picker", 20),
        ("second", "picker", 20),
        ("consensus", "consensus", 20),
    ]
    assert shown(model) == {
        "first": [[20, 20], [60, 40]],
        "second": [[22, 20], [90, 90]],
        "consensus": [[x, y] for name, x, y in coordinates(runs["consensus"]) if "1" in name],
    }
    assert len(shown(model)["consensus"]) == 1
    assert shown(model, 2) == {"first": [[10, 90]], "second": [], "consensus": []}
    for file in model.files:
        assert open_micrograph(file).shape == (128, 128)


def test_particles_know_their_pickers_picks(runs):
    from repic_plugin.protocols.consensus.overlays import of_consensus

    model = of_consensus(runs["consensus"])
    model.go_to(1)
    lines = model.describe(model.at(30, 31))
    assert lines[0] in ("x 30, y 30 px", "x 30, y 32 px")
    assert [line.split()[0] for line in lines[1:4]] == ["weight", "overlap", "score"]
    assert "number of pickers 2" in lines[4:-2]
    assert not any("_repic" in line or "Id" in line for line in lines)
    assert lines[-2:] == ["first: score 0.800, at 30, 30", "second: no score, at 30, 32"]
    low, high = model.selection.range
    assert 0 < low < high < 1
    model.selection.set_minimum(high)
    assert model.n_kept()[1] == 1


def test_without_the_table_pickers_are_named(runs, monkeypatch, tmp_path):
    from repic_plugin.protocols.consensus.overlays import of_consensus

    monkeypatch.setattr(runs["consensus"], "_getExtraPath", lambda *_: str(tmp_path))
    model = of_consensus(runs["consensus"])
    assert model.describe(0)[-1] == "found by first, second"


def test_sets_made_elsewhere(runs):
    from repic_plugin.protocols.consensus.overlays import of_coordinates

    consensus, second = runs["consensus"].outputCoordinates, runs["two"].outputCoordinates
    model = of_coordinates([("agreed", consensus), ("two", second)])
    assert [one.role for one in model.sets] == ["consensus", "picker"]
    assert shown(model)["two"] == [[22, 20], [90, 90]]
    assert model.sets[1].box_size_px == 20
    assert model.selection.range[1] < 1

    alone = of_coordinates([("two", second)])
    assert shown(alone) == {"two": [[11, 10], [45, 45]]}
    assert alone.sets[0].box_size_px == 10
    assert alone.selection.range is None


def test_a_set_without_a_box_size_is_drawn_and_says_so(runs, monkeypatch):
    from repic_plugin.protocols.consensus.overlays import of_coordinates

    picks = runs["one"].outputCoordinates
    monkeypatch.setattr(picks, "getBoxSize", lambda: None)
    (one,) = of_coordinates([("one", picks)]).sets
    assert (one.name, one.box_size_px) == ("one (unknown box size)", 100)


def test_what_is_no_micrograph_is_said(tmp_path):
    from repic_plugin.convert import open_micrograph

    for suffix in ("mrc", "tif", "jpg"):
        with pytest.raises(ValueError, match=f"gone.{suffix}"):
            open_micrograph(str(tmp_path / f"gone.{suffix}"))


def viewed(project, obj, protocol=None):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.viewers import RepicOverlayViewer

    viewer = RepicOverlayViewer(project=project.project, protocol=protocol)
    (view,) = viewer._visualize(obj)
    return view


def test_the_viewer_takes_protocols_and_sets(project, runs):
    for obj, protocol, names in (
        (runs["consensus"], runs["consensus"], ["first", "second", "consensus"]),
        (runs["consensus"].outputCoordinates, runs["consensus"], ["first", "second", "consensus"]),
        (runs["one"], runs["one"], ["first"]),
        (runs["one"].outputCoordinates, runs["one"], ["first"]),
        (runs["one"].outputCoordinates, None, ["coordinates"]),
    ):
        view = viewed(project, obj, protocol)
        model = view.load()
        assert [one.name for one in model.sets] == names
        assert model.pixel_size_angstrom == 1.0


def test_the_viewer_says_what_is_missing(project):
    for name in ("ProtRepicConsensus", "ProtRepicLabels"):
        view = viewed(project, project.new(name, "not run"))
        assert "yet; run the protocol first." in view.getMessage()


def test_sets_of_coordinates_can_be_opened_in_it(project, runs):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from pyworkflow.viewer import DESKTOP_TKINTER

    found = project.project.getDomain().findViewers(runs["one"].outputCoordinates, DESKTOP_TKINTER)
    assert "RepicOverlayViewer" in [viewer.__name__ for viewer in found]


def test_no_subset_of_another_output_than_the_window_shows(project, runs, tmp_path):
    from repic_plugin.viewers.overlay.viewer import overlay_window

    folder = write_picker(tmp_path / "third", ONE, BOX_PX, SCORES)
    run = project.picks("third", runs["images"], folder)
    window = overlay_window(None, run, run)
    (shown_set,) = window.load().sets
    run.picksFolder.set(str(write_picker(tmp_path / "others", TWO, BOX_PX)))
    run.runMode.set(MODE_RESTART)
    run = project.run(run)
    assert run.isFinished(), run.getErrorMessage()
    n_runs = len(project.project.getRuns())
    with pytest.raises(ValueError, match="executed again since this window was opened"):
        window._create(shown_set.source, [1, 2], "best", "2 of 4")
    assert len(project.project.getRuns(refresh=True)) == n_runs
    window = overlay_window(None, run, run)
    (shown_set,) = window.load().sets
    assert window._create(shown_set.source, [1, 2], "best", "2 of 3") == "best"
