"""A project, a workflow and the names of version 0.2.0 (tests/data) with the code of today."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from repic_plugin.formats import AGREEMENT_NAMES, read_consensus_tables
from repic_plugin.protocols.iterative.child_runs import ADDED, HOW_IT_RUNS
from repic_plugin.workflow import read_workflow, template_names
from tests.protocols.faults import outcome, unfinished
from tests.protocols.iterative_runs import children, places, run_again
from tests.protocols.scipion_project import Project
from tests.protocols.test_templates import given_values
from tests.protocols.workflow_runs import write_material

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data"
NAME = "project_0_2_0"
# What the numbers of the form of version 0.2.0 meant.
PICKERS = dict(enumerate(("none", "template", "topaz", "cryolo", "deeppicker", "log", "project")))
IMPORTS = {"ProtImportMicrographs", "ProtRepicImportPicks"}
OF_PLUGINS = ("facility", "facility-relion")  # templates with protocols of others
LINES = tuple(f"picker{line}" for line in range(1, 7))


def stored(name):
    return json.loads((DATA / f"{name}_0_2_0.json").read_text())


NAMES, RUNS, WORKFLOW = stored("names"), stored("runs"), stored("workflow")


class Opened(Project):
    """A project that is there."""

    def __init__(self, name):
        from pwem import Domain
        from pyworkflow.project import Manager

        self.protocols = Domain.getProtocols()
        self.project = Manager().loadProject(name)

    def by_label(self, label):
        return next(one for one in self.project.getRuns() if one.getObjLabel() == label)


@pytest.fixture(scope="module")
def old():
    """The project, unpacked and opened."""
    before = os.getcwd()
    with tarfile.open(DATA / f"{NAME}.tar.xz") as archive:
        archive.extractall(Path(os.environ["SCIPION_USER_DATA"]) / "projects")
    yield Opened(NAME)
    os.chdir(before)


def meant(values):
    """Values of a workflow with the names that the pickers' numbers stood for."""
    return {key: PICKERS[one] if key in LINES else one for key, one in values.items()}


# ------------------------------------------------------------------ names


@pytest.mark.parametrize("name", NAMES)
def test_every_protocol_parameter_and_output_is_still_there(project, name):
    form = project.protocols[name]()._definition
    kinds = {key: type(param).__name__ for key, param in form.iterParams()}
    assert {key: kinds.get(key) for key in NAMES[name]["parameters"]} == NAMES[name]["parameters"]
    outputs = project.protocols[name]._possibleOutputs
    today = outputs if isinstance(outputs, dict) else [one.name for one in outputs or ()]
    assert set(NAMES[name]["outputs"]) <= set(today)


CHILDREN = ["ProtRepicSubsets", "ProtRepicConsensus", "ProtRepicLabels"]
CHILDREN += ["ProtTemplateTrain", "ProtTemplatePick"]


@pytest.mark.parametrize("name", CHILDREN)
def test_parameters_added_since_do_not_distinguish_children(project, name):
    today = {key for key, _ in project.protocols[name]()._definition.iterParams()}
    assert today - {*NAMES[name]["parameters"]} - HOW_IT_RUNS <= ADDED


# ------------------------------------------------------------------ the project


@pytest.mark.parametrize("values", WORKFLOW, ids=[one["object.label"] for one in WORKFLOW])
def test_runs_are_what_they_were(old, values):
    run = old.by_label(values["object.label"])
    assert run.getClassName() == values["object.className"]
    expected = RUNS[run.getObjLabel()]
    assert run.getStatus() == expected["status"]
    sizes = {name: one.getSize() for name, one in run.iterOutputAttributes()}
    assert sizes == expected["outputs"]
    old.project.getRunsGraph(refresh=True)
    today = old.project.getProtocolsDict()[run.getObjId()]
    assert {key: today.get(key) for key in values} == meant(values)


@pytest.mark.parametrize("label", [one for one in RUNS if RUNS[one]["status"] == "finished"])
def test_finished_runs_can_be_read_and_told(old, label):
    run = old.by_label(label)
    for name, output in run.iterOutputAttributes():
        assert len(list(output.iterItems())) == RUNS[label]["outputs"][name]
    if run.getClassName() not in IMPORTS:  # their files are not kept
        assert run.validate() == []
    assert any(map(str.strip, run._summary() or ["Scipion's own"]))
    assert isinstance(run._methods() or [], list)


def test_the_summary_of_the_consensus_counts_its_particles(old):
    n_particles = RUNS["consensus"]["outputs"]["outputCoordinates"]
    assert f"{n_particles} particles" in " ".join(old.by_label("consensus")._summary())


def test_an_unfinished_consensus_is_continued_and_as_one_that_was_not_disturbed(old):
    done = old.by_label("consensus")
    expected = outcome(old, done)
    continued = run_again(old, old.by_label("killed"))
    assert continued.isFinished(), continued.getErrorMessage()
    found = outcome(old, continued)
    for run, (_, files) in ((done, expected), (continued, found)):
        files.pop("summary.json")  # the sentences are those of the version that wrote them
        files["summary.csv"] = counts_of(old, run)
        files["consensus.csv"] = particles_of(old, run)
        for name in (*AGREEMENT_NAMES, "micrographs.csv", "run.csv"):
            files.pop(name, None)  # nor did it measure this
    assert found == expected
    assert not unfinished(old, continued)
    fresh = old.run(old.consensus([old.by_label(one) for one in ("one", "two", "three")], mode=1))
    assert without_rates(outcome(old, fresh)[0]) == without_rates(expected[0])


def without_rates(outputs):
    """Items of outputs without what version 0.2.0 did not measure."""
    return {
        name: [about, *({**json.loads(item), "_repicFalseAgreement": ""} for item in items)]
        for name, (about, *items) in outputs.items()
    }


def counts_of(project, run):
    """The summary of a consensus, as far as version 0.2.0 wrote it, without the time it took."""
    counts = read_consensus_tables(project.folder(run))
    names = ("n_picks", "n_edges", "n_cliques", "n_selected", "objective", "is_optimal")
    return [counts.micrograph_names, *(getattr(counts, name).tolist() for name in names)]


def particles_of(project, run):
    """The particles of a consensus, as far as version 0.2.0 wrote them."""
    found = read_consensus_tables(project.folder(run))
    names = ("micrograph", "x", "y", "weight", "score", "members")
    return [getattr(found, name).tolist() for name in names]


def test_a_run_that_was_finished_has_nothing_left_to_do(old):
    done = old.by_label("classes")  # no other run reads from it, else Scipion refuses
    before, times = outcome(old, done), written(old, done)
    again = run_again(old, done)
    assert again.isFinished(), again.getErrorMessage()
    assert outcome(old, again) == before
    assert written(old, again) == times


def written(project, run):
    """When the files of a run were written."""
    return {path.name: path.stat().st_mtime_ns for path in project.folder(run).rglob("*.*")}


@pytest.mark.thorough
def test_an_unfinished_iterative_run_goes_on_with_the_stage_that_was_not_finished(old):
    run = old.by_label("stopped")
    before = {label: one.getObjId() for label, one in children(old, run).items()}
    assert len(before) == 4
    continued = run_again(old, run)
    assert continued.isFinished(), continued.getErrorMessage()
    made = children(old, continued)
    # the consensus had failed; it is made with the number of particles now
    done = {label: i for label, i in before.items() if label != "iter 0 - consensus"}
    assert len(done) == 3 and {label: made[label].getObjId() for label in done} == done
    # the stages that were finished then hold the picks of that version
    assert len(made) > len(before)
    assert {mic for mic, *_ in places(continued.outputCoordinates)}


# ------------------------------------------------------------------ workflows


@pytest.mark.parametrize("way", ["file", "text"])
def test_the_workflow_loads_with_the_pickers_that_were_meant(project, way):
    path = DATA / "workflow_0_2_0.json"
    source = {"filename": str(path)} if way == "file" else {"jsonStr": path.read_text()}
    loaded = project.project.loadProtocols(**source)
    assert list(loaded) == [one["object.id"] for one in WORKFLOW]
    for values in WORKFLOW:
        run = loaded[values["object.id"]]
        assert run.getClassName() == values["object.className"]
        own = {key: one for key, one in meant(values).items() if run.getParam(key) is not None}
        for key, one in own.items():
            attribute = getattr(run, key)
            if attribute.isPointer():
                number, _, output = one.partition(".")
                assert attribute.getObjValue() is loaded[number], key
                assert attribute.getExtended() == output, key
            elif not isinstance(one, list):
                assert attribute.getObjValue() == one, key


@pytest.mark.parametrize("name", [one for one in template_names() if one not in OF_PLUGINS])
@pytest.mark.parametrize("picker", ['"template"', "1"])
def test_templates_load_with_names_and_numbers(project, tmp_path, name, picker):
    material = write_material(tmp_path / "data")
    given = given_values(name, material)
    path = tmp_path / "workflow.json"
    text = json.dumps(read_workflow(name, given).protocols)
    path.write_text(text.replace('"template"', picker))
    for values, run in zip(json.loads(text), project.project.loadProtocols(str(path)).values()):
        chosen = {line: values[line] for line in LINES if line in values}
        assert {line: str(getattr(run, line)) for line in chosen} == chosen
        assert run.getClassName() == values["object.className"]
