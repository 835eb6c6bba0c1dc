"""The pickers of an iterative run are kept by name, whatever is installed beside them."""

import importlib
import json
import sqlite3

import pytest

from repic_plugin.pickers import KNOWN, PICKERS
from repic_plugin.pickers.template import TemplatePicker
from tests.pickers.outside import install_outer
from tests.protocols.workflow_runs import Command, read_summary, write_workflow

pytestmark = pytest.mark.slow

# What version 0.2.0 stored: the place of a choice in its form, "none" first.
NUMBERS = dict(enumerate(("none", "template", "topaz", "cryolo", "deeppicker", "log", "project")))
LINES = range(1, 7)


def adapter(name):
    return type("Added", (TemplatePicker,), {"name": name, "title": f"{name} picker"})


@pytest.fixture
def installed(monkeypatch):
    """Change what is installed: other pickers beside the known, and known ones missing."""
    known = {name: PICKERS[name] for name in KNOWN}

    def change(*added, without=()):
        names = [*(name for name in KNOWN if name not in without), *sorted(added)]
        for name in list(PICKERS):
            monkeypatch.delitem(PICKERS, name)
        for name in names:
            monkeypatch.setitem(PICKERS, name, known.get(name) or adapter(name))

    return change


def names(protocol):
    return [str(getattr(protocol, f"picker{line}")) for line in LINES]


def chosen(*values):
    return {f"picker{line}": value for line, value in zip(LINES, values)}


def saved(project, label, **values):
    protocol = project.new("ProtRepicIterative", label, **values)
    project.project.saveProtocol(protocol)
    return protocol


def read_again(project, protocol):
    """As a project that is opened has it."""
    runs = project.project.getRuns(refresh=True)
    return next(run for run in runs if run.getObjId() == protocol.getObjId())


def exported(project, protocol, folder):
    project.project.getRunsGraph(refresh=True)
    path = folder / "exported.json"
    project.project.exportProtocols([protocol], str(path))
    return path


def loaded(project, path, protocols):
    """The iterative runs of a workflow file."""
    found = project.project.loadProtocols(str(write_workflow(path, protocols)))
    return list(found.values())


def entry(**values):
    return [{"object.className": "ProtRepicIterative", "object.id": "7", **values}]


def stored(project, protocol, change=None):
    """Rows of the project's database: classes and values of the pickers of a run."""
    where = "name LIKE ?", (f"{protocol.getObjId()}.picker_",)
    with sqlite3.connect(f"{project.project.path}/project.sqlite") as database:
        if change is not None:
            command = f"UPDATE Objects SET classname = 'Integer', value = ? WHERE {where[0]}"
            database.execute(command, (change, *where[1]))
        query = f"SELECT classname, value FROM Objects WHERE {where[0]} ORDER BY name"
        return database.execute(query, where[1]).fetchall()


# ------------------------------------------------------------------ what is kept


def test_the_name_is_stored_and_the_form_offers_titles(project, installed):
    installed("zeta")
    protocol = saved(project, "kept", **chosen("zeta", "topaz"))
    assert stored(project, protocol) == [
        ("String", name) for name in ("zeta", "topaz", "none", "none", "none", "none")
    ]
    assert protocol.getEnumText("picker1") == "zeta picker"
    assert protocol.evalParamCondition("options2")
    assert not protocol.evalParamCondition("options3")


def test_a_picker_that_sorts_before_changes_no_choice(project, installed, tmp_path):
    installed("zeta")
    protocol = saved(project, "before", **chosen("zeta", "template"))
    path = exported(project, protocol, tmp_path)
    installed("alpha", "zeta")
    again = read_again(project, protocol)
    (imported,) = project.project.loadProtocols(str(path)).values()
    for one in (again, imported, project.project.copyProtocol(again)):
        assert names(one)[:3] == ["zeta", "template", "none"]
        assert one.getEnumText("picker1") == "zeta picker"


@pytest.mark.parametrize("gone", ["zeta", "cryolo"])
def test_a_picker_that_is_gone_is_kept_and_reported(project, installed, tmp_path, gone):
    installed("zeta")
    protocol = saved(project, "gone", **chosen(gone, "template", "project"))
    installed("alpha", without=[gone])
    again = read_again(project, protocol)
    path = exported(project, again, tmp_path)
    (imported,) = project.project.loadProtocols(str(path)).values()
    copies = [again, imported, project.project.copyProtocol(again)]
    for one in copies:
        assert names(one)[:3] == [gone, "template", "project"]
        assert gone in one.getEnumText("picker1")
        assert one.evalParamCondition("pickRun3")
        assert not one.evalParamCondition("pickRun1")
    project.project.saveProtocol(again)
    assert stored(project, protocol)[0] == ("String", gone)
    installed("zeta")
    assert read_again(project, protocol).getEnumText("picker1") == PICKERS[gone].title


def test_one_that_is_gone_is_named_with_those_that_are_there(project, installed, micrographs):
    installed("zeta", without=["log"])
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    values = {"boxSize": 20, **chosen("template", "lost", "zeta")}
    protocol = project.new("ProtRepicIterative", "reported", inputs, **values)
    assert protocol.validate() == [
        "Picker 2: 'lost' is not installed, available are template, topaz, cryolo, deeppicker, "
        "project, zeta; install its package, or choose another"
    ]
    protocol.setHostConfig(project.project.getHostConfig("localhost"))
    assert protocol.getSubmitDict()["GPU_COUNT"] == 0


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    from tests.protocols.scipion_project import write_images

    folder = tmp_path_factory.mktemp("choice") / "images"
    return project.micrographs("chosen", write_images(folder, [f"m{i}" for i in range(9)]))


# ------------------------------------------------------------------ numbers of before


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("kind", [int, str])
def test_numbers_mean_what_they_meant(project, installed, tmp_path, number, kind):
    installed("alpha", "zeta", without=["log"])
    protocol = saved(project, "old numbers")
    stored(project, protocol, change=str(number))
    assert names(read_again(project, protocol)) == [NUMBERS[number]] * 6
    (imported,) = loaded(project, tmp_path / "w.json", entry(picker3=kind(number)))
    assert str(imported.picker3) == NUMBERS[number]
    assert (
        str(project.new("ProtRepicIterative", "a", picker3=kind(number)).picker3)
        == (NUMBERS[number])
    )


@pytest.mark.parametrize("kind", [int, str])
def test_a_number_of_a_file_that_was_added_is_no_other_picker(project, installed, tmp_path, kind):
    installed("alpha", "zeta")
    protocol = saved(project, "added number")
    stored(project, protocol, change="7")
    (imported,) = loaded(project, tmp_path / "w.json", entry(picker1=kind(7)))
    for one in (read_again(project, protocol), imported):
        assert names(one)[0] == "7"
        assert one.getEnumText("picker1") == "7 (not installed)"


# ------------------------------------------------------------------ what people type


@pytest.mark.parametrize(
    "typed, name",
    [
        ("topaz", "topaz"),
        ("Topaz", "topaz"),
        (" LoG (RELION) ", "log"),
        ("Runs of this project", "project"),
        ("Zeta Picker", "zeta"),
        ("none", "none"),
        ("", "none"),
        (None, "none"),
        ("topas", "topas"),
        ("-1", "-1"),
        (-1, "-1"),
        (99, "99"),
        (True, "True"),
        (2.0, "2.0"),
    ],
)
def test_names_and_titles_in_a_workflow(project, installed, tmp_path, typed, name):
    installed("zeta")
    (one,) = loaded(project, tmp_path / "w.json", entry(picker2=typed))
    assert str(one.picker2) == name


def test_names_survive_the_window(project, installed, monkeypatch):
    """The window's variable gets and gives places in the list of choices."""
    tkinter = pytest.importorskip("tkinter", reason="this Python has no tkinter")
    importlib.import_module("pyworkflow.gui.project")  # which has to come before the form
    form = importlib.import_module("pyworkflow.gui.form")

    installed("zeta")
    protocol = project.new("ProtRepicIterative", "window", **chosen("zeta", "lost"))
    monkeypatch.setattr(tkinter, "_default_root", tkinter.Tcl())  # variables need no display
    for line in (1, 2, 3):
        param, value = protocol.getParam(f"picker{line}"), getattr(protocol, f"picker{line}")
        variable = form.ComboVar(param)
        variable.set(value.get(param.default.get()))
        value.set(variable.get())
    variable.tkVar.set("Topaz")
    value.set(variable.get())
    assert names(protocol)[:3] == ["zeta", "lost", "topaz"]


# ------------------------------------------------------------------ a package of its own


@pytest.mark.thorough
def test_a_picker_of_another_package_is_trained_and_picks(tmp_path, monkeypatch):
    import repic_plugin
    from tests.protocols.iterative_runs import BOX, N_PARTICLES, write_material

    site = install_outer(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}:{repic_plugin.__path__[0]}/..")
    micrographs, _ = write_material(tmp_path / "data", n_micrographs=6)
    workflow = [
        {
            "object.className": "ProtImportMicrographs",
            "object.id": "1",
            "object.label": "micrographs",
            "filesPath": str(micrographs),
            "filesPattern": "*.mrc",
            "samplingRate": 8.0,
        },
        {
            "object.className": "ProtRepicIterative",
            "object.id": "2",
            "object.label": "iterative",
            "inputMicrographs": "1.outputMicrographs",
            **{"boxSize": BOX, "numParticles": N_PARTICLES, "numIterations": 1},
            **{"numValidation": 0, "trainingPercent": 34.0, "useGpu": False},
            **{"picker1": "Outer picker", "picker2": "template"},
        },
    ]
    path = write_workflow(tmp_path / "workflow.json", workflow)
    command = Command(path, "--project", "outer")
    assert command.ended(seconds=600) == 0, command.story()
    outputs = {one["name"] for one in read_summary("outer")[0]["iterative"]["outputs"]}
    assert {"outputCoordinates_Outerpicker", "outputModel_Outerpicker"} <= outputs, outputs

    monkeypatch.setenv("PYTHONPATH", f"{repic_plugin.__path__[0]}/..")
    path.write_text(json.dumps([workflow[0], {**workflow[1], "picker3": "topas"}]))
    command = Command(path, "--project", "without")
    assert command.ended() != 0
    problem = "Picker 1: 'Outer picker' is not installed, available are template, topaz"
    assert problem in command.story()
