"""DeepPicker, from the user's installation, as no Scipion plugin exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Mapping, Optional

from pyworkflow.object import Pointer

from repic_plugin import constants
from repic_plugin.objects import checkpoint_file
from repic_plugin.pickers.base import PICK, TRAIN, NewProtocol, Picker
from repic_plugin.pickers.environments import plugin_of


class DeepPicker(Picker):
    """DeepPicker (Wang et al. 2016), as patched by REPIC's authors."""

    name = "deeppicker"
    title = "DeepPicker"
    score_attribute = constants.PICK_SCORE
    score_transform = "identity"  # probabilities
    suggested_threshold = 0.5  # Cameron et al. 2024
    protocols: ClassVar[Mapping[str, str]] = {
        TRAIN: "ProtDeepPickerTrain",
        PICK: "ProtDeepPickerPick",
    }
    model_class = "DeepPickerModel"
    uses_gpu = True

    def problems(self) -> List[str]:
        """Reasons why it cannot run here, with remedies."""
        plugin = plugin_of(self.protocols[PICK])
        missing = [f"{self.settings.label}: {one}" for one in plugin.deepPickerProblems()]
        return [*super().problems(), *missing]

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """A protocol that trains DeepPicker ab initio."""
        protocol = self._protocol(new, TRAIN, **self._shared())
        protocol.inputMicrographs.copy(micrographs)
        protocol.inputCoordinates.copy(labels)
        return protocol

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A protocol that picks, by default with the pre-trained model."""
        protocol = self._protocol(new, PICK, **self._shared())
        protocol.inputMicrographs.copy(micrographs)
        if model is not None:
            protocol.inputModel.copy(model)
        return protocol

    def _shared(self) -> Dict[str, Any]:
        return {"boxSize": self.settings.box_size_px, "gpuList": self.settings.gpus}

    def _model_path(self, model: Any) -> Optional[Path]:
        return checkpoint_file(model.getPath())
