"""What the classification protocol says of its result, in words."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

import numpy as np
from numpy.typing import NDArray

from repic_plugin.constants import IS_JUNK
from repic_plugin.formats import ClassTables

METHODS = {
    "ack": "ACK-means [Xu2016]",
    "kmeans": "K-means",
    "eqk": "K-means with classes of equal size (EQK-means)",
    "spider": "K-means with SPIDER's size factor",
}
ALIGNMENTS = {
    "mra": "multi-reference alignment at every iteration",
    "msa": "multi-reference alignment and distances in the subspace of the main variations",
    "rfa": "one alignment to the common mean",
}
CTF = {
    "weight": "phases were flipped, averages and distances weighted by the absolute CTF",
    "flip": "phases were flipped",
    "none": "no CTF was used",
}


def progress_line(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Where a classification stands, from the records of its checkpoint.

    Raises
    ------
    KeyError
        If the arrays are of something else.
    """
    iteration, changed, _, smallest, largest = arrays["records"][-1].tolist()
    return (
        f"Iteration {iteration:.0f} ({arrays['stages'][-1]}): {changed:.1%} of the particles "
        f"changed class, classes of {smallest:,.0f} to {largest:,.0f}."
    )


def classification_facts(found: ClassTables, settings: Dict[str, Any]) -> Dict[str, List[str]]:
    """Summary and methods.

    Parameters
    ----------
    found : ClassTables
    settings : dict
        Of `classify_settings`.
    """
    sizes = found.sizes[found.sizes > 0]
    n_kept = int(sizes.sum())
    summary = [
        f"*{n_kept:,} particles in {len(sizes):,} classes* of {sizes.min():,} to {sizes.max():,} "
        f"particles, median {np.median(sizes):,.0f}, coefficient of variation "
        f"{found.sizes.std() / found.sizes.mean():.2f}.",
        _course(found, settings),
        f"CTF: {CTF[settings['ctf']]}.",
    ]
    n_empty, n_aside = len(found.sizes) - len(sizes), len(found.labels) - n_kept
    if n_empty:
        summary.append(f"Classes that ended without a particle and are left out: {n_empty:,}.")
    if n_aside:
        summary.append(f"Empty particles (the same everywhere), in no class: {n_aside:,}.")
    if found.is_junk.any():
        numbers = ", ".join(str(k + 1) for k in np.flatnonzero(found.is_junk))
        n_junk = int(found.sizes[found.is_junk].sum())
        summary.append(
            f"Look like junk: classes {numbers} ({n_junk:,} particles); they have the comment "
            f"junk and {IS_JUNK} = True, to sort and filter by."
        )
    methods = (
        f"{n_kept:,} particles were sorted into {len(sizes):,} classes with "
        f"{METHODS[settings['method']]}, {ALIGNMENTS[settings['alignment']]}; "
        f"{CTF[settings['ctf']]}."
    )
    return {"summary": summary, "methods": [methods]}


def _course(found: ClassTables, settings: Dict[str, Any]) -> str:
    changed = found.convergence["fraction_changed"]
    n_iterations = len(changed)
    if n_iterations >= settings["max_iterations"]:
        return (
            f"NOT converged after {n_iterations} iterations ({changed[-1]:.1%} "
            "changed class in the last): raise their largest number."
        )
    return f"Converged after {n_iterations} iterations."
