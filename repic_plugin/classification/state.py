"""State of a classification between two iterations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import Alignment


@dataclass(frozen=True)
class IterationRecord:
    """Record of one iteration.

    Attributes
    ----------
    iteration : int
        From 1.
    stage : str
        'common' (alignment to one average), 'global' (all shifts), 'local' (shifts around those
        found), 'trade' (split and merge).
    fraction_changed : float
        Fraction of the images that changed class.
    objective : float
        Sum of the dissimilarities, plus lambda times the sum of squared sizes for ACK-means.
    smallest, largest : int
        Class sizes.
    """

    iteration: int
    stage: str
    fraction_changed: float
    objective: float
    smallest: int
    largest: int


@dataclass(frozen=True, eq=False)
class State:
    """State on which the next iteration depends, besides the images and the parameters.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
    alignment : Alignment
        Alignment of the images shifted by `offset_px`.
    offset_px : ndarray of float64, shape (n, 2)
        Shift applied to recentre the images.
    stage : str
        Stage of the next iteration; 'done' after the last.
    contrast : ndarray of float64, shape (n,)
        Of each image, see `contrasts`.
    stage_iteration : int
        Iterations in this stage so far.
    n_rounds : int
        Rounds of split and merge so far.
    constraint : float
        Fraction of beta in use.
    records : tuple of IterationRecord
    before_trade : tuple or None
        Loss, labels and alignment to restore if a round of split and merge does not pay.
    converged : bool
        False if the maximum number of iterations ended it.
    """

    labels: NDArray[np.int64]
    alignment: Alignment
    offset_px: NDArray[np.float64]
    stage: str
    contrast: NDArray[np.float64]
    stage_iteration: int = 0
    n_rounds: int = 0
    constraint: float = 1.0
    records: Tuple[IterationRecord, ...] = ()
    before_trade: Optional[Tuple[float, NDArray[np.int64], Alignment]] = None
    converged: bool = True

    @property
    def iteration(self) -> int:
        """Number of iterations so far."""
        return len(self.records)

    def enter(self, stage: str, **changes: Any) -> State:
        """State at the beginning of another stage."""
        return replace(self, stage=stage, stage_iteration=0, **changes)

    def carried(self, carry: Callable[[NDArray[Any]], NDArray[Any]]) -> State:
        """State with `carry` applied to each column of the images."""
        before = self.before_trade
        if before is not None:
            before = (before[0], carry(before[1]), before[2].carried(carry))
        return replace(
            self,
            labels=carry(self.labels),
            alignment=self.alignment.carried(carry),
            offset_px=carry(self.offset_px),
            contrast=carry(self.contrast),
            before_trade=before,
        )


def state_to_arrays(state: State) -> Dict[str, NDArray[Any]]:
    """State as arrays, which can be stored without pickle."""
    arrays = {
        "labels": state.labels,
        "offset_px": state.offset_px,
        "contrast": state.contrast,
        "stage": np.array([state.stage]),
        "counts": np.array([state.stage_iteration, state.n_rounds, int(state.converged)]),
        "constraint": np.array([state.constraint]),
        "stages": np.array([record.stage for record in state.records], dtype="U8"),
        "records": _numbers(state.records),
        **_alignment_arrays("", state.alignment),
    }
    if state.before_trade is not None:
        loss, labels, alignment = state.before_trade
        arrays.update({"before_loss": np.array([loss]), "before_labels": labels})
        arrays.update(_alignment_arrays("before_", alignment))
    return arrays


def state_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> State:
    """State from the arrays of `state_to_arrays`.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    before = None
    if "before_loss" in arrays:
        before = (
            float(arrays["before_loss"][0]),
            arrays["before_labels"],
            _alignment("before_", arrays),
        )
    stage_iteration, n_rounds, converged = arrays["counts"].tolist()
    return State(
        labels=arrays["labels"],
        alignment=_alignment("", arrays),
        offset_px=arrays["offset_px"],
        stage=str(arrays["stage"][0]),
        contrast=arrays["contrast"],
        stage_iteration=stage_iteration,
        n_rounds=n_rounds,
        constraint=float(arrays["constraint"][0]),
        records=tuple(
            IterationRecord(int(i), str(stage), changed, objective, int(small), int(large))
            for stage, (i, changed, objective, small, large) in zip(
                arrays["stages"].tolist(), arrays["records"].tolist()
            )
        ),
        before_trade=before,
        converged=bool(converged),
    )


def _numbers(records: Tuple[IterationRecord, ...]) -> NDArray[np.float64]:
    rows: List[Tuple[float, ...]] = [
        (r.iteration, r.fraction_changed, r.objective, r.smallest, r.largest) for r in records
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def _alignment_arrays(prefix: str, alignment: Alignment) -> Dict[str, NDArray[Any]]:
    return {
        f"{prefix}angle": alignment.angle,
        f"{prefix}shift_px": alignment.shift_px,
        f"{prefix}mirror": alignment.mirror,
    }


def _alignment(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Alignment:
    names = ("angle", "shift_px", "mirror")
    return Alignment(*(arrays[f"{prefix}{name}"] for name in names))
