"""A real browser for the tests of reports."""

import shutil
import subprocess

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def browser(tmp_path):
    """Calls a browser without a window; what it writes is returned."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine")

    def call(*options):
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        usual = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=900,1200", profile]
        command = [BROWSER, *usual, *options]
        return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout

    return call
