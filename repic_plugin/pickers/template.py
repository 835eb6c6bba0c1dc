"""Template picking, which is part of this plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Mapping, Optional

from pyworkflow.object import Pointer

from repic_plugin import constants
from repic_plugin.pickers.base import PICK, TRAIN, NewProtocol, Picker

# With a blob the expected number decides, as many particles are no better than noise to it.
KEEP_ALL = -1.0
# Correlations have no fixed scale: this multiple of the expected number is kept.
MORE_THAN_EXPECTED = 1.5


class TemplatePicker(Picker):
    """Correlation with averages of aligned particles, without a GPU or another plugin."""

    name = "template"
    title = "Template"
    score_attribute = constants.CORRELATION
    former_score_attributes = (constants.PICK_SCORE,)
    score_transform = "rank"
    protocols: ClassVar[Mapping[str, str]] = {TRAIN: "ProtTemplateTrain", PICK: "ProtTemplatePick"}
    model_class = "SetOfAverages"
    _model_output = "outputAverages"

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """A protocol that averages the labelled particles."""
        protocol = self._protocol(new, TRAIN, boxSize=self.settings.box_size_px)
        protocol.numberOfThreads.set(self.settings.n_threads)
        protocol.inputMicrographs.copy(micrographs)
        protocol.inputCoordinates.copy(labels)
        return protocol

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A protocol that searches for the averages, or for a blob."""
        protocol = self._protocol(
            new,
            PICK,
            boxSize=self.settings.box_size_px,
            maxPerMicrograph=round(MORE_THAN_EXPECTED * self.settings.n_expected),
            minScore=KEEP_ALL if model is None else 0.0,
        )
        protocol.numberOfThreads.set(self.settings.n_threads)
        protocol.inputMicrographs.copy(micrographs)
        if model is not None:
            protocol.inputAverages.copy(model)
        return protocol

    def _model_path(self, model: Any) -> Optional[Path]:
        return Path(model.getFirstItem().getFileName()) if model.getSize() else None
