"""Who may import whom, and other rules of the house."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import repic_plugin
from tests.house import PURE, import_problems

ROOT = Path(repic_plugin.__file__).parent
REPOSITORY = Path(__file__).parents[1]


def package_sources():
    """Text of each module of the package."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[: -1 if parts[-1] == "__init__" else None])] = path.read_text("utf-8")
    return found


def test_rooms_use_the_floors_below_them_by_the_front_door():
    assert import_problems(package_sources()) == []


@pytest.mark.parametrize(
    "module, line, problem",
    [
        ("consensus.graph", "from repic_plugin.formats import Format", "of a floor above"),
        ("consensus.graph", "from repic_plugin.evaluation import fsc", "are on one floor"),
        ("consensus.graph", "import mrcfile", "is a pure room"),
        ("formats.picks.box", "import pwem", "knows no Scipion"),
        ("plots.scores", "from repic_plugin.formats.picks.box import read", "behind the door"),
        ("plots.scores", "from repic_plugin.formats.picks import box", "behind the door"),
        ("plots.scores", "from repic_plugin.convert import read_picks", "are on one floor"),
        ("plots.scores", "def f():\n    import repic_plugin.viewers", "of a floor above"),
        ("plots.scores", "from .overlay import Layer", "write the full name"),
        (
            "consensus.records",
            "if TYPE_CHECKING:\n    from repic_plugin.consensus.batch import solve_batch",
            "circle: ",
        ),
        ("attic.box", "import numpy", "stands on no floor"),
        ("formats.mrc", "import_module('repic_plugin.convert')", "of a floor above"),
        ("formats.mrc", "x = __import__('repic_plugin.plots.overlay')", "of a floor above"),
        ("formats.mrc", "import repic_plugin\nx = repic_plugin.convert.Span", "of a floor above"),
        ("viewers.mrc", "from repic_plugin.plots import _draw", "private to plots"),
        ("plots.canvas", "def f():\n    from tkinter import ttk", "opens no windows"),
    ],
)
def test_a_wrong_import_is_found(module, line, problem):
    sources = package_sources()
    name = f"repic_plugin.{module}"
    sources[name] = f"{sources.get(name, '')}\n{line}\n"
    found = import_problems(sources)
    assert [one for one in found if problem in one and name in one], found


@pytest.mark.parametrize(
    "imports",
    [
        {"formats.base.one": "two", "formats.base.two": "three", "formats.base.three": "one"},
        {"plots.one": "two", "plots.two": "__init__"},  # whose door opens on first use
    ],
)
@pytest.mark.parametrize("line", ["import {}", "def f():\n    from {} import x"])
def test_a_circle_is_found(imports, line):
    sources = {**package_sources(), "repic_plugin.plots": "HOMES = {'x': 'one'}\nlazy_door(HOMES)"}
    sources = {name: text for name, text in sources.items() if "plots." not in name}
    for module, target in imports.items():
        folder = f"repic_plugin.{module.rpartition('.')[0]}"
        name = folder if target == "__init__" else f"{folder}.{target}"
        sources[f"repic_plugin.{module}"] = line.format(name)
    (found,) = (one for one in import_problems(sources) if "circle" in one)
    assert all(f"repic_plugin.{module}" in found for module in imports)


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


@pytest.mark.parametrize("module", ["find"])
def test_examples_in_docstrings(module):
    failures, tried = doctest.testmod(importlib.import_module(f"repic_plugin.consensus.{module}"))
    assert tried > 0
    assert failures == 0


@pytest.mark.parametrize("page", ["docs/use/python.md"])
def test_examples_on_pages(page):
    failures, tried = doctest.testfile(str(REPOSITORY / page), module_relative=False)
    assert tried > 0
    assert failures == 0


def test_the_commands_start_without_matplotlib():
    code = "import sys, repic_plugin.cli; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
