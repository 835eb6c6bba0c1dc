"""Parameters that several forms have."""

from __future__ import annotations

from pyworkflow.protocol import params
from pyworkflow.utils import Message

__all__ = ["define_box_size", "define_micrographs"]


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
