"""What a simulated session brings: micrographs, pick files and CTFs, drawn before it begins."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List

import numpy as np

from repic_plugin.commands.simulate import write_pickers
from repic_plugin.commands.simulate_micrographs import (
    MICROGRAPHS,
    REFERENCE,
    STAR,
    write_exposures,
)
from repic_plugin.formats import read_header, read_picker_folder
from repic_plugin.simulation import SimulatedExposure, simulate_pickers

COMING, PICKS, CTFS = "coming", "picks", "ctfs"  # folders; what has arrived is beside the first
RECALL, PRECISION = (0.85, 0.75), (0.85, 0.8)  # of the simulated pickers
CTF_LATE = 1  # micrographs that are taken in the meantime, also for a pick file
PICKS_LATE = (1, 3)


@dataclass(frozen=True)
class Material:
    """The files of a session that are still to come, and where they arrive.

    Attributes
    ----------
    folder : Path
    names : list of str
        Of the micrographs, in their order.
    box_size_px : int
    pixel_size_angstrom : float
    """

    folder: Path
    names: List[str]
    box_size_px: int
    pixel_size_angstrom: float

    @property
    def micrographs(self) -> Path:
        """Folder in which the micrographs appear."""
        return self.folder / MICROGRAPHS

    @property
    def ctfs(self) -> Path:
        """Folder in which the list of CTFs grows."""
        return self.folder / CTFS

    @property
    def picks(self) -> List[Path]:
        """Folders in which the pick files of each picker appear."""
        return [self.folder / PICKS / f"picker_{n}" for n in range(1, len(RECALL) + 1)]

    def bring(self, tick: int) -> bool:
        """Let arrive what belongs to a tick, one for each micrograph; whether more is to come."""
        if tick < len(self.names):
            _move(self.folder, MICROGRAPHS, f"{self.names[tick]}.mrc")
        if 0 <= tick - CTF_LATE < len(self.names):
            self._bring_ctf(tick - CTF_LATE)
        for picker, late in zip(self.picks, PICKS_LATE):
            if 0 <= tick - late < len(self.names):
                where = str(picker.relative_to(self.folder))
                _move(self.folder, where, f"{self.names[tick - late]}.box")
        return tick + 1 < len(self.names) + max(*PICKS_LATE, CTF_LATE)

    def _bring_ctf(self, number: int) -> None:
        """Append the row of a micrograph to the list of CTFs."""
        lines = (self.folder / COMING / STAR).read_text("utf-8").splitlines(keepends=True)
        rows = [place for place, line in enumerate(lines) if line.startswith(f"{MICROGRAPHS}/")]
        first = 0 if number == 0 else rows[number]
        with open(self.ctfs / STAR, "a", encoding="utf-8") as file:
            file.writelines(lines[first : rows[number] + 1])


def _move(folder: Path, where: str, name: str) -> None:
    """Let a file arrive, whole; one that is there from an earlier call stays."""
    source = folder / COMING / where / name
    if source.exists():
        os.utime(source)  # as if it were written now
        source.rename(folder / where / name)


def prepare(
    folder: Path, exposures: Iterable[SimulatedExposure], size_px: List[int], seed: int
) -> Material:
    """Draw the micrographs of a session and simulate its pickers.

    Parameters
    ----------
    folder : Path
        Must not exist.
    exposures : iterable of SimulatedExposure
    size_px : list of int
        Width and height.
    seed : int

    Raises
    ------
    ValueError
        If the folder exists.
    """
    if folder.exists():
        raise ValueError(f"{folder}: exists; remove it, or choose another --out")
    coming = folder / COMING
    coming.mkdir(parents=True)
    try:
        write_exposures(coming, exposures)
        truth = read_picker_folder(coming / REFERENCE)
        box_size_px = round(truth.box_size_px[0] or 0)
        centers = [truth.picks.centers[rows] for rows in truth.picks.rows_by_group()[0]]
        found = simulate_pickers(
            centers,
            len(RECALL),
            micrograph_size_px=size_px,
            box_size_px=box_size_px,
            recall=RECALL,
            precision=PRECISION,
            random_state=seed,
        )
        names = list(truth.picks.micrograph_names)
        write_pickers(coming / PICKS, found.placed(np.arange(len(names)), names), box_size_px)
    except BaseException:
        shutil.rmtree(folder)
        raise
    header = read_header(coming / MICROGRAPHS / f"{names[0]}.mrc")
    pixel_size_angstrom = float(header.pixel_size_angstrom[2])
    material = Material(folder, names, box_size_px, pixel_size_angstrom)
    for one in (material.micrographs, material.ctfs, *material.picks):
        one.mkdir(parents=True)
    return material
