"""What the demo works on, and what it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from repic_plugin.consensus import Picks
from repic_plugin.formats import PicksDir


class Material(NamedTuple):
    """What the demo works on; `truth` is None where it is not known."""

    picks_dir: Path
    micrographs_dir: Path
    loaded: PicksDir
    truth: Optional[Picks]
    box_size_px: int


class ConsensusRun(NamedTuple):
    """What a consensus protocol left.

    `summary` holds the rows of its summary table, `n_agreed` how many picks of each picker are
    in the consensus.
    """

    name: str
    particles: Picks
    summary: List[Dict[str, str]]
    n_agreed: Dict[str, int]
