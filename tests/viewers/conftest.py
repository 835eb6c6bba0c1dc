"""One screen for all windows of a process: Tk cannot do without the first that it has used."""

import pytest

from tests.virtual_screen import a_screen, window_manager


@pytest.fixture(scope="session")
def screen():
    with a_screen("1366x768") as name, window_manager(name):
        yield name
