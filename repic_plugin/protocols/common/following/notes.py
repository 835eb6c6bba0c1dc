"""Remarks on inputs that are followed."""

from __future__ import annotations

from typing import List, Optional, Sequence

from repic_plugin.protocols.common.following.inputs import FollowedInputs
from repic_plugin.wording import counted


def waiting_line(inputs: FollowedInputs, waiting: Sequence[int], what: str) -> str:
    """Number of micrographs that are waiting, and for which sets.

    Parameters
    ----------
    inputs : FollowedInputs
    waiting : sequence of int
    what : str
        What a set has still to do.
    """
    lacking = inputs.lacking(waiting)
    who = "; ".join(f"{name} has {n:,} left {what}" for name, n in lacking.items())
    n = counted(len(waiting), "micrograph")
    return f"Following the inputs: {n} waiting{': ' if who else ''}{who}."


def input_remarks(inputs: FollowedInputs, idle_s: Optional[int]) -> List[str]:
    """Remarks, one line each; warnings begin with an exclamation mark.

    Parameters
    ----------
    inputs : FollowedInputs
    idle_s : int or None
        Time without new data after which the run stopped, if it did.
    """
    lines = [f"! {problem}" for problem in inputs.problems()]
    if idle_s is not None and not inputs.are_closed:
        still_open = [one.name for one in inputs.sets if not one.is_closed]
        lines.append(
            f"! Stopped with {', '.join(still_open)} still open: no new data for {idle_s:,} s."
        )
    resets = [one.name for one in inputs.sets if one.n_resets]
    lines += [f"! {name} was emptied or rewritten while it was being followed." for name in resets]
    notes = (note for one in inputs.sets for note in one.name_notes)
    return lines + [f"{note[0].upper()}{note[1:]}." for note in notes]
