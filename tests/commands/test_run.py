"""`run`: what it refuses before Scipion is loaded, and what a template becomes."""

import json
import subprocess
import sys

import pytest

from repic_plugin.workflow.definition import read_workflow, template_names
from repic_plugin.workflow.record import Record, check_same, digest, locked, read_record
from tests.commands.helpers import assert_refused

TEMPLATE = """Something in words.
[
    {
        "object.className": "ProtX",
        "object.id": "1",
        "folder": "~A folder||6|folder~",
        "size": ~Size|5|3|size~,
        "scale": ~Scale|1.5|4|scale~,
        "on": ~On|true|1|on~,
        "label": "~Label|a label|0|label~",
        "again": ~Size again|5|3|size~
    }
]
"""


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "mine.json.template"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture
def workflow(tmp_path):
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps([{"object.className": "ProtX", "object.id": "1"}]))
    return path


def test_a_template_becomes_a_workflow(template, tmp_path, monkeypatch):
    (tmp_path / "micrographs").mkdir()
    monkeypatch.chdir(tmp_path)
    values = ["folder=micrographs", "size=7", "on=0", 'label=5" \\ é=ü ~ %']
    (protocol,) = read_workflow(str(template), values).protocols
    assert protocol["folder"] == str(tmp_path / "micrographs")
    assert (protocol["size"], protocol["again"]) == (7, 7)
    assert protocol["scale"] == 1.5
    assert protocol["on"] is False
    assert protocol["label"] == '5" \\ é=ü ~ %'


@pytest.mark.parametrize("name", ["consensus", "repic_plugin-consensus", "consensus.json.template"])
def test_our_templates_are_known_by_their_names(run, name):
    answer = run("run", "--list", name)
    assert answer.code == 0
    assert any(line.split()[:1] == ["micrographs"] for line in answer.out)


def test_the_list_names_every_template(run):
    lines = [line.split() for line in run("run", "--list").out]
    assert [line[0] for line in lines] == template_names()
    assert all(line[-1].endswith(".") and len(line) > 5 for line in lines)  # what each is for
    assert {"consensus", "facility", "facility-picks", "iterative"} <= set(template_names())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("sise=3", ["has no value sise", "size=5", "scale=1.5"]),
        ("size=3.5", ["size", "a whole number", "'3.5'"]),
        ("size=", ["a whole number"]),
        ("scale=wide", ["scale", "a number", "'wide'"]),
        ("scale=nan", ["a number"]),
        ("on=maybe", ["on", "true or false"]),
        ("folder=/not/there", ["folder", "does not exist"]),
        ("folder=", ["folder", "does not exist"]),
        ("size", ["name=value"]),
    ],
)
def test_values_that_do_not_fit_are_refused(run, template, value, words):
    given = [value] if value.startswith("folder") else ["folder=/", value]
    assert_refused(run("run", template, *given, "--project", "p"), *words)


def test_values_may_come_after_options(run, template):
    words = ("--project", "p", "folder=/", "--timeout", 5, "size=wrong")
    assert_refused(run("run", template, *words), "size", "'wrong'")
    assert_refused(run("run", template, "--projekt", "p"), "--projekt", "--help")


def test_missing_and_repeated_values_are_told(run, template):
    assert_refused(run("run", template, "--project", "p"), "needs folder=", "size=5")
    twice = run("run", template, "folder=/", "folder=/", "--project", "p")
    assert_refused(twice, "folder is given twice")


def test_an_unknown_template_names_those_there_are(run):
    assert_refused(run("run", "nothing", "--project", "p"), "nothing", *template_names())
    assert_refused(run("run", "/tmp/consensus", "--project", "p"), "neither a file")


def test_a_workflow_takes_no_values(run, workflow):
    assert_refused(run("run", workflow, "size=3", "--project", "p"), "is no template", "size=")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{", ["not JSON"]),
        ("{}", ["list of one or more protocols"]),
        ("[]", ["list of one or more protocols"]),
        ('[{"object.id": "1"}]', ["entry 1", "object.className"]),
        ('[{"object.id": 1, "object.className": "A"}]', ["entry 1"]),
        ('["a"]', ["entry 1"]),
        (
            '[{"object.id": "1", "object.className": "A"},'
            ' {"object.id": "1", "object.className": "B"}]',
            ["two protocols have the id 1"],
        ),
        (b"\xff\xfe", ["is not text"]),
    ],
)
def test_damaged_workflows_are_refused(run, tmp_path, text, words):
    path = tmp_path / "workflow.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(run("run", path, "--project", "p"), str(path), *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[\n{"a": "~Title|1|3|a"}]', ["unbalanced ~"]),
        ('[\n{"a": "~Title|1|x|a~"}]', ["has no type"]),
        ('[\n{"a": "~Title~"}]', ["has no type"]),
        ('[\n{"a": "%(REPIC_NO_SUCH_VARIABLE)s"}]', ["REPIC_NO_SUCH_VARIABLE"]),
        ('[\n{"a": 100%}]', ["variable"]),
    ],
)
def test_damaged_templates_are_refused(run, tmp_path, text, words):
    path = tmp_path / "bad.json.template"
    path.write_text(text)
    assert_refused(run("run", path, "--project", "p"), str(path), *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], ["--project NAME"]),
        (["--project", "a b"], ["--project", "'a b'"]),
        (["--project", "../up"], ["--project"]),
        (["--project", "p", "--timeout", 0], ["--timeout", "positive"]),
        (["--project", "p", "--summary", "/not/there/s.json"], ["--summary"]),
        (["--project", "p", "--summary", "/"], ["--summary"]),
    ],
)
def test_options_are_checked_before_scipion_is_loaded(run, workflow, options, words):
    assert_refused(run("run", workflow, *options), *words)


def test_the_command_starts_without_scipion():
    code = "import sys, repic_plugin.commands.run; print('pyworkflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


# ------------------------------------------------------------------ what a project remembers


def record_of(workflow):
    return Record(digest(workflow), workflow.source, workflow.values, [])


def test_the_same_workflow_is_known_again_and_others_are_told_apart(template, tmp_path):
    first = read_workflow(str(template), ["folder=/", "size=7"])
    check_same(record_of(first), read_workflow(str(template), ["size=7", "folder=/"]), "p")
    with pytest.raises(ValueError, match=r"size was '7' and is '8'.*another --project"):
        check_same(record_of(first), read_workflow(str(template), ["folder=/", "size=8"]), "p")
    template.write_text(TEMPLATE.replace("ProtX", "ProtY"))
    with pytest.raises(ValueError, match="the file has changed"):
        check_same(record_of(first), read_workflow(str(template), ["folder=/", "size=7"]), "p")
    (tmp_path / "other.json").write_text('[{"object.className": "A", "object.id": "1"}]')
    with pytest.raises(ValueError, match=r"it holds .*mine\.json\.template"):
        check_same(record_of(first), read_workflow(str(tmp_path / "other.json"), []), "p")


def test_a_damaged_record_is_told(tmp_path):
    assert read_record(tmp_path) is None
    (tmp_path / "repic-run.json").write_text('{"digest": ')
    with pytest.raises(ValueError, match="is damaged"):
        read_record(tmp_path)


def test_one_project_is_run_by_one_command_at_a_time(tmp_path):
    another = pytest.raises(ValueError, match="is in use by another")
    with locked(tmp_path, "p"), another, locked(tmp_path, "p"):
        pass
    with locked(tmp_path, "p"):
        pass


@pytest.mark.parametrize("name", ["a$(touch pwned)", "a`b`", 'a"b'])
def test_a_project_whose_path_a_shell_would_read_is_refused(name, monkeypatch, tmp_path):
    from repic_plugin.workflow.environment import project_folder

    monkeypatch.setenv("SCIPION_USER_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"puts this path into a shell line, .*; choose another"):
        project_folder(name)
    assert project_folder("a b; c") == tmp_path / "projects" / "a b; c"


IMPORTS = """Two pickers.
[
    {
        "object.className": "ProtRepicImportPicks",
        "object.id": "1",
        "picksFolder": "~Picks of Topaz||6|topaz~",
        "boxSize": ~Box size|0|3|box~
    },
    {
        "object.className": "ProtRepicImportPicks",
        "object.id": "2",
        "picksFolder": "~Picks of crYOLO||6|cryolo~"
    },
    {
        "object.className": "ProtX",
        "object.id": "3",
        "folder": "~Another folder||6|other~"
    }
]
"""


@pytest.fixture
def imports(tmp_path):
    """A template of two imports, and its values; both pickers lie in one folder."""
    path = tmp_path / "imports.json.template"
    path.write_text(IMPORTS)
    return str(path), [f"{name}={tmp_path}" for name in ("topaz", "cryolo", "other")]


def test_corrections_go_to_the_import_that_is_named(imports):
    template, values = imports
    plain = read_workflow(template, values)
    corrections = ["topaz.scale=8", "topaz.flip-y=yes", "cryolo.offset=-3,4.5", "cryolo.swap-xy=1"]
    workflow = read_workflow(template, [*values, *corrections])
    topaz, cryolo, other = workflow.protocols
    assert topaz == {**plain.protocols[0], "scale": 8.0, "flipY": True}
    moved = {"offsetX": -3.0, "offsetY": 4.5, "swapXY": True}
    assert cryolo == {**plain.protocols[1], **moved}
    assert other == plain.protocols[2]
    assert workflow.values["topaz.scale"] == "8"
    assert digest(workflow) != digest(plain)


@pytest.mark.parametrize(
    ("correction", "words"),
    [
        ("topaz.zoom=8", "topaz.zoom: there is no such correction; choose swap-xy, scale, flip-x"),
        ("topaz.scale=big", "topaz.scale must be a factor above 0, such as 8, got 'big'"),
        ("topaz.scale=0", "topaz.scale must be a factor above 0"),
        ("topaz.scale=nan", "topaz.scale must be a factor above 0"),
        ("topaz.flip-x=4096", "topaz.flip-x must be true or false, got '4096'"),
        ("topaz.offset=3", "topaz.offset must be DX,DY in px, got '3'"),
        ("topaz.offset=3,inf", "topaz.offset must be DX,DY in px, got '3,inf'"),
        ("other.scale=8", "other.scale: a correction of coordinates belongs to topaz, cryolo"),
        ("log.scale=8", "has no value log.scale; it has topaz="),
    ],
)
def test_a_wrong_correction_is_refused_in_one_line(run, imports, correction, words):
    template, values = imports
    answer = run("run", template, *values, correction, "--project", "x")
    assert_refused(answer, words)


def test_templates_that_import_nothing_take_no_corrections(run, tmp_path, template):
    answer = run("run", template, f"folder={tmp_path}", "folder.scale=8", "--project", "x")
    assert_refused(answer, "belongs to none of its values, as it imports no picks")


def test_the_list_tells_which_values_can_be_corrected(run, imports):
    told = run("run", "--list", "consensus").out
    assert any("named after picks1, picks2, picks3: .swap-xy=true" in line for line in told)
    assert any(
        "named after topaz, cryolo: " in line for line in run("run", "--list", imports[0]).out
    )
    assert not any("corrections" in line for line in run("run", "--list", "iterative").out)


def test_a_correction_that_is_left_out_later_is_another_workflow(imports):
    template, values = imports
    first = read_workflow(template, [*values, "topaz.scale=8"])
    record = Record(digest(first), first.source, first.values, [])
    check_same(record, first, "p")
    with pytest.raises(ValueError, match=r"topaz.scale was '8' and is not given"):
        check_same(record, read_workflow(template, values), "p")
