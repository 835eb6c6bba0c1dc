"""Pickers that other packages bring, found by their entry points."""

import re

import pytest

from repic_plugin.pickers import KNOWN
from repic_plugin.pickers.packages import GROUP
from tests.pickers.outside import OUTER, REPOSITORY, ask, install, install_outer

IMPORTS = "from repic_plugin.pickers import Picker\n"
WHOLE = "    def training(self, *_): ...\n    def picking(self, *_): ...\n"


def picker(name, title):
    return f"{IMPORTS}class P(Picker):\n    name, title = {name!r}, {title!r}\n{WHOLE}"


# package: its source, its entry point, what the log says
BROKEN = {
    "no-import": ("import not_there", "P", "ModuleNotFoundError: No module named 'not_there'"),
    "exits": ("raise SystemExit('bye')", "P", "SystemExit: bye"),
    "two-lines": ("raise RuntimeError('a\\nb')", "P", "RuntimeError: a b"),
    "no-class": ("", "P", "has no attribute 'P'"),
    "no-syntax": ("def", "P", "SyntaxError"),
    "no-picker": ("class P: pass", "P", "is not a subclass of repic_plugin.pickers.Picker"),
    "function": ("def P(): pass", "P", "is not a subclass of repic_plugin.pickers.Picker"),
    "module": (picker("m", "M"), None, "is not a subclass of repic_plugin.pickers.Picker"),
    "abstract": (
        f"{IMPORTS}class P(Picker):\n    name, title = 'x', 'X'\n    def picking(self, *_): ...",
        "P",
        "lacks training; add what is missing",
    ),
    "nameless": (f"{IMPORTS}class P(Picker):\n{WHOLE}", "P", "its name must be a text"),
    "untitled": (picker("u", None), "P", "its title must be a text and no number, got None"),
    "number": (picker("3", "Three"), "P", "its name must be a text and no number, got '3'"),
    "odd-model": (picker("o", "O") + "    model_class = 3", "P", "model_class must be a text"),
    "known-name": (picker("Topaz", "New"), "P", "its name 'Topaz' is that of Topaz ("),
    "known-title": (picker("new", "crYOLO"), "P", "its title 'crYOLO' is that of crYOLO ("),
    "no-one": (picker("None", "Nobody"), "P", "its name 'None' is that of none"),
    "second-outer": (OUTER, "Outer", "its name 'outer' is that of Outer picker (my_outer)"),
}
NAMED = "from repic_plugin.pickers import PICKERS\nprint(json.dumps([*PICKERS]))"
SEEN = """
from pwem import Domain
from repic_plugin.pickers import PICKERS
choices = Domain.getProtocols()["ProtRepicIterative"]().getParam("picker2").choices
print(json.dumps([list(PICKERS), list(choices)]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of packages: one that works among many that do not."""
    site = install_outer(tmp_path_factory.mktemp("packages") / "site")
    for package, (source, name, _) in BROKEN.items():
        module = package.replace("-", "_")
        install(site, package, module, source, f"p = {module}" + (f":{name}" if name else ""))
    return site


@pytest.fixture(scope="module")
def seen(site):
    """Names and choices of the form, and the log."""
    return ask(site, SEEN)


def test_a_picker_of_another_package_stands_in_the_form_after_the_known(seen):
    (names, choices), _ = seen
    assert names == [*KNOWN, "outer"]
    assert choices[0] == "none"
    assert choices[-1] == "Outer picker"
    assert len(choices) == len(KNOWN) + 2


@pytest.mark.parametrize("package", BROKEN)
def test_a_broken_package_is_left_out_with_one_line(seen, package):
    _, log = seen
    (line,) = [one for one in log if f"of the package {package} " in one]
    assert BROKEN[package][2] in line
    assert line.endswith(f", or remove the package (pip uninstall {package})")


def test_nothing_else_is_said(seen):
    assert len([one for one in seen[1] if "is skipped" in one]) == len(BROKEN)


def test_a_package_may_be_imported_before_the_pickers_are_asked_for(tmp_path):
    site = install_outer(tmp_path / "site")
    code = (
        "import my_outer\nfrom repic_plugin.pickers import PICKERS\nprint(json.dumps([*PICKERS]))"
    )
    assert ask(site, code) == ([*KNOWN, "outer"], [])


def test_added_pickers_are_in_the_order_of_their_names(tmp_path):
    site = install_outer(tmp_path / "site")
    install(site, "a-later", "a_later", picker("zeta", "A"), "z = a_later:P")
    install(site, "z-first", "z_first", picker("alpha", "B"), "a = z_first:P")
    assert ask(site, NAMED) == ([*KNOWN, "alpha", "outer", "zeta"], [])


def test_a_package_that_is_found_twice_is_read_once(tmp_path, monkeypatch):
    second = install_outer(tmp_path / "second")
    monkeypatch.setenv("PYTHONPATH", str(second))
    assert ask(install_outer(tmp_path / "first"), NAMED) == ([*KNOWN, "outer"], [])


def test_the_example_of_the_documentation_is_found(tmp_path):
    text = (REPOSITORY / "docs" / "develop" / "adding-a-picker.md").read_text("utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", text, re.S)
    ((group, point),) = re.findall(r'entry-points\."(.*?)"\]\n\s*(.*?)\n', text)
    assert group == GROUP
    site = tmp_path / "site"
    site.mkdir()
    point = point.replace('"', "")
    install(site, "my-picker-for-repic", "my_picker_for_repic", source, point)
    assert ask(site, NAMED) == ([*KNOWN, "mypicker"], [])
