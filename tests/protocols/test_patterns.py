"""Patterns of pickers as outputs of the consensus protocol, in a real Scipion project."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.consensus import find_consensus, find_pattern
from repic_plugin.convert import has_probabilities
from repic_plugin.formats import read_consensus_tables, read_picks_dir, read_smaller_groups
from tests.protocols.scipion_project import coordinates, write_images, write_picker

pytestmark = pytest.mark.slow

SIZE = 20
NAMES = ("first - 1", "second", "third")
PATTERNS = ["first - 1, not second", "first - 1, third, not second", "third, second"]
NEVER = "second, not first - 1, not third"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Micrographs, and picks of three pickers of which the second finds nothing of its own."""
    folder = tmp_path_factory.mktemp("patterns")
    rng = np.random.default_rng(3)
    write_images(folder / "mics", ["m1", "m2", "m3"], 512)
    true = {name: rng.uniform(20, 490, (25, 2)) for name in ("m1", "m2", "m3")}
    for picker in NAMES:
        found, scores = {}, {}
        for name, rows in true.items():
            mine = rows[rng.random(len(rows)) < (0.6 if picker == "second" else 0.8)]
            found[name] = (mine + rng.normal(0, 2, mine.shape)).round()
            scores[name] = rng.random(len(mine)).round(3)
        write_picker(folder / "picks" / picker, found, SIZE, scores)
    return folder


@pytest.fixture(scope="module")
def pickers(project, folders):
    micrographs = project.micrographs("of patterns", folders / "mics")
    return [project.picks(name, micrographs, folders / "picks" / name) for name in NAMES]


@pytest.fixture(scope="module")
def run(project, pickers):
    found = project.run(project.consensus(pickers, "patterns", patterns=" ; ".join(PATTERNS)))
    assert found.isFinished(), found.getErrorMessage()
    return found


def expected(folders, pattern):
    """What the function finds, as (micName, x, y)."""
    picks = read_picks_dir(folders / "picks").picks
    found = find_pattern(picks, find_consensus(picks, SIZE), pattern, SIZE)
    names = [f"{found.micrograph_names[m]}.mrc" for m in found.micrograph.tolist()]
    return sorted(zip(names, found.x.astype(int).tolist(), found.y.astype(int).tolist())), found


@pytest.mark.parametrize(("number", "pattern"), list(enumerate(PATTERNS, 1)))
def test_each_pattern_is_an_output(run, folders, number, pattern):
    rows, found = expected(folders, pattern)
    assert len(rows) > 3
    assert coordinates(run, f"outputPattern{number}") == rows
    output = getattr(run, f"outputPattern{number}")
    assert output.getBoxSize() == SIZE
    assert not output.isStreamOpen()
    weights = [getattr(item, constants.WEIGHT).get() for item in output]
    assert sorted(weights) == pytest.approx(sorted(found.weight.tolist()))
    named = pattern.partition(", not")[0].split(", ")
    who = ", ".join(name for name in NAMES if name in named)
    assert {getattr(item, constants.PICKERS).get() for item in output} == {who}


def test_outputs_and_summary_say_what_they_are(run):
    label = "found by first - 1 and third, not by second"
    assert run.outputPattern2.getObjLabel() == label
    assert run.outputPattern2.getObjComment() == "proven optimal"
    line = f"F{label[1:]}: {run.outputPattern2.getSize()} particles (outputPattern2)."
    assert line in run._summary()


def test_the_groups_of_two_pickers_are_counted_in_mode_all(project, run, folders):
    from repic_plugin.viewers.consensus_viewer import _not_kept, consensus_pictures

    folder = project.folder(run)
    groups = read_smaller_groups(folder, NAMES)
    every = find_consensus(
        read_picks_dir(folders / "picks").picks, SIZE, count_smaller=True
    ).smaller
    np.testing.assert_array_equal(groups.found, every.found)
    np.testing.assert_array_equal(groups.count, every.count)
    count = dict(zip(map(tuple, groups.found.tolist()), groups.count.tolist()))
    # a pattern leaves out what overlaps a pick of the excluded picker
    assert 3 < run.outputPattern2.getSize() <= count[True, False, True]
    (line,) = (one for one in run._summary() if one.startswith("Not in the consensus"))
    assert f"{groups.n_groups} by 2 of 3 pickers" in line
    tables = read_consensus_tables(folder)
    figure = consensus_pictures(tables, smaller=groups)["agreement"]()
    heights = [bar.get_height() for bar in figure.axes[1].patches if bar.get_hatch()]
    single = tables.n_unmatched - groups.n_picks
    assert sorted(heights) == sorted([*groups.count.tolist(), *single[single > 0].tolist()])
    assert '"Minimum number of pickers" 2' in _not_kept(run, ["first - 1", "third"], 4)


def test_batches_of_an_earlier_version_leave_the_groups_unknown(folders):
    from repic_plugin.protocols.consensus.summary import ConsensusTotals

    result = find_consensus(read_picks_dir(folders / "picks").picks, SIZE, count_smaller=True)
    totals = ConsensusTotals()
    for groups, n in (
        (result.smaller, 1),
        (result.smaller, 2),
        (None, None),
        (result.smaller, None),
    ):
        totals._add_smaller(groups)
        totals.qualities.append(None)
        known = None if totals.smaller is None else totals.smaller.n_groups
        assert known == (None if n is None else n * result.smaller.n_groups)


def test_a_pattern_without_particles_is_reported(project, pickers):
    found = project.run(project.consensus(pickers, "never", patterns=NEVER))
    assert found.isFinished(), found.getErrorMessage()
    assert "Found by second, not by first - 1 or third: no particle." in found._summary()
    assert found.outputPattern1.getSize() == 0
    assert found.outputCoordinates.getSize() > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("first - 1, not forth", ["names picker 'forth'", "first - 1, second, third"]),
        ("not second", ["must name a picker that found"]),
        ("second;second", ["'second' is given twice"]),
    ],
)
def test_wrong_patterns_are_refused_in_one_line_under_the_fields_label(
    project, pickers, text, words
):
    (message,) = project.consensus(pickers, patterns=text).validate()
    assert message.startswith('"Patterns" ')
    for word in words:
        assert word in message
    assert "\n" not in message


def test_other_patterns_replace_the_outputs(project, pickers, folders):
    protocol = project.run(project.consensus(pickers, "changed", patterns="; ".join(PATTERNS)))
    before = coordinates(protocol)
    protocol.patterns.set(PATTERNS[2])
    project.project.launchProtocol(protocol, wait=True)
    again = project.project.getProtocol(protocol.getObjId())
    assert again.isFinished(), again.getErrorMessage()
    assert coordinates(again) == before
    assert coordinates(again, "outputPattern1") == expected(folders, PATTERNS[2])[0]
    stale = [again.outputPattern2, again.outputPattern3]  # Scipion's project keeps their names
    assert not any(Path(one.getFileName()).exists() for one in stale)


def test_weights_of_a_pattern_are_no_probabilities(project, pickers):
    values = {"mode": 2, "patterns": PATTERNS[0]}
    found = project.run(project.consensus(pickers, "by probability", **values))
    assert found.isFinished(), found.getErrorMessage()
    assert has_probabilities(found.outputCoordinates)
    assert not has_probabilities(found.outputPattern1)


# Subsets from the plot of agreement


@pytest.fixture(scope="module")
def of_two(project, pickers):
    values = {"mode": 1, "quorum": 2, "unmatchedOutput": True}
    found = project.run(project.consensus(pickers, "of two", **values))
    assert found.isFinished(), found.getErrorMessage()
    return found


def pickers_of(output):
    return [getattr(item, constants.PICKERS).get() for item in output]


def rows_of(output, who):
    return sorted(
        (item.getMicName(), item.getX(), item.getY())
        for item in output
        if getattr(item, constants.PICKERS).get() == who
    )


@pytest.mark.parametrize(
    ("found_by", "in_consensus"), [((0, 2), True), ((0, 1, 2), True), ((2,), False)]
)
def test_a_subset_is_a_run_with_what_exactly_these_pickers_found(
    project, of_two, found_by, in_consensus
):
    names = [NAMES[i] for i in found_by]
    launched = of_two.create_subset(names, in_consensus=in_consensus, wait=True)
    run = project.project.getProtocol(launched.getObjId())
    assert run.isFinished(), run.getErrorMessage()
    source = of_two.outputCoordinates if in_consensus else of_two.outputUnmatched
    expected_rows = rows_of(source, ", ".join(names))
    assert coordinates(run) == expected_rows
    assert 0 < len(expected_rows) < source.getSize()
    assert set(pickers_of(run.outputCoordinates)) == {", ".join(names)}
    assert run.outputCoordinates.getBoxSize() == SIZE
    assert run.outputCoordinates.getMicrographs().getSize() == 3
    assert run.getObjLabel() == f"found by {', '.join(names)}"


def test_what_is_not_there_is_refused(run, of_two):
    with pytest.raises(ValueError, match="has nothing that first - 1 found alone"):
        of_two.create_subset(["first - 1"])
    with pytest.raises(ValueError, match='no outputUnmatched; set "Output unmatched picks"'):
        run.create_subset(["second"], in_consensus=False)


def test_a_click_on_a_column_makes_its_subset(project, of_two, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.viewers import RepicConsensusViewer, consensus_viewer

    told, launched = [], []
    ask = SimpleNamespace(
        askyesno=lambda _title, text, parent: told.append(text) or len(told) > 1,
        showinfo=lambda _title, text, parent: told.append(text),
        showerror=lambda _title, text, parent: told.append(text),
    )
    monkeypatch.setattr(consensus_viewer, "messagebox", ask)
    make = type(of_two).create_subset
    monkeypatch.setattr(
        type(of_two),
        "create_subset",
        lambda self, names, **more: (
            launched.append(make(self, names, wait=True, **more)) or launched[-1]
        ),
    )
    viewer = RepicConsensusViewer(project=project.project, protocol=of_two)
    (window,) = viewer._visualize(of_two.outputCoordinates)
    bars = next(one for one in window.pictures["agreement"]().axes if one.get_ylabel())
    counts = [int(text.get_text()) for text in bars.texts]
    who = "first - 1, third"
    number = pickers_of(of_two.outputCoordinates).count(who)
    picked = [column for column, count in enumerate(counts) if count == number]
    click = window.on_click["agreement"]
    canvas = SimpleNamespace(get_tk_widget=lambda: None)
    for column in (*picked, *picked):  # the first time the answer is no
        click(SimpleNamespace(inaxes=bars, xdata=column + 0.3, ydata=1, canvas=canvas))
    click(SimpleNamespace(inaxes=bars, xdata=len(counts) + 3, ydata=1))
    click(SimpleNamespace(inaxes=None, xdata=None, ydata=None))
    assert "found by first - 1, third and nobody else" in " ".join(told)
    assert told[-1].startswith('The run "found by first - 1, third"')
    subset = project.project.getProtocol(launched[-1].getObjId())
    assert coordinates(subset) == rows_of(of_two.outputCoordinates, who)


def test_patterns_have_no_window_of_the_whole_consensus(project, run):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from repic_plugin.viewers import RepicConsensusViewer

    assert RepicConsensusViewer.can_handle_this_instance(run.outputCoordinates)
    assert not RepicConsensusViewer.can_handle_this_instance(run.outputPattern1)
