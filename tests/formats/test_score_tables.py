"""The tables of an evaluation: what is written is read back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.evaluation import MicrographScores, PickerScores, PrecisionRecall, Scores
from repic_plugin.formats import (
    FormatError,
    read_curves,
    read_micrograph_scores,
    read_scores,
    write_curves,
    write_micrograph_scores,
    write_scores,
)

counts = st.integers(0, 10**9)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)
scores = st.builds(Scores, counts, counts, counts)
of_pickers = st.lists(st.builds(PickerScores, names, *[counts] * 4, scores, scores), max_size=4)
of_micrographs = st.lists(
    st.builds(MicrographScores, names, names, counts, counts, scores, scores), max_size=4
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "table.csv"


@given(of_pickers)
def test_scores(path, table):
    write_scores(path, table)
    assert read_scores(path) == table


@given(of_micrographs)
def test_micrographs(path, table):
    write_micrograph_scores(path, table)
    assert read_micrograph_scores(path) == table


def curve_of(name, points, area=math.nan):
    """Points of threshold, n_picks, precision, recall."""
    threshold, n_picks, precision, recall = np.array(points, dtype=float).reshape(-1, 4).T
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(f1)) if len(f1) else None
    return PrecisionRecall(
        name,
        threshold,
        precision,
        recall,
        n_picks.astype(int),
        area,
        best_f1=0.0 if best is None else f1[best],
        best_threshold=math.nan if best is None else threshold[best],
    )


CURVES = [
    curve_of("two, with a comma", [(0.1 + 0.2, 1, 1, 0.25), (-1e-9, 3, 2 / 3, 0.5)], 0.58333),
    curve_of("no scores", [(-np.inf, 4, 0.5, 0.5)]),
    curve_of("some scores", [(7, 1, 0, 0), (-np.inf, 4, 0.5, 0.5)], 0.25),
    curve_of("nothing", [], 0.0),
]


def test_curves(path):
    write_curves(path, CURVES)
    found = read_curves(path)
    assert [one.picker for one in found] == [one.picker for one in CURVES]
    for one, expected in zip(found, CURVES):
        np.testing.assert_array_equal(one.threshold, expected.threshold)
        np.testing.assert_array_equal(one.n_picks, expected.n_picks)
        assert one.n_picks.dtype == np.int64
        for name in ("precision", "recall", "average_precision", "best_f1"):
            value = getattr(expected, name)
            np.testing.assert_allclose(getattr(one, name), value, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(one.best_threshold, expected.best_threshold)


def test_the_area_stands_beside_the_scores(path):
    rows = [PickerScores(name, 1, 2, 3, 4, Scores(), Scores()) for name in ("a", "b", "c")]
    curves = [curve_of("b", [(1, 1, 1, 1)], 0.75), curve_of("a", [(-np.inf, 1, 1, 1)])]
    write_scores(path, rows, curves)
    last = [line.rpartition(",")[2] for line in path.read_text("utf-8").splitlines()]
    assert last == ["average_precision", "", "0.750000", ""]


@pytest.mark.parametrize("read", [read_scores, read_micrograph_scores, read_curves])
def test_there_is_none_yet(tmp_path, read):
    assert read(tmp_path / "none.csv") == []


@pytest.mark.parametrize("read", [read_scores, read_micrograph_scores, read_curves])
def test_another_table_is_told(path, read):
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FormatError, match=r"table.csv, line 1: column picker.* is missing.*; run"):
        read(path)


def test_a_damaged_table_is_told(path):
    write_micrograph_scores(path, [MicrographScores("p", "m", 1, 1, Scores(), Scores())])
    text = path.read_text("utf-8")
    for damaged, told in (
        (text[:-20], "line 2: ends within a line"),
        (text[:-20] + "\n", "line 2: a row must have 16 values, got 12"),
        (text.replace("p,m,1", "p,m,one"), "line 2: n_picks must be a whole number, got 'one'"),
        (text.replace("p,m,1", "p,m,1.5"), "line 2: n_picks must be a whole number, got '1.5'"),
    ):
        path.write_text(damaged)
        with pytest.raises(FormatError, match=rf"table.csv, {told}.*; run the evaluation again"):
            read_micrograph_scores(path)
