"""Buttons and sliders of all windows, and the page that lists them."""

import ast
from pathlib import Path

import pytest

import repic_plugin

VIEWERS = Path(repic_plugin.__file__).parent / "viewers"
PAGE = Path(__file__).parents[2] / "docs" / "use" / "looking.md"
FEWEST = 16  # else they are made in another way, and nothing is asked


def name_of(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def texts_of(tree):
    """Texts of the buttons that a file makes; in a dict of views, those that end with dots."""
    named = {
        name_of(node.targets[0]): node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node.func).lower().endswith("button"):
            given = [word.value for word in node.keywords if word.arg == "text"]
            found = given or node.args[1:2]
        elif isinstance(node, ast.Dict):
            found = [
                key for key, view in zip(node.keys, node.values) if isinstance(view, ast.Lambda)
            ]
        else:
            continue
        for one in found:
            text = named.get(one.id) if isinstance(one, ast.Name) else getattr(one, "value", None)
            is_view = isinstance(node, ast.Dict)  # of a button, else of a tab
            if isinstance(text, str) and (not is_view or text.endswith("...")):
                yield text


@pytest.fixture(scope="module")
def buttons():
    files = [*VIEWERS.rglob("*.py")]
    return {text for file in files for text in texts_of(ast.parse(file.read_text("utf-8")))}


def test_every_button_is_on_the_page(buttons):
    assert len(buttons) >= FEWEST
    assert {"Undo (u)", "Edit a copy by hand...", "Create subset", "Set"} <= buttons
    page = PAGE.read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|") and "*" in line]
    plain = {text: text.split(" (")[0].rstrip(".") for text in buttons}
    assert [text for text, one in plain.items() if not any(f"*{one}*" in row for row in rows)] == []
