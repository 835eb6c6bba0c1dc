"""Counts of right, wrong and missed, and the ratios made of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """True positives, false positives and false negatives, of pixels or of particles.

    Scores of several micrographs are added (``a + b``, ``sum(many, Scores())``) before the ratios
    are taken, so that a micrograph counts by what it holds.

    A ratio of nothing to nothing is 0, as in REPIC: a picker that found nothing has earned
    nothing, and the value can still be ordered, plotted and averaged, which a nan cannot.

    Attributes
    ----------
    tp, fp, fn : int
        True positives, false positives, false negatives.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Scores) -> Scores:
        if not isinstance(other, Scores):
            return NotImplemented
        return Scores(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP): Cameron et al. 2024, doi:10.1038/s42003-024-07045-0, equation 4."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN): Cameron et al. 2024, doi:10.1038/s42003-024-07045-0, equation 5."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
