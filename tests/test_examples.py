"""The examples run, and say what they promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_runs_without_a_warning(path):
    answer = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=True, timeout=120
    )
    assert answer.stdout
    assert answer.stderr == ""


def test_compare_modes_shows_the_gain_of_a_quorum_and_of_probability():
    path = next(path for path in EXAMPLES if path.name == "compare_modes.py")
    out = subprocess.check_output([sys.executable, path], text=True, timeout=120)
    (all_precision, all_recall), (precision, recall), (likely, found) = [
        map(float, pair) for pair in re.findall(r"precision (\S+), recall (\S+),", out)
    ]
    assert all_precision > precision > 0.8
    assert recall > all_recall + 0.2
    assert likely > precision
    assert found > all_recall + 0.2
