"""Report of a Fourier shell correlation."""

from __future__ import annotations

from pathlib import Path
from typing import List

from repic_plugin.evaluation import HALF_MAP_THRESHOLD, REFERENCE_THRESHOLD, resolution_text
from repic_plugin.formats import read_fsc_table
from repic_plugin.plots import fsc_figure
from repic_plugin.reports.document import Block, Table
from repic_plugin.reports.pictures import Picture

MARKER, TITLE = "fsc.csv", "Fourier shell correlation"
THRESHOLDS = (REFERENCE_THRESHOLD, HALF_MAP_THRESHOLD)


def blocks(folder: Path) -> List[Block]:
    """Resolutions and curves."""
    curves = read_fsc_table(folder / MARKER)
    rows = [
        [name, *(resolution_text(curve, threshold) for threshold in THRESHOLDS)]
        for name, curve in curves.items()
    ]
    header = ["map", *(f"resolution at {threshold:g} (Å)" for threshold in THRESHOLDS)]
    return [
        Table(header, rows, "Threshold: 0.5 against a reference map, 0.143 between half maps."),
        Picture(fsc_figure(curves), "Fourier shell correlation with the reference."),
    ]
