"""An extraction that follows growing coordinates and CTFs."""

from __future__ import annotations

import json
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
    NamedTuple,
    Set,
    Tuple,
)

import numpy as np
from numpy.typing import NDArray
from pyworkflow.object import Set as ScipionSet

from repic_plugin.convert import GrowingMicrographs, UnreadableSetError, pixel_ratio
from repic_plugin.formats import write_stack
from repic_plugin.protocols.common.following.by_micrograph import FOLDER, MicrographFollower
from repic_plugin.protocols.common.following.inputs import FollowedInputs
from repic_plugin.protocols.common.following.record import MICROGRAPHS, BatchRecord
from repic_plugin.protocols.common.following.sets import (
    FollowedCtfs,
    FollowedMicrographs,
    FollowedPicks,
    is_at_work,
)
from repic_plugin.protocols.common.micrograph_batches import BATCH
from repic_plugin.protocols.particles.stream_output import (
    Cut,
    ParticleItems,
    ParticlesOutput,
)
from repic_plugin.template_picking import extract_particles

DIGESTS = "digests"  # of the coordinates of each micrograph, when its particles were cut out
# Of a run with other values; the latter of version 0.2.0, which did not follow its inputs.
RESULTS = ("particles_*.mrcs", "particles_*.npz")


class CutMicrograph(NamedTuple):
    """Ids of the coordinates whose particles are in a micrograph's stack, in its order."""

    ids: NDArray[np.int64]
    digest: int


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


class ExtractionRecord(BatchRecord):
    """The record of an extraction: the coordinates whose particles are in the stacks.

    Attributes
    ----------
    digests : dict of int to int
        Of the coordinates of each micrograph when it was processed.
    repeats : set of int
        Numbers of the batches whose micrographs had been processed before.
    """

    COUNTS = (MICROGRAPHS, DIGESTS)

    def __init__(self, folder: str, settings: str, inputs: str) -> None:
        self.digests: Dict[int, int] = {}
        self.repeats: Set[int] = set()
        super().__init__(folder, settings, inputs)

    def _count(self, counts: Dict[str, NDArray[Any]]) -> None:
        if self.digests.keys() & set(counts[MICROGRAPHS].tolist()):
            self.repeats.add(len(self))
        super()._count(counts)
        self.digests.update(zip(counts[MICROGRAPHS].tolist(), counts[DIGESTS].tolist()))

    def keep(self, micrographs: List[int], found: List[CutMicrograph]) -> None:
        """Record the particles of some micrographs, in place of what is known of them."""
        self.write(
            {
                MICROGRAPHS: np.array(micrographs, np.int64),
                DIGESTS: np.array([one.digest for one in found], np.int64),
                "n": np.array([len(one.ids) for one in found], np.int64),
                "ids": np.concatenate([np.zeros(0, np.int64), *(one.ids for one in found)]),
            }
        )

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
        super().__init__(protocol, ExtractionInputs(protocol), record)
        self.output = ParticlesOutput(protocol)
        self.items = ParticleItems(protocol, self.inputs.ctfs)
        self._n_written = 0  # batches
        # items of inputs that are at rest do not change after they were appended
        self._may_change = None in json.loads(inputs) or not record.is_new

    # ------------------------------------------------------------------- work

    def _work_on(self, ready: List[int]) -> int:
        with_ctf = [one for one in ready if self.inputs.has_ctf(one)]
        return super()._work_on(with_ctf) + len(ready) - len(with_ctf)

    def _work(self, micrographs: List[int]) -> Callable[[int, NDArray[np.float32]], Any]:
        protocol, scale = self.protocol, self.inputs.picks.scale
        rows = self.inputs.rows(micrographs)
        options = protocol.extraction_options()

        def cut(place: int, pixels: NDArray[np.float32]) -> CutMicrograph:
            mine = rows[micrographs[place]]
            found = extract_particles(pixels, mine[:, 1:] * scale, **options)
            if len(found):
                path = protocol.stack(micrographs[place])
                write_stack(path, found.images, protocol.pixel_size())
            return CutMicrograph(mine[found.rows, 0].astype(np.int64), _digest(mine))

        return cut

    def _keep(self, micrographs: List[int], found: List[Any]) -> None:
        self.record.keep(micrographs, found)
        n_done, n_cut = len(self._done) + len(micrographs), sum(len(one.ids) for one in found)
        n_known = len(self.inputs.micrographs.names)
        self.protocol.info(
            f"micrographs {n_done - len(micrographs) + 1:,} to {n_done:,} of {n_known:,}: "
            f"{n_cut:,} particles"
        )

    def _conclude(self) -> bool:
        """Whether the coordinates are still those whose particles were cut out."""
        if not super()._conclude():
            return False
        try:
            changed = self._changed()
        except UnreadableSetError as error:
            self._warn(str(error))
            return False
        void = [one for one, n, _ in changed if not n or one in self._unusable]
        if void:
            digests = {one: digest for one, _, digest in changed}
            nothing = np.zeros(0, np.int64)
            self.record.keep(void, [CutMicrograph(nothing, digests[one]) for one in void])
        again = {one for one, _, _ in changed} - set(void)
        self._done -= again
        return not again

    def _changed(self) -> List[Tuple[int, int, int]]:
        """Micrographs whose coordinates have changed since; their number and digest now."""
        digests = self.record.digests
        done = sorted(digests.keys() & self.inputs.micrographs.names.keys())
        found = []
        for first in range(0, len(done), BATCH):
            rows = self.inputs.rows(done[first : first + BATCH])
            now = [(one, len(mine), _digest(mine)) for one, mine in rows.items()]
            found += [one for one in now if one[2] != digests[one[0]]]
        return found

    def _left_out(self) -> Dict[str, List[int]]:
        waiting = self.inputs.waiting(self._done)
        without = [one for one in waiting if not self.inputs.has_ctf(one)]
        return {**super()._left_out(), "without a CTF": without}

    # ---------------------------------------------------------------- outputs

    def _catch_up(self) -> None:
        while self._n_written < len(self.record):
            if self._n_written in self.record.repeats:  # written at the end
                self._may_change = True
            else:
                self._append(self._n_written)
            self._n_written += 1

    def _append(self, number: int) -> None:
        """Append a batch, without the particles that are there."""
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
        self._write_facts(is_closed=True)
        at_rest = [one.n_items for one in self.inputs.sets]
        self.record.finish(json.dumps(at_rest), keep=True)

    def _skipped(self, n_cut: int) -> List[str]:
        """Numbers of coordinates without a particle."""
        n_picks, waiting = self.inputs.picks.n_picks, self._left_out()["without a CTF"]
        n_without = sum(n_picks(one) for one in waiting)
        n_out = self.inputs.picks.n_items - n_cut - n_without
        lines = [f"{n_out:,} boxes extend beyond a readable micrograph"] if n_out else []
        return lines + ([f"{n_without:,} particles have no CTF"] if n_without else [])


def _digest(rows: NDArray[np.float64]) -> int:
    return zlib.crc32(np.ascontiguousarray(rows).tobytes())
