"""Picks and a reference in, precision and recall out."""

from repic_plugin.evaluation.geometry import flip_y
from repic_plugin.evaluation.matching import match_scores
from repic_plugin.evaluation.pickers import PickerScores, evaluate_picks
from repic_plugin.evaluation.pixels import pixel_scores
from repic_plugin.evaluation.scores import Scores

__all__ = ["PickerScores", "Scores", "evaluate_picks", "flip_y", "match_scores", "pixel_scores"]
