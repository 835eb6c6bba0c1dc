"""Summary and methods of a 2D classification."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Dict, List, Mapping, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.constants import IS_JUNK
from repic_plugin.formats import ClassTables
from repic_plugin.protocols.common.form_values import SOFTWARE, with_angstrom
from repic_plugin.wording import counted, numbered_classes

METHODS = {
    "ack": "ACK-means [Xu2016]",
    "kmeans": "K-means",
    "eqk": "K-means with classes of equal size (EQK-means)",
    "spider": "K-means with SPIDER's size factor",
}
ALIGNMENTS = {
    "mra": "multi-reference alignment in every iteration",
    "msa": "multi-reference alignment in every iteration and distances in a PCA subspace",
    "rfa": "a single alignment to the mean of all particles",
}
CTF = {
    "weight": "phases were flipped, averages and distances weighted by the absolute CTF",
    "flip": "phases were flipped",
    "none": "no CTF correction was applied",
}
STAGES = {
    "common": "one average for all",
    "global": "all rotations and shifts are tried",
    "local": "rotations and shifts are refined",
    "trade": "classes are split and merged",
}


def progress_lines(
    arrays: Mapping[str, NDArray[Any]], max_iterations: int, tolerance: float
) -> List[str]:
    """Progress of a classification, from the records of its checkpoint.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    max_iterations : int
    tolerance : float
        Fraction of the particles that may change class in the last iteration.

    Raises
    ------
    KeyError
        If the arrays are not those of a checkpoint.
    """
    iteration, changed, _, smallest, largest = arrays["records"][-1].tolist()
    stage = str(arrays["stages"][-1])
    return [
        f"Iteration {iteration:.0f} of at most {max_iterations} ({STAGES.get(stage, stage)}): "
        f"{changed:.1%} of the particles changed class, classes of {smallest:,.0f} to "
        f"{largest:,.0f}.",
        f"The classification ends when {tolerance:.1%} or less change class.",
    ]


def classification_facts(
    found: ClassTables, settings: Dict[str, Any], pixel_size_angstrom: float
) -> Dict[str, Any]:
    """Summary, methods, and the values of parameters that may be automatic.

    Parameters
    ----------
    found : ClassTables
    settings : dict
        From `classify_settings`.
    pixel_size_angstrom : float
    """
    sizes = found.sizes[found.sizes > 0]
    n_kept = int(sizes.sum())
    summary = [
        f"*{n_kept:,} particles in {len(sizes):,} classes* of {sizes.min():,} to {sizes.max():,} "
        f"particles, median {np.median(sizes):,.0f}, coefficient of variation "
        f"{found.sizes.std() / found.sizes.mean():.2f}.",
        f"The classification {_outcome(found, settings)}.",
        _sentence(CTF[settings["ctf"]]),
    ]
    n_empty, n_aside = len(found.sizes) - len(sizes), len(found.labels) - n_kept
    if n_empty:
        summary.append(f"Empty classes, which are left out: {n_empty:,}.")
    if n_aside:
        summary.append(f"Blank particles (constant images), in no class: {n_aside:,}.")
    if found.is_junk.any():
        numbers = ", ".join(str(k + 1) for k in np.flatnonzero(found.is_junk))
        n_junk = int(found.sizes[found.is_junk].sum())
        summary.append(
            f"Probable junk: {numbered_classes(numbers)} ({counted(n_junk, 'particle')}), marked "
            f"by the comment junk and {IS_JUNK} = True for sorting and filtering."
        )
        if found.is_junk[found.sizes > 0].all():
            summary.append("All classes are probable junk: nothing here looks like particles.")
    if found.scores is not None and found.scores.is_off_centre.any():
        off = ", ".join(str(k + 1) for k in np.flatnonzero(found.scores.is_off_centre))
        summary.append(f"Off centre, perhaps between two particles: {numbered_classes(off)}.")
    used = {name: column.tolist()[0] for name, column in found.used.items()}
    summary += [_sentence(note) for note in used["notes"].split("; ") if note]
    counts = f"{n_kept:,} particles were classified into {len(sizes):,}"
    space = (
        f"shifts up to {with_angstrom(used['max_shift_px'], pixel_size_angstrom)}, compared at "
        f"{used['resolution_angstrom']:.3g} Å within a mask of "
        f"{with_angstrom(used['mask_diameter_px'], pixel_size_angstrom)}"
    )
    return {
        "summary": summary,
        "methods": [_methods_text(counts, space, _outcome(found, settings), settings)],
        "values": size_values(SimpleNamespace(**used)),
    }


def size_values(used: Any) -> Dict[str, str]:
    """Values of the form's sizes, from those of a `classification.Sizes`, by parameter."""
    return {
        "particleDiameter": _or_unknown(used.particle_diameter_angstrom),
        "resolution": f"{used.resolution_angstrom:.4g}",
        "maxShift": f"{used.max_shift_px:.4g}",
        "maskDiameter": f"{used.mask_diameter_px:.4g}",
    }


def selection_line(found: ClassTables, good: NDArray[np.bool_], selection: str) -> str:
    """How many particles are in good classes, and by which rule."""
    n_good, n_all = int(found.sizes[good].sum()), int(found.sizes.sum())
    rule = f"score {selection} or more" if selection else "automatic selection"
    if not n_good:
        return f"No particles are in good classes ({rule}); all {n_all:,} are rejected."
    return (
        f"{n_good:,} particles in {int(good.sum()):,} good classes ({rule}), "
        f"{n_all - n_good:,} rejected."
    )


def _methods_text(counts: str, space: str, outcome: str, settings: Dict[str, Any]) -> str:
    """The method as a paragraph of a paper."""
    details = [f"at most {settings['max_iterations']}"]
    details.append(f"convergence threshold {settings['tolerance']:g}")
    if settings["method"] == "ack":
        details.append(f"beta {settings['beta']:g}")
        if settings["alignment"] == "mra":
            details.append(f"{'with' if settings['trade'] else 'without'} splitting and merging")
    mirrors = "mirror images allowed" if settings["mirror"] else "without mirror images"
    return (
        f"{counts} of {settings['classes']:,} classes by {METHODS[settings['method']]} with "
        f"{SOFTWARE}, {ALIGNMENTS[settings['alignment']]} ({mirrors}, {space}). "
        f"{_sentence(CTF[settings['ctf']])} The classification {outcome} ({', '.join(details)}; "
        f"random seed {settings['seed']})."
    )


def _or_unknown(diameter_angstrom: Optional[float]) -> str:
    """A diameter, or that it was neither given nor visible."""
    is_known = diameter_angstrom is not None and np.isfinite(diameter_angstrom)
    return f"{diameter_angstrom:.4g}" if is_known else "not visible"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _outcome(found: ClassTables, settings: Dict[str, Any]) -> str:
    """Whether the classification converged, as a verb and what belongs to it."""
    changed = found.convergence["fraction_changed"]
    n = f"{len(changed)} iteration{'s' * (len(changed) != 1)}"
    if len(changed) < settings["max_iterations"]:
        return f"converged after {n}"
    last = f"{changed[-1]:.1%} of the particles changed class in the last one"
    return f"did not converge within {n}; {last}"
