"""An extraction that follows growing coordinates and CTFs."""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path
from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    Iterable,
    List,
    Tuple,
)

import numpy as np
from numpy.typing import NDArray
from pyworkflow.object import Set as ScipionSet

from repic_plugin.convert import GrowingMicrographs, pixel_ratio
from repic_plugin.formats import write_stack
from repic_plugin.protocols.common.following.by_micrograph import (
    FOLDER,
    NOTHING,
    MicrographFollower,
    MicrographRecord,
)
from repic_plugin.protocols.common.following.inputs import FollowedInputs
from repic_plugin.protocols.common.following.record import MICROGRAPHS
from repic_plugin.protocols.common.following.sets import (
    FollowedCtfs,
    FollowedMicrographs,
    FollowedPicks,
    is_at_work,
)
from repic_plugin.protocols.particles.stream_output import (
    Cut,
    ParticleItems,
    ParticlesOutput,
)
from repic_plugin.template_picking import extract_particles

# Of a run with other values; the latter of version 0.2.0, which did not follow its inputs.
RESULTS = ("particles_*.mrcs", "particles_*.npz")


class ExtractionInputs(FollowedInputs):
    """Coordinates, CTFs if they are given, and the micrographs to extract from.

    Parameters
    ----------
    protocol : ProtRepicExtract
    """

    def __init__(self, protocol: Any) -> None:
        pointer, ctfs = protocol.inputCoordinates, protocol.inputCTFs
        micrographs = GrowingMicrographs(protocol.micrographs().getFileName())
        self.picks = FollowedPicks(
            "the set of coordinates",
            pointer.get(),
            micrographs,
            pixel_ratio(pointer.get(), protocol.micrographs()),
            partial(is_at_work, pointer),
        )
        self.ctfs = None if ctfs.get() is None else FollowedCtfs(ctfs, micrographs)
        sets = [self.picks, *filter(None, [self.ctfs])]
        if protocol.inputMicrographs.get() is not None:
            name = "the set of micrographs"
            sets.append(FollowedMicrographs(name, micrographs, protocol.inputMicrographs))
        super().__init__(micrographs, sets)

    def waiting(self, done: Collection[int]) -> List[int]:
        """Ids of the micrographs with coordinates that are still to be processed."""
        return [one for one in super().waiting(done) if self.picks.n_picks(one)]

    def has_ctf(self, micrograph: int) -> bool:
        """Whether a micrograph has its CTF, or needs none."""
        return self.ctfs is None or self.ctfs.has(micrograph)

    def rows(self, micrographs: List[int]) -> Dict[int, NDArray[np.float64]]:
        """Id, x and y in px of its own micrographs of each coordinate, by micrograph.

        Raises
        ------
        UnreadableSetError
            If the file is unreadable at present.
        """
        own = [self.picks.own_id(one) for one in micrographs]
        found = self.picks.picks.read(own, None)  # those of a micrograph follow each other
        ids, first = np.unique(found[:, 1].astype(np.int64), return_index=True)
        parts = np.split(found[:, [0, 2, 3]], np.sort(first)[1:])
        by_id = dict(zip(ids[np.argsort(first)].tolist(), parts))
        return {one: by_id.get(i, found[:0, :3]) for one, i in zip(micrographs, own)}


class ExtractionRecord(MicrographRecord):
    """Ids of the coordinates whose particles are in each stack, in its order."""

    def _arrays(self, found: List[Any]) -> Dict[str, NDArray[Any]]:
        ids = [np.zeros(0, np.int64) if one is None else one for one in found]
        return {"n": np.array([len(one) for one in ids]), "ids": np.concatenate(ids)}

    def cut(self, batches: Iterable[int]) -> Dict[int, Cut]:
        """Where the image of each coordinate of some batches is; the last batch holds."""
        of: Dict[int, NDArray[np.int64]] = {}
        for number in batches:
            batch = self.read(number)
            parts = np.split(batch["ids"], np.cumsum(batch["n"])[:-1])
            of.update(zip(batch[MICROGRAPHS].tolist(), parts))
        return {
            i: Cut(micrograph, index)
            for micrograph, ids in of.items()
            for index, i in enumerate(ids.tolist(), 1)
        }


class ExtractionStream(MicrographFollower):
    """Extracts particles of micrographs that have coordinates and CTF, until the inputs close.

    Parameters
    ----------
    protocol : ProtRepicExtract
    settings, inputs : str
        As of `BatchRecord`.
    """

    WAITS_FOR = "to do"

    def __init__(self, protocol: Any, settings: str, inputs: str) -> None:
        folder = protocol._getExtraPath(FOLDER)
        record = ExtractionRecord(folder, settings, inputs)
        super().__init__(protocol, ExtractionInputs(protocol), record, inputs)
        self.output = ParticlesOutput(protocol)
        self.items = ParticleItems(protocol, self.inputs.ctfs)
        # items of inputs that are at rest do not change after they were appended
        self._may_change = self._may_grow or not record.is_new

    # ------------------------------------------------------------------- work

    def _work_on(self, ready: List[int]) -> int:
        with_ctf = [one for one in ready if self.inputs.has_ctf(one)]
        return super()._work_on(with_ctf) + len(ready) - len(with_ctf)

    def _work(
        self, micrographs: List[int]
    ) -> Tuple[Callable[[int, NDArray[np.float32]], Any], List[int]]:
        protocol, scale = self.protocol, self.inputs.picks.scale
        rows = self.inputs.rows(micrographs)
        options = protocol.extraction_options()

        def cut(place: int, pixels: NDArray[np.float32]) -> NDArray[np.int64]:
            mine = rows[micrographs[place]]
            found = extract_particles(pixels, mine[:, 1:] * scale, **options)
            if len(found):
                path = protocol.stack(micrographs[place])
                write_stack(path, found.images, protocol.pixel_size())
            return mine[found.rows, 0].astype(np.int64)

        return cut, [_digest(rows[one]) for one in micrographs]

    def _digests(self, micrographs: List[int]) -> Dict[int, int]:
        return {one: _digest(mine) for one, mine in self.inputs.rows(micrographs).items()}

    def _told(self, found: List[Any]) -> str:
        return f"{sum(map(len, found)):,} particles"

    def _left_out(self) -> Dict[str, List[int]]:
        waiting = self.inputs.waiting(self._done)
        without = [one for one in waiting if not self.inputs.has_ctf(one)]
        return {**super()._left_out(), "without a CTF": without}

    # ---------------------------------------------------------------- outputs

    def _append(self, number: int) -> None:
        if number in self.record.repeats:
            self._may_change = True  # written at the end
            return
        where = self.record.cut([number])
        known = self.output.ids(where)
        new = {i: one for i, one in where.items() if i not in known}
        if new:
            self.output.append(self.items.of(new))

    def _resume(self) -> None:
        self.inputs.look()
        if self.output.check():
            self.output.update(ScipionSet.STREAM_OPEN)  # Scipion closes it when the run stops
        self._is_caught_up()

    def _forget(self) -> None:
        folder = Path(self.protocol._getExtraPath())
        for file in (file for pattern in RESULTS for file in folder.glob(pattern)):
            file.unlink()
        self.output.remove(keep_name=True)

    def _close(self) -> None:
        where = self.record.cut(range(len(self.record)))
        if not where:
            self.output.remove(keep_name=False)
            raise ValueError(self.protocol.no_particles())
        if self._may_change:
            self.output.renew(self.items, where)
        skipped = self._skipped(len(where))
        for line in skipped:
            self.protocol.warning(f"{line}; they are skipped")
        self.output.update(ScipionSet.STREAM_CLOSED, "; ".join(skipped))
        self._finish()

    def _skipped(self, n_cut: int) -> List[str]:
        """Numbers of coordinates without a particle."""
        n_picks, waiting = self.inputs.picks.n_picks, self._left_out()["without a CTF"]
        n_without = sum(n_picks(one) for one in waiting)
        n_out = self.inputs.picks.n_items - n_cut - n_without
        lines = [f"{n_out:,} boxes extend beyond a readable micrograph"] if n_out else []
        return lines + ([f"{n_without:,} particles have no CTF"] if n_without else [])


def _digest(rows: NDArray[np.float64]) -> int:
    return zlib.crc32(np.ascontiguousarray(rows).tobytes()) if len(rows) else NOTHING
