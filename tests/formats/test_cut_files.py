"""A file that was cut off within a number: refused, or noted; never a wrong number in silence."""

import numpy as np
import pytest

from repic_plugin.formats import FormatError, read_picks_dir, read_picks_file

RNG = np.random.default_rng(0)
X, Y = RNG.integers(100, 4000, (2, 12)).tolist()
S = RNG.uniform(0, 1, 12).tolist()
STAR = "\ndata_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"
CBOX = "data_cryolo\n\nloop_\n_CoordinateX #1\n_CoordinateY #2\n_Width #3\n_Height #4\n"
FILES = {
    "a.box": "".join(f"{x}\t{y}\t180\t180\n" for x, y in zip(X, Y)),
    "b.box": "".join(f"{x} {y} 180 180 {s:.6f}\n" for x, y, s in zip(X, Y, S)),
    "c.txt": "image_name\tx_coord\ty_coord\n" + "".join(f"m\t{x}\t{y}\n" for x, y in zip(X, Y)),
    "d.tsv": "image_name\tx_coord\ty_coord\tscore\n"
    + "".join(f"m\t{x}\t{y}\t{s!r}\n" for x, y, s in zip(X, Y, S)),
    "e.csv": "x,y\n" + "".join(f"{x},{y}\n" for x, y in zip(X, Y)),
    "f.csv": "x,y,micrograph\n" + "".join(f"{x},{y},mic_0{y}\n" for x, y in zip(X, Y)),
    "g.star": STAR + "".join(f"{x:.6f} {y:.6f}\n" for x, y in zip(X, Y)),
    "h.cbox": CBOX
    + "_Confidence #5\n"
    + "".join(f"{x} {y} 180 180 {s!r}\n" for x, y, s in zip(X, Y, S)),
}


def columns(table):
    names = [""] * len(table) if table.micrograph is None else table.micrograph.tolist()
    return list(zip(table.x, table.y, table.score, table.has_score, names))


@pytest.mark.parametrize("name", FILES)
def test_every_cut(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name])
    whole = columns(read_picks_file(path))
    n_silent = 0
    for length in range(len(FILES[name])):
        path.write_text(FILES[name][:length])
        try:
            found = read_picks_file(path)
        except FormatError as error:
            assert "\n" not in str(error)
            continue
        if not found.may_be_cut:
            n_silent += 1
            assert columns(found) == whole[: len(found)]
    assert n_silent <= 3 * len(X)  # cuts between rows cannot be seen


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_not_suspected(tmp_path, name):
    (tmp_path / name).write_text(FILES[name] + "\n")
    assert not read_picks_file(tmp_path / name).may_be_cut


@pytest.mark.parametrize(
    ("name", "is_suspected"),
    [("a.box", False), ("b.box", False), ("g.star", False), ("e.csv", True)],
)
def test_a_last_line_without_an_end_that_is_as_all_others(tmp_path, name, is_suspected):
    (tmp_path / name).write_text(FILES[name][:-1])
    assert read_picks_file(tmp_path / name).may_be_cut is is_suspected


def test_what_is_shorter_than_its_kind_is_refused(tmp_path):
    (tmp_path / "a.box").write_text(FILES["a.box"][:-2])
    with pytest.raises(FormatError, match=r"a\.box, line 12: height is cut off, got '18' where"):
        read_picks_file(tmp_path / "a.box")


def test_boxes_are_square(tmp_path):
    (tmp_path / "a.box").write_text("1500 2500 180 1")
    with pytest.raises(FormatError, match="height is cut off, got '1' where"):
        read_picks_file(tmp_path / "a.box")
    (tmp_path / "a.box").write_text("1500 2500 180 180\n1 2 180 180")
    assert not read_picks_file(tmp_path / "a.box").may_be_cut


def test_a_note_for_the_picker(tmp_path):
    for picker in ("one", "two"):
        (tmp_path / picker).mkdir()
        for mic in "abc":
            (tmp_path / picker / f"{mic}.csv").write_text(FILES["e.csv"])
    assert read_picks_dir(tmp_path).notes == ()
    (tmp_path / "two" / "b.csv").write_text(FILES["e.csv"][:-2])
    (note,) = read_picks_dir(tmp_path).notes
    assert note.startswith("two: the last line of b.csv has no end (1 of 3 files)")
    for mic in "abc":  # how its writer ends files
        (tmp_path / "two" / f"{mic}.csv").write_text(FILES["e.csv"][:-1])
    assert read_picks_dir(tmp_path).notes == ()


# STAR files of several tables

BLOCK = "data_{0}\n\nloop_\n_rlnMicrographName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"


def test_all_tables_with_coordinates_are_read(tmp_path):
    blocks = [BLOCK.format(f"m{m}") + f"m{m}.mrc {m}00 {m}50\n\n" for m in (1, 2, 3)]
    blocks.insert(1, "data_other\n\nloop_\n_rlnMicrographName #1\nm9.mrc\n\n")
    (tmp_path / "all.star").write_text("".join(blocks))
    found = read_picks_file(tmp_path / "all.star")
    assert found.micrograph.tolist() == ["m1", "m2", "m3"]
    assert found.x.tolist() == [100, 200, 300]
    assert found.row.tolist() == [1, 2, 3]


def test_scores_in_one_of_two_tables(tmp_path):
    scored = BLOCK.format("b") + "_rlnAutopickFigureOfMerit #4\nm2.mrc 7 8 0.5\n"
    (tmp_path / "a.star").write_text(BLOCK.format("a") + "m1.mrc 1 2\n\n" + scored)
    found = read_picks_file(tmp_path / "a.star")
    assert found.has_score.tolist() == [False, True]
    assert found.score.tolist() == [0, 0.5]


def test_tables_without_names_are_refused(tmp_path):
    table = "data_{0}\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n1 2\n\n"
    (tmp_path / "a.star").write_text(table.format("m1") + table.format("m2"))
    with pytest.raises(FormatError, match=r"coordinates in 2 tables \(data_m1, data_m2\) without"):
        read_picks_file(tmp_path / "a.star")


def test_what_is_whole_is_not_called_cut_off(tmp_path):
    (tmp_path / "a.star").write_text("data_\n\nloop_\n_rlnMicrographName #1\nm1.mrc\n")
    with pytest.raises(FormatError, match="it is of another kind") as told:
        read_picks_file(tmp_path / "a.star")
    assert "cut off" not in str(told.value)
    (tmp_path / "a.box").write_text("1 2 9 9 5\n1 2 9 9\n1 2 9 9 5\n")
    with pytest.raises(FormatError, match="complete the row") as told:
        read_picks_file(tmp_path / "a.box")
    assert "cut off" not in str(told.value)
