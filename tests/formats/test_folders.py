import numpy as np
import pytest

from repic_plugin.formats import FormatError, read_picker_folder, read_picks_dir
from tests.formats.test_other_programs import dataset

TOPAZ = "image_name\tx_coord\ty_coord\tscore\nm2\t1\t2\t3\nm1\t4\t5\t6\nm2\t7\t8\t9\n"
STAR = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n11 12\n"


@pytest.fixture
def picks_dir(make, tmp_path):
    make("picks/b/m1.box", "0 0 10 10 0.5\n10 10 12 12 0.25\n")
    make("picks/b/m3.box", "")
    make("picks/b/log.xml", "x")
    make("picks/b/.hidden.box", "bad")
    make("picks/a/coords.txt", TOPAZ)
    make("picks/c/m2_autopick.star", STAR)
    make("picks/c/m4_manualpick.star", STAR.replace("11 12\n", ""))
    make("picks/.cache/x.box", "bad")
    make("picks/README.md", "text")
    return tmp_path / "picks"


def test_pickers_and_micrographs_are_sorted_and_complete(picks_dir):
    found = read_picks_dir(picks_dir)
    picks = found.picks
    assert picks.picker_names == ("a", "b", "c")
    assert picks.micrograph_names == ("m1", "m2", "m3", "m4")
    assert picks.picker.tolist() == [0, 0, 0, 1, 1, 2]
    assert picks.micrograph.tolist() == [1, 0, 1, 0, 0, 1]
    assert picks.x.tolist() == [1, 4, 7, 5, 16, 11]
    assert picks.y.tolist() == [2, 5, 8, 5, 16, 12]
    assert picks.score.tolist() == [3, 6, 9, 0.5, 0.25, 0]
    assert picks.has_score.tolist() == [True] * 5 + [False]
    assert found.row.tolist() == [1, 2, 3, 1, 2, 1]
    assert found.box_size_px == (None, 11, None)
    assert found.ignored == (picks_dir / "README.md", picks_dir / "b" / "log.xml")


def test_one_folder_alone(picks_dir):
    found = read_picker_folder(str(picks_dir / "b"))
    assert found.picks.picker_names == ("b",)
    assert found.picks.micrograph_names == ("m1", "m3")
    assert found.row.tolist() == [1, 2]


def test_one_picker_where_one_is_enough(make, tmp_path):
    make("p/a/m.box", "")
    assert len(read_picks_dir(tmp_path / "p", min_pickers=1).picks) == 0


def test_a_picker_that_found_nothing_anywhere(make, tmp_path):
    make("p/a/m.box", "")
    make("p/b/m.box", "")
    found = read_picks_dir(tmp_path / "p")
    assert found.picks.micrograph_names == ("m",)
    assert found.box_size_px == (None, None)
    assert found.row.dtype == np.int64


def test_names_with_dots_meet_across_formats(make, tmp_path):
    make("p/a/m_1.5.box", "")
    make("p/b/c.csv", "micrograph,x,y\nm_1.5.mrc,1,2\n")
    make("p/c/m_1.5.mrc.box", "0 0 2 2\n")
    assert read_picks_dir(tmp_path / "p").picks.micrograph_names == ("m_1.5",)


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_folder_and_no_folder(make, tmp_path):
    with pytest.raises(FormatError, match="no such folder"):
        read_picks_dir(tmp_path / "none")
    with pytest.raises(FormatError, match=r"must be a folder.*<picker>/<micrograph>"):
        read_picks_dir(make("file", ""))


def test_too_few_pickers(make, tmp_path):
    make("p/a/m.box", "")
    make("p/m.box", "")
    with pytest.raises(FormatError) as caught:
        read_picks_dir(tmp_path / "p")
    message = one_line(caught)
    assert "at least 2 sub-folders" in message
    assert "got 1 (a)" in message
    assert "picks_dir/<picker>/<micrograph>.box" in message


def test_a_picker_without_pick_files(make, tmp_path):
    make("p/a/m.box", "")
    make("p/b/m.pickle", "")
    with pytest.raises(FormatError) as caught:
        read_picks_dir(tmp_path / "p")
    assert f"{tmp_path / 'p' / 'b'}: " in one_line(caught)
    assert "found m.pickle" in str(caught.value)


@pytest.mark.parametrize("second", ["a/m.star", "a/m_autopick.star"])
def test_the_same_micrograph_in_two_files(make, tmp_path, second):
    make("a/m.box", "")
    make(second, STAR)
    with pytest.raises(FormatError) as caught:
        read_picker_folder(tmp_path / "a")
    message = one_line(caught)
    assert "micrograph m " in message
    assert "m.box" in message
    assert second.split("/")[1] in message


def test_no_common_micrograph_shows_a_name_of_each_picker(make, tmp_path):
    make("p/a/m1.box", "")
    make("p/b/x1.box", "")
    make("p/c/coords.txt", "image_name\tx_coord\ty_coord\n")
    with pytest.raises(FormatError) as caught:
        read_picks_dir(tmp_path / "p")
    message = one_line(caught)
    assert "a has 0 of its 1 micrographs in common" in message
    assert "as m1, those of b as x1;" in message


def test_a_bad_file_in_a_folder_is_named(make, tmp_path):
    make("p/a/m.box", "")
    bad = make("p/b/m.box", "1 2 3 4\n1 2\n")
    with pytest.raises(FormatError) as caught:
        read_picks_dir(tmp_path / "p")
    assert one_line(caught).startswith(f"{bad}, line 2: ")


def notes(make, tmp_path, **pickers):
    """Of a folder with such files of each picker, all empty."""
    for picker, names in pickers.items():
        for name in names.split():
            make(f"p/{picker}/{name}", "")
    return read_picks_dir(tmp_path / "p")


def test_a_missing_file_is_not_an_empty_one(make, tmp_path):
    found = notes(make, tmp_path, a="m1.box m2.box", b="m1.box m2.box m3.box", c="m1.box m3.box")
    assert found.is_missing.tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert len(found.notes) == 2
    assert found.notes[0].startswith("a has no file for 1 of 3 micrographs (m3)")
    assert found.notes[1].startswith("c has no file for 1 of 3 micrographs (m2)")
    make("p/c/m2.box", "")
    make("p/a/m3.box", "")
    found = read_picks_dir(tmp_path / "p")
    assert not found.is_missing.any()
    assert found.notes == ()


def test_one_table_of_all_micrographs_need_not_name_each(make, tmp_path):
    make("p/a/all.txt", TOPAZ)
    found = notes(make, tmp_path, b="m1.box m2.box m3.box")
    assert not found.is_missing.any()
    assert found.notes == ("b alone has picks on 1 of 3 micrographs (m3)",)


def test_additions_to_names_are_cut_and_reported(make, tmp_path):
    found = notes(make, tmp_path, a="m1.box m2.box", b="m1_DW.box m2_DW.box", c="m1.box m2.box")
    assert found.picks.micrograph_names == ("m1", "m2")
    (note,) = found.notes
    assert note.startswith("names of b have _DW that others lack: 2 of them")
    assert "m1_DW to m1" in note


def test_a_single_renamed_file_is_named(make, tmp_path):
    found = notes(make, tmp_path, a="m1.box m2.box m3.box", b="m1.box m2.box other.box")
    assert [note.split(";")[0] for note in found.notes] == [
        "a has no file for 1 of 4 micrographs (other)",
        "b has no file for 1 of 4 micrographs (m3)",
    ]


def test_a_picker_with_few_names_in_common_is_refused(make, tmp_path):
    with pytest.raises(FormatError) as caught:
        notes(make, tmp_path, a="1.box 2.box 3.box", b="1.box 2.box 3.box", c="1.box x.box y.box")
    message = one_line(caught)
    assert "c has 1 of its 3 micrographs in common with the other pickers" in message
    assert "as 1, those of a as 1" in message


def test_a_subset_of_the_micrographs_is_no_other_name(make, tmp_path):
    found = notes(make, tmp_path, a="1.box 2.box 3.box 4.box 5.box", b="1.box", c="1.box 2.box")
    assert found.is_missing.sum(axis=0).tolist() == [0, 4, 3]


def test_two_grids_of_the_same_names(make, tmp_path):
    """In sub-folders, in one table for all, and with other folders above."""
    for grid in ("g1", "g2"):
        make(f"p/a/{grid}/m.box", f"0 0 {grid[1]}0 10\n")
    make("p/b/all.csv", "micrograph,x,y\nx/g2/m.mrc,2,2\nx/g1/m.mrc,1,1\n")
    star = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnMicrographName\n"
    make("p/c/all.star", f"{star}1 1 g1/m.mrc\n2 2 g2/m.mrc\n")
    picks = read_picks_dir(tmp_path / "p").picks
    assert picks.micrograph_names == ("g1/m", "g2/m")
    assert picks.x[picks.picker == 1].tolist() == [2, 1]
    assert picks.micrograph.tolist() == [0, 1, 1, 0, 0, 1]


def test_two_grids_that_nothing_tells_apart_are_refused(make, tmp_path):
    with pytest.raises(FormatError, match=r"m may be any of 2 .*g1/m, g2/m"):
        notes(make, tmp_path, a="g1/m.box g2/m.box", b="m.box")


def test_of_cryolos_folders_the_boxes_with_scores_are_read(make, tmp_path):
    cbox = "data_cryolo\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n"
    make("p/a/CBOX/m.cbox", cbox)
    found = notes(make, tmp_path, a="EMAN/m.box STAR/m.star", b="m.box")
    assert found.picks.micrograph_names == ("m",)
    assert found.notes == ("a: ignored folders: EMAN, STAR",)


LIST = "data_coordinate_files\nloop_\n_rlnMicrographName\n_rlnMicrographCoordinates\n"
LIST += "".join(f"MotionCorr/job2/{n}.mrc Pick/job3/M/{n}_autopick.star\n" for n in ("m1", "m2"))
JOB = "data_job\n_rlnJobTypeLabel relion.autopick\n"


def test_of_a_job_folder_the_list_is_followed(make, tmp_path):
    make("Pick/job3/autopick.star", LIST)
    make("Pick/job3/job.star", JOB)
    make("Pick/job3/M/m1_autopick.star", STAR)
    make("Pick/job3/M/m2_autopick.star", "")
    make("Pick/job3/M/old_autopick.star", STAR)
    found = read_picker_folder(tmp_path / "Pick" / "job3")
    assert found.picks.micrograph_names == ("m1", "m2")
    assert found.picks.x.tolist() == [11]
    assert found.micrograph_paths == ("MotionCorr/job2/m1", "MotionCorr/job2/m2")
    assert {path.name for path in found.ignored} == {"job.star", "old_autopick.star"}
    assert found.notes == (
        "job3: ignored without coordinates: job.star",
        "job3: ignored, as autopick.star does not list them: old_autopick.star",
    )


def test_a_micrograph_that_a_list_leaves_out_is_missing(make, tmp_path):
    make("p/a/autopick.star", LIST.replace("Pick/job3/M/", ""))
    make("p/a/m1_autopick.star", STAR)
    make("p/a/m2_autopick.star", "")
    for name in ("m1", "m2", "m3"):
        make(f"p/b/{name}.box", "0 0 9 9\n")
    found = read_picks_dir(tmp_path / "p")
    assert found.is_missing.tolist() == [[False, False], [False, False], [True, False]]


@pytest.mark.parametrize(
    "beside",
    [
        {"job.star": JOB, "default_pipeline.star": "data_a\nloop_\n_rlnB\n1\n"},
        {"coords_suffix_autopick.star": "CtfFind/job003/micrographs_ctf.star\n"},
        {"project.json": '{"global.apix": 1.0}'},
        {"picked_micrographs.cs": dataset([("uid", "<u8")], [(1,)])},
    ],
)
def test_files_without_coordinates_are_passed_over_beside_others(make, tmp_path, beside):
    for name, content in beside.items():
        make(f"a/{name}", content)
    with pytest.raises(FormatError, match=min(beside)):
        read_picker_folder(tmp_path / "a")
    make("a/particles.star", STAR)
    found = read_picker_folder(tmp_path / "a")
    assert len(found.picks) == 1
    assert found.notes == (f"a: ignored without coordinates: {', '.join(sorted(beside))}",)


def test_a_damaged_star_file_is_not_passed_over(make, tmp_path):
    make("a/m1.star", STAR)
    make("a/m2.star", "no star\n")
    with pytest.raises(FormatError, match=r"m2\.star"):
        read_picker_folder(tmp_path / "a")


def test_a_note_of_many_files_is_given_once(make, tmp_path):
    make("a/m1.plt", "1 2\n")
    make("a/m2.plt", "1 2\n")
    (note,) = read_picker_folder(tmp_path / "a").notes
    assert note.startswith("a: ")
    assert note.endswith("(2 files)")


@pytest.mark.parametrize("target", ["/not/mounted/topaz", "b"])
def test_a_link_that_cannot_be_followed_is_no_picker_less(make, tmp_path, target):
    make("p/a/m.box", "")
    make("p/c/m.box", "")
    (tmp_path / "p" / "b").symlink_to(target)
    with pytest.raises(FormatError, match=r"p/b: leads to .*mount or remove it"):
        read_picks_dir(tmp_path / "p")


def test_a_folder_in_the_place_of_a_file_is_named(make, tmp_path):
    (tmp_path / "p" / "a" / "m2.box").mkdir(parents=True)
    found = notes(make, tmp_path, a="m1.box", b="m1.box m2.box")
    assert "a has no file for 1 of 2 micrographs (m2)" in found.notes[0]
    assert found.notes[1] == "a: ignored folders: m2.box"


def test_a_name_that_would_hide_its_files_is_refused(make, tmp_path):
    make("p/a/all.csv", "micrograph,x,y\nM/.m1.mrc,1,1\n")
    with pytest.raises(FormatError, match=r"all.csv: micrograph M/.m1 begins with a dot"):
        notes(make, tmp_path, b="m.box")


def test_real_picks(empiar_10017):
    found = read_picks_dir(empiar_10017)
    picks = found.picks
    assert picks.picker_names == ("crYOLO", "deepPicker", "topaz")
    assert picks.n_micrographs == 6
    assert np.bincount(picks.picker).tolist() == [4444, 1899, 4747]
    assert found.box_size_px == (180, 180, 180)
    assert picks.has_score.all()
    first = read_picker_folder(empiar_10017 / "crYOLO").picks
    assert np.count_nonzero(first.micrograph == 0) == 627
    assert (first.x[0], first.y[0], first.score[0]) == (298, 3917, 0.6154586672782898)


README = "These are picks of b\nas of Monday\n"


@pytest.mark.parametrize("stray", ["README.txt", "log.csv", "confidence_raw_data.txt"])
def test_text_of_another_purpose_is_passed_over_beside_picks(make, tmp_path, stray):
    make("b/m1.box", "0 0 10 10\n")
    file = make(f"b/{stray}", README)
    found = read_picker_folder(tmp_path / "b")
    assert found.picks.micrograph_names == ("m1",)
    assert found.ignored == (file,)
    assert found.notes == (f"b: ignored without coordinates: {stray}",)


@pytest.mark.parametrize("text", ["image_na", "image_name\tx_coord\n", "x;y\n1;2\n"])
def test_a_table_of_picks_that_is_damaged_is_not_passed_over(make, tmp_path, text):
    """Cut within its header, without one of its columns, or alone in its folder."""
    make("b/all.txt", text)
    if ";" not in text:
        make("b/m1.box", "0 0 10 10\n")
    with pytest.raises(FormatError, match="is missing"):
        read_picker_folder(tmp_path / "b")


def test_what_gautomatch_rejects_is_no_pick(make, tmp_path):
    for ending in ("_automatch", "_nonunique", "_rejected"):
        make(f"b/m1{ending}.star", STAR)
    make("b/m2_rejected.star", STAR)  # a name of its own, for all that is known
    make("c/m1.box", "")
    make("c/m2_rejected.box", "")
    found = read_picks_dir(tmp_path)
    assert found.picks.micrograph_names == ("m1", "m2_rejected")
    assert [path.name for path in found.ignored] == ["m1_nonunique.star", "m1_rejected.star"]
    assert any("Gautomatch rejected these picks: m1_nonunique" in one for one in found.notes)


def test_cryolos_folder_as_the_folder_of_all_pickers(make, tmp_path):
    for name in ("CBOX/m.box", "EMAN/m.box"):
        make(f"cryolo/{name}", "")
    assert read_picks_dir(tmp_path / "cryolo").picks.picker_names == ("CBOX", "EMAN")
    make("cryolo/DISTR/confidence.txt", "0.5\n0.7\n")
    with pytest.raises(FormatError, match=r"crYOLO \(CBOX, DISTR, EMAN\); give the folder that it"):
        read_picks_dir(tmp_path / "cryolo")
