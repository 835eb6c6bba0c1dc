"""The fields of the form that say how growing inputs are followed, and their state."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from pyworkflow.object import Set
from pyworkflow.protocol import params

from repic_plugin.convert import UnreadableSetError, count_items, stream_state
from repic_plugin.protocols.common.params import Fields

HELP = {
    "streamingSleepOnWait": "Inputs that are still growing when the run starts are followed until "
    "they are closed.",
    "endAfterIdle": "For inputs that are never closed. 0: wait until they are.",
}


def define_following_params(
    form: params.Form, helps: Optional[Mapping[str, str]] = None, more: Any = None
) -> None:
    """A section of the form.

    Parameters
    ----------
    form : Form
    helps : mapping of str to str, optional
        Other help texts.
    more : callable, optional
        Adds further fields, in the middle.
    """
    fields = Fields(form, {**HELP, **(helps or {})})
    form.addSection(label="Streaming")
    fields.value("streamingSleepOnWait", 10, "Check inputs every (s)", validators=[params.Positive])
    if more is not None:
        more(fields)
    fields.value(
        "endAfterIdle",
        0,
        "Stop after no new data for (s)",
        validators=[params.GE(0)],
        advanced=True,
    )


def is_open(items: Set) -> bool:
    """State in the set's file, which may be ahead of the project, else that in the project."""
    try:
        state = stream_state(items.getFileName())
    except UnreadableSetError:
        state = None
    return bool(items.isStreamOpen() if state is None else state == Set.STREAM_OPEN)


def size_at_rest(items: Set) -> Optional[int]:
    """Number of items of a set that is closed and readable, else None."""
    try:
        return None if is_open(items) else count_items(items.getFileName())
    except ValueError:
        return None  # the run waits for it
