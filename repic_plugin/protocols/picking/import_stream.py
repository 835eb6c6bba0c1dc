"""Import of pick files that appear while the micrographs are still arriving."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from pyworkflow.object import Set

from repic_plugin.consensus import Picks
from repic_plugin.constants import PICK_SCORE
from repic_plugin.convert import GrowingMicrographs
from repic_plugin.formats import (
    FormatError,
    PicksOfMicrograph,
    WatchedFolder,
    atomic_write,
    read_picker_folder,
)
from repic_plugin.protocols.common.corrections import LABELS, correction_values
from repic_plugin.protocols.common.following.by_micrograph import FOLDER, NOTHING
from repic_plugin.protocols.common.following.files import FollowedFiles
from repic_plugin.protocols.common.following.inputs import FollowedInputs
from repic_plugin.protocols.common.following.record import text_of
from repic_plugin.protocols.common.following.sets import FollowedMicrographs
from repic_plugin.protocols.picking.imported import (
    MOST_OUTSIDE,
    SCORED_AS,
    Imported,
    common_box_size,
    imported_picks,
    in_place,
    n_outside,
    no_box_size,
    stated_scores,
)
from repic_plugin.protocols.picking.stream import (
    CoordinatesOutput,
    CoordinatesStream,
    Picked,
    PickingRecord,
)

# Fewer picks outside the micrographs may be those of one bad micrograph.
MIN_JUDGED = 100
DECIDED = "decided.json"


class Whole(NamedTuple):
    """All files, read at once: what they hold of each micrograph, by id."""

    imported: Imported
    box_size_px: int
    picked: Dict[int, Picked]


class ImportStream(CoordinatesStream):
    """Imports the picks of each micrograph once its file is complete, until no more can come.

    At the end the folder is read at once, as that of a complete session is, and what has changed
    since it was taken is written again.

    Parameters
    ----------
    protocol : ProtRepicImportPicks
    settings, inputs : str
        As of `BatchRecord`.
    """

    WAITS_FOR = "to bring"

    def __init__(self, protocol: Any, settings: str, inputs: str) -> None:
        pointer = protocol.inputMicrographs
        micrographs = GrowingMicrographs(pointer.get().getFileName())
        followed = FollowedMicrographs("the set of micrographs", micrographs, pointer)
        self.folder = FollowedFiles(
            "the folder of picks",
            WatchedFolder(protocol.picksFolder.get()),
            micrographs,
            followed,
            protocol.streamingSleepOnWait.get(),
            protocol.waitForPicks.get(),
        )
        name = Path(os.path.abspath(protocol.picksFolder.get())).name
        super().__init__(
            protocol,
            FollowedInputs(micrographs, [followed, self.folder]),
            PickingRecord(protocol._getExtraPath(FOLDER), settings, inputs),
            inputs,
            CoordinatesOutput(protocol, name, PICK_SCORE, protocol.boxSize.get() or 0),
        )
        self._correction = correction_values(protocol)
        self._has_begun = False
        self._n_seen = self._n_outside = 0
        self._whole: Optional[Whole] = None

        self._restore()

    def _restore(self) -> None:
        """What a run that is continued has decided before."""
        text = None if self.record.is_new else text_of(self.record.folder / DECIDED)
        if text is not None:
            self._take_over(**json.loads(text))

    def _take_over(self, score_attribute: str, box_size_px: int) -> None:
        """Set how the output has its scores, and its box size."""
        self.output.score_attribute, self.output.box_size_px = score_attribute, box_size_px
        self._has_begun = True

    # ------------------------------------------------------------------- work

    def _work_on(self, ready: List[int]) -> int:
        self._whole = None
        return super()._work_on(ready)

    def _tried(self, micrographs: List[int]) -> Tuple[List[int], List[Any], Dict[int, str]]:
        if self._is_last:
            found: List[Any] = [self._all().picked[one] for one in micrographs]
            return [_digest(one) for one in found], found, {}
        read: Dict[int, PicksOfMicrograph] = {}
        problems: Dict[int, str] = {}
        for place, one in enumerate(micrographs):
            try:
                read[place] = self.folder.read(one)
            except FormatError as error:
                problems[place] = str(error)
        picked = dict(zip(read, self._in_place([*read.values()])))
        found = [picked.get(place) for place in range(len(micrographs))]
        return [NOTHING if one is None else _digest(one) for one in found], found, problems

    def _in_place(self, read: List[PicksOfMicrograph]) -> List[Picked]:
        """Picks with their coordinates corrected; what the output says of them is decided."""
        n = [len(one.x) for one in read]
        x, y, score = (
            np.concatenate([np.zeros(0), *(getattr(one, name) for one in read)])
            for name in ("x", "y", "score")
        )
        picks = Picks.from_columns(
            np.repeat(np.arange(len(n)), n),
            np.zeros(len(x), np.int64),
            x,
            y,
            np.nan_to_num(score),
            has_score=~np.isnan(score),
            micrograph_names=[str(place) for place in range(len(n))],
            picker_names=[self.output.picker_name],
        )
        picks = in_place(picks, self._correction, self._size_px())
        self._check_inside(picks)
        if len(picks) and not self._has_begun:
            self._begin(picks, read)
        parts = (np.split(one, np.cumsum(n)[:-1]) for one in (picks.centers, score))
        return [Picked(*row) for row in zip(*parts)]

    def _size_px(self) -> Tuple[int, int]:
        width, height = self.protocol.inputMicrographs.get().getDim()[:2]
        return width, height

    def _check_inside(self, picks: Picks) -> None:
        """Refuse picks of which most are outside the micrographs, as soon as this is plain.

        Raises
        ------
        ValueError
        """
        self._n_seen += len(picks)
        self._n_outside += n_outside(picks, self._size_px())
        if self._n_seen >= MIN_JUDGED and self._n_outside > MOST_OUTSIDE * self._n_seen:
            raise ValueError(
                f"{self._n_outside:,} of {self._n_seen:,} picks lie outside the micrographs; "
                f'correct them, for instance by "{LABELS["scale"]}"'
            )

    def _begin(self, picks: Picks, read: List[PicksOfMicrograph]) -> None:
        """Decide from the first picks how the output has their scores, and its box size."""
        stated = {one.score_transform for one in read if len(one.x)}
        known = stated.pop() if len(stated) == 1 else None
        scores = stated_scores(self.protocol.getObjLabel(), picks, known)
        sizes = [one.box_size_px for one in read if one.box_size_px is not None]
        if not (self.output.box_size_px or sizes):
            raise no_box_size(self.protocol.picksFolder.get())
        decided = {
            "score_attribute": SCORED_AS.get(scores, PICK_SCORE),
            "box_size_px": self.output.box_size_px or round(float(np.median(sizes))),
        }
        atomic_write(self.record.folder / DECIDED, json.dumps(decided))
        self._take_over(**decided)

    def _all(self) -> Whole:
        """All files, as they are now, but those that cannot be read.

        Raises
        ------
        ValueError
            As `imported_picks` and `read_picker_folder`.
        """
        if self._whole is not None:
            return self._whole
        folder = self.protocol.picksFolder.get()
        loaded = read_picker_folder(folder, without=self.folder.files.unread())
        table = self.inputs.micrographs.table
        label = self.protocol.getObjLabel()
        found = imported_picks(label, loaded, table, self._size_px(), self._correction)
        picks, rows = found.picks, found.picks.rows_by_group()[0]
        score = np.where(picks.has_score, picks.score, np.nan)
        picked = {
            one: Picked(picks.centers[mine], score[mine]) for one, mine in zip(table.ids, rows)
        }
        box_size_px = self.protocol.boxSize.get() or common_box_size(loaded, folder)
        self._whole = Whole(found, box_size_px, picked)
        if not self._has_begun:
            self._take_over(found.score_attribute, box_size_px)
        return self._whole

    def _changed(self) -> Dict[int, int]:
        digests = self.record.digests
        now = {one: _digest(found) for one, found in self._all().picked.items()}
        now.update((one, NOTHING) for one in digests if one not in now)
        return {one: digest for one, digest in now.items() if digests.get(one) != digest}

    def _told(self, found: List[Any]) -> str:
        return f"{sum(len(one.scores) for one in found):,} picks"

    # --------------------------------------------------------------- messages

    def _left_out(self) -> Dict[str, List[int]]:
        return {**super()._left_out(), "not in the files of picks": self.folder.lacking()}

    def _more_remarks(self) -> List[str]:
        return [f"! {problem}" for problem in self.folder.files.problems.values()]

    # ---------------------------------------------------------------- outputs

    def _append(self, number: int) -> None:
        if number not in self.record.repeats:  # else all is written again at the end
            super()._append(number)

    def _forget(self) -> None:
        self.output.remove(keep_name=True)

    def _close(self) -> None:
        """Close the output, written again in the order of the micrographs if picks have changed."""
        whole = self._all()
        is_other = self.output.score_attribute != whole.imported.score_attribute
        self._take_over(whole.imported.score_attribute, whole.box_size_px)
        if is_other or self.record.repeats:
            self._write_in_order()
        for note in whole.imported.notes:
            self._warn(note)
        self.output.update(Set.STREAM_CLOSED, "; ".join(whole.imported.notes))
        self._finish()


def _digest(found: Picked) -> int:
    return zlib.crc32(np.ascontiguousarray(found.centers).tobytes() + found.scores.tobytes())
