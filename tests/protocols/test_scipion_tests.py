"""The tests that a user can run in an installation: scipion3 tests --grep repic_plugin."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCIPION = Path(sys.executable).with_name("scipion")
CLASS = "repic_plugin.tests.test_protocols.TestRepicPicking"


def scipion_tests(*arguments):
    """Run `scipion tests` and return its exit code and all that it printed."""
    answer = subprocess.run(
        [SCIPION, "tests", *arguments], capture_output=True, text=True, check=False, timeout=240
    )
    return answer.returncode, answer.stdout + answer.stderr


def test_scipion_lists_them():
    code, text = scipion_tests("--grep", "repic_plugin", "--mode", "all")
    assert code == 0, text
    for kind in ("import_scored_picks", "consensus_of_all_pickers", "extraction_and_classes"):
        assert f"{CLASS}.test_{kind}" in text


def test_they_run_in_scipion_and_again():
    for name in ("test_import_scored_picks", "test_consensus_of_a_quorum"):
        code, text = scipion_tests(f"{CLASS}.{name}")
        assert code == 0, text
        assert name in text


def test_scipion_reports_one_that_does_not_exist():
    code, _ = scipion_tests(f"{CLASS}.test_of_nothing")
    assert code != 0
