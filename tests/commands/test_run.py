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
    assert run("run", "--list").out == tuple(template_names())
    assert {"consensus", "consensus-classes", "iterative"} <= set(template_names())


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
