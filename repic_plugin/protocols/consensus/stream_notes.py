"""What a user should know of the inputs of a consensus that followed them, in words."""

from __future__ import annotations

from typing import List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.protocols.consensus.stream_inputs import StreamInputs
from repic_plugin.protocols.consensus.stream_record import StreamRecord


def what_waits(inputs: StreamInputs, waiting: Sequence[int], n_to_judge: int = 0) -> str:
    """Who lacks how many of the micrographs that wait.

    Parameters
    ----------
    inputs : StreamInputs
    waiting : sequence of int
    n_to_judge : int
        Micrographs that the pickers are to be judged on before any is worked on; 0 if they are.
    """
    lacking = inputs.lacking(waiting)
    who = "; ".join(f"{name} lacks {n:,}" for name, n in lacking.items())
    line = f"Following its inputs: {len(waiting):,} micrographs wait{': ' if who else ''}{who}."
    if n_to_judge:
        line += f" The pickers are judged once all have picked {n_to_judge} of them."
    return line


def remarks(
    inputs: StreamInputs,
    record: StreamRecord,
    *,
    is_closed: bool,
    may_grow: bool,
    idle_s: Optional[int],
    has_ctfs: bool = False,
) -> List[str]:
    """A line each; an exclamation mark before those that are warnings.

    Parameters
    ----------
    inputs : StreamInputs
    record : StreamRecord
    is_closed : bool
        Whether all is done.
    may_grow : bool
        Whether the inputs grew when the run began.
    idle_s : int or None
        How long nothing had come, where the user did not want to wait any more.
    has_ctfs : bool
        Whether the pickers were to be described by defocus too.
    """
    lines = [f"! {problem}" for problem in inputs.problems()]
    if idle_s is not None and not inputs.are_closed:
        still_open = [one.name for one in inputs.pickers if not one.is_closed]
        lines.append(
            f"! Ended with {', '.join(still_open)} still open: nothing had come for {idle_s:,} s."
        )
    resets = [one.name for one in inputs.pickers if one.picks.n_resets]
    lines += [f"! {name} was emptied or written anew while it was followed." for name in resets]
    if is_closed or resets:
        lines += _changed(inputs, record)
    if is_closed:
        lines += _left_out(inputs)
    if has_ctfs and record.model is not None and not len(record.model.quality_edges):
        lines.append(
            "! The defocus of the micrographs was not known when the pickers were judged: the CTFs "
            "are of other micrographs, or had not come yet."
        )
    if is_closed and may_grow:
        lines += _unpicked(inputs, record)
    return lines


def _left_out(inputs: StreamInputs) -> List[str]:
    """Picks on micrographs that nobody asked for."""
    counts = ((picker.name, picker.n_left_out()) for picker in inputs.pickers)
    return [
        f"! {n:,} picks of {name} lie on micrographs that the first set lacks."
        for name, n in counts
        if n
    ]


def _changed(inputs: StreamInputs, record: StreamRecord) -> List[str]:
    """Micrographs whose picks are not those that were used."""
    if not record.micrographs:
        return []
    known = inputs.micrographs.names
    kept = [i for i, one in enumerate(record.micrographs) if one in known]
    now = inputs.n_picks([record.micrographs[i] for i in kept])
    used = np.array(record.n_read)[kept]
    counts = (now != used).sum(axis=0)
    return [
        f"! {picker.name}: picks on {n:,} micrographs have changed since they were used; restart "
        "the run to use them as they are."
        for picker, n in zip(inputs.pickers, counts)
        if n
    ]


def _unpicked(inputs: StreamInputs, record: StreamRecord) -> List[str]:
    """Pickers that closed with fewer micrographs than others."""
    n_picked = _n_picked(record, len(inputs.pickers))
    most = int(n_picked.max(initial=0))
    return [
        f"{picker.name} has picks on {n:,} micrographs, another picker on {most:,}."
        for picker, n in zip(inputs.pickers, n_picked.tolist())
        if n < most
    ]


def _n_picked(record: StreamRecord, n_pickers: int) -> NDArray[np.int64]:
    used = np.array(record.n_read).reshape(-1, n_pickers)
    return np.asarray((used > 0).sum(axis=0))
