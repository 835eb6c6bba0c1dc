"""From the values of the consensus form to the arguments of `find_consensus`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple

from pwem.objects import SetOfCoordinates

from repic_plugin.consensus import MODES, POSITIONS, SOLVERS, Picks, find_consensus
from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.convert import find_score_attribute
from repic_plugin.formats import check_picker_columns
from repic_plugin.protocols.consensus_form import KEEP_ALL

if TYPE_CHECKING:
    from repic_plugin.protocols.protocol_consensus import ProtRepicConsensus

__all__ = ["check_settings", "consensus_settings"]


def consensus_settings(protocol: ProtRepicConsensus, names: List[str]) -> Dict[str, Any]:
    """All that the result depends on, as JSON can hold it.

    A step that gets it is run again whenever something in it has changed.

    Parameters
    ----------
    protocol : ProtRepicConsensus
    names : list of str
        Of the pickers.

    Returns
    -------
    dict
        ``options`` holds arguments of `find_consensus`.

    Raises
    ------
    ValueError
        If a value in the form is wrong.
    """
    sets = [pointer.get() for pointer in protocol.inputCoordinates]
    _check_sets(sets, names)
    asked = _entries("score attributes", protocol.scoreAttributes.get(), names, str)
    attributes = [find_score_attribute(one, name or "") for one, name in zip(sets, asked)]
    sizes_px = _box_sizes(sets, names, protocol.boxSize.get())
    mode = MODES[protocol.mode.get()]
    return {
        "inputs": [f"{one.getFileName()} {one.getSize()}" for one in sets],
        "names": names,
        "score_attributes": attributes,
        "box_size_px": round(max(sizes_px)),
        "unmatched": protocol.unmatchedOutput.get(),
        "options": {
            "box_size_px": sizes_px,
            "mode": mode,
            "quorum": protocol.quorum.get() or None if mode == "quorum" else None,
            "min_overlap": protocol.minOverlap.get(),
            "min_score": _entries("least scores", protocol.minScores.get(), names, float),
            "score_transform": _transforms(protocol.scoreTransforms.get(), names, attributes),
            "micrograph_size_px": _micrograph_size(protocol),
            "largest_component": protocol.largestComponent.get(),
            "position": POSITIONS[protocol.position.get()],
            "num_particles": protocol.numParticles.get() or None,
            "solver": SOLVERS[protocol.solver.get()],
            "time_limit_s": protocol.timeLimit.get() or None,
        },
    }


def check_settings(settings: Dict[str, Any]) -> None:
    """Let `find_consensus` check its arguments, with no pick to work on.

    Raises
    ------
    ValueError
        If one is wrong.
    """
    check_picker_columns(settings["names"])
    nothing = Picks.from_columns([], [], [], [], picker_names=settings["names"])
    find_consensus(nothing, **{**settings["options"], "micrograph_size_px": None})


def _check_sets(sets: Sequence[SetOfCoordinates], names: Sequence[str]) -> None:
    if len(sets) < 2:
        raise ValueError(
            f"a consensus needs the coordinates of two pickers or more, got {len(sets)}"
        )
    first_with: Dict[str, str] = {}
    for one, name in zip(sets, names):
        file = os.path.realpath(one.getFileName())
        if file in first_with:
            raise ValueError(
                f"{first_with[file]} and {name} are the same set of coordinates; remove one of them"
            )
        first_with[file] = name


def _entries(
    what: str, text: Optional[str], names: Sequence[str], convert: Callable[[str], Any]
) -> List[Optional[Any]]:
    """One entry for each set, or one for all; None where there is none."""
    words = (text or "").replace(",", " ").split() or [KEEP_ALL]
    if len(words) not in (1, len(names)):
        raise ValueError(
            f"{what} must have one entry or {len(names)}, one a set, got {len(words)}: {text}"
        )
    try:
        entries = [None if word == KEEP_ALL else convert(word) for word in words]
    except ValueError:
        raise ValueError(f"{what} must be numbers or {KEEP_ALL}, got {text}") from None
    return entries * len(names) if len(entries) == 1 else entries


def _transforms(
    text: Optional[str], names: Sequence[str], attributes: Sequence[Optional[str]]
) -> List[str]:
    """The user's choice, else what is known of the attribute, else auto."""
    asked = _entries("the way scores become comparable", text, names, str)
    return [
        SCORE_ATTRIBUTES.get(attribute or "", "auto") if choice in (None, "auto") else choice
        for choice, attribute in zip(asked, attributes)
    ]


def _box_sizes(
    sets: Sequence[SetOfCoordinates], names: Sequence[str], asked: Optional[int]
) -> List[float]:
    """Of each picker, in px of the first set's micrographs."""
    if asked:
        return [float(asked)] * len(sets)
    without = [name for one, name in zip(sets, names) if not one.getBoxSize()]
    if without:
        raise ValueError(f"{without[0]} has no box size; give one in the form")
    pixel_sizes = [one.getMicrographs().getSamplingRate() for one in sets]
    return [one.getBoxSize() * a / pixel_sizes[0] for one, a in zip(sets, pixel_sizes)]


def _micrograph_size(protocol: ProtRepicConsensus) -> Optional[Tuple[int, int]]:
    if not protocol.dropOutside:
        return None
    dimensions = protocol.getInputMicrographs().getDim()
    if not dimensions:
        raise ValueError(
            "the size of the micrographs is not known, so boxes that stick out cannot be "
            "dropped; switch that option off"
        )
    return int(dimensions[0]), int(dimensions[1])
