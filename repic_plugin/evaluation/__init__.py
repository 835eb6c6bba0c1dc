"""Picks or classes and a reference in, scores out."""

from repic_plugin.evaluation.class_scores import ClassScores, score_classes
from repic_plugin.evaluation.geometry import flip_y
from repic_plugin.evaluation.matching import match_scores
from repic_plugin.evaluation.pickers import PickerScores, evaluate_picks
from repic_plugin.evaluation.pixels import pixel_scores
from repic_plugin.evaluation.scores import Scores

__all__ = [
    "ClassScores",
    "PickerScores",
    "Scores",
    "evaluate_picks",
    "flip_y",
    "match_scores",
    "pixel_scores",
    "score_classes",
]
