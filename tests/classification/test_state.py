"""States kept on disk: nothing is lost, and from each a classification goes on to the same end."""

from dataclasses import fields, replace

import numpy as np
import pytest

from repic_plugin.classification import (
    IterationRecord,
    State,
    state_from_arrays,
    state_to_arrays,
)
from repic_plugin.classification.averages import Alignment
from repic_plugin.formats import read_arrays, write_arrays
from tests.classification.particles import classified, particles, same_result


def poses(n, seed):
    rng = np.random.default_rng(seed)
    return Alignment(rng.uniform(-7, 7, n), rng.normal(size=(n, 2)), rng.random(n) < 0.5)


def some_state(stage="local", n=7, n_records=3, before_trade=None):
    rng = np.random.default_rng(1)
    stages = ("common", "global", "local", "trade")
    records = [
        IterationRecord(i + 1, stages[i % 4], 1 / (i + 3), 1e9 / (i + 7), i, 2**40 + i)
        for i in range(n_records)
    ]
    return State(
        labels=rng.integers(3, size=n),
        alignment=poses(n, 2),
        offset_px=rng.normal(size=(n, 2)),
        stage=stage,
        contrast=rng.uniform(0.5, 2, n),
        stage_iteration=4,
        n_rounds=2,
        constraint=0.1,
        records=tuple(records),
        before_trade=before_trade,
        converged=stage != "done",
    )


def is_equal(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, Alignment):
        return all(is_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(is_equal, a, b))
    return type(a) is type(b) and a == b


def is_same_state(a, b):
    return all(is_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(State))


def through_a_file(state, folder):
    write_arrays(folder / "state.npz", state_to_arrays(state))
    return state_from_arrays(read_arrays(folder / "state.npz"))


@pytest.mark.parametrize("stage", ["common", "global", "local", "trade", "done"])
@pytest.mark.parametrize("n_records", [0, 1, 60])
def test_a_state_comes_back_from_a_file_as_it_was(stage, n_records, tmp_path):
    state = some_state(stage, n_records=n_records)
    again = through_a_file(state, tmp_path)
    assert is_same_state(again, state)
    assert again.iteration == n_records


def test_so_does_what_trades_would_go_back_to(tmp_path):
    before = (0.1 + 0.2, np.array([2, 2, 0, 1, 0, 0, 1]), poses(7, 9))
    state = some_state("trade", before_trade=before)
    assert is_same_state(through_a_file(state, tmp_path), state)
    assert through_a_file(some_state("trade"), tmp_path).before_trade is None


def test_states_that_differ_are_told_apart(tmp_path):
    state = some_state()
    for change in ({"n_rounds": 1}, {"converged": False}, {"constraint": 0.5}, {"stage": "trade"}):
        assert not is_same_state(through_a_file(state, tmp_path), replace(state, **change))


def test_arrays_hold_no_objects(tmp_path):
    arrays = state_to_arrays(some_state(before_trade=(1.0, np.zeros(7, np.int64), poses(7, 0))))
    assert all(isinstance(a, np.ndarray) and a.dtype != object for a in arrays.values())


@pytest.mark.parametrize("name", sorted(state_to_arrays(some_state())))
def test_a_missing_array_is_named(name):
    arrays = state_to_arrays(some_state())
    del arrays[name]
    with pytest.raises(KeyError, match=name):
        state_from_arrays(arrays)


def test_what_other_arrays_say_does_not_matter():
    arrays = {"owner": np.array(["somebody"]), **state_to_arrays(some_state())}
    assert is_same_state(state_from_arrays(arrays), some_state())


def test_entering_a_stage_starts_its_count():
    state = some_state("local").enter("trade", n_rounds=3)
    assert (state.stage, state.stage_iteration, state.n_rounds) == ("trade", 0, 3)
    assert state.records == some_state().records


# going on

WAYS = {
    "trades": ({"n_views": 6, "n_per_view": 25, "snr": 1.0, "uneven": 1.2}, {}),
    "no trades": ({"snr": 0.3}, {"trade": False}),
    "mirror": ({"n_views": 3, "snr": 0.5}, {"mirror": True, "n_classes": 4}),
    "msa": ({"snr": 0.5}, {"alignment": "msa"}),
    "rfa": ({"snr": 0.5}, {"alignment": "rfa"}),
    "spider": ({"snr": 0.5}, {"method": "spider"}),
    "stopped early": ({"snr": 0.1}, {"max_iterations": 6}),
}


@pytest.mark.parametrize("way", WAYS)
def test_going_on_from_any_iteration_gives_the_same_to_the_last_bit(way, tmp_path):
    simulated, options = WAYS[way]
    found = particles(**simulated)
    states = []
    expected = classified(found, on_iteration=states.append, **options)
    stages = {state.stage for state in states}
    if way == "trades":
        assert {"global", "local", "trade", "done"} <= stages
        assert any(state.before_trade is not None for state in states)
    if way == "rfa":
        assert {"common", "local", "done"} <= stages
    turns = [i for i, (a, b) in enumerate(zip(states, states[1:])) if a.stage != b.stage]
    chosen = {0, len(states) // 2, len(states) - 1, *turns}
    for state in (states[i] for i in sorted(chosen)):
        resumed, later = through_a_file(state, tmp_path), []
        again = classified(found, resume=resumed, on_iteration=later.append, **options)
        assert same_result(again, expected)
        following = range(state.iteration + 1, states[-1].iteration + 1)
        assert [s.iteration for s in later] == list(following)


def test_going_on_leaves_the_state_as_it_was():
    found, states = particles(snr=0.3), []
    classified(found, on_iteration=states.append)
    first = state_from_arrays({k: v.copy() for k, v in state_to_arrays(states[0]).items()})
    classified(found, resume=states[0])
    assert is_same_state(states[0], first)


def test_a_finished_state_is_not_gone_on_from():
    found, states, later = particles(snr=0.3), [], []
    expected = classified(found, on_iteration=states.append)
    again = classified(found, resume=states[-1], on_iteration=later.append)
    assert later == []
    assert same_result(again, expected)


def test_going_on_with_empty_images():
    found = particles(snr=0.3)
    images, states = found.images.copy(), []
    images[[0, 5, 79]] = 3.0
    with_empty = replace(found, images=images)
    expected = classified(with_empty, on_iteration=states.append)
    assert len(states[2].labels) == 77
    assert same_result(classified(with_empty, resume=states[2]), expected)
