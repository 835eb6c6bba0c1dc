"""Which micrographs of two lists are the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.formats import distinct_names, match_names, micrograph_name, unify_names


def places(names, known):
    return match_names(names, known).place.tolist()


@pytest.mark.parametrize(
    "text, name",
    [
        ("mic3", "mic3"),
        ("000012@Extract/job007/mic3.mrcs", "mic3"),
        (">J12/motioncorrected/mic3.mrc", "mic3"),
        ("2020-01-31_10.25_mic7", "2020-01-31_10.25_mic7"),
        ("Movies/mic3.EER", "mic3"),
        ("mic3.mrc/", "mic3"),
        (".mrc", ".mrc"),
    ],
)
def test_name(text, name):
    assert micrograph_name(text) == name


def test_folders_and_suffixes_do_not_count_where_names_are_unique():
    assert places(["a/mic1.mrc", "mic 2.tif"], ["x/y/mic2", "mic1.mrc"]) == [1, 0]


def test_folders_tell_micrographs_of_one_name_apart():
    known = ["/data/grid1/mic1.mrc", "/data/grid2/mic1.mrc"]
    assert places(["grid2/mic1", "MotionCorr/grid1/mic1.mrc"], known) == [1, 0]


def test_spaces_are_kept_in_what_is_written():
    assert distinct_names(["a b/m 1.mrc", "m 2"]) == ["m 1", "m 2"]
    assert unify_names([["m 1"], ["m1.mrc"]]).names in (["m 1"], ["m1"])


def test_a_name_or_a_file_may_match():
    """As Scipion names the micrographs of two folders."""
    known = [("mic1.mrc", "/d/grid1/mic1.mrc"), ("grid2_mic1.mrc", "/d/grid2/mic1.mrc")]
    assert places(["grid1/mic1", "grid2/mic1"], known) == [0, 1]
    assert places(known[::-1], known) == [1, 0]
    denoised = [("mic1.mrc", "/run/mic1_denoised.mrc"), ("grid2_mic1.mrc", "/run/x.mrc")]
    assert places(denoised, known) == [0, 1]
    assert places([("mic1.mrc", "/d/grid2/mic1.mrc")], known) == [1]  # imported alone


@pytest.mark.parametrize(
    "names, known",
    [
        (["mic1"], ["grid1/mic1", "grid2/mic1"]),
        (["grid1/mic1", "grid2/mic1"], ["mic1"]),
        (["mic1"], [("mic1.mrc", "/d/grid1/mic1.mrc"), ("grid2_mic1.mrc", "/d/grid2/mic1.mrc")]),
        (["mic1", "mic1"], ["mic1"]),
    ],
)
def test_what_folders_do_not_tell_apart_is_refused(names, known):
    with pytest.raises(ValueError, match=r"mic1.* may be any of 2 .*folders that tell them apart"):
        match_names(names, known)


ADDITIONS = "_DW _aligned_mic _aligned_mic_DW _patch_aligned_doseweighted _autopick _automatch "
ADDITIONS += "_topazpicks _of_nobody_knows_what"


@pytest.mark.parametrize("addition", ADDITIONS.split())
def test_additions_are_cut_where_that_makes_names_meet(addition):
    plain = [f"x_{i}" for i in range(1, 13)]  # x_1 begins x_10
    longer = [f"{name}{addition}" for name in plain]
    for names, known in ((plain, longer), (longer, plain)):
        found = match_names(names, known)
        assert found.place.tolist() == [*range(12)]
        (cut,) = found.additions
        assert (cut.text, cut.n, cut.is_ours) == (addition, 12, names is longer)
    mixed = [*plain[:6], *longer]
    found = match_names(longer, mixed)
    assert found.place.tolist() == [*range(6, 18)]
    assert not found.additions


def test_a_unique_number_before_the_name_is_cut():
    names = [f"{10**20 + i}_x_{i}_patch_aligned_doseweighted.mrc" for i in range(3)]
    found = match_names(["x_2", "x_0", "x_1"], names)
    assert found.place.tolist() == [2, 0, 1]
    assert found.additions[0].text == "a unique number and _patch_aligned_doseweighted"


def test_both_sides_may_have_additions():
    assert places(["x_1_DW", "x_2_DW"], ["x_2_autopick", "x_1_autopick"]) == [1, 0]


@pytest.mark.parametrize(
    "names, known",
    [
        (["x_1_2", "x_2_2", "x_3_2"], ["x_1", "x_2", "x_3"]),  # exposures, not additions
        (["x_1_of", "x_2_nobody"], ["x_1", "x_2"]),  # no ending that several have
        (["x_1_DW", "x_1_aligned"], ["x_1"]),  # two for one
        (["12345_x_1"], ["x_1"]),  # a short number may be part of the name
    ],
)
def test_what_may_be_part_of_a_name_is_not_cut(names, known):
    assert set(places(names, known)) == {-1}


parts = st.text("ab1_-.", min_size=1, max_size=4).filter(lambda s: s.strip("."))
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)


@given(st.lists(paths, unique=True, max_size=8))
def test_distinct_names_are_distinct_and_found_again(every):
    split = {tuple(p for p in one.split("/") if p != ".") for one in every}
    if len(split) < len(every):
        return
    names = distinct_names(every)
    assert len(set(names)) == len(every)
    assert all(one.endswith(name) for one, name in zip(every, names))
    shorter = {name.partition("/")[2] for name in names if "/" in name}
    tails = ["/".join(one.split("/")[-n:]) for one in every for n in (1, 2, 3)]
    assert all(tails.count(name) >= 1 for name in names)
    for name in shorter:  # none has more folders than it takes
        assert sum(one == name or one.endswith(f"/{name}") for one in every) > 1
    try:
        assert places(names, every) == [*range(len(every))]
    except ValueError:  # b beside a/b: nobody can tell which b is meant
        assert any(a != b and a.endswith(f"/{b}") for a in every for b in every)


@given(st.lists(paths, unique=True, max_size=6), st.randoms(use_true_random=False))
def test_order_does_not_matter(every, random):
    order = random.sample(range(len(every)), len(every))
    known = [f"root/{one}" for one in every]
    try:
        plain = match_names(every, known).place
    except ValueError:
        with pytest.raises(ValueError, match="may be any of"):
            match_names([every[i] for i in order], known)
        return
    np.testing.assert_array_equal(match_names([every[i] for i in order], known).place, plain[order])
