"""Picks of Topaz, RELION's LoG and template matching on simulated micrographs of a density map.

Topaz and RELION are third-party programs: `make test-pickers` installs them into .venv. If one is
absent, its picks are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

import mrcfile
import numpy as np

from repic_plugin.commands.maps import load_map
from repic_plugin.commands.simulate_micrographs import write_exposures
from repic_plugin.consensus import Picks
from repic_plugin.formats import (
    read_picker_folder,
    read_picks_dir,
    read_picks_file,
    write_picks_file,
)
from repic_plugin.simulation import simulate_exposures
from repic_plugin.template_picking import (
    TemplateMatcher,
    cut_boxes,
    learn_templates,
    prepare_micrograph,
)

ENVIRONMENTS = Path(os.environ.get("REPIC_PICKERS", Path(__file__).resolve().parents[1] / ".venv"))
N_MICROGRAPHS, N_PARTICLES, SIZE_PX = 24, 60, (1024, 1024)
TOPAZ_SCALE = 4
N_LABELLED = 3  # micrographs whose particles the templates are learnt from
MOST_PICKS = 90  # of a picker on a micrograph: one and a half times what is there
BOX_DIAMETERS = 1.27  # sides of a box to diameters of a particle

Rows = Dict[str, Tuple[Any, ...]]  # x, y and score by micrograph


class Found(NamedTuple):
    """Picks, the truth with the same micrographs, and the side of a box, px."""

    picks: Picks
    truth: Picks
    box_size_px: int


def real_picks(map_file: str, pixel_size: Optional[float] = None, seed: int = 7) -> Optional[Found]:
    """Picks of all installed pickers on simulated micrographs; None with fewer than two."""
    volume, voxel_size = load_map(map_file, pixel_size, None)
    with tempfile.TemporaryDirectory(prefix="repic-pickers-") as name:
        folder = Path(name)
        exposures = simulate_exposures(
            volume,
            N_MICROGRAPHS,
            pixel_size_angstrom=voxel_size,
            n_particles=N_PARTICLES,
            micrograph_size_px=SIZE_PX,
            random_state=seed,
        )
        write_exposures(folder, exposures)
        reference = read_picker_folder(folder / "truth")
        box_px = int(reference.box_size_px[0] or 0)
        for pick in (topaz, log, template):
            rows = pick(folder, box_px, voxel_size)
            if not rows:
                print(f"no picks of {pick.__name__}: not installed (make test-pickers)")
                continue
            place = folder / "picks" / pick.__name__
            place.mkdir(parents=True)
            for image, columns in rows.items():
                x, y, score = best(*columns)
                write_picks_file(place / f"{image}.box", x, y, box_size_px=box_px, score=score)
        if len(list((folder / "picks").iterdir())) < 2:
            return None
        return Found(read_picks_dir(folder / "picks").picks, reference.picks, box_px)


def best(x: Any, y: Any, score: Any) -> Tuple[Any, Any, Any]:
    order = np.argsort(-np.asarray(score), kind="stable")[:MOST_PICKS]
    return x[order], y[order], score[order]


def topaz(folder: Path, box_px: int, _voxel_size: float, min_score: float = 0.0) -> Rows:
    """The pre-trained detector of Topaz, down to a log-likelihood ratio."""
    program = ENVIRONMENTS / "topaz" / "bin" / "topaz"
    if not program.is_file():
        return {}
    small, table = folder / "small", folder / "topaz.txt"
    images = [str(image) for image in images_of(folder)]
    radius = box_px // (2 * TOPAZ_SCALE) // 2
    call(program, "preprocess", *images, "-o", small, "--scale", TOPAZ_SCALE, "--device", "-1")
    reduced = [str(image) for image in sorted(small.glob("*.mrc"))]
    options = ("-m", "resnet8_u32", "-r", radius, "-x", TOPAZ_SCALE, "--device", "-1")
    call(program, "extract", *options, "-t", min_score, "-o", table, *reduced)
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    return grouped((row[0], *map(float, row[1:])) for row in rows)


def log(folder: Path, box_px: int, voxel_size: float, threshold_change: float = 0.0) -> Rows:
    """The Laplacian of a Gaussian of RELION, at its default threshold or below."""
    if shutil.which("relion_autopick") is None:
        return {}
    diameter = box_px * voxel_size / BOX_DIAMETERS
    call(
        *("relion_autopick", "--i", "micrographs.star", "--odir", "log/", "--pickname", "log"),
        *("--LoG", "--LoG_diam_min", 0.9 * diameter, "--LoG_diam_max", 1.1 * diameter),
        *("--LoG_adjust_threshold", threshold_change),
        cwd=folder,
    )
    rows: Rows = {}
    for file in sorted((folder / "log").rglob("*_log.star")):
        found = read_picks_file(file)
        rows[file.stem[: -len("_log")]] = (found.x, found.y, found.score)
    return rows


def template(folder: Path, box_px: int, _voxel_size: float) -> Rows:
    """Template matching, its templates learnt from the particles of the first micrographs."""
    images = images_of(folder)
    labels = read_picker_folder(folder / "truth").picks
    boxes = []
    for file in images[:N_LABELLED]:
        mine = labels.micrograph == labels.micrograph_names.index(file.stem)
        centers = np.column_stack([labels.x[mine], labels.y[mine]])
        boxes.append(cut_boxes(prepare_micrograph(loaded(file), box_px), centers, box_px))
    learnt = learn_templates(np.concatenate(boxes))
    matcher = TemplateMatcher(learnt.images, box_size_px=box_px)
    rows: Rows = {}
    for file in images:
        found = matcher.pick(loaded(file), min_score=0.0)
        rows[file.stem] = (*found.centers.T, found.scores)
    return rows


def loaded(file: Path) -> Any:
    with mrcfile.open(file, permissive=True) as image:
        return image.data.astype(np.float32)


def images_of(folder: Path) -> List[Path]:
    return sorted((folder / "micrographs").glob("*.mrc"))


def grouped(rows: Iterable[Tuple[Any, ...]]) -> Rows:
    """Columns x, y and score by name."""
    by_name: Dict[str, List[Tuple[float, ...]]] = {}
    for name, *values in rows:
        by_name.setdefault(name, []).append(tuple(values))
    return {name: tuple(np.array(values).T) for name, values in by_name.items()}


def call(*arguments: Any, cwd: Optional[Path] = None) -> None:
    """Run a program and show its error output if it fails."""
    environment = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [str(one) for one in arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed:\n{done.stderr[-2000:]}")
