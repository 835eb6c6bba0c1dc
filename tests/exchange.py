"""Small projects of RELION and cryoSPARC, as far as the pages on them name their files."""

import re
import shutil

import numpy as np

from repic_plugin.formats import read_picks_file, write_picks_file
from tests.commands.helpers import command

BOX, N_MICROGRAPHS = 200, 4
MICROGRAPHS, STAR = "MotionCorr/job002/Movies", "CtfFind/job003/micrographs_ctf.star"
LIST = "data_coordinate_files\n\nloop_\n_rlnMicrographName\n_rlnMicrographCoordinates\n"
# standard deviation of the places, px, and share of the particles, of three pickers
PICKERS = {"a": (4.0, 0.9), "b": (7.0, 0.8)}
CS_NUMBER = "012345678901234567890_"


def simulated(folder):
    """Micrographs with their CTFs and truth, and particles."""
    size = ("--micrographs", N_MICROGRAPHS, "--size", 1500, 1500, "--particles", 15)
    pixel = ("--micrograph-pixel-size", 1.6)
    assert not command("simulate-micrographs", "phantom", *size, *pixel, "--out", folder / "m").code
    more = ("--pixel-size", 5, "--views", 4, "--per-view", 40, "--snr", 0.3)
    assert not command("simulate-particles", "phantom", *more, "--out", folder / "p").code


def picks(source, pickers=PICKERS):
    """Of each picker and micrograph: x, y and score; the truth with errors, and some junk."""
    rng = np.random.default_rng(0)
    for picker, (sd, share) in pickers.items():
        for file in sorted((source / "m" / "truth").iterdir()):
            table = read_picks_file(file)
            found = np.column_stack([table.x, table.y])[rng.random(len(table)) < share]
            found = np.vstack([found + rng.normal(0, sd, found.shape),
                               rng.uniform(BOX, 1500 - BOX, (3, 2))])  # fmt: skip
            yield picker, file.stem, found, rng.uniform(2, 9, len(found))


def relion_project(source, folder):
    """Movies, CTFs, two picking jobs and an extraction, in RELION's places."""
    (folder / MICROGRAPHS).mkdir(parents=True)
    for file in (source / "m" / "micrographs").iterdir():
        shutil.copy(file, folder / MICROGRAPHS)
    text = (source / "m" / "micrographs.star").read_text("utf-8")
    (folder / STAR).parent.mkdir(parents=True)
    (folder / STAR).write_text(
        re.sub(r"^micrographs/", f"{MICROGRAPHS}/", text, flags=re.M), "utf-8"
    )
    jobs = {"a": "AutoPick/job005", "b": "AutoPick/job006"}
    rows = dict.fromkeys(jobs.values(), "")
    for picker, name, found, score in picks(source):
        job = jobs[picker]
        file = f"{job}/Movies/{name}_autopick.star"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_picks_file(folder / file, *found.T, box_size_px=BOX, score=score)
        rows[job] += f"{MICROGRAPHS}/{name}.mrc {file}\n"
    for job, text in rows.items():
        (folder / job / "autopick.star").write_text(LIST + text, "utf-8")
    extracted = "Extract/job007"
    (folder / extracted).mkdir(parents=True)
    shutil.copy(source / "p" / "particles.mrcs", folder / extracted)
    text = (source / "p" / "particles.star").read_text("utf-8")
    text = text.replace("@particles.mrcs", f"@{extracted}/particles.mrcs")
    (folder / extracted / "particles.star").write_text(text, "utf-8")


def cryosparc_project(source, folder):
    """Movies, exposures and two picking jobs, in cryoSPARC's places; particles as pyem has them."""
    movies = folder / "J3" / "motioncorrected"
    movies.mkdir(parents=True)
    names = sorted(file.stem for file in (source / "m" / "micrographs").iterdir())
    paths = {name: f"J3/motioncorrected/{CS_NUMBER}{name}.mrc" for name in names}
    for name, path in paths.items():
        shutil.copy(source / "m" / "micrographs" / f"{name}.mrc", folder / path)
    exposures = np.array([(path,) for path in paths.values()], [("micrograph_blob/path", "S80")])
    rows = {"J10": [], "J11": []}
    for picker, name, found, score in picks(source):
        rows["J10" if picker == "a" else "J11"] += [
            (paths[name], (1500, 1500), x / 1500, y / 1500, s / 10)
            for (x, y), s in zip(found, score)
        ]
    columns = [
        ("location/micrograph_path", "S80"),
        ("location/micrograph_shape", "<u4", (2,)),
        ("location/center_x_frac", "<f4"),
        ("location/center_y_frac", "<f4"),
        ("pick_stats/ncc_score", "<f4"),
    ]
    save(folder / "J4" / "exposures_accepted.cs", exposures)
    for job, one in rows.items():
        save(folder / job / "picked_particles.cs", np.array(one, columns))
    for file in ("particles.mrcs", "particles.star"):
        shutil.copy(source / "p" / file, folder)


def save(file, array):
    file.parent.mkdir(parents=True)
    with open(file, "wb") as stream:
        np.save(stream, array)
