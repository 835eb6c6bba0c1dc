"""Parameters that several forms share, and the identity of inputs for the steps."""

from __future__ import annotations

from typing import Any, List, Mapping

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import GPU_LIST, LEVEL_ADVANCED, LEVEL_NORMAL, USE_GPU
from pyworkflow.utils import Message

KINDS = {
    bool: params.BooleanParam,
    int: params.IntParam,
    float: params.FloatParam,
    str: params.StringParam,
}
COMMON_HELP = {"seed": "The same seed and input give the same result."}


class Fields:
    """Adds parameters to a form, one after the other.

    Parameters
    ----------
    form : Form or Group
    helps : mapping of str to str
        Help texts by parameter; one of `COMMON_HELP` is needed only where it differs.
    """

    def __init__(self, form: Any, helps: Mapping[str, str]) -> None:
        self._form, self._helps = form, {**COMMON_HELP, **helps}

    def value(self, name: str, default: Any, label: str, **more: Any) -> None:
        """Add a parameter of the type of its default."""
        self._add(name, KINDS[type(default)], label, default=default, **more)

    def choice(self, name: str, choices: List[str], label: str, **more: Any) -> None:
        """Add a choice, by default the first."""
        self._add(name, params.EnumParam, label, choices=choices, **{"default": 0, **more})

    def input(self, name: str, pointer_class: str, label: str, **more: Any) -> None:
        """Add an input, which is required unless it allows null."""
        self._add(name, params.PointerParam, label, pointerClass=pointer_class, **more)

    def _add(self, name: str, kind: Any, label: str, advanced: bool = False, **more: Any) -> None:
        level = LEVEL_ADVANCED if advanced else LEVEL_NORMAL
        self._form.addParam(
            name, kind, label=label, help=self._helps[name], expertLevel=level, **more
        )


def define_micrographs(form: params.Form, help_text: str) -> None:
    """The input micrographs."""
    label, helps = Message.LABEL_INPUT_MIC, {"inputMicrographs": help_text}
    Fields(form, helps).input("inputMicrographs", "SetOfMicrographs", label, important=True)


def define_box_size(form: params.Form, help_text: str) -> None:
    """Side of the boxes; 0 takes that of the inputs."""
    Fields(form, {"boxSize": help_text}).value("boxSize", 0, "Box size (px)", allowsPointers=True)


def define_gpus(form: params.Form) -> None:
    """Whether GPUs are used, and which, in the row that Scipion has for them."""
    form.addHidden(
        USE_GPU, params.BooleanParam, default=True, help="*No*: everything runs on processors."
    )
    form.addHidden(
        GPU_LIST,
        params.StringParam,
        default="0",
        help="Numbers of the GPUs to use, from 0, separated by spaces.",
    )


def identity(pointer: Any) -> str:
    """A text that changes when a step must be repeated: for another set, or one that has grown."""
    items = pointer.get()
    return "" if items is None else f"{items.getFileName()} {items.getSize()}"


class GpusInUse:
    """Mix-in, before the Scipion class, for protocols in which the GPU is optional."""

    def getGpuList(self: Any) -> List[int]:
        """GPUs to request from a queue; none if the form says not to use any."""
        gpus: List[int] = super().getGpuList() if self.usesGpu() else []  # type: ignore[misc]
        return gpus
