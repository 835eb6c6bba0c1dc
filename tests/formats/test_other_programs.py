"""Pick files of other programs, as those write them."""

import io
import json

import numpy as np
import pytest

from repic_plugin.formats import FormatError, read_picks_file

CS_COLUMNS = [
    ("uid", "<u8"),
    ("location/micrograph_path", "S60"),
    ("location/micrograph_shape", "<u4", (2,)),
    ("location/center_x_frac", "<f4"),
    ("location/center_y_frac", "<f4"),
    ("pick_stats/ncc_score", "<f4"),
    ("pick_stats/power", "<f4"),
]
CS_ROWS = [
    (1, b">J3/motioncorrected/012_a.mrc", (4000, 6000), 0.5, 0.25, 0.75, 9),
    (2, b"J3/motioncorrected/013_b.mrc", (4000, 6000), 0.125, 0.75, 0.5, 8),
]


def rows_of(table):
    return np.stack([table.x, table.y, table.score], axis=1).tolist()


def dataset(columns=CS_COLUMNS, rows=CS_ROWS, **changed):
    """The bytes of a .cs file, with some columns changed."""
    array = np.array(rows, dtype=columns)
    for name, values in changed.items():
        array[name.replace("__", "/")] = values
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


# ------------------------------------------------------------ cryoSPARC


def test_cs_places_are_fractions_of_the_micrograph_and_its_path_is_the_name(make):
    table = read_picks_file(make("picked_particles.cs", dataset()))
    assert rows_of(table) == [[3000, 1000, 0.75], [750, 3000, 0.5]]
    assert table.micrograph.tolist() == ["J3/motioncorrected/012_a", "J3/motioncorrected/013_b"]
    assert table.row.tolist() == [1, 2]
    assert table.notes == ()
    assert table.score_transform == "rank"  # though all are in [0, 1]


def test_cs_takes_the_power_where_the_correlation_says_nothing(make):
    table = read_picks_file(make("a.cs", dataset(pick_stats__ncc_score=0)))
    assert table.score.tolist() == [9, 8]
    table = read_picks_file(make("a.cs", dataset(CS_COLUMNS[:5], [row[:5] for row in CS_ROWS])))
    assert not table.has_score.any()


def test_cs_without_a_row(make):
    table = read_picks_file(make("a.cs", dataset(rows=[])))
    assert len(table) == len(table.micrograph) == 0


def test_cs_with_hundreds_of_columns(make):
    more = [(f"alignments_class_{i}/cross_cor_of_a_long_name", "<f4") for i in range(400)]
    rows = [(*row, *[0] * 400) for row in CS_ROWS]
    table = read_picks_file(make("a.cs", dataset([*CS_COLUMNS, *more], rows)))
    assert table.x.tolist() == [3000, 750]


def test_cs_says_that_shifts_are_not_applied(make):
    columns = [*CS_COLUMNS, ("alignments3D/shift", "<f4", (2,))]
    rows = [(*row, (1, 0)) for row in CS_ROWS]
    (note,) = read_picks_file(make("a.cs", dataset(columns, rows))).notes
    assert "alignments3D/shift is not applied" in note


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (dataset([("uid", "<u8"), ("blob/path", "S9")], [(1, b"a.mrc")]), "no particle locations"),
        (dataset(CS_COLUMNS[:4], [row[:4] for row in CS_ROWS]), "center_y_frac is missing"),
        (dataset(location__center_x_frac=[0, np.nan]), r"row 2: .*must be finite, got nan"),
        (dataset(location__micrograph_shape=[(1, 1), (0, 1)]), r"row 2: .*must be > 0"),
        (dataset(location__micrograph_path=[b"a", b""]), "row 2: .*must name a micrograph"),
        (dataset(location__micrograph_path=[b"a", b"\xff"]), "must be UTF-8"),
        (dataset()[:-1], "cannot be read as a dataset"),
        (dataset().replace(b"(2,)", b"(9999999999,)", 1), "cannot be read as a dataset"),
    ],
)
def test_cs_that_is_refused(make, content, said):
    with pytest.raises(FormatError, match=said) as caught:
        read_picks_file(make("a.cs", content))
    assert str(caught.value).isprintable()


def test_cs_with_pickled_objects_is_never_loaded(make, tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "a.npy").rename(tmp_path / "a.cs")
    with pytest.raises(FormatError, match="cannot be read as a dataset"):
        read_picks_file(tmp_path / "a.cs")


def test_cs_that_cryosparcs_own_package_writes(tmp_path):
    reason = "no cryosparc-tools to write a dataset with; pip install cryosparc-tools"
    cryosparc = pytest.importorskip("cryosparc.dataset", reason=reason)
    columns = [("O" if "path" in name else kind, *shape) for name, kind, *shape in CS_COLUMNS[1:]]
    fields = [(name, *kind) for (name, *_), kind in zip(CS_COLUMNS[1:], columns)]
    written = cryosparc.Dataset.allocate(len(CS_ROWS), fields)
    for place, (name, *_) in enumerate(CS_COLUMNS[1:], 1):
        values = [row[place].decode() if "path" in name else row[place] for row in CS_ROWS]
        written[name] = np.array(values, dtype=object if "path" in name else None)
    written.save(tmp_path / "a.cs")
    assert rows_of(read_picks_file(tmp_path / "a.cs")) == [[3000, 1000, 0.75], [750, 3000, 0.5]]
    written.save(tmp_path / "b.cs", format=cryosparc.CSDAT_FORMAT)
    with pytest.raises(FormatError, match="format=NUMPY_FORMAT"):
        read_picks_file(tmp_path / "b.cs")


# ------------------------------------------------------------ EMAN2, Xmipp, plain text


def test_eman_boxes_are_centres_and_only_networks_score(make):
    boxes = [
        [10, 20.5, "manual"],
        [30, 40, "auto_local", 7],  # the reference that fits
        [50, 60, "auto_convnet", [0.75, [0.5]]],
        [70, 80, "auto_gauss", 0.25],
    ]
    table = read_picks_file(make("a_info.json", json.dumps({"ctf": [1], "boxes": boxes})))
    assert rows_of(table) == [[10, 20.5, 0], [30, 40, 0], [50, 60, 0.75], [70, 80, 0.25]]
    assert table.has_score.tolist() == [False, False, True, True]


XMIPP = """# XMIPP_STAR_1 *
#
data_header
loop_
 _pickingMicrographState
Supervised
data_particles
loop_
 _enabled
 _cost
 _xcoor
 _ycoor
 1 0.5 10 20
-1 0.75 30 40
 1 0.25 50 60
data_particles_auto
loop_
 _enabled
 _xcoor
 _ycoor
1 70 80
"""


def test_xmipp_has_both_kinds_of_picks_and_none_that_is_disabled(make):
    table = read_picks_file(make("a.pos", XMIPP))
    assert rows_of(table) == [[10, 20, 0.5], [50, 60, 0.25], [70, 80, 0]]
    assert table.has_score.tolist() == [True, True, False]
    assert table.row.tolist() == [1, 3, 4]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.coord", "10 20\n30.5 40\n"),
        ("a.coords", "x y density\n10 20 1\n30.5 40 1\n"),
        ("a.pos", "# <X position> <Y position>\n10 20\n30.5 40\n"),
        ("a.plt", "20 10 1 0 0\n40 30.5 1 0 0\n"),
        ("a.txt", "10 20\n30.5 40\n"),
        ("a.txt", "10\t20\n30.5\t40\n"),
    ],
)
def test_two_columns_of_numbers(make, name, content):
    table = read_picks_file(make(name, content))
    assert rows_of(table) == [[10, 20, 0], [30.5, 40, 0]]
    assert bool(table.notes) == name.endswith(".plt")


def test_topaz_under_its_other_suffix(make):
    table = read_picks_file(make("a.tab", "image_name\tx_coord\ty_coord\tscore\nm\t1\t2\t-3\n"))
    assert rows_of(table) == [[1, 2, -3]]
    assert table.micrograph.tolist() == ["m"]


def test_cbox_before_1_8(make):
    content = "10 20 100 80 0.75 90.5 91\n30.5 40 100 100 0.5 90 90\n"
    table = read_picks_file(make("a.cbox", content))
    assert rows_of(table) == [[60, 60, 0.75], [80.5, 90, 0.5]]
    assert table.box_size_px.tolist() == [100, 100]


def test_csv_of_cryoppp(make):
    table = read_picks_file(make("a.csv", "X-Coordinate,Y-Coordinate,Diameter\n10,20,170\n"))
    assert rows_of(table) == [[10, 20, 0]]
    assert table.micrograph is None
    assert table.box_size_px is None  # a diameter is no box
    content = "Micrographs Filename,X-Coordinate,Y-Coordinate\nd/m.mrc,10,20\n"
    assert read_picks_file(make("all.csv", content)).micrograph.tolist() == ["d/m"]


CISTEM = """# Written by cisTEM Version 1.0
data_

loop_
_cisTEMPositionInStack #1
_cisTEMPixelSize #2
_cisTEMScore #3
_cisTEMOriginalImageFilename #4
_cisTEMOriginalXPosition #5
_cisTEMOriginalYPosition #6
#    POS  PIXEL  SCORE
       1   0.5    12.5  '/data/my project/m1.mrc'   100.00    50.00
       2   2.0    11.5  '/data/my project/m2.mrc'   100.00    50.00
"""


def test_cistem_places_in_angstrom_become_px(make):
    table = read_picks_file(make("cistem.star", CISTEM))
    assert rows_of(table) == [[200, 100, 12.5], [50, 25, 11.5]]
    assert table.micrograph.tolist() == ["/data/my project/m1", "/data/my project/m2"]
    assert "_cisTEMPixelSize" in table.notes[0]


def test_warp_writes_px_of_the_average_as_relion(make):
    content = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnMicrographName #3\n"
    content += "_rlnAutopickFigureOfMerit #4\n  10.5  20  m1.mrc  0.75\n"
    table = read_picks_file(make("m1_BoxNet2Mask_20180918.star", content))
    assert rows_of(table) == [[10.5, 20, 0.75]]
    assert table.micrograph.tolist() == ["m1"]


# ------------------------------------------------------------ RELION


def test_star_of_names_and_values(make):
    content = "data_\n_rlnCoordinateX 10.5\n_rlnCoordinateY 20\n_rlnParticleScore 0.25 # one\n"
    table = read_picks_file(make("a.star", content))
    assert rows_of(table) == [[10.5, 20, 0.25]]
    assert table.row.tolist() == [1]


OPTICS = """data_optics

loop_
_rlnOpticsGroup #1
_rlnMicrographPixelSize #2
_rlnMicrographOriginalPixelSize #3
1 0.5 0.25
2 2.0 1.0

"""
REFINED = """data_particles

loop_
_rlnMicrographName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnOriginXAngst #4
_rlnOriginYAngst #5
_rlnOpticsGroup #6
m.mrc 100 200 5 -10 1
m.mrc 300 400 5 -10 2
"""


def test_refined_centres_are_coordinate_minus_origin_by_optics_group(make):
    table = read_picks_file(make("run_data.star", OPTICS + REFINED))
    assert rows_of(table) == [[90, 220, 0], [297.5, 405, 0]]
    assert "up to 20 px" in table.notes[0]
    assert "_rlnMicrographPixelSize" in table.notes[0]


def test_refined_centres_by_the_movies_pixel_size_where_there_is_no_other(make):
    content = (OPTICS + REFINED).replace("_rlnMicrographPixelSize", "_rlnOther")
    table = read_picks_file(make("run_data.star", content))
    assert table.x.tolist() == [80, 295]
    assert "_rlnMicrographOriginalPixelSize" in table.notes[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (OPTICS, "", "not applied: the file does not give"),
        ("Angst", "", "not applied: they are in px of the particles' images"),
    ],
)
def test_shifts_that_cannot_be_applied_are_named(make, old, new, said):
    table = read_picks_file(make("run_data.star", (OPTICS + REFINED).replace(old, new)))
    assert table.x.tolist() == [100, 300]
    assert said in table.notes[0]


def test_shifts_of_zero_are_not_worth_a_word(make):
    content = REFINED.replace(" 5 -10 ", " 0 0.0 ")
    assert read_picks_file(make("run_data.star", content)).notes == ()


def test_a_second_table_with_coordinates_is_named(make):
    (note,) = read_picks_file(make("a.star", REFINED.replace("5 -10", "0 0") * 2)).notes
    assert "of 2 tables" in note


LIST = """# version 30001

data_coordinate_files

loop_
_rlnMicrographName #1
_rlnMicrographCoordinates #2
MotionCorr/job002/Movies/m1.mrc AutoPick/job010/Movies/m1_autopick.star
MotionCorr/job002/Movies/m2.mrc AutoPick/job010/Movies/m2_autopick.star
"""
STAR = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n11 12\n13 14\n"
JOB = "project/AutoPick/job010"


@pytest.fixture
def job(make, tmp_path):
    """A job folder of RELION in its project."""
    make(f"{JOB}/autopick.star", LIST)
    make(f"{JOB}/Movies/m1_autopick.star", STAR)
    make(f"{JOB}/Movies/m2_autopick.star", "")
    return tmp_path / JOB


@pytest.mark.parametrize("place", ["inside", "linked", "copied", "moved"])
def test_a_list_is_followed_wherever_it_is_read(job, make, tmp_path, place):
    path = job / "autopick.star"
    if place == "linked":
        (tmp_path / "picks").symlink_to(job)
        path = tmp_path / "picks" / "autopick.star"
    elif place == "copied":
        path = make("project/picks/relion/autopick.star", LIST)
    elif place == "moved":
        path = job.rename(tmp_path / "elsewhere") / "autopick.star"
    table = read_picks_file(path)
    assert rows_of(table) == [[11, 12, 0], [13, 14, 0]]
    assert table.micrograph.tolist() == ["MotionCorr/job002/Movies/m1"] * 2
    assert table.empty == ("MotionCorr/job002/Movies/m2",)
    assert [file.name for file in table.sources] == ["m1_autopick.star", "m2_autopick.star"]


def test_a_list_prefers_its_own_project_to_the_current_one(job, make, tmp_path, monkeypatch):
    make("other/AutoPick/job010/Movies/m1_autopick.star", STAR.replace("11", "99"))
    monkeypatch.chdir(tmp_path / "other")
    assert read_picks_file(job / "autopick.star").x.tolist() == [11, 13]


def test_a_file_of_a_list_that_is_not_there_is_named_and_not_empty(job):
    (job / "Movies" / "m2_autopick.star").unlink()
    table = read_picks_file(job / "autopick.star")
    assert table.empty == ()
    assert "1 of the 2 files in autopick.star do not exist" in table.notes[0]


def test_a_list_without_a_row(make):
    table = read_picks_file(make("autopick.star", LIST.split("MotionCorr", maxsplit=1)[0]))
    assert len(table) == len(table.micrograph) == 0
    assert table.has_score.dtype == bool
