"""Template picking of micrographs that are still arriving."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates
from pyworkflow.object import Pointer, Set

from repic_plugin.consensus import Picks
from repic_plugin.constants import CORRELATION
from repic_plugin.convert import GrowingMicrographs, MicrographTable, append_picks
from repic_plugin.formats import PickedMicrograph, write_mrc, write_picked_micrographs
from repic_plugin.protocols.common.following.by_micrograph import (
    FOLDER,
    MicrographFollower,
    MicrographRecord,
)
from repic_plugin.protocols.common.following.inputs import FollowedInputs
from repic_plugin.protocols.common.following.output import GrowingOutput
from repic_plugin.protocols.common.following.record import MICROGRAPHS
from repic_plugin.protocols.common.following.sets import FollowedMicrographs
from repic_plugin.protocols.picking.picking_texts import level_text, masked_text
from repic_plugin.template_picking import FoundParticles
from repic_plugin.wording import counted

PICKED = "outputCoordinates"
N_PICKS = "n"
# Of version 0.2.0, which did not follow its inputs.
EARLIER = "picks_*.npz"
NO_COUNTS = np.full(3, np.nan)


class Picked(NamedTuple):
    """What was picked on one micrograph: centres, scores (NaN: none), the numbers of the table."""

    centers: NDArray[np.float64]
    scores: NDArray[np.float64]
    counts: NDArray[np.float64] = NO_COUNTS
    label: str = ""


class PickingRecord(MicrographRecord):
    """The picks of each micrograph.

    Attributes
    ----------
    n_picks : list of int
        Numbers by batch.
    """

    COUNTS = (*MicrographRecord.COUNTS, N_PICKS)

    def __init__(self, folder: str, settings: str, inputs: str) -> None:
        self.n_picks: List[int] = []
        super().__init__(folder, settings, inputs)

    def _count(self, counts: Dict[str, NDArray[Any]]) -> None:
        super()._count(counts)
        self.n_picks.append(int(counts[N_PICKS].sum()))

    def _arrays(self, found: List[Any]) -> Dict[str, NDArray[Any]]:
        nothing = Picked(np.zeros((0, 2)), np.zeros(0))
        all_found = [nothing if one is None else one for one in found]
        return {
            "is_used": np.array([one is not None for one in found]),
            N_PICKS: np.array([len(one.scores) for one in all_found], np.int64),
            "centers": np.concatenate([one.centers for one in all_found]),
            "scores": np.concatenate([one.scores for one in all_found]),
            "counts": np.array([one.counts for one in all_found]),
            "labels": np.array([one.label for one in all_found]),
        }

    def picked(self, number: int) -> Iterator[Tuple[int, Any]]:
        """Id of each micrograph of a batch, and what is on it: None if it was taken back."""
        batch = self.read(number)
        ends = np.cumsum(batch[N_PICKS])[:-1]
        columns = (np.split(batch[name], ends) for name in ("centers", "scores"))
        rows = zip(*columns, batch["counts"], batch["labels"].tolist())
        for micrograph, is_used, row in zip(batch[MICROGRAPHS].tolist(), batch["is_used"], rows):
            yield micrograph, Picked(*row) if is_used else None


class CoordinatesOutput(GrowingOutput):
    """The set of picks.

    Parameters
    ----------
    protocol : Protocol
        With an input of micrographs.
    picker_name, score_attribute : str
    box_size_px : int
        What the next items, and the set from its next change, are given.
    """

    SET_CLASS = SetOfCoordinates

    def __init__(
        self, protocol: Any, picker_name: str, score_attribute: str, box_size_px: int
    ) -> None:
        super().__init__(protocol, PICKED, protocol._getPath("coordinates.sqlite"))
        self.picker_name, self.score_attribute = picker_name, score_attribute
        self.box_size_px = box_size_px

    def append(self, picked: Sequence[Tuple[int, Picked]], names: Dict[int, str]) -> None:
        """Append the picks on some micrographs, whose names are given by id."""
        ids = tuple(one for one, _ in picked)
        table = MicrographTable("", ids, tuple(names[one] for one in ids), 0.0)
        n = [len(one.scores) for _, one in picked]
        centers = np.concatenate([np.zeros((0, 2)), *(one.centers for _, one in picked)])
        scores = np.concatenate([np.zeros(0), *(one.scores for _, one in picked)])
        picks = Picks.from_columns(
            np.repeat(np.arange(len(n)), n),
            np.zeros(sum(n), np.int64),
            *centers.T,
            np.nan_to_num(scores),
            has_score=~np.isnan(scores),
            picker_names=[self.picker_name],
        )
        coordinates = self._opened()
        append_picks(coordinates, picks, table, self.score_attribute)
        self._register(coordinates, Set.STREAM_OPEN)

    def begin_again(self) -> None:
        """Remove all picks from the set."""
        self._file.unlink(missing_ok=True)

    def _new(self) -> SetOfCoordinates:
        coordinates = self.protocol._createSetOfCoordinates(self.protocol.inputMicrographs)
        coordinates.setBoxSize(self.box_size_px)
        return coordinates

    def _link(self, items: SetOfCoordinates) -> None:
        items.setMicrographs(self.protocol.inputMicrographs)
        items.setBoxSize(self.box_size_px)

    def _sources(self) -> Sequence[Pointer]:
        return [self.protocol.inputMicrographs]


class CoordinatesStream(MicrographFollower):
    """Follows micrographs, and appends what is found on them to a set of coordinates.

    Parameters
    ----------
    protocol, inputs, record, at_rest
        As of `MicrographFollower`; the record is a `PickingRecord`.
    output : CoordinatesOutput
    """

    def __init__(
        self, protocol: Any, inputs: Any, record: Any, at_rest: str, output: CoordinatesOutput
    ) -> None:
        super().__init__(protocol, inputs, record, at_rest)
        self.output = output

    def _append(self, number: int) -> None:
        names, picked = self.inputs.micrographs.names, self.record.picked(number)
        new = [(one, found) for one, found in picked if found is not None and one in names]
        self.output.append(new, names)

    def _resume(self) -> None:
        self.inputs.look()
        self._n_written = self.output.n_batches(self.record.n_picks)
        if self.output.is_registered and self._n_written:
            self.output.update(Set.STREAM_OPEN)  # Scipion closes it when the run stops
        self._is_caught_up()

    def _in_order(self) -> List[Tuple[int, Picked]]:
        """What is on record of each micrograph, in the order of the set."""
        found: Dict[int, Any] = {}
        for number in range(len(self.record)):
            found.update(self.record.picked(number))
        names = self.inputs.micrographs.names
        return [(one, found[one]) for one in names if found.get(one) is not None]

    def _write_in_order(self) -> None:
        """Write the set again: what is on record, in the order of the micrographs."""
        self.output.begin_again()
        self.output.append(self._in_order(), self.inputs.micrographs.names)


class PickingStream(CoordinatesStream):
    """Picks micrographs as they arrive, until their set is closed.

    Parameters
    ----------
    protocol : ProtTemplatePick
    settings, inputs : str
        As of `BatchRecord`.
    """

    WAITS_FOR = "to do"

    def __init__(self, protocol: Any, settings: str, inputs: str) -> None:
        pointer = protocol.inputMicrographs
        micrographs = GrowingMicrographs(pointer.get().getFileName())
        followed = FollowedMicrographs("the set of micrographs", micrographs, pointer)
        record = PickingRecord(protocol._getExtraPath(FOLDER), settings, inputs)
        box = protocol.box_size()
        output = CoordinatesOutput(protocol, protocol.getObjLabel(), CORRELATION, box)
        followed_inputs = FollowedInputs(micrographs, [followed])
        super().__init__(protocol, followed_inputs, record, inputs, output)
        self._matcher = protocol.matcher()

    # ------------------------------------------------------------------- work

    def _work(
        self, micrographs: List[int]
    ) -> Tuple[Callable[[int, NDArray[np.float32]], Any], List[int]]:
        labels = self.inputs.names(micrographs)
        options = self.protocol.picking_options()

        def pick(place: int, pixels: NDArray[np.float32]) -> Picked:
            found = self._matcher.pick(pixels, **options)
            if self.protocol.keepMasks.get():
                self._write_mask(labels[place], found)
            mask = found.mask
            counts = np.array([found.min_score, mask.blank_share, mask.contamination_share])
            return Picked(found.centers, found.scores, counts, labels[place])

        digests = self._digests(micrographs)
        return pick, [digests[one] for one in micrographs]

    def _digests(self, micrographs: List[int]) -> Dict[int, int]:
        known = self.inputs.micrographs
        return {
            one: zlib.crc32(f"{known.names[one]}\n{known.paths[one]}".encode())
            for one in micrographs
        }

    def _told(self, found: List[Any]) -> str:
        n = sum(len(one.scores) for one in found)
        levels = level_text([one.counts[0] for one in found])
        masked = masked_text([one.counts[1:] for one in found])
        return f"{n:,} particles with a minimum score of {levels}; {masked}"

    def _mask_file(self, label: str) -> Path:
        return Path(self.protocol._getExtraPath("masks", f"{label.replace('/', '_')}_mask.mrc"))

    def _write_mask(self, label: str, found: FoundParticles) -> None:
        """The mask as an MRC file, 1 where nothing was picked."""
        path = self._mask_file(label)
        path.parent.mkdir(exist_ok=True)
        pixel_size = self.protocol.inputMicrographs.get().getSamplingRate()
        mask = found.mask
        write_mrc(path, mask.excluded.astype(np.int8), pixel_size * mask.reduction)

    # ---------------------------------------------------------------- outputs

    def _forget(self) -> None:
        folder = Path(self.protocol._getExtraPath())
        for file in (*folder.glob(EARLIER), *folder.glob("masks/*_mask.mrc")):
            file.unlink()
        Path(self.protocol.table_file()).unlink(missing_ok=True)
        self.output.remove(keep_name=True)

    def _close(self) -> None:
        """Close the output, in the order of the micrographs, and write the table."""
        in_order = self._in_order()
        if self.record.micrographs != [one for one, _ in in_order]:
            self._write_in_order()  # some were late, or have changed
        rows = []
        for (_, one), label in zip(in_order, self.inputs.names([one for one, _ in in_order])):
            rows.append(PickedMicrograph(label, len(one.scores), *one.counts.tolist()))
            mask = self._mask_file(one.label)
            if label != one.label and mask.is_file():  # a namesake has arrived since
                mask.rename(self._mask_file(label))
        write_picked_micrographs(self.protocol.table_file(), rows)
        n_out = len(self._unusable)
        unusable = f"{counted(n_out, 'micrograph')} could not be used; see the log"
        self.output.update(Set.STREAM_CLOSED, unusable if n_out else None)
        self._finish()
