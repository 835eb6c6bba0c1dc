"""Every viewer, opened and used in Scipion's own window under a virtual screen."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.formats import (
    micrograph_name,
    read_class_tables,
    read_consensus_tables,
    read_fsc_table,
    read_iterations,
    read_scores,
)
from tests.protocols.iterative_runs import BOX, PIXEL_SIZE, children
from tests.protocols.scipion_project import Project
from tests.protocols.windows import material
from tests.protocols.windows.material import N_MICROGRAPHS, PICKERS
from tests.virtual_screen import ARTIFACTS, VIRTUAL, a_screen, window_manager

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).with_name("window_driver.py")
REPOSITORY = Path(__file__).parents[2]
OVERLAY = "Boxes on their micrographs (REPIC)"
PLOTS = "Weights and agreement (REPIC)"
SCREENS = ("1366x768", "1920x1080")
N_PAGES = 2  # that the driver looks at
TRAINING = "Template (1) train"  # a link in the summary of iterative picking


@pytest.fixture(scope="module")
def project():
    """One of its own, so that the window shows no others; making it changes the folder."""
    with a_screen(SCREENS[0]):
        pass  # without one nothing has to be made
    here = Path.cwd()
    yield Project("window")
    os.chdir(here)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("window")


@pytest.fixture(scope="module")
def imported(project, folder):
    return material.imports(project, folder)


@pytest.fixture(scope="module")
def runs(project, imported, folder):
    """All that are looked at, by label."""
    first = material.picks_and_classes(project, imported, folder)
    second = material.compared_picks(project, imported, first)
    last = material.last_runs(project, imported, first, second)
    return {**first, **second, **last, **material.saved_runs(project, imported, first)}


ANALYZED = (
    *("truth", "one", "agreed", "scored", "curves", "trained", "templates", "labels", "classes"),
    *("extract", "loop"),
)


def the_plan(ids, **more):
    """What is looked at on every screen."""
    return {
        "analyze": [ids[label] for label in ANALYZED],
        "open_with": [
            [ids["foreign"], "outputCoordinates", OVERLAY],
            [ids["agreed"], "outputCoordinates", PLOTS],
            [ids["strict"], "outputCoordinates", PLOTS],
        ],
        "forms": {"quorum": ids["agreed"], "probable": ids["probable"], "options": ids["planned"]},
        **more,
    }


def drive(project, plan, folder, size):
    """What the driver tells, and all that was written meanwhile."""
    files = [folder / f"{name}_{size}.json" for name in ("plan", "state")]
    files[0].write_text(json.dumps(plan), encoding="utf-8")
    path = project.project.path
    command = [sys.executable, "-O", str(DRIVER), path, *map(str, files)]
    log = Path(path, "Logs", "project.log")
    before = log.stat().st_size if log.is_file() else 0
    with a_screen(size) as screen, window_manager(screen):
        if screen == VIRTUAL and shutil.which("import"):
            pictures = ARTIFACTS / size
            pictures.mkdir(parents=True, exist_ok=True)
            command.append(str(pictures))
        paths = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        ended = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
            timeout=180,
        )
    written = ended.stdout + ended.stderr
    if log.is_file():
        written += log.read_bytes()[before:].decode("utf-8", "replace")
    assert files[1].is_file(), written
    state = json.loads(files[1].read_text(encoding="utf-8"))
    assert state["problem"] is None, f"{state['problem']}\n{written}"
    assert ended.returncode == 0, written
    return {**state, "written": written}


@pytest.fixture(scope="module")
def seen(project, runs, folder):
    """All that a person does, on a small screen."""
    ids = {label: run.getObjId() for label, run in runs.items()}
    plan = the_plan(
        ids,
        summaries=[ids[label] for label in ("loop", "classes", "agreed")],
        links=[[ids["loop"], TRAINING]],
        left_open=[ids["hand"]],
    )
    return drive(project, plan, folder, SCREENS[0])


@pytest.fixture(scope="module")
def seen_large(project, runs, folder, seen):
    """The same windows on a large screen, of which nothing is made."""
    ids = {label: run.getObjId() for label, run in runs.items()}
    return drive(project, the_plan(ids, acts=False), folder, SCREENS[1])


def opened(seen, runs, label, output=None):
    """What was told of the window of a run, or of an output that was opened from its menu."""
    number = runs[label].getObjId()
    (told,) = [one for one in seen["opened"] if (one["run"], one.get("output")) == (number, output)]
    return told


def counted(**sets):
    """Number of coordinates in each set on the first two micrographs, as the boxes are told of."""
    counts = {
        layer: Counter(micrograph_name(item.getMicName()) for item in one.iterItems())
        for layer, one in sets.items()
    }
    names = sorted(set().union(*counts.values()))[:N_PAGES]
    return {name: {layer: found[name] for layer, found in counts.items()} for name in names}


def assert_boxes(told, expected):
    """On every micrograph, as boxes and in words."""
    assert told["boxes"] == expected
    words = {name: {one: f"{n:,}" for one, n in row.items()} for name, row in expected.items()}
    assert told["counts"] == words
    assert told["fits"]


def bars(tab, axes=0, side=1):
    """Lengths of bars: of upright ones (1) or of lying ones (0)."""
    return [bar[side] for bar in tab["axes"][axes]["bars"]]


def test_nothing_went_wrong(seen):
    assert "Traceback" not in seen["written"]
    assert "ERROR" not in seen["written"]


def test_one_window_for_each_run(seen, runs):
    assert len(seen["opened"]) == len(ANALYZED) + 2
    assert [one["windows"] for one in seen["opened"]] == [1] * len(seen["opened"])
    analyzed = [(one["run"], one.get("class")) for one in seen["opened"]][: len(ANALYZED)]
    assert analyzed == [(runs[label].getObjId(), type(runs[label]).__name__) for label in ANALYZED]


@pytest.mark.parametrize("label", ["truth", "templates", "labels"])
def test_the_boxes_of_one_set(seen, runs, label):
    told, name = opened(seen, runs, label), runs[label].getObjLabel()
    assert told["view"] == "OverlayWindow"
    assert told["title"] == f"{name}: boxes on their micrographs"
    assert_boxes(told, counted(**{name: runs[label].outputCoordinates}))


def test_the_boxes_of_a_consensus_and_its_pickers(seen, runs):
    told = opened(seen, runs, "agreed")
    assert told["title"] == "agreed: boxes on their micrographs"
    agreed = runs["agreed"]
    inputs = [pointer.get() for pointer in agreed.inputCoordinates]
    expected = counted(consensus=agreed.outputCoordinates, **dict(zip(PICKERS, inputs)))
    assert len(expected) == N_PAGES
    assert_boxes(told, expected)


def test_a_copy_of_a_consensus_is_edited_by_hand(seen, project, runs, imported):
    """Its run waits, with the consensus as its input, and nothing is changed yet."""
    told = opened(seen, runs, "agreed")["more"]["Edit a copy by hand..."]
    assert told["title"] == "agreed by hand: picking by hand"
    assert_boxes(told, counted(**{"by hand": runs["agreed"].outputCoordinates}))
    (run,) = [one for one in project.project.getRuns() if one.getObjLabel() == "agreed by hand"]
    assert run.getStatus() == "saved"
    assert run.inputCoordinates.get().getObjId() == runs["agreed"].outputCoordinates.getObjId()
    micrographs = imported["micrographs"].outputMicrographs
    assert run.inputMicrographs.get().getObjId() == micrographs.getObjId()


def test_the_subset_of_a_consensus_that_the_window_shows(seen, project, runs):
    """By weight, and by who found a particle and who did not."""
    told, agreed = opened(seen, runs, "agreed"), runs["agreed"]
    first, excluded = told["pattern"].split(", not ")
    kept = {}
    for item in agreed.outputCoordinates.iterItems():
        weight = getattr(item, constants.WEIGHT).get()
        who = getattr(item, constants.PICKERS).get().split(", ")
        if weight >= told["minimum"] and first in who and excluded not in who:
            kept[item.getObjId()] = (item.getMicName(), item.getX(), item.getY(), weight)
    assert 0 < len(kept) < agreed.outputCoordinates.getSize()
    assert told["kept"].endswith(f"{len(kept)} of {agreed.outputCoordinates.getSize()} in total")
    number = f"{told['minimum']:.4g}"
    label = f"consensus: weight at least {number}, found by {first}, not by {excluded}"
    assert told["created"] == f'The run "{label}" has been started.'
    run = finished_run(project, label)
    assert run.inputObject.get().getObjId() == agreed.outputCoordinates.getObjId()
    assert run.getObjComment().startswith(f"{len(kept)} of ")
    subset = run.outputCoordinates
    assert kept == {
        item.getObjId(): (
            item.getMicName(),
            item.getX(),
            item.getY(),
            getattr(item, constants.WEIGHT).get(),
        )
        for item in subset.iterItems()
    }
    assert subset.getBoxSize() == agreed.outputCoordinates.getBoxSize()


@pytest.mark.parametrize("way", ["button", "menu"])
def test_the_plots_of_a_consensus(seen, runs, way):
    if way == "button":
        told = opened(seen, runs, "agreed")["more"]["Weights and agreement..."]
    else:
        told = opened(seen, runs, "agreed", "outputCoordinates")
    assert told["title"].startswith("agreed: weights and agreement (click on a column")
    tabs = ["weights", "agreement", "overlaps", "beyond chance", "micrographs"]
    assert [*told["tabs"]] == tabs
    found = read_consensus_tables(runs["agreed"]._getExtraPath())
    groups = Counter(found.n_members.tolist())
    assert len(groups) == 2
    for k, n in groups.items():
        assert f"{k} pickers: {n}" in told["tabs"]["weights"]["texts"]
        assert any(f"{k} pickers: {n} particles" in t for t in told["tabs"]["overlaps"]["texts"])
    patterns = Counter(map(tuple, (found.members >= 0).tolist()))
    shown = sorted(n for n in bars(told["tabs"]["agreement"], axes=1) if n)
    assert shown == sorted(patterns.values())
    assert all(tab["fits"] for tab in told["tabs"].values())


def test_scores(seen, runs):
    told = opened(seen, runs, "scored")
    assert told["title"] == "scored: scores"
    assert [*told["tabs"]] == ["scores", "scores by pixels", "precision-recall", "micrographs"]
    scores = read_scores(runs["scored"].scores_file())
    assert [one.picker for one in scores] == [*PICKERS]
    for tab, measure in (("scores", "matching"), ("scores by pixels", "pixel")):
        every = [getattr(one, measure) for one in scores]
        expected = [getattr(one, name) for one in every for name in ("precision", "recall", "f1")]
        assert bars(told["tabs"][tab]) == pytest.approx(expected)
    texts = told["tabs"]["micrographs"]["texts"]
    assert {f"mic_{number:03d}" for number in range(1, N_MICROGRAPHS + 1)} <= {*texts}
    lines = [*told["tabs"]["precision-recall"]["axes"][0]["lines"]]
    assert all(any(line.startswith(name) for line in lines) for name in PICKERS)
    assert all(tab["fits"] for tab in told["tabs"].values())


def test_fourier_shell_correlation(seen, runs):
    told = opened(seen, runs, "curves")
    assert told["title"] == "curves"
    ((name, tab),) = told["tabs"].items()
    assert name == "Fourier shell correlation"
    table = read_fsc_table(runs["curves"].table_file())
    assert len(table) == 2
    lines = tab["axes"][0]["lines"]
    for volume, curve in table.items():
        (line,) = [one for label, one in lines.items() if label.startswith(f"{volume}: ")]
        assert line == pytest.approx(curve.correlation[1:].tolist())
    assert tab["fits"]


def test_classes_and_the_members_of_one(seen, runs):
    told = opened(seen, runs, "classes")
    assert told["title"] == "classes: 2D classes"
    assert [*told["tabs"]] == ["sizes", "convergence"]
    found = read_class_tables(runs["classes"].classes_folder())
    sizes = found.sizes.tolist()
    assert sum(sizes) == runs["classes"].outputClasses.getImages().getSize()
    scores = found.scores.score
    order = np.argsort(-scores, kind="stable").tolist()
    assert [int(k) for k in told["captions"]] == [k for k in order if sizes[k]]
    for k, (first, second) in told["captions"].items():
        assert first == f"{int(k) + 1}: {sizes[int(k)]} particles"
        assert second.endswith(f"score {scores[int(k)]:.3f}")
    assert sorted(bars(told["tabs"]["sizes"])) == sorted(sizes)
    curve = told["tabs"]["convergence"]["axes"][0]["lines"]["particles"]
    assert len(curve) == len(found.convergence["iteration"])
    members = told["members"]
    assert members["title"] == f"class {order[0] + 1}"
    (tab,) = members["tabs"].values()
    assert f"class {order[0] + 1}: {sizes[order[0]]} particles" in tab["texts"]
    assert tab["axes"][0]["images"] == 1
    assert all(one["fits"] for one in (*told["tabs"].values(), tab))


def test_particles_of_the_classes_chosen_by_hand(seen, project, runs):
    """By a threshold above all scores with the worst class added; then the rest."""
    told, parent = opened(seen, runs, "classes"), runs["classes"]
    found = read_class_tables(parent.classes_folder())
    order = np.argsort(-found.scores.score, kind="stable").tolist()
    last = order[-1]
    assert all(found.scores.score < told["threshold"])
    chosen = {last + 1}
    automatic = [k for k in order if not found.is_junk[k]]
    lines = [text.splitlines() for text in told["kept"]]
    steps = (automatic, automatic[1:], automatic, [], [last])
    n = [int(found.sizes[some].sum()) for some in steps]
    assert [line[-1].split(" of ")[0] for line in lines] == [f"{one}" for one in n]
    score = f"{told['threshold']:.2f}"
    labels = [
        f"classes of score {score} or more, with {last + 1}",
        f"classes of score below {score}, without {last + 1}",
    ]
    assert len(told["created"]) == len(labels)
    for line, label in zip(told["created"], labels):
        assert line.startswith(f'The run "{label}" has been started.')
    expected = {item.getObjId(): one.getObjId() for one in parent.outputClasses for item in one}
    for label, is_chosen in zip(labels, (True, False)):
        run = finished_run(project, label)
        assert run.inputObject.get().getObjId() == parent.outputClasses.getObjId()
        ids = [item.getObjId() for item in run.outputParticles]
        mine = [one for one, number in expected.items() if (number in chosen) == is_chosen]
        assert sorted(ids) == sorted(mine)


def finished_run(project, label):
    """A run that was started by the window, once it has ended."""
    for _ in range(120):
        runs = project.project.getRuns(refresh=True, checkPids=True)
        (run,) = [one for one in runs if one.getObjLabel() == label]
        if not run.isActive():
            break
        time.sleep(0.5)
    assert run.isFinished(), run.getErrorMessage()
    return run


def test_iterations(seen, runs):
    told = opened(seen, runs, "loop")
    assert told["title"] == "loop: iterations"
    rows = read_iterations(runs["loop"].table_file())
    subsets = {row.subset for row in rows}
    assert {*told["tabs"]} == {f"{subset} micrographs" for subset in subsets}
    panels = {"particles": "n_particles", "F1": "f1"}
    for subset in subsets:
        tab = told["tabs"][f"{subset} micrographs"]
        shown = {axes["label"]: axes["lines"] for axes in tab["axes"]}
        for label, field in panels.items():
            expected = {}
            for row in rows:
                if row.subset == subset:
                    expected.setdefault(row.name, []).append(getattr(row, field))
            assert shown[label] == {one: pytest.approx(y) for one, y in expected.items()}
        assert tab["fits"]


def test_the_boxes_of_iterative_picking(seen, runs):
    told = opened(seen, runs, "loop")["more"]["Boxes on their micrographs..."]
    loop = runs["loop"]
    assert told["title"] == "loop: boxes on their micrographs"
    templates = {f"Template ({i})": getattr(loop, f"outputCoordinates_Template{i}") for i in (1, 2)}
    truth = runs["truth"].outputCoordinates
    assert_boxes(told, counted(**templates, consensus=loop.outputCoordinates, reference=truth))


def test_coordinates_of_others_open_with_our_overlay(seen, runs):
    told = opened(seen, runs, "foreign", "outputCoordinates")
    assert OVERLAY in told["menu"]
    assert PLOTS not in told["menu"]
    assert told["view"] == "OverlayWindow"
    assert_boxes(told, counted(foreign=runs["foreign"].outputCoordinates))


def test_the_form_of_a_consensus_and_its_wizards(seen, runs):
    told = seen["form"]
    assert "ProtRepicConsensus" in told["title"]
    assert told["box size"] == BOX
    preview = told["preview"]
    assert preview["title"] == "Preview of the consensus"
    found = read_consensus_tables(runs["agreed"]._getExtraPath())
    here = found.micrograph == found.micrograph_names.index(preview["micrograph"])
    of_all = int(np.count_nonzero(found.n_members[here] == len(PICKERS)))
    all_here = int(np.count_nonzero(here))
    assert 0 < of_all < all_here
    boxes = {quorum: row["consensus"] for quorum, row in preview["found"].items()}
    assert boxes == {"3": of_all, "2": all_here}
    for text, n in zip(preview["texts"], (of_all, all_here)):
        assert text.split(";")[0] == f"{n} of {n} particles on this micrograph"
    assert told["values"] == {"mode": "1", "quorum": "2"}
