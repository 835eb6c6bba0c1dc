"""Counts of true and false positives and false negatives, and their ratios."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """True positives, false positives and false negatives, of pixels or of particles.

    Scores of several micrographs are added (``a + b``, ``sum(many, Scores())``) before the ratios
    are computed, so that a micrograph counts by its number of particles.

    A ratio 0 / 0 is 0, as in REPIC, so that it can be ordered, plotted and averaged.

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
        """Precision, TP / (TP + FP): Cameron et al. 2024, equation 4."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Recall, TP / (TP + FN): Cameron et al. 2024, equation 5."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
