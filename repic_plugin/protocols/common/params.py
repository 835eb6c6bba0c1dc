"""Parameters that several forms have, and what of them a step depends on."""

from __future__ import annotations

from typing import Any, List

from pyworkflow.protocol import params
from pyworkflow.utils import Message


def define_micrographs(form: params.Form, help_text: str = "") -> None:
    """The micrographs that a protocol works on."""
    form.addParam(
        "inputMicrographs",
        params.PointerParam,
        pointerClass="SetOfMicrographs",
        label=Message.LABEL_INPUT_MIC,
        important=True,
        help=help_text,
    )


def define_box_size(form: params.Form, help_text: str) -> None:
    """Side of the boxes; 0 takes what the inputs say."""
    form.addParam(
        "boxSize",
        params.IntParam,
        default=0,
        allowsPointers=True,
        label="Box size (px)",
        help=help_text,
    )


def identity(pointer: Any) -> str:
    """What a step has to be done again for: another set, or one that has grown."""
    items = pointer.get()
    return "" if items is None else f"{items.getFileName()} {items.getSize()}"


class GpusInUse:
    """Before its Scipion class among the bases of a protocol that can do without a GPU."""

    def getGpuList(self: Any) -> List[int]:
        """What a queue is asked for: none where the form says not to use one."""
        gpus: List[int] = super().getGpuList() if self.usesGpu() else []  # type: ignore[misc]
        return gpus
