"""A real browser for the tests of reports."""

import shutil
import subprocess

import pytest

from tests.reports.devtools import Keyboard
from tests.reports.frames import WIDTHS, framed, told_by

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


@pytest.fixture
def measured(browser, tmp_path):
    """What a browser says of a page in frames of some widths."""

    def call(text, widths=WIDTHS):
        path = tmp_path / "frames.html"
        path.write_text(framed(text, widths), "utf-8")
        return told_by(browser("--hide-scrollbars", "--dump-dom", path.as_uri()).decode("utf-8"))

    return call


@pytest.fixture
def keyboard(tmp_path):
    """A browser that gets keys."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine")
    profile = f"--user-data-dir={tmp_path / 'keys'}"
    found = Keyboard([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", profile])
    yield found
    found.close()
