"""RELION as an oracle: its projections and contrast transfer functions."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest

OPTICS = ("rlnOpticsGroup", "rlnOpticsGroupName", "rlnVoltage", "rlnSphericalAberration")
OPTICS += ("rlnAmplitudeContrast", "rlnImagePixelSize", "rlnImageSize", "rlnImageDimensionality")


def relion_project(folder, volume, pixel_size_angstrom, columns, *options, optics=(300, 2.7, 0.1)):
    """Images that RELION's own program makes of a map, shape (n, box, box).

    `columns` are those of a particle STAR file, by their labels.
    """
    if shutil.which("relion_project") is None:
        pytest.skip("no relion_project to compare with; install RELION (Debian: relion)")
    with mrcfile.new(folder / "map.mrc", np.float32(volume), overwrite=True) as mrc:
        mrc.voxel_size = pixel_size_angstrom
    shared = [1, "group", *optics, pixel_size_angstrom, len(volume), 2]
    n = len(next(iter(columns.values())))
    columns = {
        "rlnImageName": [f"{i + 1:06d}@none.mrcs" for i in range(n)],
        "rlnOpticsGroup": [1] * n,
        **columns,
    }
    text = _table("optics", OPTICS, [shared]) + _table("particles", columns, zip(*columns.values()))
    (folder / "particles.star").write_text(text)
    arguments = ["--i", "map.mrc", "--ang", "particles.star", "--o", "made", *options]
    subprocess.run(["relion_project", *arguments], cwd=folder, check=True, capture_output=True)
    return mrcfile.read(folder / "made.mrcs").reshape(n, len(volume), len(volume)).astype(float)


def _table(name, labels, rows):
    lines = ["", "# version 30001", "", f"data_{name}", "", "loop_"]
    lines += [f"_{label} #{i}" for i, label in enumerate(labels, 1)]
    return "\n".join([*lines, *(" ".join(map(str, row)) for row in rows), "", ""])
