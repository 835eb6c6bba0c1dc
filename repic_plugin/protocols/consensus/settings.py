"""Arguments of `find_consensus` from the values of the consensus form."""

from __future__ import annotations

import os
import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer

from repic_plugin.consensus import (
    POSITIONS,
    RANKINGS,
    SOLVERS,
    Picks,
    find_consensus,
    stated_transform,
)
from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.convert import find_score_attribute
from repic_plugin.formats import check_picker_columns
from repic_plugin.pickers import PICKERS
from repic_plugin.protocols.common.consensus_mode import (
    PROBABILISTIC,
    consensus_mode,
    looks_at_images,
    target_precision,
)
from repic_plugin.protocols.consensus.form import KEEP_ALL
from repic_plugin.protocols.consensus.judging import thresholds_in
from repic_plugin.protocols.consensus.patterns import pattern_texts

# Parameters of the form by the arguments that messages name.
FORM_PARAMS = {
    "mode": "mode",
    "quorum": "quorum",
    "target_precision": "targetPrecision",
    "box_size_px": "boxSize",
    "num_particles": "numParticles",
    "rank_by": "rankBy",
    "max_false_agreement": "maxFalseAgreement",
    "min_weight": "minWeight",
    "copy_distance_px": "copyDistance",
    "min_distance_px": "minDistance",
    "min_overlap": "minOverlap",
    "min_score": "minScores",
    "score_attributes": "scoreAttributes",
    "score_transform": "scoreTransforms",
    "position": "position",
    "largest_component": "largestComponent",
    "solver": "solver",
    "time_limit_s": "timeLimit",
    "micrograph_size_px": "dropOutside",
    "pattern": "patterns",
}


def consensus_settings(protocol: ProtParticlePicking, names: List[str]) -> Dict[str, Any]:
    """Settings on which the result depends, serialisable as JSON.

    A step with these as its argument is repeated whenever one of them has changed.

    Parameters
    ----------
    protocol : ProtParticlePicking
    names : list of str
        Names of the pickers.

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
    transforms = [
        transform_of(*one) for one in zip(settings.pop("score_transforms"), attributes, names)
    ]
    settings["options"].update(
        score_transform=transforms, micrograph_size_px=micrograph_size(protocol)
    )
    inputs = [f"{one.getFileName()} {one.getSize()}" for one in sets]
    return {**settings, "inputs": inputs, "score_attributes": attributes}


def stream_settings(protocol: ProtParticlePicking, names: List[str]) -> Dict[str, Any]:
    """The settings that are known before the first pick.

    Returns
    -------
    dict
        ``score_attributes`` and ``score_transforms`` are the user's choices, None where they are
        automatic; ``options`` lacks arguments that depend on picks or micrographs.

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
    patterns = pattern_texts(protocol.patterns.get(), names)
    return {
        **({"ctfs": _file_of(protocol.inputCTFs)} if is_probable else {}),
        **({"patterns": patterns} if patterns else {}),  # earlier runs, without, can be continued
        **({"images": True} if classes_decide(protocol) else {}),  # likewise
        **thresholds_in(protocol, has_classes=classes_decide(protocol)),
        "inputs": [one.getFileName() for one in sets],
        "names": names,
        "score_attributes": _entries(
            "score_attributes", protocol.scoreAttributes.get(), names, str
        ),
        "score_transforms": _entries("score_transform", transforms, names, str),
        "box_size_px": round(max(sizes_px)),
        "unmatched": protocol.unmatchedOutput.get(),
        "options": {
            "box_size_px": sizes_px,
            "mode": mode,
            "quorum": protocol.quorum.get() or None if mode == "quorum" else None,
            **({"target_precision": target_precision(protocol)} if is_probable else {}),
            "min_overlap": protocol.minOverlap.get(),
            "min_score": _entries("min_score", protocol.minScores.get(), names, float),
            "largest_component": protocol.largestComponent.get(),
            "position": POSITIONS[protocol.position.get()],
            "num_particles": protocol.numParticles.get() or None,
            "solver": SOLVERS[protocol.solver.get()],
            "time_limit_s": protocol.timeLimit.get() or None,
            **_distances(protocol),
            **_ranking(protocol, mode),
            **_limits(protocol),
        },
        **({"discards_edges": True} if protocol.dropOutside else {}),
    }


def has_chosen(protocol: ProtParticlePicking) -> bool:
    """Whether the candidates are judged by classes or particles that the user chose."""
    is_shown = consensus_mode(protocol) == PROBABILISTIC and not protocol.lookAtImages.get()
    return is_shown and protocol.chosenParticles.get() is not None


def classes_decide(protocol: ProtParticlePicking) -> bool:
    """Whether 2D classes, of the candidates or chosen ones, decide at the end of the run."""
    return looks_at_images(protocol) or has_chosen(protocol)


def _distances(protocol: ProtParticlePicking) -> Dict[str, float]:
    """Distances that are given; runs of earlier versions, which have none, can be continued."""
    given = {
        "copy_distance_px": protocol.copyDistance.get(),
        "min_distance_px": protocol.minDistance.get(),
    }
    return {name: value for name, value in given.items() if value is not None and value != -1}


def _ranking(protocol: ProtParticlePicking, mode: str) -> Dict[str, str]:
    """Ranking that is not by weight, for the same reason."""
    rank_by = RANKINGS[protocol.rankBy.get() or 0]
    return {} if mode == PROBABILISTIC or rank_by == RANKINGS[0] else {"rank_by": rank_by}


def _limits(protocol: ProtParticlePicking) -> Dict[str, float]:
    """Largest false-agreement rate and smallest weight, if there is one, for the same reason."""
    given = {
        "max_false_agreement": protocol.maxFalseAgreement.get(),
        "min_weight": protocol.minWeight.get(),
    }
    return {name: value for name, value in given.items() if value}


def check_settings(settings: Dict[str, Any]) -> None:
    """Check the arguments of `find_consensus` by calling it without picks.

    Raises
    ------
    ValueError
        If one is invalid.
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
    """Check by a call of `find_consensus` that two pickers do not lack scores."""
    if len(names) == 2:
        one_each = Picks.from_columns([0, 0], [0, 1], [0, 0], [0, 0], picker_names=names)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that scores are missing
            find_consensus(one_each, sizes_px, mode=PROBABILISTIC)


def _file_of(pointer: Pointer) -> str:
    """File of a set; its size is no reason to start again, as the set may grow."""
    items = pointer.get()
    return "" if items is None else str(items.getFileName())


def _check_sets(sets: Sequence[SetOfCoordinates], names: Sequence[str]) -> None:
    if len(sets) < 2:
        raise ValueError(
            f"a consensus needs the coordinates of at least two pickers, got {len(sets)}"
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
    """Entries of each set, from one per set or one for all; None where an entry is absent."""
    values = (text or "").replace(",", " ").split() or [KEEP_ALL]
    if len(values) not in (1, len(names)):
        raise ValueError(
            f"{what} must have one entry, or {len(names)} entries (one per set), got "
            f"{len(values)}: {text}"
        )
    try:
        entries = [None if value == KEEP_ALL else convert(value) for value in values]
    except ValueError:
        raise ValueError(f"{what} must be numbers or {KEEP_ALL}, got {text}") from None
    return entries * len(names) if len(entries) == 1 else entries


def transform_of(asked: Optional[str], attribute: Optional[str], name: str) -> str:
    """The user's choice, else what the attribute says of the scores, see `stated_transform`."""
    if asked not in (None, "auto"):
        return str(asked)
    installed = {one.score_attribute: one.score_transform for one in PICKERS.values()}
    return stated_transform(name, {**installed, **SCORE_ATTRIBUTES}.get(attribute))


def _box_sizes(
    sets: Sequence[SetOfCoordinates], names: Sequence[str], asked: Optional[int]
) -> List[float]:
    """Box size of each picker, in px of the first set's micrographs."""
    if asked:
        return [float(asked)] * len(sets)
    without = [name for one, name in zip(sets, names) if not one.getBoxSize()]
    if without:
        raise ValueError(f"box_size_px must be given, as {without[0]} has no box size")
    pixel_sizes = [one.getMicrographs().getSamplingRate() for one in sets]
    return [one.getBoxSize() * a / pixel_sizes[0] for one, a in zip(sets, pixel_sizes)]


def micrograph_size(protocol: ProtParticlePicking) -> Optional[Tuple[int, int]]:
    """Width and height in px, if particles at the edges are to be discarded.

    Raises
    ------
    ValueError
        If the size is unknown.
    """
    if not protocol.dropOutside:
        return None
    dimensions = protocol.getInputMicrographs().getDim()
    if not dimensions:
        raise ValueError(
            "micrograph_size_px must be off, as the dimensions of the micrographs are unknown"
        )
    return int(dimensions[0]), int(dimensions[1])
