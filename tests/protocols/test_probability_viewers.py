"""What opens for a probabilistic consensus, and for its evaluation against a reference."""

import os

import numpy as np
import pytest
from matplotlib.text import Text

from repic_plugin.formats import read_consensus_tables, read_ensemble
from repic_plugin.simulation import simulate_picks
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow
pytest.importorskip("tkinter", reason="this Python has no tkinter")

BOX_PX = 40
NAMES = ("one", "two", "three")


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def by_micrograph(picks, column):
    return {
        name: column[picks.micrograph == place] for place, name in enumerate(picks.micrograph_names)
    }


@pytest.fixture(scope="module")
def runs(project, tmp_path_factory):
    """Three pickers of known worth, their consensus by probability and by quorum, and the truth."""
    folder = tmp_path_factory.mktemp("probable")
    simulated = simulate_picks(
        4,
        3,
        n_particles=40,
        micrograph_size_px=(700, 700),
        box_size_px=BOX_PX,
        recall=[0.9, 0.5, 0.8],
        precision=[0.9, 0.8, 0.7],
        picker_names=NAMES,
    )
    picks, truth = simulated.picks, simulated.truth
    images = project.micrographs("mics", write_images(folder / "mics", truth.micrograph_names, 700))
    pickers = []
    for place, name in enumerate(NAMES):
        mine = picks.take(picks.picker == place)
        where = by_micrograph(mine, np.column_stack([mine.x, mine.y]))
        files = write_picker(folder / name, where, BOX_PX, by_micrograph(mine, mine.score))
        pickers.append(project.picks(name, images, files))
    where = by_micrograph(truth, np.column_stack([truth.x, truth.y]))
    true = project.picks("truth", images, write_picker(folder / "truth", where, BOX_PX))
    probable = project.run(project.consensus(pickers, "probable", mode=2))
    usual = project.run(project.consensus(pickers, "usual", mode=1))
    evaluated = project.finished(
        "ProtRepicEvaluate",
        "scores",
        {
            "inputCoordinates": [(one, "outputCoordinates") for one in (probable, usual)],
            "referenceCoordinates": (true, "outputCoordinates"),
        },
    )
    return {"probable": probable, "usual": usual, "evaluated": evaluated}


@pytest.fixture(autouse=True)
def in_the_project(project):
    before = os.getcwd()
    os.chdir(project.project.path)
    yield
    os.chdir(before)


def test_the_pickers_come_first_in_the_window_of_a_probabilistic_consensus(project, runs):
    from repic_plugin.viewers import RepicConsensusViewer

    probable = runs["probable"]
    model = read_ensemble(probable._getExtraPath())
    viewer = RepicConsensusViewer(project=project.project, protocol=probable)
    for opened in (probable, probable.outputCoordinates):
        (window,) = viewer._visualize(opened)
        assert [*window.pictures] == [
            *("pickers", "probabilities", "agreement", "overlaps", "beyond chance", "micrographs"),
        ]
        told = texts(window.pictures["pickers"]())
        assert {*NAMES, "observed", "expected"} <= set(told)
        assert f"{model.recall[0]:.2f}" in " ".join(told)
        shown = window.pictures["probabilities"]()
        assert shown.axes[0].get_ylabel() == "probability"
    (window,) = viewer._visualize(runs["usual"])
    assert [*window.pictures] == [
        "weights",
        "agreement",
        "overlaps",
        "beyond chance",
        "micrographs",
    ]


def test_particles_of_one_picker_know_who_found_them(runs):
    from repic_plugin.protocols.consensus.overlays import of_consensus, of_coordinates

    tables = read_consensus_tables(runs["probable"]._getExtraPath())
    alone = int(np.flatnonzero(tables.n_members == 1)[0])
    finder = NAMES[int(np.flatnonzero(tables.members[alone] >= 0)[0])]
    model = of_consensus(runs["probable"])
    model.go_to(int(tables.micrograph[alone]))
    lines = model.describe(model.at(tables.x[alone], tables.y[alone]))
    assert lines[1] == f"probability {tables.weight[alone]:.3f}"
    assert sum(line.endswith(": not found") for line in lines) == 2
    assert any(line.startswith(f"{finder}: score") for line in lines)
    model = of_coordinates([("set", runs["probable"].outputCoordinates)])
    lines = model.describe(model.at(tables.x[alone], tables.y[alone]))
    assert lines[-1] == f"found by {finder}"
    (probability,) = [line for line in lines if line.startswith("probability ")]
    assert probability == f"probability {tables.weight[alone]:.3f}"
    usual = of_coordinates([("set", runs["usual"].outputCoordinates)])
    tables = read_consensus_tables(runs["usual"]._getExtraPath())
    usual.go_to(int(tables.micrograph[0]))
    lines = usual.describe(usual.at(tables.x[0], tables.y[0]))
    assert any(line.startswith("weight ") for line in lines)
    assert not any(line.startswith("probability") for line in lines)


def test_the_evaluation_tells_whether_probabilities_come_true(project, runs):
    from repic_plugin.viewers import RepicScoresViewer

    evaluated = runs["evaluated"]
    (name,) = evaluated.probable_sets()
    assert name.startswith("probable")
    probability, is_true = evaluated.outcomes(name)
    assert len(probability) == runs["probable"].outputCoordinates.getSize()
    assert is_true.mean() == pytest.approx(probability.mean(), abs=0.1)
    (window,) = RepicScoresViewer(project=project.project)._visualize(evaluated)
    assert [one for one in window.pictures if "reliability" in one] == [f"reliability of {name}"]
    figure = window.pictures[f"reliability of {name}"]()
    assert name in texts(figure)
    assert any(f"{is_true.sum():,} are" in text for text in texts(figure))
