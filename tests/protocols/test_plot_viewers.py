"""The windows with the plots of a consensus, and with the members of a class."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

from repic_plugin.formats import ClassTables, read_consensus_tables, write_stack
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow
pytest.importorskip("tkinter", reason="this Python has no tkinter")


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.fixture(scope="module")
def consensus(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots")
    rng = np.random.default_rng(0)
    places = {name: rng.uniform(20, 180, (6, 2)).round() for name in ("m1", "m2")}
    micrographs = project.micrographs("mics", write_images(folder / "mics", places, 200))
    pickers = []
    for name, n in (("one", 6), ("two", 5), ("three", 2)):
        near = {mic: rows[:n] + rng.integers(0, 3, (n, 2)) for mic, rows in places.items()}
        pickers.append(project.picks(name, micrographs, write_picker(folder / name, near)))
    run = project.run(project.consensus(pickers, "agreed", mode=1, boxSize=20, numParticles=4))
    assert run.isFinished(), run.getErrorMessage()
    return run


def test_the_windows_of_a_consensus(project, consensus):
    from repic_plugin.viewers import RepicConsensusViewer

    found = read_consensus_tables(consensus._getExtraPath())
    viewer = RepicConsensusViewer(project=project.project, protocol=consensus)
    for opened in (consensus, consensus.outputCoordinates):
        (window,) = viewer._visualize(opened)
        assert [*window.pictures] == [
            *("weights", "agreement", "overlaps", "beyond chance"),
            "micrographs",
        ]
        drawn = {name: draw() for name, draw in window.pictures.items()}
        assert "chosen: 4" in texts(drawn["weights"])
        assert {"one", "two", "three"} <= set(texts(drawn["agreement"]))
        told = sum(int(text.split()[0]) for text in texts(drawn["overlaps"]) if "particles," in text
                   for text in [text.split(": ")[1]])  # fmt: skip
        assert told == len(found) == consensus.outputCoordinates.getSize()
    assert found.n_cut > 0
    for name in ("weights", "agreement"):
        assert any(f"{found.n_cut} particles were discarded" in text for text in texts(drawn[name]))


def test_it_leaves_the_first_place_to_the_overlay_and_other_sets_alone(project, consensus):
    from pyworkflow.viewer import DESKTOP_TKINTER

    find = project.project.getDomain().findViewers
    for opened in (consensus, consensus.outputCoordinates):
        names = [viewer.__name__ for viewer in find(opened, DESKTOP_TKINTER)]
        assert "RepicConsensusViewer" in names[1:]
    imported = consensus.inputCoordinates[0].get()
    names = [viewer.__name__ for viewer in find(imported, DESKTOP_TKINTER)]
    assert "RepicConsensusViewer" not in names


def test_before_the_run_it_says_so(project):
    from pyworkflow.viewer import MessageView

    from repic_plugin.viewers import RepicConsensusViewer

    viewer = RepicConsensusViewer(project=project.project)
    (message,) = viewer._visualize(project.new("ProtRepicConsensus", "new"))
    assert isinstance(message, MessageView)
    assert "run the protocol first" in message.getMessage()


def test_the_members_of_a_class_are_shown_the_best_first(tmp_path, monkeypatch):
    from repic_plugin.viewers import classes_viewer

    grid = np.arange(20) - 10
    images = np.zeros((130, 20, 20), np.float32)
    images[:, 10, 14] = np.arange(130)  # a spot at x = 4
    images[:, 2:4, 2:4] = np.arange(130)[:, None, None] % 7  # something else
    write_stack(tmp_path / "a b.mrcs", images, 1.0)
    labels = np.arange(130) % 2
    found = ClassTables(
        names=[f"{i + 1:06d}@{tmp_path}/a b.mrcs" for i in range(130)],
        labels=labels,
        rotation_deg=np.full(130, 90.0),
        shift_px=np.zeros((130, 2)),
        mirror=np.zeros(130, bool),
        dissimilarity=np.where(np.arange(130) == 77, 0.0, 200.0 - np.arange(130)),
        sizes=np.array([65, 65, 0]),
        explained=np.zeros(3),
        is_junk=np.zeros(3, bool),
        convergence={},
    )
    placed = []
    draw = classes_viewer.members_figure
    monkeypatch.setattr(
        classes_viewer,
        "members_figure",
        lambda images, **more: placed.append(images) or draw(images, **more),
    )
    results = classes_viewer._Results(tmp_path)
    results.tables = found
    window = results.members_window(None, 1)
    figure = window.pictures["members"]()
    assert "class 2: 65 particles, the 60 most similar to their average" in texts(figure)
    (images,) = placed
    assert len(images) == 60
    spots = images[:, grid == 4][:, 0, grid == 0][:, 0]  # turned from x = 4 to y = 4
    np.testing.assert_allclose(spots, [77, *(k for k in range(129, 9, -2) if k != 77)], rtol=1e-3)
    empty = classes_viewer._members(found, 2)
    assert "no particles" in texts(empty)


def test_clicks_that_zoom_are_not_passed_on():
    from repic_plugin.viewers.figure_window import FigureWindow

    taken = []
    for mode in ("", "zoom rect", ""):
        FigureWindow._clicked(taken.append, SimpleNamespace(mode=mode), mode or "click")
    assert taken == ["click", "click"]
