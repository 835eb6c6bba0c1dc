"""The method of a consensus as a paragraph of a paper, and the values that were automatic."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Dict, List, Sequence

import numpy as np

from repic_plugin.consensus import ConsensusResult, spacing_px
from repic_plugin.protocols.common.form_values import SOFTWARE, listed, with_angstrom

TRANSFORMS = {
    "identity": "used as they were",
    "logistic": "transformed by the logistic function",
    "rank": "replaced by their ranks",
}
SOLVERS = {"highs": "HiGHS", "gurobi": "Gurobi"}
PRECISE = "precise"  # of a consensus with images, whatever the option
POSITIONS = {
    "member": "the best overlapping member",
    "mean": "the mean of the members",
    PRECISE: "the member of the most precise picker",
}


def methods_text(
    result: ConsensusResult, settings: Dict[str, Any], counts: str, proven: str, fit: str
) -> str:
    """The whole paragraph.

    Parameters
    ----------
    result : ConsensusResult
        Of any batch.
    settings : dict
        As of `consensus_facts`.
    counts, proven, fit : str
        Numbers of picks and particles, the proof of the optimum, and the model with its
        threshold if the consensus is probabilistic.
    """
    names, options = result.picker_names, settings["options"]
    k, sizes = len(names), options["box_size_px"]
    who = "" if fit else f" of all {k} pickers"
    if not fit and result.quorum < k:
        who = f" of at least {result.quorum} of the {k} pickers"
    sentences = [
        f"{counts} with {SOFTWARE}, following REPIC [Cameron2024]: boxes of different pickers were "
        f"joined into cliques{who} where their Jaccard index exceeded {options['min_overlap']:g}, "
        "and the set of disjoint cliques with the highest total weight (overlap times score) was "
        f"selected by integer programming with {cited_solver(result.solver)} ({proven}).",
        fit,
        f"The box size was {_boxes(sizes, names, settings['pixel_size_angstrom'])}.",
        f"Scores were {score_treatment(result.score_transforms, names)}.",
        *_spacing(names, settings),
        *_selection(names, settings, bool(fit)),
    ]
    return " ".join(filter(None, sentences))


def cited_solver(name: str) -> str:
    """The solver with its version and, for HiGHS, its citation."""
    if name == "gurobi":
        return f"Gurobi {version('gurobipy')}"
    return f"HiGHS [Huangfu2018] of SciPy {version('scipy')}"


def score_treatment(transforms: Sequence[str], names: Sequence[str]) -> str:
    """How the scores of each picker were made comparable, after "Scores were"."""
    return listed([TRANSFORMS[one] for one in transforms], names)


def _distances(settings: Dict[str, Any]) -> Dict[str, List[float]]:
    """Distance of copies and minimum distance of particles that were used, px, by picker."""
    options = settings["options"]
    sizes_px = np.array(options["box_size_px"], dtype=np.float64)
    names = ("copy_distance_px", "min_distance_px")
    return {one: spacing_px(one, options.get(one), sizes_px).tolist() for one in names}


def _spacing(names: Sequence[str], settings: Dict[str, Any]) -> List[str]:
    """Which picks and particles were too close."""
    copies, particles = _distances(settings).values()
    pixel_size = settings["pixel_size_angstrom"]
    found = []
    if any(copies):
        within = _boxes(copies, names, pixel_size)
        found.append(
            f"Picks within {within} of a better pick of the same picker had been discarded."
        )
    if any(particles):
        apart = with_angstrom(min(particles), pixel_size)
        found.append(f"Particles were selected at a minimum distance of {apart}.")
    return found


def _selection(names: Sequence[str], settings: Dict[str, Any], is_probable: bool) -> List[str]:
    """Further choices, as far as they were made."""
    options = settings["options"]
    least = [(one, name) for one, name in zip(options["min_score"], names) if one is not None]
    n_best = options["num_particles"]
    by = "probability" if is_probable else options.get("rank_by", "weight")
    found = [f"Particles were placed at {POSITIONS[options['position']]}."]
    if least:
        each = ", ".join(f"{one:g} ({name})" for one, name in least)
        found.append(f"Picks with scores below {each} had been discarded.")
    if settings["discards_edges"]:
        found.append("Picks whose boxes extend beyond the micrograph had been discarded.")
    if options["largest_component"]:
        found.append("Only the largest connected component of each micrograph was used.")
    if "max_false_agreement" in options:
        found.append(
            "Particles were discarded where the expected share of chance among those of at least "
            f"their weight, measured with decoys, exceeded {options['max_false_agreement']:g}."
        )
    if "min_weight" in options:
        what = "probability" if is_probable else "weight"
        found.append(f"Particles of a {what} below {options['min_weight']:g} were discarded.")
    if n_best is not None:
        found.append(f"The {n_best:,} particles of the highest {by} per micrograph were kept.")
    return found


def automatic_values(result: ConsensusResult, settings: Dict[str, Any]) -> Dict[str, str]:
    """Value used for each parameter of the form that may be automatic."""
    names, model = result.picker_names, result.ensemble
    attributes = [one or "none" for one in settings["attributes"]]
    copies, particles = _distances(settings).values()
    return {
        "quorum": str(result.quorum),
        "targetPrecision": "" if model is None else f"none, threshold {model.threshold:.3f}",
        "boxSize": listed([f"{one:g}" for one in settings["options"]["box_size_px"]], names),
        "numParticles": "all",
        "maxFalseAgreement": "none",
        "minWeight": "none",
        "minScores": "none",
        "scoreAttributes": listed(attributes, names),
        "scoreTransforms": listed(result.score_transforms, names),
        "copyDistance": listed([f"{one:g}" for one in copies], names),
        "minDistance": f"{min(particles):g}",
        "solver": SOLVERS[result.solver],
        "timeLimit": "none",
    }


def _boxes(sizes_px: Sequence[float], names: Sequence[str], pixel_size_angstrom: float) -> str:
    return listed([with_angstrom(one, pixel_size_angstrom) for one in sizes_px], names)
