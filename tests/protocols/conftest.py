"""A Scipion of the tests' own: its variables have to stand before the first import of it."""

import atexit
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="repic-scipion-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
(HOME / "data" / "projects").mkdir(parents=True)
os.environ.update(
    PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    SCIPION_DOMAIN="pwem",
    SCIPION_HOME=str(HOME),
    SCIPION_USER_DATA=str(HOME / "data"),
    SCIPION_NOTIFY="False",
    SCIPION_HOSTS=str(Path(find_spec("scipion").origin).parent / "templates" / "hosts.template"),
)


@pytest.fixture(scope="session")
def project():
    """One project for all tests: making one costs more than running a protocol."""
    from tests.protocols.scipion_project import Project

    return Project("tests")
