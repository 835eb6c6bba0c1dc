"""How the scores of a picker that is followed become comparable, decided once."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.protocols import ProtParticlePicking

from repic_plugin.consensus import Picks, choose_transforms, ranked_scores
from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.protocols.consensus.settings import micrograph_size, transform_of
from repic_plugin.protocols.consensus.stream_inputs import StreamInputs
from repic_plugin.protocols.consensus.stream_record import Scale

# Ranks among the scores of fewer micrographs would remain coarse.
MIN_RANKED = 10


def scale_of(
    protocol: ProtParticlePicking,
    settings: Dict[str, Any],
    inputs: StreamInputs,
    number: int,
    is_last: bool,
) -> Optional[Tuple[Scale, NDArray[np.float64]]]:
    """Scale of a picker's scores and the scores among which to rank; None while they are few.

    Parameters
    ----------
    protocol : ProtParticlePicking
    settings : dict
        From `stream_settings`.
    inputs : StreamInputs
    number : int
        Of the picker.
    is_last : bool
        Whether no more picks are waited for.
    """
    picker = inputs.pickers[number]
    present, options = picker.picks.attributes, settings["options"]
    asked = settings["score_attributes"][number]
    attribute = asked or next((one for one in SCORE_ATTRIBUTES if one in present), None)
    transform = transform_of(settings["score_transforms"][number], attribute, picker.name)
    ends = np.array(picker.picks.score_range(attribute) or (), dtype=np.float64)
    nobody = np.zeros(len(ends), dtype=np.int64)
    scored = Picks.from_columns(nobody, nobody, nobody, nobody, ends, picker_names=[picker.name])
    (transform,) = choose_transforms(scored, [transform])
    is_enough = picker.is_closed or len(picker.picks.spans) >= MIN_RANKED
    if transform != "rank":
        return Scale(attribute, transform), np.zeros(0)
    if not (is_enough or is_last):
        return None
    among = ranked_scores(
        inputs.read_one(number, attribute),
        options["box_size_px"][number],
        score_transform="rank",
        min_score=[options["min_score"][number]],
        micrograph_size_px=micrograph_size(protocol),
    )
    return Scale(attribute, transform), among[picker.name]
