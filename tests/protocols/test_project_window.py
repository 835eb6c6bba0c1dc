"""Every viewer, opened and used in Scipion's own window under a virtual screen."""

import os
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
from tests.protocols.windows.told import (
    N_PAGES,
    REPOSITORY,
    SCREENS,
    all_told,
    assert_boxes,
    bars,
    clicked_item,
    counted,
    drive,
    finished_run,
    opened,
    rows,
)
from tests.virtual_screen import a_screen

pytestmark = pytest.mark.slow

OVERLAY = "Boxes on their micrographs (REPIC)"
PLOTS = "Weights and agreement (REPIC)"
HELPED = ("position", "dropOutside", "largestComponent")
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
# one for each kind of window
LOOKED_AT = ("agreed", "scored", "curves", "trained", "classes", "extract", "loop")


def forms(ids):
    """Of runs by the way in which they are filled."""
    return {"quorum": ids["agreed"], "probable": ids["probable"], "options": ids["planned"]}


@pytest.fixture(scope="module")
def ids(runs):
    return {label: run.getObjId() for label, run in runs.items()}


@pytest.fixture(scope="module")
def seen(project, ids, folder):
    """All that a person does, on a small screen."""
    plan = {
        "analyze": [ids[label] for label in ANALYZED],
        "open_with": [
            [ids["foreign"], "outputCoordinates", OVERLAY],
            [ids["agreed"], "outputCoordinates", PLOTS],
            [ids["strict"], "outputCoordinates", PLOTS],
        ],
        "summaries": [ids[label] for label in ("loop", "classes", "agreed")],
        "links": [[ids["loop"], TRAINING]],
        "forms": forms(ids),
        "left_open": [ids["hand"]],
    }
    return drive(project, plan, folder, SCREENS[0])


@pytest.fixture(scope="module")
def seen_large(project, ids, folder, seen):
    """The same windows on a large screen, of which nothing is made."""
    analyze = [ids[label] for label in LOOKED_AT]
    plan = {"analyze": analyze, "open_with": [], "forms": forms(ids), "acts": False}
    return drive(project, plan, folder, SCREENS[1])


def test_nothing_went_wrong(seen):
    assert "Traceback" not in seen["written"]
    assert "ERROR" not in seen["written"]


def test_one_window_for_each_run(seen, seen_large, runs):
    for state, labels in ((seen, ANALYZED), (seen_large, LOOKED_AT)):
        assert [one["windows"] for one in state["opened"]] == [1] * len(state["opened"])
        first = [(one["run"], one.get("class")) for one in state["opened"]][: len(labels)]
        assert first == [(runs[one].getObjId(), type(runs[one]).__name__) for one in labels]


@pytest.mark.parametrize("screen", SCREENS)
def test_no_text_is_cut_or_overlaps(seen, seen_large, screen):
    state = seen if screen == SCREENS[0] else seen_large
    told = {f"{place} {one['title']}": one for place, one in enumerate(state["opened"])}
    windows = all_told({**told, **state["form"]})
    n_figures = sum(len(one.get("tabs", ())) for _, one in windows)
    assert len(windows) - n_figures > len(LOOKED_AT) + 4  # within them, and of wizards
    assert not [(name, one["cut"]) for name, one in windows if one["cut"]]
    assert not [(name, one["overlapping"]) for name, one in windows if one.get("overlapping")]
    assert not [name for name, one in windows if not one.get("fits", True)]


def test_every_window_says_at_once_what_it_does(seen):
    first = {one["first shown"].split(" ", 1)[0] for one in seen["opened"]}
    assert first == {"Loading", "Looking", "Reading", "Drawing"}


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


def test_the_wheel_zooms_at_the_mouse_and_the_zoom_is_kept(seen, runs):
    told = opened(seen, runs, "agreed")["zoom"]
    assert told["under"][1] == pytest.approx(told["under"][0], abs=0.5)
    left, right, bottom, top = told["zoomed"]
    whole = told["whole"][1] - told["whole"][0]
    assert right - left == pytest.approx(whole / 1.25**4)
    assert bottom - top == pytest.approx(right - left)
    assert told["status"].endswith("zoom 2.4x")
    length_px, text = told["bar"]
    number, unit = text.split()
    assert (unit, length_px * PIXEL_SIZE) == ("Å", pytest.approx(float(number)))
    assert told["under"][2] == pytest.approx(told["under"][0], abs=0.5), "it follows the mouse"
    assert told["dragged"] != told["zoomed"]
    assert told["selected"] is None
    assert told["next"] == told["dragged"]
    assert told["difference"] > 1, "another micrograph"


def test_low_pass_and_contrast(seen, runs):
    told = opened(seen, runs, "agreed")["image"]
    default_angstrom = BOX * PIXEL_SIZE / 4
    assert told["low-pass"] == [
        f"Low-pass: {default_angstrom:.0f} Å (¼ of the box)",
        f"Low-pass: {1.2 * default_angstrom:.0f} Å",
        "Low-pass: none",
        "Low-pass: none",
        f"Low-pass: {default_angstrom:.0f} Å (¼ of the box)",
    ]
    default, coarser, raw, _, again = told["spread"]
    assert coarser < default < raw
    assert again == default
    _, _, wide, narrow, last = told["greys"]
    assert narrow == pytest.approx(wide / 2**0.5)
    assert last == told["greys"][0]


def test_keys_are_listed_and_hide_boxes(seen, runs):
    told = opened(seen, runs, "agreed")
    page = (REPOSITORY / "docs" / "use" / "looking.md").read_text("utf-8")
    assert {"wheel", "drag", "click", "?"} <= {*told["keys"]}
    assert all(text in page for text in told["keys"].values())
    layers = sorted(["consensus", *PICKERS])
    assert told["layers"] == [[one for one in layers if one != "one"], [], layers]


def test_a_click_describes_a_particle(seen, runs):
    told = opened(seen, runs, "agreed")
    item = clicked_item(told, runs["agreed"].outputCoordinates)
    lines = told["clicked"]["lines"]
    assert lines[0] == f"x {item.getX()}, y {item.getY()} px"
    assert f"weight {getattr(item, constants.WEIGHT).get():.3f}" in lines
    who = getattr(item, constants.PICKERS).get().split(", ")
    assert [line.split(":")[0] for line in lines if ": " in line] == who
    assert told["clicked"]["has image"]


def test_scored_picks_have_a_slider_and_a_subset(seen, project, runs):
    """Those of a picker, which are no consensus."""
    told, picks = opened(seen, runs, "one"), runs["one"].outputCoordinates
    score = f"score {getattr(clicked_item(told, picks), constants.PICK_SCORE).get():.3f}"
    assert told["clicked"]["lines"][0] == "one"
    assert score in told["clicked"]["lines"]
    assert told["clicked"]["has image"]
    low, high = told["by histogram"]["range"]
    at_click = low + 0.7 * (high - low)
    assert told["by histogram"]["minimum"] == pytest.approx(at_click, abs=0.02 * (high - low))
    kept = {
        item.getObjId(): micrograph_name(item.getMicName())
        for item in picks.iterItems()
        if getattr(item, constants.PICK_SCORE).get() >= told["minimum"]
    }
    assert 0 < len(kept) < picks.getSize()
    first = next(iter(told["boxes"]))
    assert told["shown"]["one"] == list(kept.values()).count(first)
    label = f"one: score at least {told['minimum']:.4g}"
    assert told["created"] == f'The run "{label}" has been started.'
    run = finished_run(project, label)
    assert {item.getObjId() for item in run.outputCoordinates.iterItems()} == {*kept}


def test_a_copy_of_a_consensus_is_edited_by_hand(seen, project, runs):
    """One pick is added and one removed; another is taken back."""
    told = opened(seen, runs, "agreed")["more"]["Edit a copy by hand..."]
    assert told["title"] == "agreed by hand: picking by hand"
    agreed = runs["agreed"].outputCoordinates
    assert_boxes(told, counted(**{"by hand": agreed}))
    n = agreed.getSize()
    lines = [f"{n + 1} picks, 1 by hand", f"{n + 2} picks, 2 by hand"]
    assert told["status"] == [*lines, lines[0], f"{n} picks, 1 by hand"]
    assert 'The run "agreed by hand" writes them as its output.' in told["saved"]
    run = finished_run(project, "agreed by hand")
    assert run.inputCoordinates.get().getObjId() == agreed.getObjId()
    before, after, name = rows(agreed), rows(run.outputCoordinates), next(iter(told["boxes"]))
    added = {(name, *map(round, place)) for place in told["added"]}
    assert {*after} - {*before} == added
    assert {after[one] for one in added} == {constants.BY_HAND}
    assert {*before} - {*after} == {(name, *map(round, told["removed"]))}


def test_picks_by_hand_are_kept_without_being_saved(seen, project, runs):
    """Their window is open when that of the project is closed."""
    told = opened(seen, runs, "hand")
    assert told["status"] == ["1 pick, 1 by hand", "2 picks, 2 by hand", "1 pick, 1 by hand"]
    run = project.project.getProtocol(runs["hand"].getObjId())
    assert not hasattr(run, "outputCoordinates")
    places = [[x, y] for _, x, y in run.hand_picks().places().tolist()]
    assert places == told["added"]
    assert run.summary()[0].startswith("1 pick: 1 added by hand, 0 removed.")


def test_a_column_of_the_agreement_becomes_a_subset(seen, project, runs):
    told, agreed = seen["subset"], runs["agreed"].outputCoordinates
    found = Counter(rows(agreed).values())
    who, n = min(found.items(), key=lambda row: row[1])
    assert told["count"] == n
    (question, above), (answer, _) = told["asked"]
    assert above.startswith("agreed: weights and agreement"), "not behind this window"
    assert f"{n} particles that were found by {who} and nobody else" in question
    assert answer == f'The run "found by {who}" has been started.'
    subset = rows(finished_run(project, f"found by {who}").outputCoordinates)
    assert subset == {place: one for place, one in rows(agreed).items() if one == who}


def test_the_plot_of_mode_all_tells_pairs_from_singles(seen, runs):
    """Of pickers that agree, but not all of them."""
    tab = opened(seen, runs, "strict", "outputCoordinates")["tabs"]["agreement"]
    found = read_consensus_tables(runs["agreed"]._getExtraPath())
    patterns = Counter(map(tuple, (found.members >= 0).tolist()))
    assert sorted(n for n in bars(tab, axes=1) if n) == sorted(patterns.values())
    assert any(text.startswith("2 pickers, not in") for text in tab["texts"])


def test_templates_are_shown_with_their_particles(seen, runs):
    told = opened(seen, runs, "trained")
    sizes = [getattr(one, constants.CLASS_SIZE).get() for one in runs["trained"].outputAverages]
    texts = told["tabs"]["templates"]["texts"]
    assert {f"{place}: {size}" for place, size in enumerate(sizes, 1)} <= {*texts}


def test_particles_are_shown_by_micrograph(seen, runs):
    told = opened(seen, runs, "extract")
    counts = Counter(
        one.getCoordinate().getMicName() for one in runs["extract"].outputParticles.iterItems()
    )
    names = told["micrographs"]
    assert names == sorted(counts)
    order = [names[0], names[1], names[2], names[0]]
    assert [page["micrograph"] for page in told["pages"]] == order
    for page in told["pages"]:
        name = page["micrograph"]
        assert page["where"] == f"page {names.index(name) + 1} of {len(names)}"
        assert f"{name}: {counts[name]} particles" in page["texts"]
        assert page["fits"]


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
    corners = [tuple(told["places"][k][::-1]) for k in told["captions"]]
    assert corners == sorted(corners), "the best are first"
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
    first, *rest = told["keys"]
    assert first.startswith(f"Class {order[0] + 1}: ")
    assert all(text.startswith(f"Class {order[1] + 1}: ") for text, _ in rest)
    assert [kept for _, kept in rest][::2] == [told["kept"][0]] * 2
    assert "1 by hand" in rest[1][1]
    score = f"{told['threshold']:.2f}"
    labels = [
        f"classes of score {score} or more, with {last + 1}",
        f"classes of score below {score}, without {last + 1}",
    ]
    assert len(told["created"]) == len(labels)
    for line, label in zip(told["created"], labels):
        assert line.startswith(f'The run "{label}" has been started.')
    assert "can be the chosen ones of a consensus in mode probabilistic" in told["created"][0]
    expected = {item.getObjId(): one.getObjId() for one in parent.outputClasses for item in one}
    for label, is_chosen in zip(labels, (True, False)):
        run = finished_run(project, label)
        assert run.inputObject.get().getObjId() == parent.outputClasses.getObjId()
        ids = [item.getObjId() for item in run.outputParticles]
        mine = [one for one, number in expected.items() if (number in chosen) == is_chosen]
        assert sorted(ids) == sorted(mine)


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
    told = seen["form"]["quorum"]
    assert "ProtRepicConsensus" in told["title"]
    assert told["box size"] == BOX
    asked = [runs["agreed"].getParam(name).help.get() for name in HELPED]
    assert [text.replace("Help: ", "") for text in told["help"]] == [
        " ".join(text.replace("*", "").split()) for text in asked
    ]
    preview = told["preview"]
    assert preview["title"] == "Preview of the consensus"
    found = read_consensus_tables(runs["agreed"]._getExtraPath())
    here = found.micrograph == found.micrograph_names.index(preview["micrograph"])
    of_all = int(np.count_nonzero(found.n_members[here] == len(PICKERS)))
    all_here = int(np.count_nonzero(here))
    assert 0 < of_all < all_here
    boxes = {float(quorum): row["consensus"] for quorum, row in preview["found"].items()}
    assert boxes == {3: of_all, 2: all_here}
    for text, n in zip(preview["texts"], (of_all, all_here)):
        assert text.split(";")[0] == f"{n} of {n} particles on this micrograph"
    assert told["values"] == {"mode": "1", "quorum": "2"}


def test_the_target_precision_is_chosen_in_the_preview(seen, project, runs):
    """It and a minimum weight are saved with the run."""
    told = seen["form"]["probable"]["preview"]
    assert told["sliders"] == ["min_overlap", "num_particles", "target_precision"]
    targets = [float(one) for one in told["found"]]
    assert targets == pytest.approx([0, 0.6, 0.97], abs=0.02)
    assert "highest expected F1 score" in told["texts"][0]
    assert "target" not in told["curve"][0]
    for target, text, curve in [*zip(targets, told["texts"], told["curve"])][1:]:
        assert f"expected precision of {target:g}" in text
        assert [y for _, y in curve["target"]] == [target, target]
        precision = [y for _, y in curve["curve"]]
        assert precision == sorted(precision, reverse=True)
        ((n, expected),) = curve["here"]
        assert f"{n:.0f} per micrograph, expected precision {expected:.3f}" in text
    run = project.project.getProtocol(runs["probable"].getObjId())
    assert run.isSaved()
    assert run.targetPrecision.get() == pytest.approx(targets[-1])
    assert run.minWeight.get() == 0.25
    assert run.mode.get() == 2


def test_an_option_of_a_picker_is_chosen_from_the_list(seen, project, runs):
    told = seen["form"]["options"]
    assert told["title"] == "Options of Template"
    name = "train.numberOfTemplates"
    assert told["offered"][name] == [name, "Number of templates", "0", "3"]
    assert len(told["offered"]) > 10
    assert told["help"]
    run = project.project.getProtocol(runs["planned"].getObjId())
    assert run.options1.get() == told["value"] == f"{name}=7"


def test_summaries_show_what_zero_stands_for(seen, runs):
    told = {label: " ".join(seen["summaries"][str(runs[label].getObjId())])
            for label in ("agreed", "classes")}  # fmt: skip
    assert '"Minimum number of pickers" 2; "Box size (px)" 32;' in told["agreed"]
    assert '"Output format of 2D transforms" Xmipp' in told["classes"]
    assert "iterations." in told["classes"]


def test_the_summary_of_iterative_picking_links_its_runs(seen, project, runs):
    """Their comments say whose they are; a link opens what a run shows."""
    lines = seen["summaries"][str(runs["loop"].getObjId())]
    told = {
        line.split(": ")[0]: line.split(": ")[1].split(", ") for line in lines if "Runs" in line
    }
    stages = children(project, runs["loop"])
    for iteration in (0, 1):
        start = f"iter {iteration} - "
        made = {name[len(start) :] for name in stages if name.startswith(start)}
        assert made <= {*told[f"Runs of iteration {iteration}"]}
    about = f"Started by loop (run {runs['loop'].getObjId()}): "
    assert all(run.getObjComment().startswith(about) for run in stages.values())
    (opened_by_link,) = [one for one in seen["opened"] if one.get("link") == TRAINING]
    assert opened_by_link["title"] == f"iter 1 - {TRAINING}: templates"
