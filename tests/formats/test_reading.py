import numpy as np
import pytest

from repic_plugin.formats import known_formats, micrograph_name, read_picks_file
from repic_plugin.formats.base import text_tables as text_module

STAR_30 = """
data_

loop_
_rlnAutopickFigureOfMerit #1
_rlnCoordinateY #2
_rlnCoordinateX #3
0.25 20 10
-999 40.5 30
"""
STAR_31 = """# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
1 opticsGroup1


# version 30001

data_particles

loop_
_rlnCoordinateX #1
_rlnMicrographName #2
_rlnCoordinateY #3
10 MotionCorr/job002/Movies/mic_a.mrc 20
30 000007@Extract/mic_b.mrcs 40.5

50 data_set/mic_a.mrc 60
"""
CBOX = """data_global

_cbox_format_version 1.0

data_cryolo

loop_
_CoordinateX #1
_CoordinateY #2
_CoordinateZ #3
_Width #4
_Height #5
_Depth #6
_Confidence #7
0.5 10 <NA> 100 80 <NA> 0.75
20 30 <NA> 100 100 <NA> <NA>

data_cryolo_include

loop_
_slice_index #1
"""


def rows_of(table):
    return np.stack([table.x, table.y, table.score], axis=1).tolist()


def test_box_corners_become_centres_with_the_files_own_sizes(make):
    table = read_picks_file(make("m.box", "0\t10\t100\t80\t0.5\n-5.5 0 11 21 -2e1\n"))
    assert rows_of(table) == [[50, 50, 0.5], [0, 10.5, -20]]
    assert table.box_size_px.tolist() == [100, 21]
    assert table.row.tolist() == [1, 2]
    assert table.has_score.all()
    assert table.micrograph is None


def test_box_without_score(make):
    table = read_picks_file(make("m.box", "0 0 10 10\n"))
    assert rows_of(table) == [[5, 5, 0]]
    assert not table.has_score.any()


@pytest.mark.parametrize(
    "content",
    [
        "x y width height score\n\n# comment\n0 0 10 10 1 # this too\n \n10 0 10 10 2\n",
        "0 0 10 10 1\r\n10 0 10 10 2\r\n",
        "0 0 10 10 1\r10 0 10 10 2",
        "\ufeff0 0 10 10 1\n10 0 10 10 2",
    ],
)
def test_box_header_comments_blank_lines_and_line_ends(make, content):
    table = read_picks_file(make("m.BOX", content))
    assert rows_of(table) == [[5, 5, 1], [15, 5, 2]]
    assert table.row.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.box", ""),
        ("m.box", "\n  \n# nothing\n"),
        ("m.box", "x y w h\n"),
        ("m.star", "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"),
        ("m.star", STAR_31.split("10 Motion", maxsplit=1)[0]),
        ("m.star", ""),
        ("m.star", " \n\n"),
        ("m.star", "# version 30001\n\ndata_\n\nloop_ \n"),
        ("m.coord", ""),
        ("m.coords", "x y density\n"),
        ("m.pos", "# XMIPP_STAR_1 *\ndata_header\nloop_\n _pickingMicrographState\nManual\n"),
        ("m_info.json", '{"boxes": []}'),
        ("m.cbox", CBOX.split("0.5 10", maxsplit=1)[0]),
        ("m.txt", "image_name\tx_coord\ty_coord\tscore\n"),
        ("m.tsv", "image_name\tx_coord\ty_coord\tscore"),
        ("m.csv", "x,y,score,micrograph,box_size_px\n"),
    ],
)
def test_a_file_without_picks_is_no_error(make, name, content):
    table = read_picks_file(make(name, content))
    assert len(table) == 0
    for column in (table.x, table.y, table.score):
        assert column.dtype == np.float64
    assert table.row.dtype == np.int64


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_star_of_relion_30(make, end):
    table = read_picks_file(make("m.star", STAR_30.replace("\n", end)))
    assert rows_of(table) == [[10, 20, 0.25], [30, 40.5, 0]]
    assert table.has_score.tolist() == [True, False]  # -999 is RELION's "no value"
    assert table.micrograph is None
    assert table.box_size_px is None


def test_star_of_relion_31_with_optics_and_micrographs(make):
    table = read_picks_file(make("m.star", STAR_31))
    assert rows_of(table) == [[10, 20, 0], [30, 40.5, 0], [50, 60, 0]]
    names = ["MotionCorr/job002/Movies/mic_a", "Extract/mic_b", "data_set/mic_a"]
    assert table.micrograph.tolist() == names
    assert table.row.tolist() == [1, 2, 3]


def test_star_quoted_values(make):
    content = STAR_31.replace("data_set/mic_a.mrc", "'my folder/mic a.mrc'")
    assert read_picks_file(make("m.star", content)).micrograph[2] == "my folder/mic a"
    content = STAR_31.replace("data_set/mic_a.mrc", '"my folder/it\'s.mrc"')
    assert read_picks_file(make("m.star", content)).micrograph[2] == "my folder/it's"


def test_cbox(make):
    table = read_picks_file(make("m.cbox", CBOX))
    assert rows_of(table) == [[50.5, 50, 0.75], [70, 80, 0]]
    assert table.has_score.tolist() == [True, False]
    assert table.box_size_px.tolist() == [100, 100]


def test_topaz(make):
    content = "image_name\tx_coord\ty_coord\tscore\nmic 1\t3\t4\t-0.5\nd/mic2.mrc\t5\t6\t7\n"
    table = read_picks_file(make("coords.txt", content))
    assert rows_of(table) == [[3, 4, -0.5], [5, 6, 7]]
    assert table.micrograph.tolist() == ["mic 1", "d/mic2"]


def test_csv_columns_in_any_order_and_others_passed_over(make):
    content = 'weight,y,note,x,micrograph,score\n9,2,"a, b",1,"m,1.mrc",0.5\n9,4,,3,m2,\n'
    table = read_picks_file(make("a.csv", content))
    assert rows_of(table) == [[1, 2, 0.5], [3, 4, 0]]
    assert table.has_score.tolist() == [True, False]
    assert table.micrograph.tolist() == ["m,1", "m2"]


def test_csv_prefers_x_center_and_does_not_take_weight_for_score(make):
    table = read_picks_file(make("a.csv", "x,y,x_center,y_center,weight\n1,2,3,4,5\n"))
    assert rows_of(table) == [[3, 4, 0]]
    assert not table.has_score.any()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Movies/mic3.tif", "mic3"),
        ("000012@Extract/mic3.MRCS", "mic3"),
        ("2020-01-31_10.25_mic7", "2020-01-31_10.25_mic7"),
        (" mic3 ", "mic3"),
        ("", ""),
    ],
)
def test_micrograph_name(text, name):
    assert micrograph_name(text) == name


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.box", "1 2 10 10 0.5\n3 4 10 12 -7\n"),
        ("m.star", STAR_31),
        ("m.txt", "image_name\tx_coord\ty_coord\na\t1\t2\nb\t3\t4\n"),
        ("m.csv", 'micrograph,x,y,score\n"a ""b""",1,2,3\nc,4,5,6\n'),
    ],
)
def test_both_ways_of_reading_agree(make, monkeypatch, name, content):
    path = make(name, content)
    fast = read_picks_file(path)
    monkeypatch.setattr(text_module, "_read_fast", lambda *arguments: None)
    careful = read_picks_file(path)
    for field in ("x", "y", "score", "has_score", "row", "micrograph", "box_size_px"):
        np.testing.assert_array_equal(getattr(fast, field), getattr(careful, field))


def test_the_fast_way_is_taken(make, monkeypatch):
    path = make("m.star", STAR_31)
    monkeypatch.setattr(text_module, "_read_carefully", None)
    assert len(read_picks_file(path)) == 3


def test_every_module_with_suffixes_is_a_format():
    by_name = {known.name: known for known in known_formats()}
    assert {"box", "cbox", "csv", "star", "topaz"} < {*by_name}
    assert sorted(n for n, known in by_name.items() if known.write) == ["box", "csv", "star"]
    for known in by_name.values():
        for suffix in known.suffixes:
            others = [one for one in by_name.values() if suffix in one.suffixes and not one.marks]
            assert len(others) == 1, suffix


@pytest.mark.parametrize("mode", ["-3", "-1", "-2"])
def test_emans_mode_is_no_score(make, mode):
    table = read_picks_file(make("m.box", f"1 2 10 10 {mode}\n5 6 10 10 -3\n"))
    assert not table.has_score.any()
    table = read_picks_file(make("n.box", f"1 2 10 10 {mode}\n5 6 10 10 0.5\n"))
    assert table.has_score.all()


def test_what_is_known_of_a_format_s_scores(make):
    table = read_picks_file(make("c.txt", "image_name\tx_coord\ty_coord\tscore\na\t1\t2\t0.5\n"))
    assert table.score_transform == "logistic"
    assert read_picks_file(make("m.cbox", CBOX)).threshold == 0.3
    assert read_picks_file(make("m.box", "1 2 10 10 0.5\n")).score_transform is None
