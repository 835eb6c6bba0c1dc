"""Typed columns of our own tables: the fast and the careful way agree, and errors say all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.formats import FormatError
from repic_plugin.formats.base import text_tables
from repic_plugin.formats.base.csv_tables import (
    COUNT,
    COUNT_OR_NONE,
    FLAG,
    NUMBER,
    NUMBER_OR_NONE,
    TEXT,
    Kind,
    read_csv,
    read_records,
    write_table,
)

KINDS = {"name": TEXT, "n": COUNT, "row": COUNT_OR_NONE, "x": NUMBER, "score": NUMBER_OR_NONE}
NAMES = st.text(st.sampled_from('ab ,"#$é'), min_size=1, max_size=6).filter(str.strip)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(-(2**52), 2**52)
ROWS = st.tuples(NAMES, COUNTS, COUNTS | st.none(), NUMBERS, NUMBERS | st.none())


def cells(row):
    return ["" if cell is None else repr(cell) if isinstance(cell, float) else cell for cell in row]


@settings(deadline=None)
@given(st.lists(ROWS, max_size=8))
def test_what_is_written_is_read_back_fast_and_carefully(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    write_table(path, [*KINDS], map(cells, rows))
    expected = [dict(zip(KINDS, row)) for row in rows]
    for row in expected:
        row["row"] = -1 if row["row"] is None else row["row"]
        row["score"] = np.nan if row["score"] is None else row["score"]
    for fast in (text_tables._read_fast, lambda *_: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_tables, "_read_fast", fast)
            found = read_records(path, KINDS, "do it again")
        np.testing.assert_equal(found, expected)


def test_empty_cells_are_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "_read_carefully", None)
    rows = [["m", 1, "", 1.5, ""], ['a "quoted" name', 2, 3, 1.5, ""], ["m", 3, "", -1e300, 1]] * 3
    write_table(tmp_path / "a.csv", [*KINDS], rows)
    found = read_csv(tmp_path / "a.csv", {name: KINDS[name] for name in ("row", "score")}, "")
    assert found["row"].tolist() == [-1, 3, -1] * 3
    assert np.isnan(found["score"]).tolist() == [True, True, False] * 3


@pytest.mark.parametrize(
    ("kind", "cell", "told"),
    [
        (COUNT, "", "must be a whole number, got ''"),
        (COUNT, "1.5", "must be a whole number, got '1.5'"),
        (COUNT, "9007199254740993", "must be a whole number, got '90071"),
        (COUNT_OR_NONE, "nan", "must be a whole number or empty, got 'nan'"),
        (NUMBER, "", "must be a finite number, got ''"),
        (NUMBER_OR_NONE, "1e999", "must be a finite number or empty, got '1e999'"),
        (FLAG, "True", "must be true or false, got 'True'"),
        (Kind("from 0", np.int64, least=0), "-1", "must be from 0, got '-1'"),
        (Kind("a or b", np.int64, values={"a": 0, "b": 1}), "c", "must be a or b, got 'c'"),
    ],
)
def test_a_wrong_cell_is_told_with_its_line_rule_value_and_remedy(tmp_path, kind, cell, told):
    good = next(iter(kind.values)) if kind.values else "1"
    write_table(tmp_path / "a.csv", ["name", "v"], [["#m", good], ["m", cell], ["m", good]])
    with pytest.raises(FormatError) as caught:
        read_csv(tmp_path / "a.csv", {"name": TEXT, "v": kind}, "do it again")
    assert f"a.csv, line 3: v {told}" in str(caught.value)
    assert str(caught.value).endswith("; do it again")
