"""What iterative picking remembers, removes and says."""

import math
from types import SimpleNamespace

import pytest

from repic_plugin.iteration import IterationRow


@pytest.fixture
def state(tmp_path):
    from repic_plugin.protocols.iterative.state import RunState

    return RunState(str(tmp_path / "state.json"))


def test_a_run_remembers_across_processes(state, tmp_path):
    from repic_plugin.protocols.iterative.state import RunState

    token = state.token
    state.put("picks", 0, "Topaz (2)", 7, "outputCoordinates")
    state.put("picks", 2, "Topaz (2)", 9, "outputCoordinates")
    state.drop("LoG", "iteration 1: no GPU")
    again = RunState(str(tmp_path / "state.json"))
    assert again.token == token
    assert again.get("picks", 1, "Topaz (2)") is None
    assert again.latest("picks", 1, "Topaz (2)") == (7, "outputCoordinates")
    assert again.latest("picks", 3, "Topaz (2)") == (9, "outputCoordinates")
    assert again.latest("model", 3, "Topaz (2)") is None
    assert again.dropped == {"LoG": "iteration 1: no GPU"}
    assert ("picks", 2, "Topaz (2)", 9, "outputCoordinates") in again.outputs()


def test_beginning_again_keeps_the_token_only(state):
    token = state.token
    state.put("labels", 0, "", 3, "outputCoordinates")
    state.drop("LoG", "why")
    state.end_after(1)
    assert state.is_over(2)
    assert not state.is_over(1)
    state.begin()
    assert (state.token, state.dropped, state.outputs()) == (token, {}, [])
    assert not state.is_over(2)


def test_two_runs_have_two_tokens(tmp_path):
    from repic_plugin.protocols.iterative.state import RunState

    tokens = {RunState(str(tmp_path / f"{i}.json")).token for i in range(5)}
    assert len(tokens) == 5


@pytest.mark.parametrize(
    "what, tmp_left, models_left",
    [(0, {1, 2, 3}, {1, 2, 3}), (1, {3}, {1, 2, 3}), (2, {3}, {3})],
)
def test_older_iterations_are_cleaned(state, tmp_path, what, tmp_left, models_left):
    from repic_plugin.protocols.iterative.cleaning import clean_older

    runs = {}
    for k in (1, 2, 3):
        folder = tmp_path / f"run {k}"
        (folder / "tmp").mkdir(parents=True)
        (folder / "tmp" / "big").touch()
        (folder / "model.bin").touch()
        state.put("model", k, "Topaz", k, "outputModel")
        runs[k] = SimpleNamespace(
            _getTmpPath=lambda folder=folder: str(folder / "tmp"),
            getPath=lambda folder=folder: str(folder),
            outputModel=SimpleNamespace(getPath=lambda folder=folder: str(folder / "model.bin")),
        )
    clean_older(what, SimpleNamespace(own=runs.get), state, 3)
    assert {k for k in runs if (tmp_path / f"run {k}" / "tmp" / "big").exists()} == tmp_left
    assert {k for k in runs if (tmp_path / f"run {k}" / "model.bin").exists()} == models_left


def test_what_others_made_is_not_cleaned(state):
    from repic_plugin.protocols.iterative.cleaning import clean_older

    state.put("picks", 0, "Topaz", 5, "outputCoordinates")  # the user's own run
    clean_older(2, SimpleNamespace(own=lambda _: None), state, 1)


def row(iteration, name, f1=math.nan):
    agreement = math.nan if name == "consensus" else 0.5
    return IterationRow(iteration, name, "all", 9, 100, agreement, f1, f1, f1)


def test_the_summary_names_the_best_iteration_and_who_was_dropped():
    from repic_plugin.protocols.iterative.summary import summary_lines

    rows = [row(k, name, 0.9 - abs(k - 1) / 10) for k in range(3) for name in ("A", "consensus")]
    lines = summary_lines(rows, {"B": "iteration 1, training: no memory"}, True)
    text = "\n".join(lines)
    assert "*After iteration 2*" in lines[0]
    assert "Best consensus against the reference: iteration 1." in lines
    assert "Excluded: B, which failed in iteration 1, training: no memory" in lines
    assert "iteration 2, A: 100 particles, agreement with the consensus 0.500" in text
    assert "100 (F1 0.800), 100 (F1 0.900), 100 (F1 0.800)" in text
    assert summary_lines([], {}, False) == ["No iteration has been completed yet."]
    assert "Running; after iteration 2" in summary_lines(rows, {}, False)[0]


def micrograph_set(path, files):
    from pwem.objects import Micrograph, SetOfMicrographs

    made = SetOfMicrographs(filename=str(path))
    made.setSamplingRate(1.0)
    for file in files:
        one = Micrograph(location=str(file))
        one.setMicName(file.name)
        made.append(one)
    made.write()
    return made


def test_micrographs_of_one_name_are_in_the_subset_of_their_folder(tmp_path):
    from repic_plugin.protocols.iterative.sets import subset_of

    files = [tmp_path / grid / f"mic{i}.mrc" for grid in ("grid1", "grid2") for i in (1, 2)]
    every = micrograph_set(tmp_path / "all.sqlite", files)
    drawn = {"training": files[3:], "validation": [files[1], files[0]]}
    sets = {name: micrograph_set(tmp_path / f"{name}.sqlite", drawn[name]) for name in drawn}
    assert subset_of(every, sets) == ["validation", "validation", "testing", "training"]
