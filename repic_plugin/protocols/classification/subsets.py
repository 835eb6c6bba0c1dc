"""Particles of chosen classes, as runs of their own."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Sequence

from pwem.protocols import ProtClassify2D, ProtUserSubSet

from repic_plugin.convert import read_item_columns
from repic_plugin.plots import ranges_text
from repic_plugin.protocols.common.subsets import launch_subset

CLASSES = "outputClasses"


class MakesClassSubsets:
    """Mix-in, before the Scipion class, for protocols with classes as an output."""

    def create_subset(
        self: Any, numbers: Sequence[int], *, label: str = "", wait: bool = False
    ) -> ProtUserSubSet:
        """Start a run whose output are the particles of some classes.

        Parameters
        ----------
        numbers : sequence of int
            Of the classes, from 1 as in Scipion.
        label : str
            Of the run; by default one with the numbers.
        wait : bool
            Whether to return only after the run.

        Raises
        ------
        ValueError
            If there is no such class, or there are no classes yet.
        """
        if not hasattr(self, CLASSES):
            raise ValueError(f"this run has no {CLASSES}; they come at its end: let it finish")
        return launch_classes(self, CLASSES, numbers, label=label, wait=wait)


def launch_classes(
    protocol: ProtClassify2D, output: str, numbers: Sequence[int], *, label: str, wait: bool
) -> ProtUserSubSet:
    """A subset with the particles of some classes.

    Parameters
    ----------
    protocol : ProtClassify2D
        A classification of a project.
    output : str
        Its classes.
    numbers : sequence of int
        Of the classes, from 1.
    label : str
        Of the run; empty for one with the numbers.
    wait : bool
        Whether to return only after the run.

    Raises
    ------
    ValueError
        If there is no number, or no class of this number.
    """
    chosen = sorted({int(number) for number in numbers})
    rows = read_item_columns(getattr(protocol, output).getFileName(), ["id"])
    unknown = set(chosen) - {row[0] for row in rows}
    if unknown or not chosen:
        problem = f"has no class {min(unknown)}" if unknown else "needs one class or more"
        raise ValueError(f"the selection from {output} {problem}; choose among its classes")
    which = f"classes {ranges_text(chosen)}"
    return launch_subset(
        protocol,
        output,
        chosen,
        name=sha256(which.encode()).hexdigest()[:12],
        label=label or which,
        class_name="SetOfParticles",
        comment=which,
        wait=wait,
    )
