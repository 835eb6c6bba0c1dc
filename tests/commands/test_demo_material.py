"""The user's own picks in the demo, without Scipion."""

import argparse

import numpy as np
import pytest

from repic_plugin.commands.demos.consensus import PIXEL_SIZE_ANGSTROM, add_arguments, given_material
from repic_plugin.commands.simulate import write_pickers
from repic_plugin.formats import open_mrc, read_header, write_mrc
from repic_plugin.simulation import simulate_picks

BOX = 40


@pytest.fixture
def simulated(tmp_path):
    found = simulate_picks(2, 3, n_particles=6, micrograph_size_px=(500, 300), box_size_px=BOX)
    write_pickers(tmp_path / "picks", found.picks, BOX)
    (tmp_path / "demo").mkdir()
    return found


def material(tmp_path, *options):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["--picks", tmp_path / "picks", *options]
    return given_material(parser.parse_args([str(word) for word in words]), tmp_path / "demo")


def test_without_micrographs_picks_lie_on_plain_grey(tmp_path, simulated, capsys):
    found = material(tmp_path)
    assert "the picks are shown on plain grey" in capsys.readouterr().out
    names = {f"{name}.mrc" for name in simulated.picks.micrograph_names}
    files = sorted(found.micrographs_dir.iterdir())
    assert {file.name for file in files} == names
    for file in files:
        image = open_mrc(file)
        assert not np.ptp(image)
        assert image.shape[1] >= simulated.picks.x.max() + BOX / 2
        assert image.shape[0] >= simulated.picks.y.max() + BOX / 2
    assert found.pixel_size_angstrom == read_header(files[0]).pixel_size_angstrom[-1]


@pytest.mark.parametrize("size", [3.5, 0.0])
def test_given_micrographs_are_used_at_their_pixel_size(tmp_path, simulated, capsys, size):
    (tmp_path / "images").mkdir()
    for name in simulated.picks.micrograph_names:
        write_mrc(tmp_path / "images" / f"{name}.mrc", np.eye(300, dtype=np.int16), size)
    found = material(tmp_path, "--micrographs", tmp_path / "images")
    said = capsys.readouterr().out
    assert found.micrographs_dir == tmp_path / "images"
    assert not [*(tmp_path / "demo").iterdir()]
    assert found.pixel_size_angstrom == pytest.approx(size or PIXEL_SIZE_ANGSTROM)
    assert ("no pixel size in the header" in said) == (size == 0.0)


def test_a_folder_without_micrographs_is_refused(tmp_path, simulated):
    with pytest.raises(ValueError, match=r"there is no MRC file .*choose"):
        material(tmp_path, "--micrographs", tmp_path / "picks")
