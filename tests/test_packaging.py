"""What an installation and the page on PyPI are made of."""

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import setuptools

import repic_plugin

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "examples", "repic_plugin", "tests")


@pytest.fixture
def metadata(monkeypatch):
    """What setup.py hands to setuptools."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **values: given.update(values))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return given


def test_links_and_pictures_lead_to_files_of_this_version_from_anywhere(metadata):
    links = re.findall(r"(!?)\[[^]]*\]\(([^)]+)\)", metadata["long_description"])
    ours = [(mark, link) for mark, link in links if link.startswith(metadata["url"])]
    assert len(ours) > 10
    for mark, link in links:
        assert link.startswith("https://"), link
        if link.startswith(metadata["url"]):
            kind, version, path = link[len(metadata["url"]) + 1 :].split("#")[0].split("/", 2)
            assert (kind, version) == ("raw" if mark else "blob", f"v{repic_plugin.__version__}")
            assert (ROOT / path).is_file(), path
    for link in metadata["project_urls"].values():
        path = link.partition(f"/blob/v{repic_plugin.__version__}/")[2]
        assert (ROOT / path).exists(), link


@pytest.mark.slow
def test_an_installation_holds_the_package_and_an_sdist_what_makes_it(tmp_path):
    source, installed = tmp_path / "source", tmp_path / "installed"
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(ROOT / folder, source / folder, ignore=ignored)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, source)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "sdist", "build_py", "--build-lib", str(installed)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    package = files_of(source / "repic_plugin", source)
    assert "repic_plugin/tests/test_protocols.py" in package
    assert files_of(installed, installed) == package
    (sdist,) = (source / "dist").iterdir()
    with tarfile.open(sdist) as archive:
        held = {one.name.split("/", 1)[1] for one in archive.getmembers() if one.isfile()}
    needed = {"LICENSE", "README.md", "pyproject.toml", "setup.py"}
    assert package | needed <= held
    others = {name for name in held if ".egg-info/" not in name} - package - needed
    assert others <= {"CHANGES.md", "MANIFEST.in", "PKG-INFO", "setup.cfg"}


def files_of(folder, root):
    """Paths of all files, relative to the root."""
    return {path.relative_to(root).as_posix() for path in folder.rglob("*") if path.is_file()}
