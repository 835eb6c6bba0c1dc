"""Which 2D classes are good: by their judgement or score, and by hand."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_LETTERS = 60  # of a list of classes in a label
MAX_EXCEPTIONS = 30  # letters


class ClassChoice:
    """Classes that a person looks through, and marks as good or bad.

    At first the classes that were not judged junk are good. With a threshold, those with at least
    this score are, whatever they were judged. Marks by hand overrule both.

    Parameters
    ----------
    sizes : array_like of int, shape (n_classes,)
        Empty classes are not shown and never chosen.
    is_junk : array_like of bool, shape (n_classes,)
    scores : array_like of float, shape (n_classes,), optional
        Not in classes of earlier versions.
    resolutions_angstrom : array_like of float, shape (n_classes,), optional
        NaN where unknown.
    is_off_centre : array_like of bool, shape (n_classes,), optional

    Attributes
    ----------
    shown : ndarray of int64
        Indices of the classes from 0, the best score first, or the largest without scores.
    place : int
        That of the current class among those shown.
    threshold : float or None
    """

    def __init__(
        self,
        sizes: ArrayLike,
        *,
        is_junk: ArrayLike,
        scores: Optional[ArrayLike] = None,
        resolutions_angstrom: Optional[ArrayLike] = None,
        is_off_centre: Optional[ArrayLike] = None,
    ) -> None:
        self.sizes = np.asarray(sizes, dtype=np.int64)
        n = len(self.sizes)
        self.is_junk = np.asarray(is_junk, dtype=bool)
        self.scores = None if scores is None else np.asarray(scores, dtype=np.float64)
        unknown = np.full(n, np.nan) if resolutions_angstrom is None else resolutions_angstrom
        self.resolutions_angstrom = np.asarray(unknown, dtype=np.float64)
        off = np.zeros(n) if is_off_centre is None else is_off_centre
        self.is_off_centre = np.asarray(off, dtype=bool)
        by = self.sizes if self.scores is None else self.scores
        order = np.argsort(-by, kind="stable")
        self.shown: NDArray[np.int64] = order[self.sizes[order] > 0]
        self.place = 0
        self.threshold: Optional[float] = None
        self._marks: Dict[int, bool] = {}

    # -------------------------------------------------------------- the state

    @property
    def current(self) -> int:
        """Index of the current class."""
        return int(self.shown[self.place])

    def by_rule(self) -> NDArray[np.bool_]:
        """Good classes by threshold or judgement, shape (n_classes,)."""
        if self.threshold is None or self.scores is None:
            return np.asarray((self.sizes > 0) & ~self.is_junk)
        return np.asarray((self.sizes > 0) & (self.scores >= self.threshold))

    def is_good(self) -> NDArray[np.bool_]:
        """Good classes with the marks by hand, shape (n_classes,)."""
        good = self.by_rule()
        for k, mark in self._marks.items():
            good[k] = mark
        return good

    def numbers(self, good: bool = True) -> List[int]:
        """Numbers from 1 of the good classes, or of the rest."""
        chosen = (self.sizes > 0) & (self.is_good() == good)
        return [int(k) + 1 for k in np.flatnonzero(chosen)]

    def n_particles(self, good: bool = True) -> int:
        """Number of particles in good classes, or in the rest."""
        return int(self.sizes[self.is_good() == good].sum())

    def least_good_score(self) -> float:
        """The lowest score of a good class, 0 without one."""
        if self.scores is None:
            return 0.0
        known = self.is_good() & np.isfinite(self.scores)
        return float(self.scores[known].min()) if known.any() else 0.0

    # ---------------------------------------------------------------- actions

    def go_to(self, k: int) -> None:
        """Make a class that is shown the current one."""
        self.place = int(np.flatnonzero(self.shown == k)[0])

    def step(self, by: int) -> None:
        """Go on by some classes, up to the first or last."""
        self.place = min(max(self.place + by, 0), len(self.shown) - 1)

    def mark(self, k: int, good: bool) -> None:
        """Mark a class by hand; it keeps the mark whatever the threshold."""
        self._marks[k] = good

    def toggle(self, k: int) -> None:
        """Mark a class as the opposite; a second time takes the mark back."""
        good = self.is_good()[k]
        if k in self._marks and self._marks[k] != self.by_rule()[k]:
            del self._marks[k]
        else:
            self._marks[k] = not good

    def set_threshold(self, score: float) -> None:
        """Let the classes with at least this score be good, rounded to what labels show."""
        self.threshold = round(float(score), 2)

    def reset(self) -> None:
        """Return to the judgement, without marks by hand."""
        self.threshold = None
        self._marks.clear()

    # ------------------------------------------------------------------ texts

    def caption(self, k: int) -> List[str]:
        """Number, size, resolution and score of a class, in two lines."""
        n = int(self.sizes[k])
        facts = [self._resolution(k)] if self._resolution(k) else []
        facts += [] if self.scores is None else [f"score {self.scores[k]:.3f}"]
        return [f"{k + 1}: {n:,} particle{'s' * (n != 1)}", ", ".join(facts)]

    def badge(self, k: int) -> str:
        """What a class was judged, empty for nothing."""
        if self.is_junk[k]:
            return "junk"
        return "off centre" if self.is_off_centre[k] else ""

    def describe(self, k: int) -> List[str]:
        """All that is known of a class, as lines."""
        judged = "junk" if self.is_junk[k] else "good"
        judged += ", off centre" if self.is_off_centre[k] else ""
        state = "good" if self.is_good()[k] else "bad"
        n = int(self.sizes[k])
        lines = [f"Class {k + 1}: {n:,} particle{'s' * (n != 1)}"]
        if self.scores is not None:
            lines.append(f"Score {self.scores[k]:.4f}")
        lines.append(f"Resolution {self._resolution(k) or 'unknown'}")
        lines.append(f"Judged {judged}")
        return [*lines, f"Chosen as {state}{' by hand' if k in self._marks else ''}"]

    def summary(self) -> str:
        """The rule in force, and what would be kept."""
        rule = "as judged"
        if self.threshold is not None:
            rule = f"score {self.threshold:.2f} or more"
        n_marked = len(self._exceptions(True)) + len(self._exceptions(False))
        if n_marked:
            rule += f", {n_marked} by hand"
        n, every = self.n_particles(), int(self.sizes.sum())
        n_empty = len(self.sizes) - len(self.shown)
        empty = f", {n_empty:,} empty" if n_empty else ""
        return (
            f"Good: {rule}\n{len(self.numbers()):,} of {len(self.shown):,} classes{empty}\n"
            f"{n:,} of {every:,} particles ({n / max(every, 1):.0%})"
        )

    def label(self, good: bool = True) -> str:
        """Label of a set of the particles of good classes, or of the rest: by which rule."""
        if self.threshold is None or self.scores is None:
            return f"classes {ranges_text(self.numbers(good), MAX_LETTERS)}"
        text = f"classes of score {self.threshold:.2f} or more"
        if not good:
            text = f"classes of score below {self.threshold:.2f}"
        for word, numbers in (
            ("with", self._exceptions(good)),
            ("without", self._exceptions(not good)),
        ):
            if numbers:
                text += f", {word} {ranges_text(numbers, MAX_EXCEPTIONS)}"
        return text

    def _exceptions(self, good: bool) -> List[int]:
        """Numbers of the classes that are good, or bad, by hand alone."""
        rule = self.by_rule()
        return sorted(k + 1 for k, mark in self._marks.items() if mark == good != rule[k])

    def _resolution(self, k: int) -> str:
        value = self.resolutions_angstrom[k]
        return f"{value:.1f} Å" if np.isfinite(value) else ""


def ranges_text(numbers: Sequence[int], max_letters: Optional[int] = None) -> str:
    """Ascending numbers as text such as "1-3, 7".

    A text that would be longer than `max_letters` ends in "..." and the number of all.
    """
    spans: List[Tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    parts = [str(low) if low == high else f"{low}-{high}" for low, high in spans]
    text = ", ".join(parts)
    if max_letters is None or len(text) <= max_letters:
        return text
    while len(parts) > 1 and len(", ".join(parts)) > max_letters:
        parts.pop()
    return f"{', '.join(parts)}, ... ({len(numbers):,})"
