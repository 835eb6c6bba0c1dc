"""Viewer for scores against a reference ("Analyze results")."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, ClassVar, Dict, List

from matplotlib.figure import Figure
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.formats import read_curves, read_micrograph_scores, read_scores
from repic_plugin.plots import (
    per_micrograph_figure,
    precision_recall_figure,
    reliability_figure,
    score_bars_figure,
)
from repic_plugin.protocols import ProtRepicEvaluate
from repic_plugin.viewers.figure_window import FigureWindow
from repic_plugin.viewers.overlay.viewer import overlay_window


class RepicScoresViewer(Viewer):  # type: ignore[misc]
    """Precision, recall and F1 score of each picker, by threshold and micrograph.

    For a probabilistic consensus also the reliability of its probabilities.
    """

    _label = "scores"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtRepicEvaluate]

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        scores = read_scores(obj.scores_file())
        if not scores:
            return [self.infoMessage("There are no scores yet; run the protocol first.")]
        pictures: Dict[str, Callable[[], Figure]] = {
            "scores": partial(score_bars_figure, scores),
            "scores by pixels": partial(score_bars_figure, scores, measure="pixel"),
            "precision-recall": lambda: precision_recall_figure(read_curves(obj.curves_file())),
            "micrographs": lambda: per_micrograph_figure(
                read_micrograph_scores(obj.micrographs_file())
            ),
        }
        for name in obj.probable_sets():
            pictures[f"reliability of {name}"] = partial(_reliability, obj, name)
        title = f"{obj.getObjLabel()}: scores"
        more = {"Boxes on their micrographs...": lambda root: overlay_window(root, obj)}
        return [FigureWindow(self.getTkRoot(), title, pictures, more=more)]


def _reliability(protocol: ProtRepicEvaluate, name: str) -> Figure:
    return reliability_figure(*protocol.outcomes(name), label=name)
