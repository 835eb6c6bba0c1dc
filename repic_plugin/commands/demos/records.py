"""Input and results of the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from repic_plugin.consensus import Picks
from repic_plugin.formats import PicksDir


class Material(NamedTuple):
    """Input of the demo; `truth` is None if unknown."""

    picks_dir: Path
    micrographs_dir: Path
    loaded: PicksDir
    truth: Optional[Picks]
    box_size_px: int
    pixel_size_angstrom: float


class ConsensusRun(NamedTuple):
    """Result of a consensus protocol.

    `summary` holds the rows of its summary table, `n_agreed` the number of picks of each picker
    in the consensus.
    """

    name: str
    particles: Picks
    summary: List[Dict[str, str]]
    n_agreed: Dict[str, int]
