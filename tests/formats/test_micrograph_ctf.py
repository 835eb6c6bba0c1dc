"""CTFs of micrographs from RELION's lists of them."""

import numpy as np
import pytest

from repic_plugin.commands.simulate_micrographs import write_exposures
from repic_plugin.formats import FormatError, read_micrograph_ctfs
from repic_plugin.simulation import phantom_map, simulate_exposures

HEAD = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
1 300 2.7 0.1
2 200 1.4 0.07

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
_rlnPhaseShift #6
"""
ROWS = "MotionCorr/mic2.mrc 2 15000 14000 30 90\nMotionCorr/mic1.mrc 1 20000 19000 10 0\n"


def star(tmp_path, text=HEAD + ROWS):
    path = tmp_path / "micrographs_ctf.star"
    path.write_text(text)
    return path


def test_each_micrograph_has_its_own_row_and_optics_group(tmp_path):
    ctf = read_micrograph_ctfs(star(tmp_path), ["mic1", "mic2"])
    columns = np.array([*ctf.columns()]).T
    np.testing.assert_allclose(
        columns, [[20000, 19000, 10, 300, 2.7, 0.1, 0], [15000, 14000, 30, 200, 1.4, 0.07, 90]]
    )


def test_what_the_simulation_writes_is_read_back(tmp_path):
    made = [
        *simulate_exposures(
            phantom_map(16),
            2,
            pixel_size_angstrom=8.0,
            n_particles=1,
            micrograph_size_px=(64, 64),
            n_junk=0,
        )
    ]
    write_exposures(tmp_path, made)
    read = read_micrograph_ctfs(tmp_path / "micrographs.star", ["mic_002", "mic_001"])
    for row, one in enumerate(reversed(made)):
        for mine, known in zip(read.take([row]).columns(), one.ctf.columns()):
            np.testing.assert_allclose(mine, known, atol=1e-5)


def test_a_failed_estimation_is_no_matter_of_the_others(tmp_path):
    path = star(tmp_path, (HEAD + ROWS).replace("14000", "-inf"))
    assert read_micrograph_ctfs(path, ["mic1"]).defocus_u_angstrom.tolist() == [20000]


@pytest.mark.parametrize(
    "change, names, problem",
    [
        ((), ["mic1", "mic3"], "1 of 2 micrographs have no CTF in it, such as mic3; its names are"),
        (("mic2", "mic1"), ["mic1"], "line 22: micrograph MotionCorr/mic1.mrc occurs twice"),
        (("_rlnDefocusU", "_rlnU"), ["mic1"], "_rlnDefocusU"),
        (("15000", "nan"), ["mic1", "mic2"], "the CTF of MotionCorr/mic2.mrc is no number"),
        (("15000", "nan"), ["mic1", "mic3"], "1 of 2 micrographs have no CTF in it, such as mic3"),
        (("15000", "15000x"), ["mic1"], "line 21.*15000x"),
        (("_rlnVoltage", "_rlnV"), ["mic1"], "_rlnVoltage is missing.*leave it out"),
    ],
)
def test_what_is_no_list_of_ctfs_is_refused(tmp_path, change, names, problem):
    text = HEAD + ROWS
    with pytest.raises(FormatError, match=problem):
        read_micrograph_ctfs(star(tmp_path, text.replace(*change) if change else text), names)
