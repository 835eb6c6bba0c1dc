"""Micrographs for training, validation and testing."""

from __future__ import annotations

from typing import Any, ClassVar, List

import numpy as np
from pwem.objects import SetOfMicrographs
from pwem.protocols import EMProtocol
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin.arguments import check_seed
from repic_plugin.convert import mean_defocus, read_micrographs
from repic_plugin.formats import write_table
from repic_plugin.iteration import N_VALIDATION, SUBSETS, TRAINING_FRACTION, Subsets, draw_subsets
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol
from repic_plugin.protocols.common.params import Fields, define_micrographs
from repic_plugin.protocols.common.unfinished_files import remove_unfinished

BIN_NAMES = ("low", "medium", "high")
OUTPUTS = tuple(f"output{name.capitalize()}" for name in SUBSETS)
HELP = {
    "numValidation": "Neither trained nor tested on: to choose an iteration or a setting, so "
    "that the figures of the testing micrographs stay independent of the choice. 0: none.",
    "trainingPercent": "Of those that are not for validation; in groups of three with low, medium "
    "and high defocus, at least three. The others are for testing.",
    "seed": "The same seed draws the same micrographs.",
    "inputCTFs": "For thirds by mean defocus; otherwise thirds are random.",
}


class ProtRepicSubsets(FormProtocol, EMProtocol):  # type: ignore[misc]
    """Draw micrographs for training, validation and testing of pickers.

    They are drawn at random in groups of three, one from each third by mean defocus, so that
    pickers are trained and tested at all defoci. Iterative picking runs it first; use it by itself
    to reserve micrographs for testing.

    *Inputs*: micrographs, and their CTFs; without CTFs the thirds are random.
    *Outputs*: outputTraining, outputValidation and outputTesting, three disjoint sets.
    extra/subsets.csv lists each micrograph with its subset and third.
    *Main parameters*: the number of micrographs for validation, and the percentage of the others
    for training, in multiples of three; the rest is for testing.
    *Look at*: the three numbers in the summary. Report scores on the testing set only.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "training and testing micrographs"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {"n_validation": "numValidation", "random_state": "seed"}
    # not an Enum, whose members of equal value would be one member
    _possibleOutputs: ClassVar = dict.fromkeys(OUTPUTS, SetOfMicrographs)

    def _defineParams(self, form: params.Form) -> None:
        fields = Fields(form, HELP)
        form.addSection(label="Input")
        define_micrographs(form, "To be divided; the set itself is not changed.")
        fields.input("inputCTFs", "SetOfCTF", "CTF of the micrographs", allowsNull=True)
        define_subset_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        arguments = (self.numValidation.get(), self.trainingPercent.get(), self.seed.get())
        ctfs = self.inputCTFs.get()
        source = "" if ctfs is None else f"{ctfs.getFileName()} {ctfs.getSize()}"
        self._insertFunctionStep(self.drawStep, source, *arguments, needsGPU=False)

    def drawStep(self, _source: str, *_arguments: float) -> None:
        """Draw the subsets and write them."""
        subsets = self._drawn()
        names = read_micrographs(self.inputMicrographs.get()).labels
        rows = zip(names, subsets.names(), (BIN_NAMES[b] for b in subsets.bins))
        write_table(self._getExtraPath("subsets.csv"), ("micrograph", "subset", "defocus"), rows)
        outputs = {
            output: self._subset(name, subsets)
            for output, name in zip(OUTPUTS, SUBSETS)
            if len(getattr(subsets, name))
        }
        self._defineOutputs(**outputs)
        for output in outputs.values():
            self._defineSourceRelation(self.inputMicrographs, output)

    def _subset(self, name: str, subsets: Subsets) -> SetOfMicrographs:
        micrographs = self.inputMicrographs.get()
        chosen = set(getattr(subsets, name).tolist())
        subset = self._createSetOfMicrographs(suffix=f"_{name}")
        subset.copyInfo(micrographs)
        for place, micrograph in enumerate(micrographs.iterItems(orderBy="id")):
            if place in chosen:
                subset.append(micrograph)
        return subset

    def _drawn(self) -> Subsets:
        micrographs = self.inputMicrographs.get()
        table = read_micrographs(micrographs)
        ctfs = self.inputCTFs.get()
        defocus = None if ctfs is None else mean_defocus(ctfs, table)
        missing = [] if defocus is None else np.flatnonzero(np.isnan(defocus)).tolist()
        if missing:
            raise ValueError(
                f"{len(missing)} micrographs have no CTF in the given set, such as "
                f"{table.names[missing[0]]}; give a CTF for each, or no set of CTFs"
            )
        return draw_subsets(
            len(table.names),
            mean_defocus_angstrom=defocus,
            n_validation=self.numValidation.get(),
            training_fraction=training_fraction(self),
            random_state=check_seed(self.seed.get()),
        )

    def _check(self) -> None:
        self._drawn()

    def _summary(self) -> List[str]:
        outputs = [(name, getattr(self, one, None)) for one, name in zip(OUTPUTS, SUBSETS)]
        made = [f"{one.getSize()} for {name}" for name, one in outputs if one is not None]
        if not made:
            return ["The subsets are not ready yet."]
        by = "at random (no CTFs)" if self.inputCTFs.get() is None else "by mean defocus"
        return [f"Micrographs: {', '.join(made)}; thirds {by}."]

    def _methods(self) -> List[str]:
        return [
            f"{line[:-1]}, {self.trainingPercent} per cent of those not used for validation for "
            f"training, random seed {self.seed} ({SOFTWARE}, following REPIC [Cameron2024])."
            for line in self._summary()
            if hasattr(self, OUTPUTS[0])
        ]

    def _citations(self) -> List[str]:
        return ["Cameron2024"]


def training_fraction(protocol: Any) -> float:
    """Fraction of the micrographs, other than those for validation, that are for training.

    Raises
    ------
    ValueError
        If the percentage in the form is out of range.
    """
    percent = protocol.trainingPercent.get()
    if not 0 < percent < 100:
        label = protocol.label("trainingPercent")
        raise ValueError(f"{label} must lie between 0 and 100, got {percent:g}")
    return float(percent / 100)


def define_subset_params(form: params.Form) -> None:
    """Numbers of micrographs for validation and training."""
    fields = Fields(form, HELP)
    fields.value("numValidation", N_VALIDATION, "Micrographs for validation", advanced=True)
    fields.value(
        "trainingPercent", 100 * TRAINING_FRACTION, "Micrographs for training (%)", advanced=True
    )
    fields.value("seed", 0, "Random seed", advanced=True)
