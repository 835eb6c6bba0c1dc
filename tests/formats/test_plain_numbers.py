"""The compiled reader of tables against `float` and the plain reader."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from repic_plugin.formats import FormatError, known_formats, read_picks_file
from repic_plugin.formats.base import text_tables
from repic_plugin.formats.base.text_tables import TextTable, n_lines, read_columns

FIELDS = ("x", "y", "score", "has_score", "row", "micrograph", "box_size_px", "notes", "empty")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DIGITS = st.text("0123456789", max_size=22)
POWERS = st.integers(0, 340).map(str)
SPELT = st.one_of(
    NUMBERS.map(repr),
    NUMBERS.map("{:.17g}".format),
    NUMBERS.map("{:.20e}".format),
    NUMBERS.map("{:.6f}".format),
    st.integers(-(10**20), 10**20).map(str),
    st.tuples(st.sampled_from(["", "+", "-"]), DIGITS, st.sampled_from(["", "."]), DIGITS).map(
        "".join
    ),
    st.tuples(DIGITS, st.sampled_from(["e", "e+", "E-"]), POWERS).map("".join),
    st.text("0123456789.eE+-_ nainf", max_size=8),
)


def outcome(work):
    """What a call returns, or says."""
    try:
        return work()
    except FormatError as error:
        return str(error)


def both(monkeypatch, work):
    """The outcome with the compiled reader, and without it."""
    fast = outcome(work)
    monkeypatch.setattr(text_tables, "_read_fast", lambda *_: None)
    return fast, outcome(work)


def table_of(text, columns, delimiter, has_comments=True):
    path = Path("a.txt")
    return TextTable(path, columns, text, 0, n_lines(text), delimiter, has_comments=has_comments)


@settings(max_examples=500, deadline=None)
@given(st.lists(SPELT, min_size=1, max_size=5))
@example(["9007199254740993"])  # halfway between two floats
@example(
    ["0.94345866727829", "123456789012345678e-22", "8.5e22", "1e23", "2.2250738585072011e-308"]
)
@example(["1.7976931348623157e308", "1.7976931348623159e308"])
def test_numbers_are_those_of_float(spelt):
    table = table_of("\n".join(spelt), ("v",), ",")
    with pytest.MonkeyPatch.context() as patch:
        fast, careful = both(patch, lambda: read_columns(table, ("v",)))
    if isinstance(fast, str):
        assert fast == careful
    else:
        assert fast.numbers["v"].tobytes() == careful.numbers["v"].tobytes()


def test_usual_numbers_take_the_fast_way(monkeypatch):
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [rng.random(5000), rng.normal(size=5000) * 10.0 ** rng.integers(-250, 250, 5000)]
    )
    text = "\n".join([*map(repr, values.tolist()), *(f"{v:.4f}" for v in values[:5000])])
    monkeypatch.setattr(text_tables, "_read_carefully", None)
    found = read_columns(table_of(text, ("v",), None), ("v",)).numbers["v"]
    assert found.tolist() == [float(line) for line in text.split("\n")]


CELLS = st.one_of(SPELT, st.text(st.sampled_from("ab1.,;\"' #\tä\x0b\xa0<NA>")), st.just(""))


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=4),
    st.sampled_from([None, ",", "\t"]),
    st.booleans(),
    st.booleans(),
)
@example([["1", '"a ""b"" c"'], ["2", '"a"b"']], ",", True, False)
@example([["1", "'a b'"], ["2", '"a"b c"']], None, True, False)
def test_any_table_is_read_or_refused_alike(rows, delimiter, has_comments, is_csv):
    text = "\n".join((delimiter or " ").join(row) for row in rows)
    if is_csv and delimiter:
        written = io.StringIO()
        csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows(rows)
        text = written.getvalue()
    table = table_of(text, ("v", "w"), delimiter, has_comments)

    def read():
        found = read_columns(table, ("v",), ("w",), may_be_missing=("v",))
        return found.numbers["v"].tobytes(), found.words["w"]

    with pytest.MonkeyPatch.context() as patch:
        fast, careful = both(patch, read)
    assert fast == careful


FILES = {
    "m.box": "1\t2\t10\t10\t0.61545866\n-3.5\t4\t10\t10\t1e-05\n# end\n",
    "m.cbox": "data_cryolo\n\nloop_\n_CoordinateX #1\n_CoordinateY #2\n_Width #3\n_Height #4\n"
    "_Confidence #5\n1.5 2.5 10 10 0.75\n3 4 10 10 <NA>\n",
    "m.star": "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnMicrographName #3\n"
    "_rlnAutopickFigureOfMerit #4\n1.5 2.5 Mics/a.mrc 0.5\n3 4 'Mics/b c.mrc' -999\n",
    "m.txt": "image_name\tx_coord\ty_coord\tscore\na\t1\t2\t-0.5\nb\t3\t4\t\n",
    "m.csv": 'micrograph,x_center,y_center,score\na,1,2,0.5\n"b, c",3,4,\n',
    "m.coords": "1 2\n3.25 4 5\n",
}


def test_the_files_are_of_the_formats_that_hold_text():
    suffixes = {suffix for known in known_formats() for suffix in known.suffixes}
    assert {Path(name).suffix for name in FILES} <= suffixes


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_files_are_read_or_refused_alike(tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(FILES)))
    content = bytearray(FILES[name].encode())
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 3))
        put = data.draw(
            st.sampled_from([b"", b"\n", b" ", b"\t", b",", b'"', b"#", b"1", b"e", b"."])
        )
        content[at : at + cut] = put
    path = tmp_path_factory.mktemp("mutated") / name
    path.write_bytes(bytes(content))
    with pytest.MonkeyPatch.context() as patch:
        fast, careful = both(patch, lambda: read_picks_file(path))
    if isinstance(fast, str):
        assert fast == careful
        return
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(fast, field), getattr(careful, field), field)
