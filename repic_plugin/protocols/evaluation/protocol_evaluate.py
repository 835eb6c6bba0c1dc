"""Scores of pickers against a reference."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pwem.protocols import EMProtocol
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

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
from repic_plugin.protocols.common.params import define_box_size
from repic_plugin.protocols.common.picker_names import picker_names
from repic_plugin.protocols.common.unfinished_files import remove_unfinished

REFERENCE = "reference"


class ProtRepicEvaluate(EMProtocol):
    """Score pickers, and their consensus, against a reference such as hand-picked particles.

    Precision, recall and F1 over particles matched one to one and over the pixels of the boxes,
    for each picker and each micrograph, and precision over recall at every threshold of the scores.
    Use it to choose a picker, a threshold or a consensus mode where some micrographs are labelled.

    *Inputs*: one or more sets of coordinates, and the reference. All are scored on the micrographs
    that every set and the reference have, by name; pixel sizes may differ.
    *Output*: no set; tables in the run's extra folder (scores.csv, by_micrograph.csv, curves.csv).
    *Main parameters*: the box size; how far apart matched centres may be (a quarter of the box by
    default); whether micrographs without a reference particle count.
    *Look at*: the summary; in Analyze results bars, curves and the boxes beside the reference's.
    For a consensus by probability a plot shows whether its probabilities come true.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "evaluate picks"
    _devStatus = NEW

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        form.addParam(
            "inputCoordinates",
            params.MultiPointerParam,
            pointerClass="SetOfCoordinates",
            label="Coordinates to score",
            important=True,
            help="Of pickers, of a consensus. All are scored on the same micrographs: those that "
            "every set and the reference have, found by name. Coordinates at another pixel size "
            "are rescaled to the reference's micrographs.",
        )
        form.addParam(
            "referenceCoordinates",
            params.PointerParam,
            pointerClass="SetOfCoordinates",
            label="Reference coordinates",
            important=True,
            help="What is taken for the truth, such as particles that a person picked.",
        )
        define_box_size(
            form,
            "In px of the reference's micrographs, for all sets. 0 takes the box size of each "
            "set; one without takes the reference's.",
        )
        form.addParam(
            "radius",
            params.FloatParam,
            default=0.0,
            expertLevel=LEVEL_ADVANCED,
            label="Centres match within (px)",
            help="In px of the reference's micrographs. 0 takes a quarter of the reference's box.",
        )
        form.addParam(
            "countEmpty",
            params.BooleanParam,
            default=False,
            expertLevel=LEVEL_ADVANCED,
            label="Count micrographs without a reference particle",
            help="*No*: nobody has looked at them, so they are left out. *Yes*: they hold no "
            "particle, and every pick on them is false.",
        )
        form.addParallelSection(threads=1, mpi=0)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        settings = json.dumps(self.run_settings(), sort_keys=True)
        self._insertFunctionStep(self.evaluateStep, settings, needsGPU=False)

    def evaluateStep(self, settings: str) -> None:
        """Load, score, save."""
        if Path(self.scores_file()).is_file():
            Path(self.scores_file()).unlink()  # of an earlier run with other values
        values = json.loads(settings)
        sets, reference = self._loaded(values)
        scores, rows, curves = _scored(sets, reference, values, self.numberOfThreads.get())
        write_micrograph_scores(self.micrographs_file(), rows)
        write_curves(self.curves_file(), curves)
        write_scores(self.scores_file(), scores, curves)  # last: the summary goes by it
        for line in self._summary():
            self.info(line)

    def _loaded(self, settings: Dict[str, Any]) -> Tuple[List[Picks], Picks]:
        """Picks of each set, and the reference, on the micrographs that are scored."""
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
                f"no micrograph is in all sets and holds a reference particle, of the reference's "
                f"{reference.n_micrographs}; pick the reference on micrographs of the sets"
            )
        return [one.on_micrographs(scored) for one in sets], reference.on_micrographs(scored)

    # ------------------------------------------------------------------ info

    def _validate(self) -> List[str]:
        pointers = [*self.inputCoordinates, self.referenceCoordinates]
        if any(pointer.get() is None for pointer in pointers):
            return []  # scheduled before its inputs are there
        try:
            settings = self.run_settings()
            reference = _reference(self._micrographs(), self.referenceCoordinates.get())
            for one in self._pickerInputs(settings["score_attributes"]):
                _are_on(reference, one.coordinates)
        except ValueError as error:
            return [str(error)]
        return []

    def _warnings(self) -> List[str]:
        sets = dict(zip(picker_names(self.inputCoordinates), self._sets()))
        sets[REFERENCE] = self.referenceCoordinates.get()
        return [
            f"{name} is still growing: what comes after the start will not be scored."
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
        return lines + [_line(one, areas.get(one.picker, math.nan)) for one in scores]

    def _methods(self) -> List[str]:
        scores = read_scores(self.scores_file())
        if not scores:
            return []
        names = ", ".join(one.picker for one in scores)
        return [
            f"Picks of {names} were compared with {scores[0].n_reference:,} reference particles on "
            f"{scores[0].n_micrographs:,} micrographs: precision and recall over the pixels of the "
            "boxes [Cameron2024], and over particles matched one to one within "
            f"{self.run_settings()['radius_px']:g} px."
        ]

    def _citations(self) -> List[str]:
        return ["Cameron2024"]

    # --------------------------------------------------------------- helpers

    def scores_file(self) -> str:
        """Table of the pickers; there once all is done."""
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
            return []  # an input was deleted since
        return [name for name, one in self.named_sets() if has_probabilities(one)]

    def outcomes(self, name: str) -> Tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Probabilities of an evaluated set, and whether the reference has each particle.

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
            If an input of the evaluation is not there any more.
        """
        pointers = [*self.inputCoordinates, self.referenceCoordinates]
        if any(pointer.get() is None for pointer in pointers):
            raise ValueError("an input of the evaluation was deleted; evaluate the picks again")
        settings = self.run_settings()
        sets, reference = self._loaded(settings)
        place = settings["names"].index(name)
        picks = sets[place]
        box_px, radius_px = settings["box_sizes_px"][place], settings["radius_px"]
        found = confirmed_picks(picks, reference, box_px, radius_px=radius_px)
        used = found.is_compared & picks.has_score
        return picks.score[used], found.is_confirmed[used]

    def named_sets(self) -> List[Tuple[str, SetOfCoordinates]]:
        """The sets that are scored, by the names that tables and pictures have."""
        return list(zip(self._names(), self._sets()))

    def _micrographs(self) -> SetOfMicrographs:
        return self.referenceCoordinates.get().getMicrographs()

    def _sets(self) -> List[SetOfCoordinates]:
        return [pointer.get() for pointer in self.inputCoordinates]

    def _pickerInputs(self, attributes: List[str]) -> List[PickerInput]:
        return [PickerInput(*one) for one in zip(self._names(), self._sets(), attributes)]

    def _names(self) -> List[str]:
        """Of the sets; pictures and tables shall tell a consensus from a picker."""
        named = zip(picker_names(self.inputCoordinates), self._sets())
        return [
            f"{name} (consensus)"
            if _is_consensus(one) and "consensus" not in name.casefold()
            else name
            for name, one in named
        ]

    def run_settings(self) -> Dict[str, Any]:
        """All that the result depends on, as JSON can hold it.

        Raises
        ------
        ValueError
            If a value in the form is wrong.
        """
        sets, reference = self._sets(), self.referenceCoordinates.get()
        if not sets:
            raise ValueError("there are no coordinates to score; give one set or more")
        micrographs, asked_px = self._micrographs(), self.boxSize.get() or 0
        reference_px = box_size_on(micrographs, reference, asked_px)
        if reference_px < 1:
            raise ValueError(
                f"the box of the reference must be 1 px or more, got {reference_px}; give a box "
                "size in the form"
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
    """A consensus is ranked by its weight."""
    return constants.WEIGHT if _is_consensus(coordinates) else find_score_attribute(coordinates)


def _is_consensus(coordinates: SetOfCoordinates) -> bool:
    return constants.WEIGHT in item_labels(coordinates.getFileName())


def _reference(micrographs: SetOfMicrographs, coordinates: SetOfCoordinates) -> Picks:
    return read_picks_on(micrographs, [PickerInput(REFERENCE, coordinates, None)])[0]


def _are_on(reference: Picks, coordinates: SetOfCoordinates) -> NDArray[np.bool_]:
    """Which micrographs of the reference are those of a set, too."""
    table = read_micrographs(coordinates.getMicrographs())
    unknown = set(picks_on_micrographs(reference, table)[1])
    return np.array([name not in unknown for name in reference.micrograph_names])


def _scored(
    sets: List[Picks], reference: Picks, settings: Dict[str, Any], n_threads: int
) -> Tuple[List[PickerScores], List[MicrographScores], List[PrecisionRecall]]:
    """Scores of each set, of each micrograph, and curves; boxes may differ between the sets."""
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
    """One set in the summary."""
    matching, pixel = one.matching, one.pixel
    area = "" if math.isnan(average_precision) else f", average precision {average_precision:.3f}"
    left_out = f"; {one.n_left_out:,} of its micrographs left out" if one.n_left_out else ""
    return (
        f"*{one.picker}*: {one.n_picks:,} picks, precision {matching.precision:.3f}, recall "
        f"{matching.recall:.3f}, F1 {matching.f1:.3f}{area}; by pixels {pixel.precision:.3f}, "
        f"{pixel.recall:.3f}, {pixel.f1:.3f}{left_out}."
    )
