"""The workflow templates: known to Scipion, wired, and run without a screen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import repic_plugin
from repic_plugin.workflow.definition import read_placeholders, template_names
from tests.protocols.workflow_runs import (
    N_PARTICLES,
    Command,
    project_folder,
    read_summary,
    run_folders,
    template_values,
    write_material,
)

TEMPLATES = Path(repic_plugin.__file__).parent / "templates"
VALUES = {"consensus-classes": ["classes=2", "threads=1", "extract=28", "reduce=16"]}


@pytest.fixture
def material(tmp_path):
    return write_material(tmp_path / "data")


def all_values(name, given):
    """Every value of a template, as `scipion template` without its window wants them."""
    values = {one.name: one.default for one in read_placeholders(name)}
    values.update(text.split("=") for text in given)
    return [f"{key}={value}" for key, value in values.items()]


@pytest.mark.parametrize("name", template_names())
def test_scipion_fills_in_a_template_and_finds_what_it_refers_to(project, material, name):
    from pyworkflow.template import LocalTemplate

    template = LocalTemplate("repic_plugin", str(TEMPLATES / f"{name}.json.template"))
    assert template.description.endswith(".")
    template.replaceEnvVariables()
    template.parseContent()
    for text in all_values(name, given_values(name, material)):
        assert template.setParamValue(*text.split("="))
    assert all(one.validate() is None for one in template.getParams().values())
    protocols = json.loads(Path(template.createTemplateFile()).read_text())
    missing = {one["object.className"] for one in protocols} - set(project.protocols)
    if missing:
        pytest.skip(f"{', '.join(sorted(missing))}: make test-pickers")
    classes = {one["object.id"]: project.protocols[one["object.className"]] for one in protocols}
    for one in protocols:
        form = project.new(one["object.className"], "form")
        for parameter, value in one.items():
            if parameter.startswith("object."):
                continue
            assert form.getParam(parameter) is not None, parameter
            references = value if isinstance(value, list) else [value]
            for reference in references if "input" in parameter else ():
                number, output = reference.split(".")
                assert output in possible_outputs(classes[number]), reference


def given_values(name, material):
    """Values of a template that it has no default for, and of parts that may be left out."""
    known = {one.name for one in read_placeholders(name)}
    values = [*template_values(material), "box=24", "smallest=20", "largest=40", "extract=24"]
    values += [f"ctfs={material / 'micrographs'}"]
    return [text for text in values if text.partition("=")[0] in known]


def possible_outputs(protocol_class):
    found = protocol_class._possibleOutputs
    return set(found) if isinstance(found, dict) else {one.name for one in found}


def test_names_that_are_asked_for_twice_have_titles_of_their_own():
    # Scipion knows placeholders by their titles: of two with one title, the first stays as it is
    for path in TEMPLATES.iterdir():
        pieces = path.read_text().split("~")[1::2]
        titles = [one.split("|")[0] for one in pieces]
        assert len(set(titles)) == len(titles)


@pytest.mark.slow
def test_the_consensus_runs_from_import_to_extraction_and_once(material, tmp_path):
    words = ("consensus", *template_values(material), "--project", "consensus")
    summary = ("--summary", tmp_path / "summary.json")
    first = Command(*words, *summary)
    assert first.ended() == 0, first.story()
    assert first.errors == ""
    rows, code = read_summary("consensus")
    assert code == 0
    assert list(rows) == [
        "micrographs",
        *(f"picker{n}" for n in (1, 2, 3)),  # their folders
        "consensus",
        "particles",
    ]
    assert all(row["status"] == "finished" and row["end"] > row["start"] for row in rows.values())
    (left,) = rows["particles"]["outputs"]
    assert (left["name"], left["size"]) == ("outputParticles", N_PARTICLES)
    assert json.loads((tmp_path / "summary.json").read_text())["protocols"] == list(rows.values())
    table = next(project_folder("consensus").glob("Runs/*Consensus/extra/consensus.csv"))
    assert "picker1,picker2,picker3" in table.read_text().splitlines()[0]
    assert first.lines[-1].startswith("exit code 0, summary ")
    assert first.lines[-2].endswith(" -m scipion project consensus")
    assert f"SCIPION_USER_DATA={os.environ['SCIPION_USER_DATA']} " in first.lines[-2]
    folders = run_folders("consensus")

    second = Command(*words)
    assert second.ended() == 0
    assert not any("launched" in line for line in second.lines)
    assert read_summary("consensus") == (rows, 0)
    assert run_folders("consensus") == folders

    other = Command(*words, "mode=0")
    assert other.ended() == 2
    assert "mode was '1' and is '0'" in other.errors
    assert other.errors.count("\n") == 1


@pytest.mark.slow
def test_two_pickers_do(material):
    values = [text for text in template_values(material) if not text.startswith("picks3=")]
    command = Command("consensus", *values, "--project", "two")
    assert command.ended() == 0, command.story()
    rows, _ = read_summary("two")
    assert list(rows) == ["micrographs", "picker1", "picker2", "consensus", "particles"]
    assert rows["particles"]["outputs"][0]["size"] == N_PARTICLES


@pytest.mark.thorough
def test_the_consensus_is_classified(material):
    given = [*template_values(material), *VALUES["consensus-classes"]]
    command = Command("consensus-classes", *given, "--project", "classes")
    assert command.ended() == 0, command.story()
    rows, _ = read_summary("classes")
    sizes = {one["name"]: one["size"] for one in rows["2D classes"]["outputs"]}
    selected = sizes.pop("outputParticles", 0) + sizes.pop("outputRejected", 0)
    assert sizes == {"outputClasses": 2, "outputAverages": 2}
    assert selected > 0


@pytest.mark.thorough
def test_pickers_are_trained_again_and_again(tmp_path):
    from tests.protocols.iterative_runs import BOX, N_PARTICLES, write_material

    micrographs, _ = write_material(tmp_path / "data", n_micrographs=12)
    values = [f"micrographs={micrographs}", "pixel=8", f"box={BOX}", f"particles={N_PARTICLES}"]
    command = Command("iterative", *values, "iterations=1", "--project", "iterative")
    assert command.ended(seconds=900) == 0, command.story()
    rows, _ = read_summary("iterative")
    assert list(rows) == ["micrographs", "iterative picking", "particles"]
    sizes = {one["name"]: one["size"] for one in rows["iterative picking"]["outputs"]}
    (extracted,) = rows["particles"]["outputs"]
    assert 20 < extracted["size"] <= sizes["outputCoordinates"]


@pytest.mark.thorough
def test_scipion_makes_a_project_of_a_template_without_its_window(material, tmp_path):
    from pyworkflow.project import Manager

    given = all_values("consensus", template_values(material))
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "scipion", "template", "repic_plugin-consensus"),
            *("--nogui", "--noschedule", "project_name=by_scipion", *given),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert answer.returncode == 0, answer.stderr
    before = os.getcwd()
    try:
        runs = Manager().loadProject("by_scipion").getRuns()
    finally:
        os.chdir(before)
    assert len(runs) == 6
    consensus = next(run for run in runs if run.getClassName() == "ProtRepicConsensus")
    assert [one.getExtended() for one in consensus.inputCoordinates] == ["outputCoordinates"] * 3
    assert len({one.getObjValue().getObjId() for one in consensus.inputCoordinates}) == 3
