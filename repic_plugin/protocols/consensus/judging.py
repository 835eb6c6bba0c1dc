"""Micrographs accepted and rejected by thresholds in the form: table and summary."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np

from repic_plugin.consensus import (
    MicrographQuality,
    Thresholds,
    accepted,
    fall_lines,
    falls_of,
)
from repic_plugin.formats import write_micrograph_quality
from repic_plugin.wording import counted

JUDGE = "judge"  # thresholds in the settings of a run; absent where none is used


def thresholds_in(protocol: Any, *, has_classes: bool) -> Dict[str, List[float]]:
    """Thresholds of the form for the settings, if any is used: earlier runs can be continued.

    Parameters
    ----------
    protocol : Protocol
    has_classes : bool
        Whether 2D classes decide, without which no share of junk is known.
    """
    values = [protocol.minAgreement.get(), protocol.minExpected.get()]
    values.append(protocol.maxJunk.get() if has_classes else 0)
    used = [float(one or 0) for one in values]
    return {JUDGE: used} if any(used) else {}


def thresholds_of(settings: Dict[str, Any]) -> Thresholds:
    """Thresholds in the settings of a run."""
    return Thresholds(*settings.get(JUDGE, ()))


def write_judged(folder: str, quality: MicrographQuality, settings: Dict[str, Any]) -> None:
    """Write the table of the micrographs, by the thresholds in the settings of a run."""
    write_micrograph_quality(folder, quality, thresholds_of(settings))


def judged_lines(quality: MicrographQuality, settings: Dict[str, Any]) -> List[str]:
    """Numbers of micrographs accepted and rejected, and sudden falls as warnings.

    Parameters
    ----------
    quality : MicrographQuality
        In the order of acquisition.
    settings : dict
    """
    falls = fall_lines(quality, falls_of(quality))
    told = [f"! {line[0].upper()}{line[1:]}." for line in falls]
    used = thresholds_of(settings)
    if not any(used):
        return told
    is_accepted = accepted(quality, used)
    rules = [
        f"{text.format(value)}{_unknown(values)}"
        for value, text, values in (
            (used.min_agreement, "agreement of at least {:g}", quality.agreement),
            (used.min_particles, "at least {:g} expected particles", quality.number),
            (used.max_junk, "at most {:g} of the picks in classes of junk", quality.junk),
        )
        if value
    ]
    n = int(is_accepted.sum())
    count = f"{counted(n, 'micrograph')} accepted, {len(is_accepted) - n:,} rejected"
    return [*told, f"{count}: {', '.join(rules)}."]


def _unknown(values: Any) -> str:
    """What is not known rejects nothing."""
    n = int(np.isnan(values).sum())
    return f" (unknown of {n:,}, which it does not reject)" if n else ""
