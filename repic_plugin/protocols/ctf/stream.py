"""Import of CTFs while the micrographs, and the files of CTFs, are still arriving."""

from __future__ import annotations

import zlib
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import CTFModel, SetOfCTF, SetOfMicrographs
from pyworkflow.object import Pointer, Set

from repic_plugin.convert import GrowingMicrographs
from repic_plugin.formats import ListedCtf, WatchedCtfs, atomic_write
from repic_plugin.protocols.common.following.by_micrograph import (
    FOLDER,
    NOTHING,
    MicrographFollower,
    MicrographRecord,
)
from repic_plugin.protocols.common.following.files import FollowedFiles
from repic_plugin.protocols.common.following.inputs import FollowedInputs
from repic_plugin.protocols.common.following.output import GrowingOutput
from repic_plugin.protocols.common.following.record import MICROGRAPHS
from repic_plugin.protocols.common.following.sets import FollowedMicrographs

IMPORTED = "outputCTF"
WATCHED = "watched"  # a file that tells a run that is continued
HAS_CTF, N_CTFS = "has_ctf", "n"
UNKNOWN = ListedCtf(*[float("nan")] * len(ListedCtf._fields))
SAME_MICROSCOPE = 0.01  # relative


class CtfRecord(MicrographRecord):
    """The CTF of each micrograph.

    Attributes
    ----------
    n_ctfs : list of int
        Numbers by batch.
    """

    COUNTS = (*MicrographRecord.COUNTS, N_CTFS)

    def __init__(self, folder: str, settings: str, inputs: str) -> None:
        self.n_ctfs: List[int] = []
        super().__init__(folder, settings, inputs)

    def _count(self, counts: Dict[str, NDArray[Any]]) -> None:
        super()._count(counts)
        self.n_ctfs.append(int(counts[N_CTFS].sum()))

    def _arrays(self, found: List[Any]) -> Dict[str, NDArray[Any]]:
        has_ctf = [one is not None for one in found]
        rows = [UNKNOWN if one is None else one for one in found]
        return {HAS_CTF: np.array(has_ctf), N_CTFS: np.array(has_ctf, int), "rows": np.array(rows)}

    def ctfs(self, number: int) -> Iterator[Tuple[int, Any]]:
        """Id of each micrograph of a batch, and its CTF: None if it has none."""
        batch = self.read(number)
        rows = zip(batch[MICROGRAPHS].tolist(), batch[HAS_CTF].tolist(), batch["rows"].tolist())
        for micrograph, has_ctf, row in rows:
            yield micrograph, ListedCtf(*row) if has_ctf else None


class CtfOutput(GrowingOutput):
    """The set of CTFs.

    Parameters
    ----------
    protocol : ProtRepicImportCtfs
    """

    SET_CLASS = SetOfCTF

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol, IMPORTED, protocol._getPath("ctfs.sqlite"))

    def append(self, found: Sequence[Tuple[int, ListedCtf]]) -> None:
        """Append the CTFs of some micrographs, by their ids."""
        ctfs = self._opened()
        file = self.protocol.inputMicrographs.get().getFileName()
        micrographs = SetOfMicrographs(filename=file)
        for micrograph, row in found:
            item = CTFModel()
            item.setStandardDefocus(
                row.defocus_u_angstrom, row.defocus_v_angstrom, row.defocus_angle_deg
            )
            item.setPhaseShift(row.phase_shift_deg)
            item.setMicrograph(micrographs[micrograph].clone())
            item.setObjId(micrograph)
            ctfs.append(item)
        micrographs.close()
        self._register(ctfs, Set.STREAM_OPEN)

    def begin_again(self) -> None:
        """Remove all CTFs from the set."""
        self._file.unlink(missing_ok=True)

    def _new(self) -> SetOfCTF:
        ctfs = self.protocol._createSetOfCTF()
        self._link(ctfs)
        return ctfs

    def _link(self, items: SetOfCTF) -> None:
        items.setMicrographs(self.protocol.inputMicrographs)

    def _sources(self) -> Sequence[Pointer]:
        return [self.protocol.inputMicrographs]


class CtfStream(MicrographFollower):
    """Imports the CTF of each micrograph once it is in the files, until no more can come.

    Parameters
    ----------
    protocol : ProtRepicImportCtfs
    settings, inputs : str
        As of `BatchRecord`.
    is_watching : bool
        Whether the files may still be written.
    """

    WAITS_FOR = "to bring"

    def __init__(self, protocol: Any, settings: str, inputs: str, is_watching: bool) -> None:
        pointer = protocol.inputMicrographs
        micrographs = GrowingMicrographs(pointer.get().getFileName())
        followed = FollowedMicrographs("the set of micrographs", micrographs, pointer)
        self.files = FollowedFiles(
            "the file of CTFs",
            WatchedCtfs(protocol.ctfsPath.get(), is_complete=not is_watching),
            micrographs,
            followed,
            protocol.streamingSleepOnWait.get(),
            protocol.waitForCtfs.get() if is_watching else 0,
        )
        record = CtfRecord(protocol._getExtraPath(FOLDER), settings, inputs)
        all_inputs = FollowedInputs(micrographs, [followed, self.files])
        super().__init__(protocol, all_inputs, record, inputs)
        self.output = CtfOutput(protocol)
        self._others: Dict[str, str] = {}  # what differs from the micrographs, by its name
        self._in_focus: Dict[int, bool] = {}  # whether the defocus of a micrograph is 0
        if is_watching:
            atomic_write(record.folder / WATCHED, "")

    # ------------------------------------------------------------------- work

    def _tried(self, micrographs: List[int]) -> Tuple[List[int], List[Any], Dict[int, str]]:
        found = [self._ctf(one) for one in micrographs]
        return [_digest(one) for one in found], found, {}

    def _ctf(self, micrograph: int) -> Any:
        if not self.files.has(micrograph):
            return None
        ctf = self.files.read(micrograph)
        self._compare(ctf)
        self._in_focus[micrograph] = not (ctf.defocus_u_angstrom or ctf.defocus_v_angstrom)
        return ctf

    def _compare(self, ctf: ListedCtf) -> None:
        """Note another microscope than that of the micrographs, which is the one that counts."""
        known = self.protocol.inputMicrographs.get().getAcquisition()
        microscope = {
            "voltage (kV)": (ctf.voltage_kv, known.getVoltage()),
            "spherical aberration (mm)": (
                ctf.spherical_aberration_mm,
                known.getSphericalAberration(),
            ),
            "amplitude contrast": (ctf.amplitude_contrast, known.getAmplitudeContrast()),
        }
        for name, (theirs, ours) in microscope.items():
            if ours is not None and abs(theirs - ours) > SAME_MICROSCOPE * abs(ours):
                self._others[name] = (
                    f"CTFs were estimated with {name} {theirs:g}, the micrographs have {ours:g}, "
                    "which is used; import them again if that is wrong"
                )

    def _changed(self) -> Dict[int, int]:
        digests = self.record.digests
        now = {one: _digest(self._ctf(one)) for one in self.inputs.micrographs.names}
        now.update((one, NOTHING) for one in digests if one not in now)
        return {one: digest for one, digest in now.items() if digests.get(one) != digest}

    def _told(self, found: List[Any]) -> str:
        n = sum(one is not None for one in found)
        return f"{n:,} CTFs"

    def _left_out(self) -> Dict[str, List[int]]:
        return {**super()._left_out(), "without a CTF in the files": self.files.lacking()}

    def _more_remarks(self) -> List[str]:
        files = self.files.files
        remarks = [*files.problems.values(), *files.notes.values(), *self._others.values()]
        in_focus = [one for one, is_zero in self._in_focus.items() if is_zero]
        named = self._named("with a defocus of 0, which is used as it is", in_focus)
        return [*(f"! {one}" for one in remarks), *named]

    # ---------------------------------------------------------------- outputs

    def _append(self, number: int) -> None:
        if number not in self.record.repeats:  # else all is written again at the end
            names = self.inputs.micrographs.names
            found = [(one, ctf) for one, ctf in self.record.ctfs(number) if ctf and one in names]
            self.output.append(found)

    def _resume(self) -> None:
        self.inputs.look()
        self._n_written = self.output.n_batches(self.record.n_ctfs)
        if self.output.is_registered and self._n_written:
            self.output.update(Set.STREAM_OPEN)  # Scipion closes it when the run stops
        self._is_caught_up()

    def _forget(self) -> None:
        self.output.remove(keep_name=True)

    def _close(self) -> None:
        """Close the output, written again in the order of the micrographs if CTFs have changed."""
        found: Dict[int, Any] = {}
        for number in range(len(self.record)):
            found.update(self.record.ctfs(number))
        known = [(one, found[one]) for one in self.inputs.micrographs.names if found.get(one)]
        if not known:
            unread = [*self.files.files.problems.values()]
            if unread:
                raise ValueError(unread[0])
            raise ValueError(
                f"{self.protocol.ctfsPath.get()} has no CTF of any micrograph; give the list of "
                "these micrographs"
            )
        if self.record.repeats:
            self.output.begin_again()
            self.output.append(known)
        self.output.update(Set.STREAM_CLOSED)
        self._finish()


def _digest(ctf: Any) -> int:
    return NOTHING - 1 if ctf is None else zlib.crc32(np.array(ctf, float).tobytes())
