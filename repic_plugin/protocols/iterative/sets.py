"""Outputs of the stages of iterative picking, as picks on the micrographs of the run."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np
from pwem.objects import SetOfCoordinates, SetOfMicrographs

from repic_plugin import constants
from repic_plugin.consensus import EnsembleModel, Picks, recommended_number
from repic_plugin.convert import (
    PickerInput,
    find_micrographs,
    find_score_attribute,
    item_labels,
    read_micrographs,
    read_picks,
    read_picks_on,
)
from repic_plugin.iteration import SUBSETS
from repic_plugin.protocols.consensus.form import KEEP_ALL
from repic_plugin.protocols.iterative.settings import Line


def consensus_picks(coordinates: SetOfCoordinates, micrographs: SetOfMicrographs) -> Picks:
    """Picks of a consensus, with weights as scores."""
    source = PickerInput("consensus", coordinates, constants.WEIGHT)
    return read_picks_on(micrographs, [source])[0]


def picker_picks(
    lines: Sequence[Line], sets: Sequence[SetOfCoordinates], micrographs: SetOfMicrographs
) -> Picks:
    """Picks of all pickers that reach their threshold."""
    sources = [
        PickerInput(line.label, one, score_attribute(line, one)) for line, one in zip(lines, sets)
    ]
    picks = read_picks_on(micrographs, sources)[0]
    own = thresholds(lines, sets, [line.threshold for line in lines])
    least = np.array([-np.inf if one is None else one for one in own])
    return picks.take((picks.score >= least[picks.picker]) | ~picks.has_score)


def reference_picks(
    coordinates: Optional[SetOfCoordinates], micrographs: SetOfMicrographs
) -> Optional[Picks]:
    """Reference picks, on the micrographs that have any."""
    if coordinates is None or not coordinates.getSize():
        return None
    picks, _ = read_picks_on(micrographs, [PickerInput("reference", coordinates, None)])
    return picks.on_micrographs(np.unique(picks.micrograph))


def subset_of(micrographs: SetOfMicrographs, subsets: Mapping[str, SetOfMicrographs]) -> List[str]:
    """Name of the subset of each micrograph; the last of `SUBSETS` for those in none."""
    table = read_micrographs(micrographs)
    found = [SUBSETS[-1]] * len(table.ids)
    for name, subset in subsets.items():
        known_as = read_micrographs(subset).known_as
        for place in find_micrographs(known_as, table, f"the subset for {name}").tolist():
            found[place] = name
    return found


def consensus_values(lines: Sequence[Line], sets: Sequence[SetOfCoordinates]) -> Dict[str, str]:
    """Entries for the form of the consensus protocol, one per set."""
    attributes = [score_attribute(line, one) for line, one in zip(lines, sets)]
    least = thresholds(lines, sets, [line.consensus_threshold for line in lines])
    return {
        "minScores": " ".join(KEEP_ALL if one is None else f"{one:g}" for one in least),
        "scoreAttributes": " ".join(one or KEEP_ALL for one in attributes),
        "scoreTransforms": " ".join(
            line.picker.score_transform if line.picker.gives(one) else "auto"
            for line, one in zip(lines, attributes)
        ),
    }


def recommended(coordinates: SetOfCoordinates) -> int:
    """Number of particles per micrograph that the consensus recommends."""
    picks = read_picks([PickerInput("consensus", coordinates, constants.WEIGHT)])[0]
    return max(1, recommended_number(picks.score, picks.micrograph))


def renamed(model: EnsembleModel, names: Sequence[str]) -> EnsembleModel:
    """A model with other names of its pickers, also in its warnings."""
    warnings = list(model.warnings)
    for old, new in sorted(zip(model.picker_names, names), key=lambda pair: -len(pair[0])):
        warnings = [text.replace(old, new) for text in warnings]
    return replace(model, picker_names=tuple(names), warnings=tuple(warnings))


def score_attribute(line: Line, coordinates: SetOfCoordinates) -> Optional[str]:
    """The picker's own attribute, or a known one, as users may provide coordinates."""
    present = item_labels(coordinates.getFileName())
    own = (line.picker.score_attribute, *line.picker.former_score_attributes)
    return next((one for one in own if one in present), find_score_attribute(coordinates))


def thresholds(
    lines: Sequence[Line], sets: Sequence[SetOfCoordinates], asked: Sequence[Optional[float]]
) -> Sequence[Optional[float]]:
    """Minimum score of each set, as asked; none where its scores are not the picker's own."""
    attributes = (score_attribute(line, one) for line, one in zip(lines, sets))
    return [
        least if attribute is None or line.picker.gives(attribute) else None
        for line, attribute, least in zip(lines, attributes, asked)
    ]
