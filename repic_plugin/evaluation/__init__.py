"""Evaluation of picks, classes and maps against a reference."""

from repic_plugin.evaluation.by_micrograph import (
    MicrographScores,
    evaluate_by_micrograph,
    matching_radius,
)
from repic_plugin.evaluation.calibration import Reliability, reliability
from repic_plugin.evaluation.checks import check_same_grid
from repic_plugin.evaluation.class_scores import ClassScores, score_classes
from repic_plugin.evaluation.curves import PrecisionRecall, precision_recall_curve
from repic_plugin.evaluation.fsc import (
    HALF_MAP_THRESHOLD,
    REFERENCE_THRESHOLD,
    ShellCorrelation,
    fourier_shell_correlation,
    resolution_text,
)
from repic_plugin.evaluation.geometry import flip_y
from repic_plugin.evaluation.masks import soft_mask, spherical_mask
from repic_plugin.evaluation.matching import match_scores
from repic_plugin.evaluation.pickers import PickerScores, evaluate_picks, sum_by_picker
from repic_plugin.evaluation.pixels import pixel_scores
from repic_plugin.evaluation.reference_hits import ConfirmedPicks, confirmed_picks
from repic_plugin.evaluation.registration import RigidTransform, register_rigid
from repic_plugin.evaluation.scores import Scores

__all__ = [
    "HALF_MAP_THRESHOLD",
    "REFERENCE_THRESHOLD",
    "ClassScores",
    "ConfirmedPicks",
    "MicrographScores",
    "PickerScores",
    "PrecisionRecall",
    "Reliability",
    "RigidTransform",
    "Scores",
    "ShellCorrelation",
    "check_same_grid",
    "confirmed_picks",
    "evaluate_by_micrograph",
    "evaluate_picks",
    "flip_y",
    "fourier_shell_correlation",
    "match_scores",
    "matching_radius",
    "pixel_scores",
    "precision_recall_curve",
    "register_rigid",
    "reliability",
    "resolution_text",
    "score_classes",
    "soft_mask",
    "spherical_mask",
    "sum_by_picker",
]
