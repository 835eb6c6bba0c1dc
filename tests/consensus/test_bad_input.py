"""Every refusal is one line that names the argument, the rule and the value."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import repic_plugin
from repic_plugin.consensus import Picks, SolverError, find_consensus, micrograph_graph
from tests.consensus.inputs import picks_of

TWO = picks_of([(0, p, 5, 5, 0.5) for p in range(2)], picker_names=["a", "b"])
THREE = picks_of([(0, p, 5, 5, 0.5) for p in range(3)], picker_names=["a", "b", "c"])
NAN, INF = float("nan"), float("inf")


def refusal(action, *words, error=ValueError):
    with pytest.raises(error) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


@pytest.mark.parametrize("n_pickers", [0, 1])
def test_fewer_than_two_pickers(n_pickers):
    picks = picks_of([(0, p, 5, 5, 0.5) for p in range(n_pickers)])
    refusal(lambda: find_consensus(picks, 10), "at least two pickers", f"got {n_pickers}")


@pytest.mark.parametrize("n_pickers", [0, 1])
def test_graph_of_fewer_than_two_pickers(n_pickers):
    picks = picks_of([(0, p, 5, 5, 0.5) for p in range(n_pickers)], micrograph_names=["m"])
    refusal(lambda: micrograph_graph(picks, 0, 10), "two pickers", f"got {n_pickers}")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, ["positive", "got 0", "picker a"]),
        (-180, ["positive", "got -180"]),
        (NAN, ["positive", "got nan"]),
        (INF, ["positive", "got inf"]),
        ([10, 0], ["positive", "got 0", "picker b"]),
        ({"a": 10}, ["no size for picker b"]),
        ({"a": 10, "b": 10, "d": 10}, ["names picker d", "a, b"]),
        ([10, 10, 10], ["2 pickers", "got 3"]),
        ([], ["2 pickers", "got 0"]),
        (None, ["no size for picker a"]),
    ],
)
def test_box_size(size, words):
    refusal(lambda: find_consensus(TWO, size), "box_size_px", *words)
    refusal(lambda: micrograph_graph(TWO, 0, size), "box_size_px", *words)


@pytest.mark.parametrize("quorum", [1, 0, -1, 4, 2.5, NAN])
def test_quorum(quorum):
    words = ("quorum", "2 to 3", f"got {quorum}")
    refusal(lambda: find_consensus(THREE, 10, mode="quorum", quorum=quorum), *words)


@pytest.mark.parametrize("quorum", [0, 1, 2, 4])
def test_quorum_in_mode_all(quorum):
    refusal(lambda: find_consensus(THREE, 10, quorum=quorum), f"quorum {quorum}", "mode all")


@pytest.mark.parametrize("min_overlap", [1, 1.5, -0.1, NAN, INF])
def test_min_overlap(min_overlap):
    words = ("min_overlap", "[0, 1)", f"got {min_overlap}")
    refusal(lambda: find_consensus(TWO, 10, min_overlap=min_overlap), *words)
    refusal(lambda: micrograph_graph(TWO, 0, 10, min_overlap), *words)


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("mode", "some", ["all, quorum or probabilistic", "'some'"]),
        ("mode", None, ["all, quorum or probabilistic", "None"]),
        ("position", "median", ["member or mean", "'median'"]),
        ("num_particles", 0, ["1 or more", "got 0"]),
        ("num_particles", -5, ["1 or more", "got -5"]),
        ("num_particles", 1.5, ["got 1.5"]),
        ("num_particles", NAN, ["got nan"]),
        ("time_limit_s", 0, ["more than 0", "got 0"]),
        ("time_limit_s", -1.0, ["more than 0", "got -1"]),
        ("time_limit_s", NAN, ["more than 0", "got nan"]),
        ("score_transform", "sqrt", ["picker a", "identity, logistic or rank", "'sqrt'"]),
        ("score_transform", {"b": "sqrt"}, ["picker b", "'sqrt'"]),
        ("score_transform", {"d": "rank"}, ["picker d", "a, b"]),
        ("score_transform", ["rank"], ["2 pickers", "got 1"]),
        ("min_score", NAN, ["number", "got nan"]),
        ("min_score", {"d": 0.5}, ["picker d", "a, b"]),
        ("min_score", [0.1, 0.2, 0.3], ["2 pickers", "got 3"]),
        ("micrographs", [1], ["below 1", "got 1"]),
        ("micrographs", [-1], ["got -1"]),
        ("micrographs", [0.5], []),
        ("micrographs", [False], []),
        ("micrograph_size_px", (100, 100, 100), []),
        ("micrograph_size_px", [(100, 100)] * 2, []),
        ("micrograph_size_px", (NAN, 100), ["nan"]),
        ("micrograph_size_px", (100, 0), ["0"]),
        ("micrograph_size_px", (-100, 100), ["-100"]),
    ],
)
def test_arguments(argument, value, words):
    refusal(lambda: find_consensus(TWO, 10, **{argument: value}), argument, *words)


def test_solver():
    refusal(
        lambda: find_consensus(TWO, 10, solver="cplex"),
        "solver", "auto, highs or gurobi", "'cplex'", error=SolverError,
    )  # fmt: skip


def test_boxes_that_can_never_overlap_enough():
    words = ("a (10 px)", "b (100 px)", "0.3", "min_overlap")
    refusal(lambda: find_consensus(TWO, [10, 100]), *words)
    refusal(lambda: micrograph_graph(TWO, 0, [10, 100]), *words)


def test_in_mode_all_every_pair_of_boxes_has_to_be_able_to_overlap():
    sizes = [100, 100, 10]
    refusal(lambda: find_consensus(THREE, sizes), "a (100 px)", "c (10 px)")
    result = find_consensus(THREE, sizes, mode="quorum")
    assert result.members.tolist() == [[0, 1, -1]]


@pytest.mark.parametrize("micrograph", [-1, 1])
def test_graph_of_a_micrograph_that_there_is_not(micrograph):
    refusal(lambda: micrograph_graph(TWO, micrograph, 10), "0 to 0", f"got {micrograph}")


def columns(**changes):
    good = {"micrograph": [0, 0, 0], "picker": [0, 1, 1], "x": [1.0, 2.0, 3.0],
            "y": [1.0, 2.0, 3.0], "score": [0.1, 0.2, 0.3]}  # fmt: skip
    return Picks.from_columns(**{**good, **changes})


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("name", ["x", "y", "score"])
def test_numbers_that_are_not_finite(name, value):
    words = (name, "finite", f"got {value}", "pick 1", "picker1", "mic0")
    refusal(lambda: columns(**{name: [1.0, value, NAN]}), *words)


@pytest.mark.parametrize("name", ["micrograph", "picker"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, -1, 0], ["start at 0", "got -1"]),
        ([0.0, 1.0, 0.0], ["integer", "float64"]),
        ([True, False, True], ["integer", "bool"]),
        (["a", "b", "c"], ["integer"]),
        ([[0, 0, 0]], ["one-dimensional", "(1, 3)"]),
    ],
)
def test_indices(name, values, words):
    refusal(lambda: columns(**{name: values}), name, *words)


@pytest.mark.parametrize("name", ["picker", "x", "y", "score", "has_score"])
@pytest.mark.parametrize("values", [[1, 1], [1, 1, 1, 1], [[1, 1, 1]], []])
def test_wrong_lengths(name, values):
    values = np.array(values, dtype=int if name == "picker" else float)
    words = ("one-dimensional",) if values.ndim == 2 and name == "picker" else ("3 picks",)
    refusal(lambda: columns(**{name: values}), name, *words)


@pytest.mark.parametrize("what", ["micrograph", "picker"])
def test_names(what):
    few = {what: [0, 1, 2], f"{what}_names": ["a"]}
    refusal(lambda: columns(**few), what, "index 2", "1 entries")
    refusal(lambda: columns(**{f"{what}_names": ["a", "a"]}), f"{what}_names", "differ")


def test_coordinates_too_far_apart_for_a_double():
    """In a process of its own: arithmetic that overflows must not lead compiled code astray."""
    code = (
        "from repic_plugin.consensus import Picks, find_consensus\n"
        "far = [-1.7e308, 1.7e308, 0.0, 1.0]\n"
        "picks = Picks.from_columns([0] * 4, [0, 1, 0, 1], far, [0.0] * 4, [0.5] * 4)\n"
        "print(len(find_consensus(picks, 10)))\n"
    )
    root = Path(repic_plugin.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    last = (done.stdout + done.stderr).strip().splitlines()[-1]
    assert last == "1" or last.startswith("ValueError: x must")
