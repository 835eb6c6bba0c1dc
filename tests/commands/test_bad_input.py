"""Bad input ends with one line that helps, exit code 2, and nothing written."""

import shutil

import pytest

from tests.commands.helpers import assert_refused, each, tree, write_picks

GOOD_ROW = "100 106 100 100 0.8\n"


@pytest.fixture
def refuses(consensus, tmp_path):
    """Run `consensus`, and check that it is refused with `words` and leaves no trace."""

    def check(*options, words):
        before = tree(tmp_path)
        assert_refused(consensus(*options), *words)
        assert tree(tmp_path) == before

    return check


# The folder of picks


def test_missing_folder(refuses, tiny):
    shutil.rmtree(tiny)
    refuses(words=[f"{tiny}: no such folder", "check the name"])


def test_a_file_instead_of_a_folder(refuses, tiny):
    shutil.rmtree(tiny)
    tiny.write_text(GOOD_ROW)
    refuses(words=[f"{tiny}: must be a folder", "lay the files out as"])


def test_empty_folder(refuses, tiny):
    shutil.rmtree(tiny)
    tiny.mkdir()
    refuses(words=[f"{tiny}: must have at least 2 sub-folders", "got 0", "lay the files out as"])


def test_one_picker(refuses, tiny):
    shutil.rmtree(tiny / "crYOLO")
    shutil.rmtree(tiny / "topaz")
    refuses(words=["must have at least 2 sub-folders", "got 1 (deepPicker)"])


def test_a_pickers_folder_given_instead_of_the_folder_above(run, tiny, out):
    outcome = run("consensus", tiny / "crYOLO", "--box-size", 100, "--out", out)
    assert_refused(outcome, "crYOLO", "must have at least 2 sub-folders", "lay the files out as")
    assert not out.exists()


def test_a_picker_without_files(refuses, tiny):
    shutil.rmtree(tiny / "topaz")
    (tiny / "topaz").mkdir()
    refuses(words=["picks/topaz: must have a file with suffix .box", "add one"])


def test_no_micrograph_in_common(refuses, tiny):
    for picker in ("crYOLO", "deepPicker", "topaz"):
        for path in list((tiny / picker).iterdir()):
            path.rename(path.with_name(f"{picker}_{path.name}"))
    refuses(
        words=["crYOLO has 0 of its 3", "crYOLO_m1", "deepPicker_m1", "make the names the same"]
    )


def test_two_files_for_one_micrograph(refuses, tiny):
    (tiny / "topaz" / "m1.mrc.box").write_text(GOOD_ROW)
    refuses(words=["micrograph m1", "m1.box", "m1.mrc.box", "remove one"])


# One of the files


@pytest.mark.parametrize(
    "content, words",
    [
        pytest.param(b"\x00\x01MAP \x00\xff", ["line 1", "must be text"], id="binary"),
        pytest.param(b"100 106 100 100 0.8\n\xff\xfe\n", ["line 2", "UTF-8"], id="no text"),
        pytest.param(
            GOOD_ROW + "200 200 100", ["line 2", "must have 5 values", "got 3"], id="truncated"
        ),
        pytest.param(GOOD_ROW + "20 20 100 10", ["line 2", "cut off"], id="cut in a number"),
        pytest.param("1 2\n", ["line 1", "x, y, width, height"], id="two columns"),
        pytest.param("1 2 3 4 5 6\n", ["line 1", "x, y, width, height"], id="six columns"),
        pytest.param("x,y\n1,2\n", ["line 1", "x, y, width, height"], id="CSV in a BOX file"),
        pytest.param(GOOD_ROW * 2 + "nan 1 9 9 0\n", ["line 3", "x must be finite"], id="nan"),
        pytest.param("1 inf 9 9 0.5\n", ["line 1", "y must be finite"], id="infinity"),
        pytest.param(GOOD_ROW + "1 1 9 9 nan\n", ["line 2", "score must be finite"], id="no score"),
        pytest.param(GOOD_ROW + "1 two 9 9 0\n", ["line 2", "y must be", "'two'"], id="a word"),
        pytest.param("1 1 0 100 0.5\n", ["line 1", "width must be > 0"], id="no width"),
        pytest.param("1 1 100 -9 0.5\n", ["line 1", "height must be > 0"], id="negative height"),
    ],
)
def test_bad_file(refuses, tiny, content, words):
    write_picks(tiny, {"topaz": {"m1.box": content}})
    refuses(words=["picks/topaz/m1.box", *words])


def test_a_link_to_nowhere(refuses, tiny):
    (tiny / "topaz" / "m4.box").symlink_to(tiny / "gone.box")
    refuses(words=["picks/topaz/m4.box: leads to", "gone.box", "mount or remove it"])


def test_an_empty_star_file_is_no_pick(consensus, tiny, out):
    """RELION leaves such a file for a micrograph without a peak."""
    (tiny / "topaz" / "m2.box").unlink()
    (tiny / "topaz" / "m2.star").write_text("")
    assert consensus("--mode", "quorum").code == 0
    assert (out / "m2.box").read_text().count("\n") == 1


def test_a_line_break_in_a_name_does_not_break_the_line(refuses, tiny):
    write_picks(tiny, {"topaz": {"m\n9.box": "what\n"}})
    refuses(words=["topaz/m", "9.box"])


# The options


@pytest.mark.parametrize(
    "options, words",
    [
        (["--box-size", "0"], ["--box-size", "positive", "got 0"]),
        (["--box-size", "-5"], ["--box-size", "positive", "got -5"]),
        (["--box-size", "nan"], ["--box-size", "positive", "got nan"]),
        (["--box-size", "inf"], ["--box-size", "positive", "got inf"]),
        (["--box-size", "abc"], ["--box-size", "must be a number", "'abc'"]),
        (["--box-size", "0.5"], ["--box-size", ">= 1", "got 0.5"]),
        (each("--box-size", "100", "90"), ["--box-size", "PICKER=VALUE", "'100'"]),
        (
            each("--box-size", "crYOLO=9", "crYOLO=8"),
            ["--box-size", "crYOLO twice", "give it once"],
        ),
        (["--box-size", "=100"], ["--box-size", "PICKER=VALUE"]),
        (["--box-size", "crYOLO="], ["--box-size", "must be a number"]),
        (each("--box-size", "crYOLO=99", "deepPicker=99", "topaz=9"), ["never overlap", "topaz"]),
        (["--mode", "quorum", "--quorum", "1"], ["--quorum", "2 to 3", "got 1"]),
        (["--mode", "quorum", "--quorum", "9"], ["--quorum", "2 to 3", "got 9"]),
        (["--quorum", "2"], ["--quorum 2", "choose mode quorum"]),
        (["--min-score", "warp=0.1"], ["--min-score", "warp", "crYOLO, deepPicker, topaz"]),
        (["--min-score", "topaz=low"], ["--min-score", "must be a number", "'low'"]),
        (["--min-score", "topaz=nan"], ["--min-score", "must be a number", "got nan"]),
        (["--score-transform", "warp=rank"], ["--score-transform", "warp", "topaz"]),
        (["--score-transform", "topaz=log"], ["--score-transform", "topaz", "rank", "'log'"]),
        (["--threads", "0"], ["--threads", "1 or more", "got 0"]),
        (["--num-particles", "0"], ["--num-particles", "1 or more", "got 0"]),
        (["--num-particles", "-3"], ["--num-particles", "1 or more", "got -3"]),
        (["--min-overlap", "1"], ["--min-overlap", "[0, 1)", "got 1"]),
        (["--min-overlap", "-0.1"], ["--min-overlap", "[0, 1)", "got -0.1"]),
        (["--min-overlap", "nan"], ["--min-overlap", "[0, 1)", "got nan"]),
        (["--time-limit", "0"], ["--time-limit", "more than 0", "got 0"]),
        (["--time-limit", "nan"], ["--time-limit", "more than 0", "got nan"]),
        (["--drop-outside", "0", "-5"], ["--drop-outside", "-5"]),
    ],
    ids=" ".join,
)
def test_bad_value(refuses, options, words):
    refuses(*options, words=words)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--quorum", "two"], ["--quorum", "'two'"]),
        (["--threads", "1.5"], ["--threads", "'1.5'"]),
        (["--min-overlap", "much"], ["--min-overlap", "'much'"]),
        (["--mode", "most"], ["--mode", "'most'", "quorum"]),
        (["--solver", "cplex"], ["--solver", "'cplex'", "highs"]),
        (["--format", "pdf"], ["--format", "'pdf'", "star"]),
        (["--colour", "red"], ["--colour"]),
    ],
    ids=" ".join,
)
def test_a_value_that_the_parser_refuses_takes_one_line_too(refuses, options, words):
    refuses(*options, words=words)


@pytest.mark.parametrize(
    "arguments, word",
    [
        ([], "COMMAND"),
        (["frob"], "frob"),
        (["consensus"], "PICKS_DIR"),
        (["evaluate", "picks"], "REFERENCE_DIR"),
        (["simulate"], "DIR"),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, list) else value,
)
def test_a_missing_argument_takes_one_line_too(run, arguments, word):
    assert_refused(run(*arguments), word)


def test_scores_that_identity_cannot_take(refuses, tiny):
    (tiny / "topaz" / "m1.box").write_text("100 106 100 100 7.5\n")
    words = ["topaz", "[0, 1]", "7.5", "use logistic"]
    refuses("--score-transform", "topaz=identity", words=words)


# The output


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_output_is_the_input(run, tiny, options):
    before = tree(tiny)
    outcome = run("consensus", tiny, "--box-size", 100, "--out", tiny, *options)
    assert_refused(outcome, str(tiny), "choose another folder")
    assert tree(tiny) == before


def test_output_is_a_file(refuses, out):
    out.write_text("dear")
    refuses(words=[f"{out}: is a file", "choose another folder"])


def test_output_is_below_a_file(run, tiny, tmp_path):
    (tmp_path / "file").write_text("dear")
    out = tmp_path / "file" / "out"
    outcome = run("consensus", tiny, "--box-size", 100, "--out", out)
    assert_refused(outcome, "file", "choose another folder")


def test_folders_above_the_output_go_too(run, tiny, tmp_path):
    outcome = run("consensus", tiny, "--box-size", 0, "--out", tmp_path / "a" / "b" / "c")
    assert outcome.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["picks"]
