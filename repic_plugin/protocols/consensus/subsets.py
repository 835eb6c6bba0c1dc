"""Subsets of a consensus by the pickers that found its particles, as runs of their own."""

from __future__ import annotations

from typing import Sequence

from pwem.protocols import ProtParticlePicking, ProtUserSubSet

from repic_plugin import constants
from repic_plugin.convert import item_labels, read_item_columns
from repic_plugin.protocols.common.subsets import launch_subset


def launch_found_by(
    protocol: ProtParticlePicking, output: str, found_by: Sequence[str], *, wait: bool
) -> ProtUserSubSet:
    """A subset with what exactly these pickers found.

    Parameters
    ----------
    protocol : ProtParticlePicking
        A consensus of a project.
    output : str
        Its output, of which the run makes a subset.
    found_by : sequence of str
        Names of pickers, in the order of the inputs.
    wait : bool
        Whether to return only after the run.

    Raises
    ------
    ValueError
        If no item of the output was found by exactly these pickers.
    """
    coordinates = getattr(protocol, output)
    file, who = coordinates.getFileName(), ", ".join(found_by)
    has_names = constants.PICKERS in item_labels(file)
    rows = read_item_columns(file, ["id", constants.PICKERS]) if has_names else []
    ids = [row[0] for row in rows if row[1] == who]
    if not ids:
        raise ValueError(f"{output} has nothing that {who} found alone; choose another subset")
    numbers = "_".join(str(protocol._pickerNames().index(name) + 1) for name in found_by)
    return launch_subset(
        protocol, output, ids, name=f"found_by_{numbers}", label=f"found by {who}", wait=wait
    )
