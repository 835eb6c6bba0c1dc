import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.formats import (
    centers_from_corners,
    corners_from_centers,
    micrograph_name,
    read_picks_file,
    write_csv,
    write_picks_file,
)

# Two roundings to four decimals, of the corner and of the side.
TOLERANCE_PX = 1.01e-4

coordinates = st.floats(-1e5, 1e5)
scores = st.floats(-1e6, 1e6)
picks = st.lists(st.tuples(coordinates, coordinates, scores), max_size=20)
box_sizes = st.floats(1, 2000) | st.integers(1, 2000)
names = st.text(
    st.characters(blacklist_categories=("C", "Z"), blacklist_characters="/@."), min_size=1
)


def read_back(suffix, write):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mic{suffix}"
        write(path)
        return read_picks_file(path)


@pytest.mark.parametrize("name", ["box", "star", "csv"])
@settings(deadline=None)
@given(picks=picks, box_size_px=box_sizes, with_score=st.booleans())
def test_reading_gives_back_what_was_written(name, picks, box_size_px, with_score):
    x, y, score = np.array(picks, dtype=float).reshape(-1, 3).T
    written_score = score if with_score else None
    table = read_back(
        f".{name}",
        lambda path: write_picks_file(path, x, y, box_size_px=box_size_px, score=written_score),
    )
    np.testing.assert_allclose(table.x, x, rtol=0, atol=TOLERANCE_PX)
    np.testing.assert_allclose(table.y, y, rtol=0, atol=TOLERANCE_PX)
    assert table.row.tolist() == list(range(1, len(x) + 1))
    if with_score:
        expected = score if name != "star" else np.where(table.has_score, score, 0)
        np.testing.assert_allclose(table.score, expected, rtol=1e-8)
        assert (table.has_score | (score == -999)).all()
    else:
        assert not table.has_score.any()
    if name != "star":
        np.testing.assert_allclose(table.box_size_px, box_size_px, rtol=0, atol=1e-4)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(names, coordinates), max_size=20))
def test_csv_gives_back_the_micrographs(rows):
    mics = [name for name, _ in rows]
    x = [value for _, value in rows]
    table = read_back(".csv", lambda p: write_csv(p, x, x, box_size_px=9, micrograph=mics))
    assert table.micrograph.tolist() == [micrograph_name(name) for name in mics] == mics


@settings(deadline=None)
@given(rows=st.lists(st.tuples(coordinates, coordinates, box_sizes, box_sizes), max_size=9))
def test_corners_and_centres_are_inverse(rows):
    values = np.array(rows, dtype=float).reshape(-1, 4)
    corners, sizes = values[:, :2], values[:, 2:]
    back = corners_from_centers(centers_from_corners(corners, sizes), sizes)
    np.testing.assert_allclose(back, corners, rtol=0, atol=1e-9)


def test_corners_with_one_side_for_each_box_or_for_all():
    corners = [[0, 0], [10, 20]]
    assert centers_from_corners(corners, [4, 8]).tolist() == [[2, 2], [14, 24]]
    assert centers_from_corners(corners, 4).tolist() == [[2, 2], [12, 22]]
    assert centers_from_corners(corners, [[4, 8], [4, 8]]).tolist() == [[2, 4], [12, 24]]


def test_box_is_written_in_repics_layout(tmp_path):
    path = tmp_path / "m.box"
    write_picks_file(path, [100, 0], [100.5, 1], box_size_px=180, score=[0.5, 1 / 3])
    assert path.read_bytes() == b"10\t10.5\t180\t180\t0.5\n-90\t-89\t180\t180\t0.333333333\n"
    write_picks_file(path, [90.00001], [90 - 1e-6], box_size_px=180)
    assert path.read_bytes() == b"0\t0\t180\t180\n"


def test_format_name_overrides_the_suffix(tmp_path):
    path = tmp_path / "m.dat"
    write_picks_file(path, [90], [90], box_size_px=180, format_name="box")
    assert path.read_text() == "0\t0\t180\t180\n"


def test_csv_is_written_with_further_columns(tmp_path):
    path = tmp_path / "m.csv"
    write_csv(
        path,
        [1.5, 2],
        [3, 4],
        box_size_px=180,
        score=[0.5, 1],
        micrograph=["a", "#b"],
        extra={"weight": [7, 8]},
    )
    assert path.read_text() == (
        "micrograph,x_center,y_center,box_size_px,score,weight\n"
        'a,1.5,3,180,0.5,7\n"#b",2,4,180,1,8\n'
    )


def test_scipions_star_reader_agrees(tmp_path):
    emtable = pytest.importorskip("emtable")
    path = tmp_path / "m_autopick.star"
    x, y, score = [10, 10.25], [1, 2.5], [1, 0.5]
    write_picks_file(path, x, y, box_size_px=9, score=score)
    table = emtable.Table(fileName=str(path))
    assert table.getColumnValues("rlnCoordinateX") == x
    assert table.getColumnValues("rlnCoordinateY") == y
    assert table.getColumnValues("rlnAutopickFigureOfMerit") == score


@pytest.mark.parametrize("name", ["box", "star", "csv"])
@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"y": [1.0]}, "y must have one value for each of 2 picks"),
        ({"x": [[1.0, 2.0]]}, "x must be one-dimensional"),
        ({"x": [1, np.nan]}, "x must be finite, got nan at 1"),
        ({"score": [1, np.inf]}, "score must be finite, got inf at 1"),
        ({"box_size_px": 0}, "box_size_px must be"),
        ({"box_size_px": np.nan}, "box_size_px must be"),
    ],
)
def test_bad_columns_are_refused_before_anything_is_written(tmp_path, name, changed, match):
    arguments = {"x": [1, 2], "y": [1, 2], "box_size_px": 9, **changed}
    with pytest.raises(ValueError, match=match):
        write_picks_file(tmp_path / f"m.{name}", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["m.cbox", "m.txt", "m.mrc"])
def test_formats_that_are_only_read(tmp_path, name):
    with pytest.raises(ValueError, match="must be one of box, csv, star, got"):
        write_picks_file(tmp_path / name, [1], [1], box_size_px=9)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"micrograph": ["a"]}, "one name for each of 2"),
        ({"micrograph": ["a", "b\nc"]}, "printable"),
        ({"micrograph": ["a", " "]}, "printable"),
        ({"extra": {"x_center": [1, 2]}}, "already exists"),
    ],
)
def test_csv_refuses_names(tmp_path, changed, match):
    with pytest.raises(ValueError, match=match):
        write_csv(tmp_path / "m.csv", [1, 2], [1, 2], box_size_px=9, **changed)
