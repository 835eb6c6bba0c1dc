"""Runs of a consensus beside each other: one table and one plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import MODES, EnsembleModel, expected_scores, is_by_images
from repic_plugin.formats import (
    ConsensusTables,
    RunRecord,
    read_consensus_tables,
    read_ensemble,
    read_run_record,
)
from repic_plugin.plots import runs_figure
from repic_plugin.reports.document import Block, Section, Table
from repic_plugin.reports.pictures import Picture
from repic_plugin.wording import counted

TITLE = "All consensus runs"
UNKNOWN = (math.nan, math.nan)
ABOUT = (
    "Agreement: share of the picks in particles found by two pickers or more. Expected precision "
    "and recall: mode probabilistic only, estimated from the pickers themselves."
)
EMPTY = "Empty in mode, Å/px or version: not known, or of a version that did not record it."
CAPTION = (
    "Particles of each run, by how many of them are expected to be true, and expected precision, "
    "expected recall with its 95 % interval, and agreement, where they are known."
)
HEADER = (
    *("run", "mode", "particles", "per micrograph", "expected precision", "expected recall"),
    *("95 % interval", "agreement", "micrographs", "Å/px", "version"),
)
RECORDED = ("mode", "Å/px", "version")


@dataclass(frozen=True, eq=False)
class RunRow:
    """A run of a consensus in comparison with others; NaN and "" where something is not known.

    Attributes
    ----------
    name, mode : str
    n_particles, n_micrographs : int
    precision, recall : float
    recall_interval : (float, float)
        95 per cent.
    agreement : float
        Share of the picks that are in a particle found by two pickers or more.
    pixel_size_angstrom : float
    version : str
        Of this package, that made it.
    """

    name: str
    mode: str
    n_particles: int
    n_micrographs: int
    precision: float
    recall: float
    recall_interval: Tuple[float, float]
    agreement: float
    pixel_size_angstrom: float
    version: str


def run_row(name: str, folder: Path) -> RunRow:
    """What the tables of a consensus say.

    Raises
    ------
    FormatError
        If one is damaged.
    """
    found, model = read_consensus_tables(folder), read_ensemble(folder)
    record = read_run_record(folder)
    n_micrographs = len(found.micrograph_names)
    precision, recall, interval = math.nan, math.nan, UNKNOWN
    if model is not None:
        expected = expected_scores(found.weight, model, n_micrographs)
        precision, recall = expected.precision, expected.recall
        interval = _recall_interval(found.weight, expected.n_particles_interval)
    return RunRow(
        name,
        _mode(record, model),
        len(found),
        n_micrographs,
        precision,
        recall,
        interval,
        overall_agreement(found),
        math.nan if record is None else record.pixel_size_angstrom,
        "" if record is None else record.version,
    )


def overall_agreement(found: ConsensusTables) -> float:
    """Share of all picks that are in a particle found by two pickers or more; NaN without picks."""
    n_members, n_picks = found.n_members, int(found.n_picks.sum())
    return float(n_members[n_members >= 2].sum()) / n_picks if n_picks else math.nan


def compared(sections: Sequence[Section], rows: Sequence[RunRow], at: int = 0) -> List[Section]:
    """Sections with the comparison of all consensus runs.

    Two runs or more have a section of their own, the first; a single one has its row on top of its
    section.

    Parameters
    ----------
    sections : sequence of Section
    rows : sequence of RunRow
    at : int
        Of the section that belongs to a single run.
    """
    if not rows:
        return [*sections]
    if len(rows) > 1:
        return [Section(TITLE, _comparison(rows)), *sections]
    own = sections[at]
    alone = Section(own.title, [_table(rows), *own.blocks])
    return [*sections[:at], alone, *sections[at + 1 :]]


def _comparison(rows: Sequence[RunRow]) -> List[Block]:
    figure = runs_figure(
        [row.name for row in rows],
        [row.n_particles for row in rows],
        [row.precision for row in rows],
        [row.recall for row in rows],
        [row.recall_interval for row in rows],
        [row.agreement for row in rows],
    )
    return [_table(rows), Picture(figure, CAPTION)]


def _table(rows: Sequence[RunRow]) -> Table:
    cells: List[List[object]] = [
        [
            row.name,
            row.mode,
            row.n_particles,
            _per_micrograph(row),
            row.precision,
            row.recall,
            _interval(row.recall_interval),
            row.agreement,
            row.n_micrographs,
            row.pixel_size_angstrom,
            row.version,
        ]
        for row in rows
    ]
    columns = [one for one in zip(HEADER, *cells) if not all(map(_is_unknown, one[1:]))]
    has_gaps = any(_is_unknown(cell) for one in columns if one[0] in RECORDED for cell in one)
    header, *known = map(list, zip(*columns))
    return Table(header, known, f"{ABOUT} {EMPTY}" if has_gaps else ABOUT)


def _is_unknown(cell: object) -> bool:
    return str(cell) in ("", "nan")


def _per_micrograph(row: RunRow) -> float:
    """Whole from 10 on, where digits after the point tell nothing."""
    mean = row.n_particles / row.n_micrographs if row.n_micrographs else math.nan
    return round(mean) if mean >= 10 else mean


def _recall_interval(
    probability: NDArray[np.float64], n_particles: Tuple[float, float]
) -> Tuple[float, float]:
    """That of the estimated number of all particles, as recall of these."""
    low, high = (min(float(probability.sum()) / max(n, 1e-12), 1.0) for n in reversed(n_particles))
    return low, high


def _interval(ends: Tuple[float, float]) -> str:
    low, high = ends
    return "" if math.isnan(low) or math.isnan(high) else f"{low:.3f} to {high:.3f}"


def _mode(record: Optional[RunRecord], model: Optional[EnsembleModel]) -> str:
    if model is not None:
        if is_by_images(model):
            return f"{MODES[2]} with images"
        has_looked = record is not None and record.images
        return f"{MODES[2]}; images did not decide" if has_looked else MODES[2]
    if record is None:
        return ""
    if record.mode == MODES[0]:
        return "all pickers"
    return f"quorum of {counted(record.quorum, 'picker')}"
