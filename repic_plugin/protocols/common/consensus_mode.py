"""How many pickers have to agree: its parameters, and what they say."""

from __future__ import annotations

from typing import Any, Optional

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

from repic_plugin.consensus import MIN_JACCARD, MODES

PROBABILISTIC = MODES[2]


def define_mode(form: params.Form, help_text: str) -> None:
    """The mode, and what it asks for: a quorum, or a precision."""
    form.addParam(
        "mode",
        params.EnumParam,
        choices=["all pickers", "a quorum of the pickers", "by probability"],
        default=0,
        display=params.EnumParam.DISPLAY_HLIST,
        label="Who has to agree",
        help=help_text,
    )
    form.addParam(
        "quorum",
        params.IntParam,
        default=0,
        condition="mode==1",
        label="Least number of pickers",
        help="0 takes the smallest majority: 2 of 2 or 3, 3 of 4 or 5.",
    )
    form.addParam(
        "targetPrecision",
        params.FloatParam,
        default=0,
        condition="mode==2",
        label="Precision to reach",
        help="The share of the kept particles that is expected to be true, such as 0.95: the "
        "higher, the fewer are kept. 0 keeps as many as give the highest expected F1 score, the "
        "best balance of false particles and missed ones.",
    )


def define_min_overlap(form: params.Form) -> None:
    """From which overlap on boxes agree."""
    form.addParam(
        "minOverlap",
        params.FloatParam,
        default=MIN_JACCARD,
        expertLevel=LEVEL_ADVANCED,
        label="Least overlap",
        help="Boxes agree if their Jaccard index (intersection over union) is above this.",
    )


def consensus_mode(protocol: Any) -> str:
    """The form's choice, as `find_consensus` calls it."""
    return str(MODES[protocol.mode.get()])


def is_probabilistic(protocol: Any) -> bool:
    """Whether the consensus is one by probability."""
    return consensus_mode(protocol) == PROBABILISTIC


def target_precision(protocol: Any) -> Optional[float]:
    """The form's; None for the highest expected F1 score.

    Raises
    ------
    ValueError
        If it is out of range.
    """
    target = float(protocol.targetPrecision.get() or 0)
    if not 0 <= target < 1:
        raise ValueError(
            f"the precision to reach must be at least 0 and below 1, got {target:g}; 0.95 asks for "
            "95 per cent, 0 for the highest expected F1 score"
        )
    return target or None
