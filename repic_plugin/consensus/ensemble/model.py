"""Record of the estimated quality of pickers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus.ensemble.latent_class import LatentClasses

ARRAYS = "ensemble."


@dataclass(frozen=True)
class EnsembleModel:
    """Quality of pickers estimated from their agreement (docs/understand/probabilistic.md).

    Attributes
    ----------
    picker_names : tuple of str
    n_micrographs, n_candidates : int
        Numbers used in the fit.
    n_particles : float
        Number on these micrographs, including those that no picker found.
    n_particles_interval : ndarray of float64, shape (2,)
        95 per cent, from a bootstrap over micrographs; so are the other intervals.
    recall, precision : ndarray of float64, shape (n_pickers,)
        Estimates; the precision of a picker without picks is nan.
    recall_interval, precision_interval : ndarray of float64, shape (n_pickers, 2)
    n_junk, n_places : float
        Number of sites without a particle that attract pickers, and of all sites.
    junk_rate : ndarray of float64, shape (n_pickers,)
        Fraction of the junk that a picker picks.
    score_edges : ndarray of float64, shape (n_pickers, n_bins - 1)
        Edges of the score bins, on the picker's own scale; nan without scores.
    particle_scores, junk_scores : ndarray of float64, shape (n_pickers, n_bins)
        Distributions.
    threshold : float
        Candidates of at least this probability are kept.
    threshold_rule : str
        How it was chosen.
    dependence, dependence_error : ndarray of float64, shape (n_pickers, n_pickers)
        How much better the first picker scores particles that the second also found, as a
        fraction of its range of ranks, beyond what the model explains; and its standard error.
    third_class_gain : float
        Gain of a third latent class (`gain_of_third_class`).
    pattern_found : ndarray of bool, shape (n_patterns, n_pickers)
        The patterns of agreement that occur.
    pattern_count, pattern_expected : ndarray of float64, shape (n_patterns,)
    quality_edges : ndarray of float64, shape (n_groups + 1,)
        Edges of the groups of micrograph quality (defocus); empty if it was not given.
    quality_recall, quality_precision : ndarray of float64, shape (n_groups, n_pickers)
    warnings : tuple of str
        Reasons why the estimates may be wrong, if any.
    """

    picker_names: Tuple[str, ...]
    n_micrographs: int
    n_candidates: int
    n_particles: float
    n_particles_interval: NDArray[np.float64]
    recall: NDArray[np.float64]
    recall_interval: NDArray[np.float64]
    precision: NDArray[np.float64]
    precision_interval: NDArray[np.float64]
    n_junk: float
    n_places: float
    junk_rate: NDArray[np.float64]
    score_edges: NDArray[np.float64]
    particle_scores: NDArray[np.float64]
    junk_scores: NDArray[np.float64]
    threshold: float
    threshold_rule: str
    dependence: NDArray[np.float64]
    dependence_error: NDArray[np.float64]
    third_class_gain: float
    pattern_found: NDArray[np.bool_]
    pattern_count: NDArray[np.float64]
    pattern_expected: NDArray[np.float64]
    quality_edges: NDArray[np.float64]
    quality_recall: NDArray[np.float64]
    quality_precision: NDArray[np.float64]
    warnings: Tuple[str, ...]

    @property
    def f1(self) -> NDArray[np.float64]:
        """Estimated F1 score of each picker, shape (n_pickers,)."""
        precision = np.nan_to_num(self.precision)
        both = np.maximum(precision + self.recall, 1e-12)
        return np.asarray(2 * precision * self.recall / both)

    @property
    def n_particles_expected(self) -> int:
        """Estimated number on a micrograph, including those that no picker found; 1 or more."""
        return max(1, round(self.n_particles / max(self.n_micrographs, 1)))

    @property
    def classes(self) -> LatentClasses:
        """Parameters that determine the probability of a candidate."""
        return LatentClasses(
            self.n_particles,
            self.recall,
            self.n_junk,
            self.junk_rate,
            self.particle_scores,
            self.junk_scores,
        )


def model_to_arrays(model: EnsembleModel) -> Dict[str, NDArray[Any]]:
    """Model as arrays of numbers and strings, which can be stored without pickle."""
    return {f"{ARRAYS}{f.name}": np.asarray(getattr(model, f.name)) for f in fields(model)}


def model_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Optional[EnsembleModel]:
    """Model from the arrays of `model_to_arrays`; None if they hold none.

    Raises
    ------
    KeyError
        If some of its arrays are missing.
    ValueError
        If some are not of the shape that the others ask for.
    """
    if f"{ARRAYS}recall" not in arrays:
        return None
    values: Dict[str, Any] = {}
    for f in fields(EnsembleModel):
        array = arrays[f"{ARRAYS}{f.name}"]
        is_names = f.name in ("picker_names", "warnings")
        values[f.name] = tuple(map(str, array.tolist())) if is_names else array
        if array.ndim == 0:
            values[f.name] = array.item()
    _check_shapes(arrays)
    return EnsembleModel(**values)


def _check_shapes(arrays: Mapping[str, NDArray[Any]]) -> None:
    n_pickers, n_bins = (*arrays[f"{ARRAYS}particle_scores"].shape, 0, 0)[:2]
    n_patterns = arrays[f"{ARRAYS}pattern_count"].size
    n_groups = max(arrays[f"{ARRAYS}quality_edges"].size - 1, 0)
    names: Dict[Tuple[int, ...], Tuple[str, ...]] = {
        (): ("n_micrographs", "n_candidates", "n_particles", "n_junk", "n_places", "threshold",
             "threshold_rule", "third_class_gain"),
        (2,): ("n_particles_interval",),
        (n_pickers,): ("picker_names", "recall", "precision", "junk_rate"),
        (n_pickers, 2): ("recall_interval", "precision_interval"),
        (n_pickers, max(n_bins - 1, 0)): ("score_edges",),
        (n_pickers, n_bins): ("particle_scores", "junk_scores"),
        (n_pickers, n_pickers): ("dependence", "dependence_error"),
        (n_patterns, n_pickers): ("pattern_found",),
        (n_patterns,): ("pattern_count", "pattern_expected"),
        (n_groups, n_pickers): ("quality_recall", "quality_precision"),
    }  # fmt: skip
    for shape, those in names.items():
        for name in those:
            found = arrays[f"{ARRAYS}{name}"].shape
            if found != shape:
                raise ValueError(f"{name} must have shape {shape}, got {found}")
