"""Remarks on the inputs of a consensus that follows them."""

from __future__ import annotations

from typing import List, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.protocols.common.following.notes import input_remarks
from repic_plugin.protocols.consensus.stream_inputs import StreamInputs
from repic_plugin.protocols.consensus.stream_record import StreamRecord
from repic_plugin.wording import counted


def remarks(
    inputs: StreamInputs,
    record: StreamRecord,
    *,
    is_closed: bool,
    may_grow: bool,
    idle_s: Optional[int],
    has_ctfs: bool = False,
) -> List[str]:
    """Remarks, one line each; warnings begin with an exclamation mark.

    Parameters
    ----------
    inputs : StreamInputs
    record : StreamRecord
    is_closed : bool
        Whether the consensus is complete.
    may_grow : bool
        Whether the inputs were growing when the run began.
    idle_s : int or None
        Time without new data after which the run stopped, if it did.
    has_ctfs : bool
        Whether CTFs were given.
    """
    lines = input_remarks(inputs, idle_s)
    if is_closed or any(one.n_resets for one in inputs.pickers):
        lines += _changed(inputs, record)
    if is_closed:
        lines += _left_out(inputs)
    if has_ctfs and record.model is not None and not len(record.model.quality_edges):
        lines.append(
            "! The defocus was unknown when the model was fitted: the CTFs belong to other "
            "micrographs, or had not arrived yet."
        )
    if is_closed and may_grow:
        lines += _unpicked(inputs, record)
    return lines


def _left_out(inputs: StreamInputs) -> List[str]:
    """Picks on micrographs that the first set lacks."""
    counts = ((picker.name, picker.n_left_out()) for picker in inputs.pickers)
    return [
        f"! {n:,} picks of {name} were ignored: the first set lacks their micrographs."
        for name, n in counts
        if n
    ]


def _changed(inputs: StreamInputs, record: StreamRecord) -> List[str]:
    """Micrographs whose picks have changed since they were used."""
    if not record.micrographs:
        return []
    known = inputs.micrographs.names
    kept = [i for i, one in enumerate(record.micrographs) if one in known]
    now = inputs.n_picks([record.micrographs[i] for i in kept])
    used = np.array(record.n_read)[kept]
    counts = (now != used).sum(axis=0)
    return [
        f"! {picker.name}: picks on {counted(n, 'micrograph')} have changed since they were used; "
        "restart the run to use the new ones."
        for picker, n in zip(inputs.pickers, counts)
        if n
    ]


def _unpicked(inputs: StreamInputs, record: StreamRecord) -> List[str]:
    """Pickers that picked fewer micrographs than others."""
    n_picked = _n_picked(record, len(inputs.pickers))
    most = int(n_picked.max(initial=0))
    return [
        f"{picker.name} has picks on {counted(n, 'micrograph')}, another picker on {most:,}."
        for picker, n in zip(inputs.pickers, n_picked.tolist())
        if n < most
    ]


def _n_picked(record: StreamRecord, n_pickers: int) -> NDArray[np.int64]:
    used = np.array(record.n_read).reshape(-1, n_pickers)
    return np.asarray((used > 0).sum(axis=0))
