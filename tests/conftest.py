"""What every room's tests share."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.virtual_screen import VIRTUAL, a_screen, window_manager

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("few", settings.get_profile("repeatable"), max_examples=10)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of shared data; a test that asks for it is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("REPIC_SHARED_DATA", str(beside)))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set REPIC_SHARED_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def _the_screen():
    """One for all windows of this process; elsewhere there is no display."""
    with a_screen("1366x768") as name, window_manager(name):
        display = os.environ["DISPLAY"]
        if name == VIRTUAL:
            del os.environ["DISPLAY"]
        yield name, display
        os.environ["DISPLAY"] = display


@pytest.fixture
def screen(_the_screen, monkeypatch):
    """The display of a test's windows, virtual if there is no other.

    What windows leave is collected here: a thread that reads details would wait a second for each
    image of Tk, as no test has a main loop.
    """
    name, display = _the_screen
    monkeypatch.setenv("DISPLAY", display)
    yield name
    gc.collect()


def pytest_configure(config):
    config.option.loadscopereorder = False  # workers take the files in the order below


def pytest_collection_modifyitems(items):
    """The slow files first: with several workers, none is left alone with them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
