"""Import of CTFs from STAR files of micrographs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, List

from pwem.objects import SetOfCTF
from pwem.protocols import EMProtocol
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin.formats import WatchedCtfs
from repic_plugin.protocols.common.following.by_micrograph import FOLDER, remark_lines
from repic_plugin.protocols.common.following.form import (
    define_following_params,
    is_open,
    size_at_rest,
)
from repic_plugin.protocols.common.following.record import FINISHED
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol
from repic_plugin.protocols.common.params import Fields, define_micrographs
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.ctf.stream import WATCHED, CtfStream
from repic_plugin.wording import counted

HELP = {
    "watchFile": "CTFs are taken as they appear, as always while micrographs are still arriving; "
    "Yes: also where all micrographs are there at the start.",
    "waitForCtfs": "Where the files are watched and the micrographs are complete: the time without "
    "a new CTF after which the others are taken to have none.",
    "endAfterIdle": "For micrographs that are never closed. 0: wait until they are.",
}


class ProtRepicImportCtfs(FormProtocol, EMProtocol):  # type: ignore[misc]
    """Import CTFs from STAR files of micrographs, also while these are still being written.

    Use it where CTFs are estimated outside Scipion, by RELION or a facility's own pipeline.

    *Inputs*: the micrographs, and a list as RELION's micrographs_ctf.star (_rlnMicrographName,
    _rlnDefocusU and so on; voltage, spherical aberration and amplitude contrast), or a folder of
    such files. Micrographs are matched by name.
    *Output*: outputCTF, with defocus, astigmatism and phase shift.
    *Main parameter*: how long to wait for CTFs once the micrographs are complete.
    *Look at*: the summary, which names micrographs without a CTF.
    """

    _label = "import CTFs from STAR"
    _devStatus = NEW
    _possibleOutputs: ClassVar = {"outputCTF": SetOfCTF}

    @classmethod
    def worksInStreaming(cls) -> bool:
        """True, so that Scipion starts the run while its inputs are open."""
        return True

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_micrographs(form, "Which the CTFs belong to; matched by name.")
        form.addParam(
            "ctfsPath",
            params.PathParam,
            label="STAR file of CTFs, or a folder of them",
            important=True,
            help="As RELION's micrographs_ctf.star. It may grow, and files may appear in the "
            "folder, while micrographs arrive.",
        )
        define_following_params(form, HELP, self._defineWatching)

    @staticmethod
    def _defineWatching(fields: Fields) -> None:
        fields.value("watchFile", False, "Watch the file")
        fields.value("waitForCtfs", 600, "Wait for CTFs (s)", validators=[params.GE(0)])

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        path, is_watching = self.ctfsPath.get(), self._isWatching()
        settings = {"micrographs": self.inputMicrographs.get().getFileName(), "path": path}
        has_finished = Path(self._getExtraPath(FOLDER, FINISHED)).is_file()
        is_at_rest = has_finished or not is_watching
        stamp = WatchedCtfs(path).stamp() if is_at_rest else None
        inputs = [size_at_rest(self.inputMicrographs.get()), stamp]
        texts = json.dumps(settings, sort_keys=True), json.dumps(inputs)
        self._insertFunctionStep(self.importStep, *texts, is_watching, needsGPU=False)

    def importStep(self, settings: str, inputs: str, is_watching: bool) -> None:
        """Import the CTFs of micrographs as they appear, until no more can come."""
        with self.labelled_errors():
            CtfStream(self, settings, inputs, is_watching).run()

    def _isWatching(self) -> bool:
        """Whether the files are watched: also where the run has begun to, before a kill."""
        is_begun = Path(self._getExtraPath(FOLDER, WATCHED)).is_file()
        return bool(self.watchFile) or is_begun or is_open(self.inputMicrographs.get())

    def _check(self) -> None:
        if not self.ctfsPath.get():
            raise ValueError(f"{self.label('ctfsPath')} is missing: choose one")
        WatchedCtfs(self.ctfsPath.get()).stamp()

    def _summary(self) -> List[str]:
        output = getattr(self, "outputCTF", None)
        if output is None:
            return ["There are no CTFs yet.", *remark_lines(self)]
        so_far = " so far" if output.isStreamOpen() else ""
        n = counted(output.getSize(), "CTF")
        return [f"{n} imported from {self.ctfsPath}{so_far}.", *remark_lines(self)]

    def _methods(self) -> List[Any]:
        output = getattr(self, "outputCTF", None)
        n = 0 if output is None else output.getSize()
        return [f"{counted(n, 'CTF')} imported with {SOFTWARE}."] if n else []
