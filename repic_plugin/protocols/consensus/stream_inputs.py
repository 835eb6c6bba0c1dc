"""Growing inputs of a consensus: the micrographs that are ready, and their picks."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from pyworkflow.object import Pointer

from repic_plugin.consensus import Picks
from repic_plugin.convert import GrowingMicrographs
from repic_plugin.protocols.common.following.inputs import FollowedInputs
from repic_plugin.protocols.common.following.sets import FollowedPicks, is_at_work


class BatchInput(NamedTuple):
    """Picks of some micrographs.

    `micrographs` holds the ids of the micrographs that the picks are indexed by, `ids` the id of
    each pick in its own set, `n_read` the picks of each micrograph (row) and picker (column).
    """

    micrographs: List[int]
    picks: Picks
    ids: NDArray[np.int64]
    n_read: NDArray[np.int64]


class StreamInputs(FollowedInputs):
    """The growing sets of all pickers.

    Parameters
    ----------
    names : sequence of str
    pointers : sequence of Pointer
        To their sets of coordinates.
    quorum : int
        Minimum number of pickers that must agree.
    late_after_s : float or None
        How long a micrograph that a quorum has picked waits for the other pickers.

    Attributes
    ----------
    pickers : list of FollowedPicks
    micrographs : GrowingMicrographs
        The micrographs of the first picker.
    """

    def __init__(
        self,
        names: Sequence[str],
        pointers: Sequence[Pointer],
        quorum: int,
        late_after_s: Optional[float],
    ) -> None:
        sets = [pointer.get() for pointer in pointers]
        for name, one in zip(names, sets):
            if one.getMicrographs() is None:
                raise ValueError(f"the micrographs of {name} are unknown; pick or import it again")
        first = sets[0].getMicrographs()
        micrographs = GrowingMicrographs(first.getFileName())
        pixel_sizes = [one.getMicrographs().getSamplingRate() for one in sets]
        self.pickers = [
            FollowedPicks(
                name,
                pointer.get(),
                micrographs,
                pixel_size / pixel_sizes[0],
                partial(is_at_work, pointer),
            )
            for name, pointer, pixel_size in zip(names, pointers, pixel_sizes)
        ]
        self._quorum, self._late_after_s = quorum, late_after_s
        self._since: Dict[int, float] = {}  # when a quorum had picked a micrograph
        super().__init__(micrographs, self.pickers)

    def ready(self, waiting: Sequence[int]) -> List[int]:
        """Those of some micrographs that can be processed."""
        now = time.monotonic()  # unaffected by changes of the system time
        return [one for one in waiting if self._is_ready(one, now)]

    def _is_ready(self, micrograph: int, now: float) -> bool:
        n_have = sum(picker.has(micrograph) for picker in self.pickers)
        if n_have == len(self.pickers):
            return True
        if self._late_after_s is None or n_have < self._quorum:
            return False
        return now - self._since.setdefault(micrograph, now) >= self._late_after_s

    def unseen(self, micrographs: Sequence[int]) -> NDArray[np.bool_]:
        """Pickers (columns) that lack some micrographs (rows), or may pick them later."""
        rows = [
            [picker.own_id(one) < 0 or not picker.has(one) for picker in self.pickers]
            for one in micrographs
        ]
        return np.array(rows, dtype=bool).reshape(len(rows), len(self.pickers))

    def read(self, micrographs: Sequence[int], attributes: Sequence[Optional[str]]) -> BatchInput:
        """The picks on some micrographs, in px of the reference.

        Raises
        ------
        UnreadableSetError
            If a file is unreadable at present.
        ValueError
            If a set lacks the attribute that holds its scores.
        """
        place = {one: i for i, one in enumerate(micrographs)}
        columns: List[NDArray[Any]] = []
        for number, (picker, attribute) in enumerate(zip(self.pickers, attributes)):
            own = {picker.own_id(one): i for one, i in place.items() if picker.own_id(one) >= 0}
            found = picker.picks.read(list(own), attribute)
            where = np.array([own[int(i)] for i in found[:, 1]], dtype=np.float64)
            who = np.full(len(found), float(number))
            centres = found[:, 2:4] * picker.scale
            columns.append(np.column_stack([where, who, centres, found[:, 4], found[:, 0]]))
        where, who, x, y, score, ids = np.concatenate(columns).T
        k = len(self.pickers)
        group = (where * k + who).astype(np.int64)
        picks = Picks.from_columns(
            where.astype(np.int64),
            who.astype(np.int64),
            x,
            y,
            np.nan_to_num(score),
            has_score=~np.isnan(score),
            micrograph_names=self.names(micrographs),
            picker_names=[picker.name for picker in self.pickers],
        )
        n_read = np.bincount(group, minlength=len(place) * k).reshape(len(place), k)
        return BatchInput(list(micrographs), picks, ids.astype(np.int64), n_read)

    def read_one(self, number: int, attribute: Optional[str]) -> Picks:
        """All present picks of one picker, as picks of that picker alone.

        Raises
        ------
        UnreadableSetError, ValueError
            As `read`.
        """
        picker = self.pickers[number]
        found = picker.picks.read(list(picker.picks.spans), attribute)
        nobody = np.zeros(len(found), dtype=np.int64)
        return Picks.from_columns(
            nobody,
            nobody,
            *(found[:, 2:4] * picker.scale).T,
            np.nan_to_num(found[:, 4]),
            has_score=~np.isnan(found[:, 4]),
            picker_names=[picker.name],
        )

    def n_picks(self, micrographs: Sequence[int]) -> NDArray[np.int64]:
        """Number of present picks, as `BatchInput.n_read`."""
        rows = [[picker.n_picks(one) for picker in self.pickers] for one in micrographs]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self.pickers))
