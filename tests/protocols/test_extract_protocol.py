"""Extraction in a real Scipion project."""

import mrcfile
import numpy as np
import pytest

from repic_plugin.template_picking import extract_particles
from tests.protocols.pwem_sets import write_ctfs
from tests.protocols.scipion_project import write_picker

pytestmark = pytest.mark.slow
BOX, SIZE, PIXEL_SIZE = 24, 128, 2.0
CENTRES = {"m.1": [(30, 31), (90, 40), (5, 60)], "m2": [(64, 64)], "m3": [(40, 80)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extract")
    (folder / "mics").mkdir()
    for seed, name in enumerate((*CENTRES, "empty")):
        with mrcfile.new(folder / "mics" / f"{name}.mrc") as file:
            pixels = np.random.default_rng(seed).normal(50, 4, (SIZE, SIZE))
            file.set_data(pixels.astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def micrographs(project, folder):
    return project.micrographs("extract mics", folder / "mics", PIXEL_SIZE)


@pytest.fixture(scope="module")
def picks(project, micrographs, folder):
    return project.picks("extract picks", micrographs, write_picker(folder / "p", CENTRES, BOX))


def extraction(project, picks, label, inputs=None, **values):
    pointers = {"inputCoordinates": (picks, "outputCoordinates"), **(inputs or {})}
    return project.new("ProtRepicExtract", label, pointers, numberOfThreads=1, **values)


def pixels_of(item):
    number, path = item.getLocation()
    with mrcfile.open(path) as file:
        return file.data.reshape(-1, *file.data.shape[-2:])[number - 1].copy()


def test_images_are_those_of_their_coordinates_with_the_ctf_of_their_micrograph(
    project, micrographs, picks, folder
):
    ctfs = write_ctfs(project, micrographs, lambda name: 10000.0 + 1000 * ("2" in name), 1)
    protocol = extraction(project, picks, "with CTF", {"inputCTFs": (ctfs, "outputCTF")})
    assert protocol.validate() == []
    done = project.run(protocol)
    assert done.isFinished(), done.getErrorMessage()
    particles = done.outputParticles
    assert particles.hasCTF()
    assert particles.getSamplingRate() == PIXEL_SIZE
    assert particles.getDimensions()[0] == BOX
    found = {}
    for item in particles:
        coordinate = item.getCoordinate()
        name = coordinate.getMicName().rpartition(".")[0]
        place = (coordinate.getX(), coordinate.getY())
        with mrcfile.open(folder / "mics" / f"{name}.mrc") as file:
            expected = extract_particles(file.data, [place], BOX).images[0]
        assert np.allclose(pixels_of(item), expected, atol=1e-4)
        assert item.getMicId() == coordinate.getMicId()
        assert item.getCTF().getDefocusU() == 10100 + 1000 * (name == "m2")
        found.setdefault(name, []).append(place)
    without = {item.getMicName() for item in micrographs.outputMicrographs}
    without -= {ctf.getMicrograph().getMicName() for ctf in ctfs.outputCTF}
    left_out = {name.rpartition(".")[0] for name in without}
    expected = {"m.1": [(30, 31), (90, 40)], "m2": [(64, 64)], "m3": [(40, 80)]}
    assert found == {name: rows for name, rows in expected.items() if name not in left_out}
    assert any("1 boxes extend beyond" in line for line in done.summary())


def test_other_micrographs_at_another_pixel_size_and_smaller_images(project, picks, folder):
    (folder / "small").mkdir()
    for path in (folder / "mics").iterdir():
        with mrcfile.open(path) as file, mrcfile.new(folder / "small" / path.name) as small:
            blocks = file.data.reshape(SIZE // 2, 2, SIZE // 2, 2)
            small.set_data(blocks.mean(axis=(1, 3)).astype(np.float32))
    other = project.micrographs("binned", folder / "small", 2 * PIXEL_SIZE)
    inputs = {"inputMicrographs": (other, "outputMicrographs")}
    values = {"imageSize": 8, "invert": False}
    done = project.run(extraction(project, picks, "binned", inputs, **values))
    assert done.isFinished(), done.getErrorMessage()
    assert done.outputParticles.getSamplingRate() == 2 * PIXEL_SIZE * (BOX / 2) / 8
    assert done.outputParticles.getDimensions()[0] == 8
    item = next(one for one in done.outputParticles if one.getCoordinate().getX() == 64)
    with mrcfile.open(folder / "small" / "m2.mrc") as file:
        expected = extract_particles(file.data, [(32, 32)], BOX // 2, side_px=8, invert=False)
    assert np.allclose(pixels_of(item), expected.images[0], atol=1e-4)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"imageSize": 40}, '"Downscale to (px)" must be at most "Box size (px)"'),
        ({"imageSize": 9}, "must be even"),
        ({"boxSize": 4}, "8 or more"),
    ],
)
def test_sizes_that_make_no_sense_are_told_in_the_form(project, picks, values, words):
    (problem,) = extraction(project, picks, "wrong", **values).validate()
    assert words in problem
