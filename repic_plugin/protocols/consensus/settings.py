"""From the values of the consensus form to the arguments of `find_consensus`."""

from __future__ import annotations

import os
import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer

from repic_plugin.consensus import POSITIONS, SOLVERS, Picks, find_consensus
from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.convert import find_score_attribute
from repic_plugin.formats import check_picker_columns
from repic_plugin.protocols.common.consensus_mode import (
    PROBABILISTIC,
    consensus_mode,
    target_precision,
)
from repic_plugin.protocols.consensus.form import KEEP_ALL


def consensus_settings(protocol: ProtParticlePicking, names: List[str]) -> Dict[str, Any]:
    """All that the result depends on, as JSON can hold it.

    A step that gets it is run again whenever something in it has changed.

    Parameters
    ----------
    protocol : ProtParticlePicking
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
    settings = stream_settings(protocol, names)
    asked = settings["score_attributes"]
    attributes = [find_score_attribute(one, name or "") for one, name in zip(sets, asked)]
    transforms = [transform_of(*one) for one in zip(settings.pop("score_transforms"), attributes)]
    settings["options"].update(
        score_transform=transforms, micrograph_size_px=micrograph_size(protocol)
    )
    inputs = [f"{one.getFileName()} {one.getSize()}" for one in sets]
    return {**settings, "inputs": inputs, "score_attributes": attributes}


def stream_settings(protocol: ProtParticlePicking, names: List[str]) -> Dict[str, Any]:
    """The same as far as it is known before the first pick.

    Returns
    -------
    dict
        ``score_attributes`` and ``score_transforms`` are what the user asks for, None where they
        are to be found; ``options`` lacks what depends on picks or micrographs.

    Raises
    ------
    ValueError
        If a value in the form is wrong.
    """
    sets = [pointer.get() for pointer in protocol.inputCoordinates]
    _check_sets(sets, names)
    sizes_px = _box_sizes(sets, names, protocol.boxSize.get())
    mode = consensus_mode(protocol)
    is_probable = mode == PROBABILISTIC
    transforms = protocol.scoreTransforms.get()
    return {
        **({"ctfs": _file_of(protocol.inputCTFs)} if is_probable else {}),
        "inputs": [one.getFileName() for one in sets],
        "names": names,
        "score_attributes": _entries(
            "score attributes", protocol.scoreAttributes.get(), names, str
        ),
        "score_transforms": _entries("the way scores become comparable", transforms, names, str),
        "box_size_px": round(max(sizes_px)),
        "unmatched": protocol.unmatchedOutput.get(),
        "options": {
            "box_size_px": sizes_px,
            "mode": mode,
            "quorum": protocol.quorum.get() or None if mode == "quorum" else None,
            **({"target_precision": target_precision(protocol)} if is_probable else {}),
            "min_overlap": protocol.minOverlap.get(),
            "min_score": _entries("least scores", protocol.minScores.get(), names, float),
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
    options = {**settings["options"], "micrograph_size_px": None}
    is_stream = "score_transforms" in settings
    if is_stream:
        options["score_transform"] = [one or "auto" for one in settings["score_transforms"]]
    find_consensus(nothing, **options)
    if options["mode"] == PROBABILISTIC and not is_stream and None in settings["score_attributes"]:
        _check_identified(settings["names"], options["box_size_px"])


def _check_identified(names: List[str], sizes_px: List[float]) -> None:
    """Let `find_consensus` refuse two pickers whose picks have no scores."""
    if len(names) == 2:
        one_each = Picks.from_columns([0, 0], [0, 1], [0, 0], [0, 0], picker_names=names)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that scores are missing
            find_consensus(one_each, sizes_px, mode=PROBABILISTIC)


def _file_of(pointer: Pointer) -> str:
    """Of a set that may grow, which is no reason to begin anew."""
    items = pointer.get()
    return "" if items is None else str(items.getFileName())


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


def transform_of(asked: Optional[str], attribute: Optional[str]) -> str:
    """The user's choice, else what is known of the attribute, else auto."""
    return SCORE_ATTRIBUTES.get(attribute or "", "auto") if asked in (None, "auto") else asked


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


def micrograph_size(protocol: ProtParticlePicking) -> Optional[Tuple[int, int]]:
    """Width and height in px, where boxes that stick out are to be dropped.

    Raises
    ------
    ValueError
        If it is not known.
    """
    if not protocol.dropOutside:
        return None
    dimensions = protocol.getInputMicrographs().getDim()
    if not dimensions:
        raise ValueError(
            "the size of the micrographs is not known, so boxes that stick out cannot be "
            "dropped; switch that option off"
        )
    return int(dimensions[0]), int(dimensions[1])
