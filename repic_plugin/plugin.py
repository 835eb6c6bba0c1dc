"""Plugin definition for Scipion."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any, List, Sequence

import pwem
from pyworkflow.config import VarTypes
from pyworkflow.utils import Environ

DEEPPICKER_HOME = "DEEPPICKER_HOME"
DEEPPICKER_ENV_ACTIVATION = "DEEPPICKER_ENV_ACTIVATION"
DEEPPICKER_MODEL = "DEEPPICKER_MODEL"

# An option of train.py only in the version of REPIC's authors, which also writes scores.
PATCHED = "validation_inputDir"


class Plugin(pwem.Plugin):
    """Plugin without binaries: everything is computed in Python, in Scipion's own environment.

    DeepPicker has no plugin and is run from the user's copy; other pickers have plugins.
    """

    # Scipion takes the plugin's name and folder from the module of this class
    __module__ = "repic_plugin"
    _url = "https://doi.org/10.1038/s42003-024-07045-0"

    @classmethod
    def _defineVariables(cls) -> None:
        cls._defineVar(
            DEEPPICKER_HOME,
            "",
            "Folder with autoPick.py and train.py of DeepPicker, as patched by REPIC's authors.",
            VarTypes.FOLDER,
        )
        cls._defineVar(
            DEEPPICKER_ENV_ACTIVATION,
            "",
            "Command that activates DeepPicker's environment, in sh: conda activate NAME, or a "
            "dot and the path of an activate script.",
            VarTypes.STRING,
        )
        cls._defineVar(
            DEEPPICKER_MODEL,
            "",
            "Pre-trained model of DeepPicker, without .index or .meta (trained_model/...).",
            VarTypes.PATH,
        )

    @classmethod
    def defineBinaries(cls, env: Any) -> None:
        """Define no binaries."""

    # ------------------------------------------------------------ DeepPicker

    @classmethod
    def getDeepPickerModel(cls) -> str:
        """Pre-trained model of DeepPicker; empty if the user names none."""
        return _absolute(cls.getVar(DEEPPICKER_MODEL))

    @classmethod
    def deepPickerProblems(cls) -> List[str]:
        """Reasons why DeepPicker cannot run, each with its remedy."""
        home = _absolute(cls.getVar(DEEPPICKER_HOME))
        if not home:
            return [
                f"{DEEPPICKER_HOME} is not set; write the folder of DeepPicker's autoPick.py and "
                "train.py into scipion.conf"
            ]
        missing = [name for name in ("autoPick.py", "train.py") if not Path(home, name).is_file()]
        if missing:
            return [f"{DEEPPICKER_HOME}: {home} has no {missing[0]}; correct it in scipion.conf"]
        if PATCHED not in Path(home, "train.py").read_text("utf-8", errors="replace"):
            return [
                f"{home}/train.py has no option {PATCHED}; copy the files of docs/patches/"
                "deeppicker of REPIC (github.com/ccameron/REPIC) over those of DeepPicker"
            ]
        return []

    @classmethod
    def runDeepPicker(
        cls, protocol: Any, script: str, arguments: Sequence[object], cwd: str
    ) -> None:
        """Run one of DeepPicker's scripts in its environment.

        Parameters
        ----------
        protocol : Protocol
        script : str
            Name of the file.
        arguments : sequence of object
            Unquoted; they are quoted for the shell.
        cwd : str
        """
        activation = (cls.getVar(DEEPPICKER_ENV_ACTIVATION) or "").rstrip(" ;&").strip()
        conda = cls.getCondaActivationCmd() if "conda" in activation else ""
        program = f"{conda} {activation} && python" if activation else "python"
        path = os.path.join(_absolute(cls.getVar(DEEPPICKER_HOME)), script)
        quoted = " ".join(shlex.quote(str(word)) for word in (path, *arguments))
        environment = Environ(os.environ)
        environment.pop("PYTHONPATH", None)  # Scipion's modules do not fit another Python
        gpus = protocol._stepsExecutor.getGpuListStr(",") if protocol.usesGpu() else "-1"
        environment["CUDA_VISIBLE_DEVICES"] = gpus
        protocol.runJob(program, quoted, env=environment, cwd=cwd, numberOfMpi=1)


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path)) if path else ""
