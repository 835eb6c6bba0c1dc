"""What a classification in a stream says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import StreamState
from repic_plugin.formats import atomic_write
from repic_plugin.protocols.classification.summary import CTF, size_values
from repic_plugin.protocols.common.following.record import text_of
from repic_plugin.protocols.common.form_values import SOFTWARE, with_angstrom
from repic_plugin.wording import counted

FACTS, VALUES, METHODS = "facts.json", "values.json", "methods.txt"


def facts_file(protocol: Any) -> str:
    """File of the lines of the summary."""
    return str(protocol._getExtraPath(FACTS))


def summary_lines(protocol: Any) -> List[str]:
    """Lines of the summary, as the run last wrote them."""
    text = text_of(Path(facts_file(protocol)))
    return list(json.loads(text)) if text else []


def write_values(protocol: Any, state: StreamState) -> None:
    """Keep the sizes in use, of which those left automatic are shown in the summary."""
    values = size_values(state.references.sizes)
    atomic_write(protocol._getExtraPath(VALUES), json.dumps(values))


def values_used(protocol: Any) -> Dict[str, str]:
    """The sizes in use by parameter, once there are classes."""
    text = text_of(Path(protocol._getExtraPath(VALUES)))
    return dict(json.loads(text)) if text else {}


def waiting_line(n_done: int, n_there: int, wanted: int, minutes: int, per_class: int) -> str:
    """What is waited for.

    Parameters
    ----------
    n_done, n_there : int
        Particles that are classified, and in the input.
    wanted : int
        Particles that classes are made of.
    minutes : int
        Time after which fewer are enough; 0 for never.
    per_class : int
        How many are then enough for each class.
    """
    if n_done:
        return f"Following the particles: {counted(n_there - n_done, 'particle')} waiting."
    late = f", or {minutes:,} min and {per_class} for each class" if minutes else ""
    return (
        f"Following the particles: classes wait for {wanted:,} of them{late}; {n_there:,} so far."
    )


def class_lines(state: StreamState, is_good: NDArray[np.bool_], rule: str) -> List[str]:
    """How many particles are in which classes.

    Parameters
    ----------
    state : StreamState
    is_good : ndarray of bool, shape (k,)
    rule : str
        Minimum score, or nothing for the automatic selection.
    """
    sizes = state.sizes[state.sizes > 0]
    n_all, n_good = int(sizes.sum()), int(state.sizes[is_good].sum())
    n_new = int((state.made_after > 0).sum())
    lines = [
        f"*{counted(n_all, 'particle')} in {counted(len(sizes), 'class')}* of "
        f"{sizes.min(initial=n_all):,} to {sizes.max(initial=0):,}; "
        f"the first ones were made of {state.n_first:,} particles.",
        f"{counted(n_good, 'particle')} in {counted(int(is_good.sum()), 'good class')} "
        f"({f'score {rule} or more' if rule else 'automatic selection'}), "
        f"{n_all - n_good:,} rejected.",
    ]
    if n_new:
        lines.append(f"{counted(n_new, 'class')} appended for new views.")
    n_empty = state.n_seen - n_all
    if n_empty:
        lines.append(f"Blank particles (constant images), in no class: {n_empty:,}.")
    if not is_good.any():
        lines.append(_no_good_class(state, rule))
    return lines


def _no_good_class(state: StreamState, rule: str) -> str:
    """Why there are no good particles: they need not look bad if the user has set a minimum."""
    if state.is_junk.all():
        return "! No class is good: nothing here looks like particles."
    highest = np.floor(100 * state.scores.score.max()) / 100  # never shown as the minimum
    return f"! No class has a score of {rule} or more: the highest is {highest:.2f}."


def uncorrected_lines(asked: str, used: str) -> List[str]:
    """That there is no CTF correction although it was asked for, as a warning."""
    if asked == used:
        return []
    return ["! The particles have no CTF, so that no CTF correction was applied; assign one."]


def disabled_lines(n_before: int, n_after: int) -> List[str]:
    """Particles that were disabled before they could be classified, and afterwards."""
    lines = [f"Disabled particles, in no class: {n_before:,}."] if n_before else []
    if n_after:
        were = "was" if n_after == 1 else "were"
        lines.append(
            f"! {counted(n_after, 'particle')} {were} disabled in the input after having been "
            "classified, and still in the outputs; choose Restart to classify without."
        )
    return lines


def changed_lines(n_gone: int, n_moved: int) -> List[str]:
    """What has changed of particles since they were classified, as warnings."""
    lines = []
    if n_gone:
        lines.append(
            f"! {counted(n_gone, 'particle')} were taken out of the input after they had been "
            "classified: they are in no output, but had their part in the averages; choose "
            "Restart to classify without them."
        )
    if n_moved:
        lines.append(
            f"! {counted(n_moved, 'particle')} have other images in the input than those that "
            "were classified; choose Restart to classify these."
        )
    return lines


def methods_text(state: StreamState, n_passes: int) -> str:
    """The method as a paragraph of a paper."""
    sizes = state.references.sizes
    pixel_size = sizes.pixel_size_angstrom
    n_new = int((state.made_after > 0).sum())
    again = " All were finally classified again from the classes obtained." if n_passes else ""
    new = f"; {n_new:,} classes were appended for views that appeared later" if n_new else ""
    return (
        f"{state.n_first:,} particles were classified into {len(state) - n_new:,} classes by "
        f"ACK-means [Xu2016] with {SOFTWARE}, and {state.n_seen - state.n_first:,} further ones "
        "were assigned to these by multi-reference alignment as they arrived, with averages "
        f"refreshed by the particles that their classes explain{new} (shifts up to "
        f"{with_angstrom(sizes.max_shift_px, pixel_size)}, compared at "
        f"{sizes.resolution_angstrom:.3g} Å within a mask of "
        f"{with_angstrom(sizes.mask_diameter_px, pixel_size)}). "
        f"{_sentence(CTF[state.references.ctf_mode])}{again}"
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
