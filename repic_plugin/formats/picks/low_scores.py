"""Picks below the threshold of their own picker, which its files hold too."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from repic_plugin.formats.picks.folders import PicksDir


class LowScores(NamedTuple):
    """Picks of one picker below its threshold: crYOLO's CBOX files hold all its detections.

    Attributes
    ----------
    picker : str
    n_low, n_scored : int
        Picks below the threshold, and all with a score.
    threshold : float
    """

    picker: str
    n_low: int
    n_scored: int
    threshold: float

    def __str__(self) -> str:
        return (
            f"{self.n_low:,} of {self.n_scored:,} picks of {self.picker} are below its own "
            f"threshold of {self.threshold:g}"
        )


def low_scores(loaded: PicksDir) -> Iterator[LowScores]:
    """Pickers with picks below their own threshold, in their order."""
    picks = loaded.picks
    for i, (name, threshold) in enumerate(zip(picks.picker_names, loaded.thresholds)):
        mine = picks.score[(picks.picker == i) & picks.has_score]
        n_low = 0 if threshold is None else int((mine < threshold).sum())
        if threshold is not None and n_low:
            yield LowScores(name, n_low, len(mine), threshold)
