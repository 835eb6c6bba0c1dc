"""Who may import whom, and other rules of the house."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import repic_plugin

ROOT = Path(repic_plugin.__file__).parent
REPOSITORY = Path(__file__).parents[1]
PURE = {"classification", "consensus", "evaluation", "iteration", "simulation"}
PURE |= {"template_picking"}
SCIPION = {"pwem", "pyworkflow"}
KNOWS_SCIPION = {"plugin", "convert", "pickers", "protocols", "viewers", "wizards", "objects"}
KNOWS_SCIPION |= {"reports"}
PROJECTS = "_project.py"  # ends the names of commands' files that load Scipion, each by one other
NUMERICAL = {"numpy", "scipy", "networkx", "numba", "gurobipy", "threadpoolctl"}
# what each room may import of ours; a room that is not named here has no business with others
MAY_IMPORT = {
    "compiled": set(),
    "consensus": {"compiled"},
    "classification": {"compiled", "consensus"},
    "evaluation": {"compiled", "consensus"},
    "iteration": {"consensus", "evaluation"},
    "simulation": {"classification", "compiled", "consensus"},
    "template_picking": {"classification"},
    "formats": PURE,
    "convert": {"classification", "consensus", "constants", "formats"},
    "objects": set(),
    "pickers": {"constants", "convert", "objects", "plugin"},
    "protocols": {
        *PURE,
        "formats",
        "convert",
        "constants",
        "objects",
        "pickers",
        "plugin",
        "reports",
    },
    "reports": {*PURE, "formats", "protocols", "viewers"},
    "viewers": {*PURE, "formats", "convert", "constants", "protocols"},
    "wizards": {*PURE, "formats", "convert", "constants", "protocols", "viewers"},
    "commands": {*PURE, "formats", "convert", "constants", "reports", "viewers"},
    "cli": {"commands"},
    "__init__": {"plugin"},
    "plugin": set(),
    "constants": set(),
    "bibtex": set(),
}
STANDARD = {"__future__", "concurrent", "collections", "contextlib", "dataclasses", "functools"}
STANDARD |= {"glob", "importlib", "itertools", "math", "os", "pathlib", "time", "typing"}
STANDARD |= {"copy", "threading", "warnings"}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path):
    first = path.relative_to(ROOT).parts[0]
    return first[:-3] if first.endswith(".py") else first


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                f"repic_plugin.{alias.name}" if node.module == "repic_plugin" else node.module
                for alias in node.names
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path):
    room = room_of(path)
    for name in imported_modules(path):
        package, *rest = name.split(".")
        if package == "repic_plugin" and rest and rest[0] != "__version__":
            is_project = path.name.endswith(PROJECTS)
            may = {*MAY_IMPORT[room], room, *({"pickers"} if is_project else ())}
            assert rest[0] in may, f"{room} imports {name}"
            if room in PURE and rest[0] in PURE - {room}:
                assert len(rest) == 1, f"{room} reaches behind the door of {rest[0]}: {name}"
        if package in SCIPION:
            knows = room in KNOWS_SCIPION or path.name.endswith(PROJECTS)
            assert knows, f"{room} imports {name}"
        if room in PURE and package not in {"repic_plugin", *STANDARD}:
            assert package in NUMERICAL, f"the pure room {room} imports {name}"


@pytest.mark.parametrize("room", [*sorted(PURE), "formats", "cli"])
def test_scipion_is_not_loaded_by(room):
    code = (
        f"import sys, repic_plugin.{room}; "
        "print([m for m in ('pwem', 'pyworkflow', 'tkinter', 'gurobipy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_version_heads_the_changes():
    heading = re.search(r"^## (\S+)", (REPOSITORY / "CHANGES.md").read_text("utf-8"), re.M)
    assert heading.group(1) == repic_plugin.__version__


def test_package_data_are_declared():
    declared = (REPOSITORY / "setup.py").read_text("utf-8")
    for path in ROOT.iterdir():
        if path.is_file() and path.suffix != ".py":
            assert f'"{path.name}"' in declared, path.name


@pytest.mark.parametrize("module", ["one_shot"])
def test_examples_in_docstrings(module):
    failures, tried = doctest.testmod(importlib.import_module(f"repic_plugin.consensus.{module}"))
    assert tried > 0
    assert failures == 0


def test_readme_example():
    failures, tried = doctest.testfile(str(REPOSITORY / "README.md"), module_relative=False)
    assert tried > 0
    assert failures == 0


def test_the_commands_start_without_matplotlib():
    code = "import sys, repic_plugin.cli; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
