"""Classes or particles that the user chose, as inputs of the consensus: checks and identity."""

from __future__ import annotations

from typing import Any

from pyworkflow.object import Set

from repic_plugin.convert import UnreadableSetError, check_coordinates_of, stream_state
from repic_plugin.protocols.common.params import identity
from repic_plugin.protocols.consensus.settings import has_chosen

CHOSEN, CLASSIFIED = "chosenParticles", "classifiedParticles"


def check_chosen(protocol: Any) -> None:
    """Check what the user chose, and what was classified.

    Raises
    ------
    ValueError
        If a set has no coordinates or is still growing, or there is nothing chosen of it.
    """
    if protocol.lookAtImages.get():
        return
    if protocol.classifiedParticles.get() is not None and not has_chosen(protocol):
        raise ValueError(
            f"{protocol.label(CLASSIFIED)} needs {protocol.label(CHOSEN)}; choose them, or leave "
            "it empty"
        )
    for name in (CHOSEN, CLASSIFIED):
        items = getattr(protocol, name).get()
        if items is None:
            continue
        check_coordinates_of(items, protocol.label(name))
        if _is_growing(items):
            raise ValueError(
                f"{protocol.label(name)} must be complete, got a set that is still growing; run "
                "this once it is closed"
            )


def chosen_identity(protocol: Any) -> str:
    """A text that changes with what was chosen or classified."""
    return " ".join(identity(getattr(protocol, name)) for name in (CHOSEN, CLASSIFIED))


def _is_growing(items: Set) -> bool:
    try:
        return stream_state(items.getFileName()) == Set.STREAM_OPEN
    except UnreadableSetError:
        return False  # the check of its coordinates says so
