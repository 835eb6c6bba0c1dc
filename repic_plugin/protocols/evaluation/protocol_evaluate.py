"""Evaluation of pickers against a reference."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import EMProtocol
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin import constants
from repic_plugin.consensus import Picks
from repic_plugin.convert import (
    PickerInput,
    box_size_on,
    find_score_attribute,
    has_probabilities,
    item_labels,
    picks_on_micrographs,
    read_micrographs,
    read_picks_on,
)
from repic_plugin.evaluation import (
    MicrographScores,
    PickerScores,
    PrecisionRecall,
    confirmed_picks,
    evaluate_by_micrograph,
    matching_radius,
    precision_recall_curve,
    sum_by_picker,
)
from repic_plugin.formats import (
    read_curves,
    read_scores,
    write_curves,
    write_micrograph_scores,
    write_scores,
)
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, listed, with_angstrom
from repic_plugin.protocols.common.params import Fields, define_box_size
from repic_plugin.protocols.common.picker_names import picker_names
from repic_plugin.protocols.common.unfinished_files import remove_unfinished

REFERENCE = "reference"
HELP = {
    "referenceCoordinates": "The ground truth, such as manual picks.",
    "radius": "Between the centres of matched particles, in px of the reference's micrographs. 0: "
    "a quarter of the reference's box size.",
    "countEmpty": "*No*: they have not been labelled and are ignored. *Yes*: they contain no "
    "particles, so that every pick on them is a false positive.",
}


class ProtRepicEvaluate(FormProtocol, EMProtocol):  # type: ignore[misc]
    """Evaluate pickers, and their consensus, against a reference such as manual picks.

    Precision, recall and F1 score over particles matched one to one, and over the pixels of the
    boxes, for each picker and micrograph; precision-recall curves over all score thresholds.
    Use it to choose a picker, a threshold or a consensus mode if some micrographs are labelled.

    *Inputs*: one or more sets of coordinates, and the reference. All are evaluated on the
    micrographs that they share, matched by name; pixel sizes may differ.
    *Output*: no set; tables in the run's extra folder (scores.csv, by_micrograph.csv, curves.csv).
    *Main parameters*: the box size; the maximum distance of matched centres (a quarter of the box
    by default); whether micrographs without a reference particle count.
    *Look at*: the summary; in Analyze results the bars, curves and boxes with those of the
    reference. For a probabilistic consensus, a reliability plot compares its probabilities with
    the reference.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "evaluate picks"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {
        "coordinates": "inputCoordinates", "box_size_px": "boxSize", "radius_px": "radius"
    }  # fmt: skip

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        fields = Fields(form, HELP)
        form.addSection(label="Input")
        form.addParam(
            "inputCoordinates",
            params.MultiPointerParam,
            pointerClass="SetOfCoordinates",
            label="Coordinates to evaluate",
            important=True,
            help="Of pickers or of a consensus. All are evaluated on the micrographs that they "
            "share with each other and the reference, matched by name. Coordinates at another "
            "pixel size are rescaled to the reference's micrographs.",
        )
        fields.input(
            "referenceCoordinates", "SetOfCoordinates", "Reference coordinates", important=True
        )
        define_box_size(
            form,
            "For all sets, in px of the reference's micrographs. 0: the box size of each set, or "
            "that of the reference where a set has none.",
        )
        fields.value("radius", 0.0, "Maximum matching distance (px)", advanced=True)
        fields.value(
            "countEmpty", False, "Count micrographs without a reference particle", advanced=True
        )
        form.addParallelSection(threads=1, mpi=0)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        settings = json.dumps(self.run_settings(), sort_keys=True)
        self._insertFunctionStep(self.evaluateStep, settings, needsGPU=False)

    def evaluateStep(self, settings: str) -> None:
        """Evaluate all sets and write the tables."""
        if Path(self.scores_file()).is_file():
            Path(self.scores_file()).unlink()  # of an earlier run with other values
        values = json.loads(settings)
        sets, reference = self._loaded(values)
        scores, rows, curves = _scored(sets, reference, values, self.numberOfThreads.get())
        write_micrograph_scores(self.micrographs_file(), rows)
        write_curves(self.curves_file(), curves)
        write_scores(self.scores_file(), scores, curves)  # last, as the summary depends on it
        for line in self._summary():
            self.info(line)

    def _loaded(self, settings: Dict[str, Any]) -> Tuple[List[Picks], Picks]:
        """Picks of each set, and of the reference, on the micrographs that are evaluated."""
        micrographs = self._micrographs()
        reference = _reference(micrographs, self.referenceCoordinates.get())
        sets, is_scored = [], np.ones(reference.n_micrographs, dtype=bool)
        if not settings["count_empty"]:
            is_scored = np.bincount(reference.micrograph, minlength=len(is_scored)) > 0
        for one in self._pickerInputs(settings["score_attributes"]):
            sets.append(read_picks_on(micrographs, [one])[0])
            is_scored &= _are_on(reference, one.coordinates)
        scored = np.flatnonzero(is_scored)
        if not len(scored):
            raise ValueError(
                f"none of the reference's {reference.n_micrographs} micrographs is in all sets and "
                "has a reference particle; pick the reference on micrographs of the sets"
            )
        return [one.on_micrographs(scored) for one in sets], reference.on_micrographs(scored)

    # ------------------------------------------------------------------ info

    def _check(self) -> None:
        settings = self.run_settings()
        reference = _reference(self._micrographs(), self.referenceCoordinates.get())
        for one in self._pickerInputs(settings["score_attributes"]):
            _are_on(reference, one.coordinates)

    def _warnings(self) -> List[str]:
        sets = dict(zip(picker_names(self.inputCoordinates), self._sets()))
        sets[REFERENCE] = self.referenceCoordinates.get()
        return [
            f"{name} is still growing: coordinates that arrive after the start will be ignored."
            for name, one in sets.items()
            if one is not None and one.isStreamOpen()
        ]

    def _summary(self) -> List[str]:
        scores = read_scores(self.scores_file())
        if not scores:
            return ["The scores are not ready yet."]
        areas = {one.picker: one.average_precision for one in read_curves(self.curves_file())}
        first = scores[0]
        lines = [
            f"{first.n_reference:,} reference particles on {first.n_micrographs:,} micrographs."
        ]
        lines += [_line(one, areas.get(one.picker, math.nan)) for one in scores]
        return lines + self._valueLines()

    def _methods(self) -> List[str]:
        scores = read_scores(self.scores_file())
        if not scores:
            return []
        settings = self.run_settings()
        pixel_size = self._micrographs().getSamplingRate()
        names = settings["names"]
        boxes = [with_angstrom(one, pixel_size) for one in settings["box_sizes_px"]]
        empty = "included" if settings["count_empty"] else "excluded"
        return [
            f"Picks of {', '.join(names)} were compared with {scores[0].n_reference:,} reference "
            f"particles on {scores[0].n_micrographs:,} micrographs with {SOFTWARE}: precision and "
            f"recall over the pixels of boxes of {listed(boxes, names)} [Cameron2024], and over "
            "particles matched one to one within "
            f"{with_angstrom(settings['radius_px'], pixel_size)}; micrographs without reference "
            f"particles were {empty}."
        ]

    def _automatic(self) -> Dict[str, str]:
        settings = self.run_settings()
        boxes = [f"{one:g}" for one in settings["box_sizes_px"]]
        radius = f"{settings['radius_px']:g}"
        return {"boxSize": listed(boxes, settings["names"]), "radius": radius}

    def _citations(self) -> List[str]:
        return ["Cameron2024"]

    # --------------------------------------------------------------- helpers

    def scores_file(self) -> str:
        """Table of the pickers, which exists once the run is complete."""
        return self._getExtraPath("scores.csv")

    def micrographs_file(self) -> str:
        """Table of pickers and micrographs."""
        return self._getExtraPath("by_micrograph.csv")

    def curves_file(self) -> str:
        """Table of pickers and thresholds."""
        return self._getExtraPath("curves.csv")

    def probable_sets(self) -> List[str]:
        """Names of the evaluated sets whose weights are probabilities."""
        if any(pointer.get() is None for pointer in self.inputCoordinates):
            return []  # an input has been deleted
        return [name for name, one in self.named_sets() if has_probabilities(one)]

    def outcomes(self, name: str) -> Tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Probabilities of an evaluated set, and whether the reference confirms each particle.

        Parameters
        ----------
        name : str
            One of `probable_sets`.

        Returns
        -------
        probability : ndarray of float64, shape (n,)
        is_confirmed : ndarray of bool, shape (n,)

        Raises
        ------
        ValueError
            If an input of the evaluation has been deleted.
        """
        pointers = [*self.inputCoordinates, self.referenceCoordinates]
        if any(pointer.get() is None for pointer in pointers):
            raise ValueError(
                "an input of the evaluation has been deleted; run the evaluation again"
            )
        settings = self.run_settings()
        sets, reference = self._loaded(settings)
        place = settings["names"].index(name)
        picks = sets[place]
        box_px, radius_px = settings["box_sizes_px"][place], settings["radius_px"]
        found = confirmed_picks(picks, reference, box_px, radius_px=radius_px)
        used = found.is_compared & picks.has_score
        return picks.score[used], found.is_confirmed[used]

    def named_sets(self) -> List[Tuple[str, SetOfCoordinates]]:
        """The evaluated sets, with their names in tables and figures."""
        return list(zip(self._names(), self._sets()))

    def _micrographs(self) -> SetOfMicrographs:
        return self.referenceCoordinates.get().getMicrographs()

    def _sets(self) -> List[SetOfCoordinates]:
        return [pointer.get() for pointer in self.inputCoordinates]

    def _pickerInputs(self, attributes: List[str]) -> List[PickerInput]:
        return [PickerInput(*one) for one in zip(self._names(), self._sets(), attributes)]

    def _names(self) -> List[str]:
        """Names of the sets, in which a consensus is distinguished from a picker."""
        named = zip(picker_names(self.inputCoordinates), self._sets())
        return [
            f"{name} (consensus)"
            if _is_consensus(one) and "consensus" not in name.casefold()
            else name
            for name, one in named
        ]

    def run_settings(self) -> Dict[str, Any]:
        """Settings on which the result depends, serialisable as JSON.

        Raises
        ------
        ValueError
            If a value in the form is invalid.
        """
        sets, reference = self._sets(), self.referenceCoordinates.get()
        if not sets:
            raise ValueError("coordinates must have one set or more, got none")
        micrographs, asked_px = self._micrographs(), self.boxSize.get() or 0
        reference_px = box_size_on(micrographs, reference, asked_px)
        if reference_px < 1:
            raise ValueError(
                f"box_size_px of the reference must be 1 px or more, got {reference_px}"
            )
        dimensions = micrographs.getDim()
        return {
            "inputs": [f"{one.getFileName()} {one.getSize()}" for one in (*sets, reference)],
            "names": self._names(),
            "score_attributes": [_score_attribute(one) for one in sets],
            "box_sizes_px": [
                box_size_on(micrographs, one, asked_px) or reference_px for one in sets
            ],
            "reference_box_size_px": reference_px,
            "radius_px": matching_radius(reference_px, self.radius.get() or None),
            "micrograph_size_px": list(dimensions[:2]) if dimensions else None,
            "count_empty": self.countEmpty.get(),
            "n_micrographs": [one.getMicrographs().getSize() for one in sets],
        }


def _score_attribute(coordinates: SetOfCoordinates) -> Any:
    """Attribute of the score, which is the weight for a consensus."""
    return constants.WEIGHT if _is_consensus(coordinates) else find_score_attribute(coordinates)


def _is_consensus(coordinates: SetOfCoordinates) -> bool:
    return constants.WEIGHT in item_labels(coordinates.getFileName())


def _reference(micrographs: SetOfMicrographs, coordinates: SetOfCoordinates) -> Picks:
    return read_picks_on(micrographs, [PickerInput(REFERENCE, coordinates, None)])[0]


def _are_on(reference: Picks, coordinates: SetOfCoordinates) -> NDArray[np.bool_]:
    """Which micrographs of the reference are also in a set."""
    table = read_micrographs(coordinates.getMicrographs())
    unknown = set(picks_on_micrographs(reference, table)[1])
    return np.array([name not in unknown for name in reference.micrograph_names])


def _scored(
    sets: List[Picks], reference: Picks, settings: Dict[str, Any], n_threads: int
) -> Tuple[List[PickerScores], List[MicrographScores], List[PrecisionRecall]]:
    """Scores of each set and micrograph, and curves; box sizes may differ between sets."""
    scores: List[PickerScores] = []
    rows: List[MicrographScores] = []
    curves: List[PrecisionRecall] = []
    radius_px = settings["radius_px"]
    for picks, box_px, n in zip(sets, settings["box_sizes_px"], settings["n_micrographs"]):
        mine = evaluate_by_micrograph(
            picks,
            reference,
            box_px,
            reference_box_size_px=settings["reference_box_size_px"],
            radius_px=radius_px,
            micrograph_size_px=settings["micrograph_size_px"],
            n_threads=n_threads,
        )
        rows += mine
        scores += sum_by_picker(mine, n_left_out=n - reference.n_micrographs)
        curves += precision_recall_curve(picks, reference, box_px, radius_px=radius_px)
    return scores, rows, curves


def _line(one: PickerScores, average_precision: float) -> str:
    """Line of the summary for one set."""
    matching, pixel = one.matching, one.pixel
    area = "" if math.isnan(average_precision) else f", average precision {average_precision:.3f}"
    left_out = f"; {one.n_left_out:,} of its micrographs ignored" if one.n_left_out else ""
    return (
        f"*{one.picker}*: {one.n_picks:,} picks, precision {matching.precision:.3f}, recall "
        f"{matching.recall:.3f}, F1 {matching.f1:.3f}{area}; by pixels {pixel.precision:.3f}, "
        f"{pixel.recall:.3f}, {pixel.f1:.3f}{left_out}."
    )
