import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from repic_plugin.formats import FormatError, read_picks_file

CBOX_HEAD = "data_cryolo\n\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n_Confidence\n"
STAR_HEAD = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnMicrographName #3\n"
CISTEM_HEAD = "data_\nloop_\n_cisTEMOriginalXPosition\n_cisTEMOriginalYPosition\n"
CISTEM_HEAD += "_cisTEMOriginalImageFilename\n"
LIST_HEAD = "data_coordinate_files\nloop_\n_rlnMicrographName\n_rlnMicrographCoordinates\n"
TOPAZ_HEAD = "image_name\tx_coord\ty_coord\tscore\n"

# file name, content, line (None: no line), what the message must say
BAD = [
    ("a.box", "1 2 9 9 0.5\n\n1 2\n", 3, ["5 values", "got 2", "cut off"]),
    ("a.box", "1 2 9 9 0.5\n1 2 9 9\n", 2, ["5 values", "got 4"]),
    ("a.box", "1 2 9 9\n1 2 9 9 3\n", 2, ["4 values", "got 5", "excess"]),
    ("a.box", "1 2 9\n", 1, ["x, y, width, height", "'1 2 9'"]),
    ("a.box", "1 2 9 9 3 4\n", 1, ["x, y, width, height"]),
    ("a.box", "not found\n", 1, ["x, y, width, height", "not found"]),
    ("a.box", "x y w h\nx y w h\n", 2, ["x must be a number", "'x'"]),
    ("a.box", "# c\n1 2 9 9 0.5\n1 two 9 9 0.5\n", 3, ["y must be a number", "'two'"]),
    ("a.box", "1 2 9 9 1_0\n", 1, ["score must be a number", "'1_0'"]),
    ("a.box", "1 2 9 9 1\nnan 2 9 9 1\n", 2, ["x must be finite", "nan"]),
    ("a.box", "1 -inf 9 9 1\n", 1, ["y must be finite", "-inf"]),
    ("a.box", "1 1 9 9 1e999\n", 1, ["score must be finite"]),
    ("a.box", "1 2 9 9\n\n1 2 0 9\n", 3, ["width must be > 0", "got 0"]),
    ("a.box", "1 2 9 -4\n", 1, ["height must be > 0", "got -4"]),
    ("a.box", b"1 2 9 9\n\x00\x01", 2, ["text", "zero byte"]),
    ("a.box", b"1 2 9 9\n\xff\xfe", 2, ["UTF-8", "0xff"]),
    ("a.cbox", "", None, ["empty"]),
    ("a.cbox", "hello\n", None, ["data_cryolo", "found none"]),
    ("a.cbox", CBOX_HEAD.replace("_Width\n", ""), 7, ["Width is missing", "found CoordinateX"]),
    ("a.cbox", CBOX_HEAD + "1 2 9 9 0.5\n1 2 0 9 0.5\n", 10, ["Width must be > 0"]),
    ("a.cbox", CBOX_HEAD + "<NA> 2 9 9 0.5\n", 9, ["CoordinateX must be a number", "<NA>"]),
    ("a.cbox", CBOX_HEAD + "1 2 9 9 NaN\n", 9, ["Confidence must be finite"]),
    ("a.star", "data_\nloop_\n1 2\n", None, ["_rlnCoordinateX", "data_ (none)"]),
    ("a.star", "data_a\nloop_\n_rlnX #1\n1\n", None, ["_rlnCoordinateX", "data_a (_rlnX)"]),
    ("a.star", "data_\n_rlnCoordinateX 1\n_rlnX 1\n", None, ["no loop_ table"]),
    ("a.star", "data_\n_rlnCoordinateX 1\n_rlnCoordinateY b\n", 2, ["must be a number", "'b'"]),
    ("a.star", "data_\nloop_\n_wrpCoordinateX1\n_wrpCoordinateY1\n1 2\n", None, ["Å", "px"]),
    ("a.star", CISTEM_HEAD + "1 2 m.mrc\n", None, ["Å", "_cisTEMPixelSize"]),
    ("a.star", CISTEM_HEAD + "_cisTEMPixelSize\n1 2 m 0\n", 7, ["must be > 0", "pixel size"]),
    ("a.star", LIST_HEAD + "m.mrc gone.star\n", 5, ["no such file: gone.star"]),
    ("a.star", LIST_HEAD + "m.mrc a.star\nm.mrc b.star\n", 6, ["micrograph m occurs twice"]),
    ("a.cs", "1 2 9 9\n", None, ["no dataset of cryoSPARC"]),
    ("a.cs", b"\x95CSDAT\x00", None, ["format=NUMPY_FORMAT"]),
    ("a.cs", b"\x93NUMPY\x01\x00", None, ["cannot be read as a dataset"]),
    ("a.json", "", 1, ["JSON"]),
    ("a.json", '{"boxes": [[1, 2', 1, ["JSON", "cut off"]),
    ("a.json", "[" * 100_000, None, ["JSON"]),
    ("a.json", '{"quality": 5}', None, ["'boxes'", "quality"]),
    ("a.json", '{"boxes": {"a": 1}}', None, ["must be a list"]),
    ("a.json", '{"boxes": [[1, 2, "manual"], [1, "b", "manual"]]}', None, ["number 2", "'b'"]),
    ("a.json", '{"boxes": [[NaN, 2, "manual"]]}', None, ["[nan, 2"]),
    ("a.pos", "data_header\nloop_\n_a\n1\ndata_particles\nloop_\n_xcoor\n1\n", None, ["_ycoor"]),
    ("a.pos", "data_other\nloop_\n_xcoor\n_ycoor\n1 2\n", None, ["data_particles"]),
    ("a.coord", "877\n", 1, ["begins with x and y", "'877'"]),
    ("a.coord", "1 2\n3\n", 2, ["2 values", "got 1"]),
    ("a.coord", "1,2\n", 1, ["begins with x and y"]),
    ("a.plt", "1 x\n", 1, ["x must be a number"]),
    ("a.cbox", "1 2 9 9\n", 1, ["x, y, width, height, confidence"]),
    ("a.cbox", "1 2 9 9 0.5 9 9\n1 2 0 9 0.5 9 9\n", 2, ["Width must be > 0"]),
    ("a.star", STAR_HEAD + "1 2 m.mrc\n1 2\n", 8, ["3 values", "got 2", "cut off"]),
    ("a.star", STAR_HEAD + "1 2 m.mrc\n\n1 2 m.mrc 4\n", 9, ["got 4", "excess"]),
    ("a.star", STAR_HEAD + "1 m.mrc 2\n", 7, ["rlnCoordinateY must be a number", "m.mrc"]),
    ("a.star", STAR_HEAD + "1 2 Movies/\n1 2 ''\n", 8, ["must name a micrograph"]),
    ("a.star", STAR_HEAD.replace("Y", "X"), None, ["_rlnCoordinateY"]),
    ("a.star", STAR_HEAD + "_rlnCoordinateX #4\n1 2 m 4\n", None, ["twice"]),
    ("a.txt", "", None, ["empty"]),
    ("a.txt", "x_coord\ty_coord\n", 1, ["image_name is missing", "x_coord, y_coord"]),
    ("a.txt", "\n1 2 9 9\n", 2, ["is missing", "found 1 2 9 9"]),
    ("a.txt", TOPAZ_HEAD + "m\t1\t2\t3\nm\t1\t2\n", 3, ["4 values", "got 3"]),
    ("a.txt", TOPAZ_HEAD + "m\t1\t2\tinf\n", 2, ["score must be finite"]),
    ("a.tsv", TOPAZ_HEAD + "\t1\t2\t3\n", 2, ["must name a micrograph"]),
    ("a.csv", "", None, ["empty"]),
    ("a.csv", "a;b\n1;2\n", 1, ["x_center, y_center is missing", "found a;b"]),
    ("a.csv", "x,y\n1,2\n3\n", 3, ["2 values", "got 1"]),
    ("a.csv", "x,y\n1,\n", 2, ["y must be a number", "''"]),
    ("a.csv", 'x,y,micrograph\n1,2,"a\n1,2,b"\n', 2, ["quotes"]),
    ("a.csv", "x,y,x\n1,2,3\n", None, ["twice"]),
    ("a.csv", "x,y,box_size_px\n1,2,3\n1,2,-3\n", 3, ["box_size_px must be > 0", "-3"]),
    ("a.csv", "x,y\n" + "9" * 200 + "z,1\n", 2, ["99..."]),
]


@pytest.mark.parametrize(("name", "content", "line", "said"), BAD)
def test_a_bad_file_is_one_line_with_file_line_rule_and_value(make, name, content, line, said):
    path = make(name, content)
    with pytest.raises(FormatError) as caught:
        read_picks_file(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: " if line is None else f"{path}, line {line}: ")
    for part in said:
        assert part in message


def test_missing_file(tmp_path):
    with pytest.raises(FormatError, match=r"gone\.box: no such file"):
        read_picks_file(tmp_path / "gone.box")


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.box").mkdir()
    with pytest.raises(FormatError, match=r"a\.box: cannot be read"):
        read_picks_file(tmp_path / "a.box")


@pytest.mark.parametrize("name", ["a.mrc", "a"])
def test_unknown_suffix_lists_the_known(make, name):
    with pytest.raises(FormatError, match=r"\.box, \.cbox, \.coord, .*, \.tsv, \.txt, got"):
        read_picks_file(make(name, "1 2 9 9\n"))


def test_a_line_break_in_a_file_name_does_not_break_the_message(make):
    with pytest.raises(FormatError) as caught:
        read_picks_file(make("a\nb.box", "1\n"))
    assert "\n" not in str(caught.value)
    assert "a?b.box, line 1" in str(caught.value)


PIECES = [STAR_HEAD, CBOX_HEAD, TOPAZ_HEAD, "x,y,micrograph\n", "1 2 9 9", "1,2,a", "m\t1\t2\t3"]
PIECES += [CISTEM_HEAD, LIST_HEAD, '{"boxes": [', '[1, 2, "manual"]', "]", "}", "_xcoor"]
PIECES += ["\n", "\t", " ", ",", '"', "'", "#", "nan", "<NA>", "1e9", "-3", "data_", "loop_", "_a"]
contents = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


@pytest.mark.parametrize(
    "suffix", [".box", ".cbox", ".star", ".txt", ".csv", ".json", ".pos", ".plt", ".cs"]
)
@settings(deadline=None)
@given(content=contents)
@example(content='"' + "x" * 200_000)
def test_whatever_the_content_it_is_finite_picks_or_one_line(suffix, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        try:
            table = read_picks_file(path)
        except FormatError as exc:
            assert str(exc).startswith(str(path))
            assert str(exc).isprintable()
        else:
            assert np.isfinite([table.x, table.y, table.score]).all()
            assert len(table.row) == len(table.x)
