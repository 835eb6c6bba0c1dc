"""The import protocol in a real Scipion project."""

import numpy as np
import pytest

from repic_plugin import constants
from tests.protocols.scipion_project import coordinates, write_images, write_picker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("import") / "mics"
    return project.micrographs("mics", write_images(folder, ["a", "b.1", "c"]))


def test_positions_and_scores_are_kept(project, micrographs, tmp_path):
    centres = {"a": [(10, 12)], "b.1": [(30, 31), (40, 41)]}
    scores = {"a": np.array([-2.5]), "b.1": np.array([7.25, 0.5])}
    protocol = project.picks("p", micrographs, write_picker(tmp_path / "p", centres, 16, scores))
    assert coordinates(protocol) == [("a.mrc", 10, 12), ("b.1.mrc", 30, 31), ("b.1.mrc", 40, 41)]
    found = [getattr(item, constants.PICK_SCORE).get() for item in protocol.outputCoordinates]
    assert sorted(found) == [-2.5, 0.5, 7.25]
    assert protocol.outputCoordinates.getBoxSize() == 16
    assert "3 picks" in protocol._summary()[0]


def test_files_of_unknown_micrographs_are_left_out(project, micrographs, tmp_path):
    centres = {"a": [(10, 12)], "elsewhere": [(1, 1)]}
    protocol = project.picks("q", micrographs, write_picker(tmp_path / "p", centres))
    assert coordinates(protocol) == [("a.mrc", 10, 12)]


@pytest.mark.parametrize(
    ("centres", "words"),
    [({"elsewhere": [(1, 1)]}, ["elsewhere", "a.mrc", "rename"]), ({}, ["must have a file"])],
)
def test_bad_folders_are_one_line_before_the_run(project, micrographs, tmp_path, centres, words):
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    folder = write_picker(tmp_path / "p", centres)
    protocol = project.new("ProtRepicImportPicks", "bad", inputs, picksFolder=str(folder))
    (message,) = protocol._validate()
    assert "\n" not in message
    for word in words:
        assert word in message


def test_no_folder_is_said_before_the_run(project, micrographs):
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    (message,) = project.new("ProtRepicImportPicks", "none", inputs)._validate()
    assert "Folder with pick files" in message


def test_no_micrographs_are_said_before_the_run(project, tmp_path):
    errors = project.new("ProtRepicImportPicks", "none", picksFolder=str(tmp_path)).validate()
    assert any("Input Micrographs" in error for error in errors)
