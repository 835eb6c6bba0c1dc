"""Tables of one value for each micrograph."""

import numpy as np
import pytest

from repic_plugin.formats import FormatError, read_quality

NAMES = ("m1", "m2", "m.3")


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "q.csv"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "micrograph,defocus\nm1,10\nm.3,30\n",
        "micrograph,defocus\nm.3,30\nelsewhere,5\nm1,10\nm2,\n",
        "micrograph,ice\nMovies/m1.mrc,10\nMovies/m.3.tif,30\n",
        "resolution,micrograph,note\n10,m1.box,good\n30,m.3.star,bad\n",
    ],
)
def test_names_are_matched_and_others_passed_over(table, text):
    np.testing.assert_array_equal(read_quality(table(text), NAMES), [10, np.nan, 30])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "micrograph,defocus\nother,1\n",
            "contains no micrograph of the picks, got other for m1, m2",
        ),
        ("micrograph,defocus\n", "contains no micrograph"),
        ("micrograph,defocus\nm1,1\nm1.mrc,2\n", "q.csv, line 3: micrograph m1 occurs twice"),
        ("micrograph,defocus\nm2,1\nm1,bright\n", "line 3: defocus must be a number"),
        ("micrograph,defocus\nm1\n", "line 2: a row must have 2 values"),
        ("micrograph\nm1\n", "must have a column of values"),
        ("name,defocus\nm1,2\n", "column micrograph is missing"),
        ("", "the file is empty"),
    ],
)
def test_refused_in_one_line(table, text, words):
    with pytest.raises(FormatError) as caught:
        read_quality(table(text), NAMES)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
