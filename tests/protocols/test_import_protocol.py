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


def test_scores_of_a_folder_named_topaz_are_ratios(project, micrographs, tmp_path):
    """As on the command line, where the folder's name is the picker's."""
    centres, scores = {"a": [(10, 12), (30, 31)]}, {"a": np.array([-2.5, 7.25])}
    folder = write_picker(tmp_path / "topaz", centres, 16, scores)
    protocol = project.picks("r", micrographs, folder)
    found = [getattr(item, constants.TOPAZ_SCORE).get() for item in protocol.outputCoordinates]
    assert found == [-2.5, 7.25]
    assert "log-likelihood ratios, by the name of the run" in protocol._summary()[-1]


def test_additions_to_names_and_low_scores_are_reported(project, micrographs, tmp_path):
    head = "data_cryolo\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n_Confidence\n"
    (tmp_path / "p").mkdir()
    for name in ("a_DW", "c_DW"):
        (tmp_path / "p" / f"{name}.cbox").write_text(f"{head}2 2 16 16 0.9\n20 20 16 16 0.2\n")
    summary = project.picks("s", micrographs, tmp_path / "p")._summary()[-1]
    assert "names of the files have _DW that the micrographs lack: 2 of them" in summary
    assert "2 of 4 picks of p are below its own threshold of 0.3" in summary


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


def test_a_box_size_below_zero_is_said_before_the_run(project, micrographs, tmp_path):
    folder = write_picker(tmp_path / "one", {"mic_1": [(20, 20)]})
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    run = project.new("ProtRepicImportPicks", "i", inputs, picksFolder=str(folder), boxSize=-1)
    (line,) = run.validate()
    assert line.startswith('"Box size (px)" must be a whole number of px, 1 or more, got -1')


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"boxSize": 65}, '"Box size (px)" must be 64 px or less (the longest side of the mic'),
        ({"boxSize": 10**12}, '"Box size (px)" must be 64 px or less'),
        ({"scale": 0.0}, '"Scale coordinates by" must be a positive number, got 0.0'),
        ({"scale": -2.0}, '"Scale coordinates by" must be a positive number, got -2.0'),
    ],
)
def test_absurd_values_are_said_before_the_run(project, micrographs, tmp_path, values, words):
    folder = write_picker(tmp_path / "one", {"a": [(20, 20)]})
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    run = project.new("ProtRepicImportPicks", "i", inputs, picksFolder=str(folder), **values)
    (line,) = run.validate()
    assert line.startswith(words)
    for name, fine in {"boxSize": 64, "scale": 0.5}.items():
        getattr(run, name).set(fine)
    assert run.validate() == []


def test_a_box_where_the_size_of_micrographs_is_unknown():
    from pwem.objects import SetOfMicrographs
    from pyworkflow.object import Integer, Pointer

    from repic_plugin.protocols.common.form_values import box_problem

    class Form:
        boxSize = Integer(20_001)

        def iterInputPointers(self):
            return [("inputMicrographs", Pointer(SetOfMicrographs(filename=":memory:")))]

        def label(self, name):
            return name

    form = Form()
    assert box_problem(form).startswith("boxSize must be 20,000 px or less (larger than any ")
    form.boxSize.set(20_000)
    assert box_problem(form) == ""


def test_no_folder_is_said_before_the_run(project, micrographs):
    inputs = {"inputMicrographs": (micrographs, "outputMicrographs")}
    (message,) = project.new("ProtRepicImportPicks", "none", inputs)._validate()
    assert "Folder with pick files" in message


def test_no_micrographs_are_said_before_the_run(project, tmp_path):
    errors = project.new("ProtRepicImportPicks", "none", picksFolder=str(tmp_path)).validate()
    assert any("Input Micrographs" in error for error in errors)
