"""Picks restricted to some micrographs, or placed on those of another set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.consensus import Picks

N_MICROGRAPHS = 5


def named_rows(picks):
    """Each pick by the names of its micrograph and picker, in order."""
    names = [picks.micrograph_names[m] for m in picks.micrograph.tolist()]
    pickers = [picks.picker_names[p] for p in picks.picker.tolist()]
    columns = (picks.x, picks.y, picks.score, picks.has_score)
    return list(zip(names, pickers, *(column.tolist() for column in columns)))


@st.composite
def picks(draw):
    n = draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return Picks.from_columns(
        rng.integers(0, N_MICROGRAPHS, n),
        rng.integers(0, 3, n),
        *rng.uniform(0, 100, (3, n)),
        has_score=rng.random(n) < 0.7,
        micrograph_names=[f"m{i}" for i in range(N_MICROGRAPHS)],
        picker_names=["a", "b", "c"],
    )


@given(picks(), st.lists(st.integers(0, N_MICROGRAPHS - 1), unique=True))
def test_the_picks_on_some_micrographs(whole, chosen):
    part = whole.on_micrographs(chosen)
    names = [f"m{i}" for i in chosen]
    assert part.micrograph_names == tuple(names)
    assert part.picker_names == whole.picker_names
    assert named_rows(part) == [row for row in named_rows(whole) if row[0] in names]
    checked = Picks.from_columns(
        part.micrograph, part.picker, part.x, part.y, part.score, has_score=part.has_score,
        micrograph_names=part.micrograph_names, picker_names=part.picker_names,
    )  # fmt: skip
    assert named_rows(checked) == named_rows(part)


@given(picks(), st.permutations(range(N_MICROGRAPHS)), st.integers(0, N_MICROGRAPHS))
def test_restricting_twice_is_restricting_once(whole, order, n):
    once = whole.on_micrographs(order[:n])
    twice = whole.on_micrographs(order).on_micrographs(range(n))
    assert once.micrograph_names == twice.micrograph_names
    assert named_rows(once) == named_rows(twice)


@given(picks())
def test_rows_by_group_hold_every_pick_once(whole):
    rows = whole.rows_by_group()
    assert [len(of_picker) for of_picker in rows] == [N_MICROGRAPHS] * 3
    assert sorted(
        np.concatenate([mine for of_picker in rows for mine in of_picker]).tolist()
    ) == list(range(len(whole)))
    for picker, of_picker in enumerate(rows):
        for micrograph, mine in enumerate(of_picker):
            assert (whole.picker[mine] == picker).all()
            assert (whole.micrograph[mine] == micrograph).all()
            assert (np.diff(mine) > 0).all()


def test_picks_placed_on_other_micrographs():
    mine = Picks.from_columns([0, 1, 2, 1], [0] * 4, range(4), [0.0] * 4)
    moved = mine.placed(np.array([1, -1, 0]), ["new", "old"])
    assert moved.micrograph.tolist() == [1, 0]
    assert (moved.x.tolist(), moved.micrograph_names) == ([0.0, 2.0], ("new", "old"))


def test_names_of_micrographs_that_do_not_fit():
    mine = Picks.from_columns([0, 1], [0, 0], [0.0, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="micrograph_names must differ"):
        mine.on_micrographs([0, 0])
    with pytest.raises(ValueError, match="index 1 has no name"):
        mine.placed(np.array([0, 1]), ["one"])
