"""crYOLO, through scipion-em-sphire."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Mapping, Optional

from pyworkflow.object import Pointer
from pyworkflow.utils import getListFromRangeString

from repic_plugin.pickers.base import PICK, TRAIN, NewProtocol, Picker, PickerFailed
from repic_plugin.pickers.environments import GPU_VARIABLE, activation_problem, gpu_found, plugin_of

ACTIVATION = "CRYOLO_ENV_ACTIVATION"
GENERAL_MODEL = "CRYOLO_GENERIC_MODEL"
# The following as in REPIC's iterative mode (Cameron et al. 2024, supplement and scripts).
LOW_PASS = 0.1  # of the sampling rate
MINIBATCH_SIZE = 2
EARLY_STOP = 32
MIN_CONFIDENCE = 0.0
# the plugin's default: the number of boxes that crYOLO holds in memory
MAX_BOXES = 700
# choices of the plugin's picking form
GENERAL, OTHER = 0, 2
BATCH_SIZE = 16
# Logged by the picking protocol, which continues, if crYOLO fails on a batch.
SKIPPED = "Skipping the following mics"


class CryoloPicker(Picker):
    """crYOLO: a network that processes a whole micrograph at once.

    It requires a GPU for training, and picks on a CPU if there is no GPU.
    """

    name = "cryolo"
    title = "crYOLO"
    score_attribute = "_cryoloScore"
    score_transform = "identity"
    suggested_threshold = 0.3
    protocols: ClassVar[Mapping[str, str]] = {
        TRAIN: "SphireProtCRYOLOTraining",
        PICK: "SphireProtCRYOLOPicking",
    }
    model_class = "CryoloModel"
    plugin = "scipion-em-sphire"
    uses_gpu = True

    def problems(self) -> List[str]:
        """Reasons why it cannot be trained and run here."""
        return super().problems() or [
            f"{self.settings.label}: {one}" for one in self._environment_problems()
        ]

    def start_problems(self) -> List[str]:
        """Reasons why it cannot pick without training."""
        model = plugin_of(self.protocols[PICK]).getModelFn(GENERAL_MODEL)
        if Path(model).is_file():
            return []
        return [
            f"{self.settings.label}: crYOLO's general model is missing, {model}; run: scipion "
            f"installb cryolo_model, or set {GENERAL_MODEL} in scipion.conf to its file"
        ]

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """A protocol that trains the network from random weights."""
        protocol = self._protocol(
            new,
            TRAIN,
            doFineTune=False,
            batchSize=MINIBATCH_SIZE,
            eFlagParam=EARLY_STOP,
            numberOfThreads=len(self._gpus()),  # fewer are rejected
            **self._shared(),
        )
        protocol.inputMicrographs.copy(micrographs)
        protocol.inputCoordinates.copy(labels)
        return protocol

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A protocol that picks, by default with crYOLO's general model."""
        if model is None and self.start_problems():
            raise PickerFailed(self.start_problems()[0])
        n_gpus = len(self._gpus())
        protocol = self._protocol(
            new,
            PICK,
            inputModelFrom=GENERAL if model is None else OTHER,
            conservPickVar=MIN_CONFIDENCE,
            useGpu=gpu_found(),
            numberOfThreads=1 if n_gpus < 2 else n_gpus + 1,  # one waits for the others
            streamingBatchSize=BATCH_SIZE,
            **self._shared(),
        )
        protocol.inputMicrographs.copy(micrographs)
        if model is not None:
            protocol.inputModel.copy(model)
        return protocol

    def picks(self, picking: Any) -> Pointer:
        """The coordinates of a finished picking, if crYOLO did not fail on a batch."""
        found = super().picks(picking)
        for log in picking.getLogPaths():
            text = Path(log).read_text("utf-8", "replace") if Path(log).is_file() else ""
            if SKIPPED in text:
                raise PickerFailed(
                    f"{picking.getObjLabel()} has finished, but skipped micrographs on which "
                    f"crYOLO failed; see its log: {log}"
                )
        return found

    def _shared(self) -> Dict[str, Any]:
        return {
            "boxSize": self.settings.box_size_px,
            "lowPassFilter": True,
            "absCutOffFreq": self.settings.pixel_size_angstrom / LOW_PASS,
            "max_box_per_image": max(MAX_BOXES, 2 * self.settings.n_expected),
            "numCpus": self.settings.n_threads,
            "gpuList": " ".join(map(str, self._gpus())),
        }

    def _gpus(self) -> List[int]:
        gpus: List[int] = getListFromRangeString(self.settings.gpus or "0")
        return gpus

    def _environment_problems(self) -> List[str]:
        plugin = plugin_of(self.protocols[TRAIN])
        if not gpu_found():
            return [
                "training crYOLO requires a GPU, and this machine has none; use a machine with a "
                "GPU or another picker, or, if a queue sends jobs to machines with GPUs, set "
                f"{GPU_VARIABLE}=yes in the environment of Scipion"
            ]
        problem = activation_problem(plugin, ACTIVATION, "cryolo_train.py", "cryolo")
        return [] if problem is None else [problem]
