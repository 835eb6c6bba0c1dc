"""The program that reads 2D transforms next, and the one that the particles come from."""

from __future__ import annotations

from typing import Any, Optional

from repic_plugin.convert import SHIFT_ORDERS, item_labels

# Places in the list of the form, which are stored in users' projects; the first two since version
# 0.2.0, in the order of `SHIFT_ORDERS`.
FORMATS = ("Xmipp, EMAN2, SPIDER", "RELION, cryoSPARC, extract coordinates")
AS_INPUT = "the program that the particles come from"
CHOICES = [*FORMATS, AS_INPUT]
AUTOMATIC = CHOICES.index(AS_INPUT)
DEFAULT = FORMATS[0]
# How the attributes of a program's particles begin, and the packages of its plugin.
PREFIXES = {"_rln": "RELION", "_xmipp": "Xmipp"}
PACKAGES = {
    "relion": "RELION",
    "cryosparc2": "cryoSPARC",
    "xmipp3": "Xmipp",
    "eman2": "EMAN2",
    "spider": "SPIDER",
}


def shift_order(protocol: Any) -> str:
    """One of `SHIFT_ORDERS`, as chosen in the form or by the particles."""
    chosen = protocol.shiftOrder.get()
    if chosen == AUTOMATIC:
        chosen = FORMATS.index(_format_of(origin(protocol)))
    return str(SHIFT_ORDERS[chosen])


def format_text(protocol: Any) -> str:
    """The format that the particles decide, and why."""
    program = origin(protocol)
    why = f"the particles are of {program}" if program else "the program is not known"
    return f"{_format_of(program)} ({why})"


def origin(protocol: Any) -> Optional[str]:
    """The program that the input particles come from; None if it is not known.

    It is known by the attributes that it leaves in its particles, which subsets and imports keep,
    else by the run that made them.
    """
    particles = protocol.inputParticles.get()
    try:
        labels = item_labels(particles.getFileName())
    except ValueError:
        labels = []  # being written, or gone
    for prefix, program in PREFIXES.items():
        if any(label.startswith(prefix) for label in labels):
            return program
    run = protocol.inputParticles.getObjValue()
    return PACKAGES.get(type(run).__module__.partition(".")[0])


def _format_of(program: Optional[str]) -> str:
    return next((one for one in FORMATS if program and program in one), DEFAULT)


class ChoosesFormat:
    """Mix-in, before `FormProtocol`: the format in the summary where the particles decide it."""

    def _isAutomatic(self: Any, name: str) -> bool:
        if name == "shiftOrder":
            return bool(self.shiftOrder.get() == AUTOMATIC)
        return bool(super()._isAutomatic(name))  # type: ignore[misc]
