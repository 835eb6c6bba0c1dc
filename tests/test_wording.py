"""Numbers of things in messages."""

import numpy as np
import pytest

from repic_plugin.commands.classify_report import report_junk
from repic_plugin.wording import counted, numbered_classes


def test_one_is_singular():
    assert [counted(n, "class") for n in (0, 1, 2000)] == ["0 classes", "1 class", "2,000 classes"]
    assert [numbered_classes(text) for text in ("3", "3, 5")] == ["class 3", "classes 3, 5"]


@pytest.mark.parametrize(
    ("junk", "text"),
    [
        ([False, True, False], "class 1 (1 particle; rule)"),
        ([True, True, False], "classes 0, 1 (5 particles; rule)"),
    ],
)
def test_classes_of_junk(capsys, junk, text):
    report_junk(np.array([4, 1, 5]), np.array(junk), "rule")
    assert capsys.readouterr().out == f"probable junk: {text}\n"
