"""What is measured while a pipeline follows a session."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional

import psutil

from repic_plugin.formats import read_arrays
from repic_plugin.wording import counted

CONSENSUS, EXTRACTION = "ProtRepicConsensus", "ProtRepicExtract"
MICROGRAPHS = "micrograph_ids"
OUTPUTS = {  # by the label of their protocol
    "2D classes": ("outputClasses", "outputAverages", "outputParticles", "outputRejected"),
    "consensus": ("outputMicrographs", "outputMicrographsRejected"),
}
MEBIBYTE = 1 << 20
SUMMARY = "repic-run-summary.json"


class Figures:
    """Figures of a session, from files and processes alone.

    Parameters
    ----------
    project : Path
        Folder of the Scipion project.

    Attributes
    ----------
    most_behind : dict of str to int
        Most micrographs at a time that had arrived and were not processed, by protocol.
    peak_bytes, peak_of_one_bytes : int
        Memory of all processes of the project together, and of the largest.
    n_kills : int
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        self.most_behind: Dict[str, int] = {}
        self.peak_bytes = self.peak_of_one_bytes = self.n_kills = 0
        self._counted: Dict[Path, int] = {}

    def look(self, n_arrived: int) -> None:
        """Measure, while so many micrographs have arrived."""
        for class_name in (CONSENSUS, EXTRACTION):
            n_behind = n_arrived - self.n_done(class_name)
            self.most_behind[class_name] = max(self.most_behind.get(class_name, 0), n_behind)
        sizes = [one.memory_info().rss for one in self.processes() if _is_alive(one)]
        self.peak_bytes = max(self.peak_bytes, sum(sizes))
        self.peak_of_one_bytes = max(self.peak_of_one_bytes, *sizes, 0)

    def n_done(self, class_name: str) -> int:
        """Micrographs on the record of the first run of a protocol."""
        folder = next(iter(sorted(self.project.glob(f"Runs/*_{class_name}"))), None)
        if folder is None:
            return 0
        for file in folder.glob("extra/stream/batch_*.npz"):
            if file not in self._counted:
                self._counted[file] = len(read_arrays(file, [MICROGRAPHS])[MICROGRAPHS])
        return sum(n for file, n in self._counted.items() if folder in file.parents)

    def processes(self, words: str = "") -> List[psutil.Process]:
        """Processes of the project with some words on their command lines."""
        me, found = os.getpid(), []
        for one in psutil.process_iter(["cmdline"]):
            line = " ".join(one.info["cmdline"] or ())
            if str(self.project) in line and words in line and one.pid != me:
                found.append(one)
        return found

    def lines(self, seconds: float) -> List[str]:
        """The figures as text, for a session that took some time."""
        rows = self._rows()
        behind = {CONSENSUS: "the consensus", EXTRACTION: "the extraction"}
        told = [
            f"{counted(self.most_behind.get(name, 0), 'micrograph')} behind at most: {who}"
            for name, who in behind.items()
        ]
        n_particles = size_of(rows, "particles", "outputParticles")
        if n_particles is not None:
            rate = n_particles / seconds
            told.append(f"{n_particles:,} particles extracted, {rate:.1f} per second of the run")
        for label, names in OUTPUTS.items():
            sizes = [(name, size_of(rows, label, name)) for name in names]
            known = [f"{name} of {size:,}" for name, size in sizes if size is not None]
            told += [f"{label}: {', '.join(known)}"] if known else []
        told.append(
            f"{self.peak_bytes / MEBIBYTE:,.0f} MiB in all processes at most, "
            f"{self.peak_of_one_bytes / MEBIBYTE:,.0f} MiB in one; {seconds:.0f} s; "
            f"kills: {self.n_kills}"
        )
        reports = [*self.project.glob("Runs/*/extra/*.html")]
        return told + [f"report: {one}" for one in sorted(reports)]

    def _rows(self) -> Dict[str, Any]:
        """The protocols in the summary of the run, by their labels."""
        file = self.project / SUMMARY
        found = json.loads(file.read_text("utf-8")) if file.is_file() else {"protocols": []}
        return {one["label"]: one for one in found["protocols"]}


def size_of(rows: Dict[str, Any], label: str, output: str) -> Optional[int]:
    """Size of an output of a protocol in the summary of a run; None if there is none."""
    outputs = rows.get(label, {"outputs": []})["outputs"]
    return next((one["size"] for one in outputs if one["name"] == output), None)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.memory_info().rss)
    except psutil.Error:
        return False
