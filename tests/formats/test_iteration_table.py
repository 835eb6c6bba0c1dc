"""The table of an iterative run."""

import math

from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.formats import read_iterations, write_iterations
from repic_plugin.iteration import IterationRow

part = st.floats(0, 1).map(lambda x: round(x, 4)) | st.just(math.nan)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).map(str.strip)
rows = st.builds(
    IterationRow,
    iteration=st.integers(0, 99),
    name=names.filter(bool),
    subset=st.sampled_from(["training", "validation", "testing", "all"]),
    n_micrographs=st.integers(0, 10**6),
    n_particles=st.integers(0, 10**9),
    agreement=part,
    precision=part,
    recall=part,
    f1=part,
)


@given(st.lists(rows, max_size=8))
def test_what_is_written_is_read_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("table") / "iterations.csv"
    write_iterations(path, table)
    assert [tuple(map(str, row)) for row in read_iterations(path)] == [
        tuple(map(str, row)) for row in table
    ]


def test_there_is_none_yet(tmp_path):
    assert read_iterations(tmp_path / "iterations.csv") == []
