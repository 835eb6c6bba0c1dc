"""Micrographs to train on, to validate with and to test on."""

from __future__ import annotations

from typing import ClassVar, List

import numpy as np
from pwem.objects import SetOfMicrographs
from pwem.protocols import EMProtocol
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

from repic_plugin.convert import mean_defocus, read_micrographs
from repic_plugin.formats import write_table
from repic_plugin.iteration import N_VALIDATION, SUBSETS, TRAINING_FRACTION, Subsets, draw_subsets
from repic_plugin.protocols.common.params import define_micrographs
from repic_plugin.protocols.common.unfinished_files import remove_unfinished

BIN_NAMES = ("low", "medium", "high")
OUTPUTS = tuple(f"output{name.capitalize()}" for name in SUBSETS)


class ProtRepicSubsets(EMProtocol):  # type: ignore[misc]
    """Draw micrographs for training, validation and testing of pickers.

    At random, and three at a time, one from each third by mean defocus: so that pickers learn from
    all defoci, and are judged on all. Iterative picking runs it first; use it by itself to keep
    micrographs apart that nothing is trained on.

    *Inputs*: micrographs, and their CTFs; without CTFs the thirds are random.
    *Outputs*: outputTraining, outputValidation and outputTesting, three sets without a micrograph
    in common. extra/subsets.csv lists each micrograph with its subset and third.
    *Main parameters*: the number of micrographs for validation, and the share of the others that
    is trained on, in whole threes; the rest is for testing.
    *Look at*: the three numbers in the summary. Report scores on the testing set only.

    *Reference*: Cameron et al. 2024, doi:10.1038/s42003-024-07045-0.
    """

    _label = "micrographs to train and test on"
    _devStatus = NEW
    # not an Enum: its members would have one value, and be one
    _possibleOutputs: ClassVar = dict.fromkeys(OUTPUTS, SetOfMicrographs)

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_micrographs(form)
        form.addParam(
            "inputCTFs",
            params.PointerParam,
            pointerClass="SetOfCTF",
            allowsNull=True,
            label="CTF of the micrographs",
            help="For thirds by mean defocus. Without it, thirds are random.",
        )
        define_subset_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        arguments = (self.numValidation.get(), self.trainingPercent.get(), self.seed.get())
        ctfs = self.inputCTFs.get()
        source = "" if ctfs is None else f"{ctfs.getFileName()} {ctfs.getSize()}"
        self._insertFunctionStep(self.drawStep, source, *arguments, needsGPU=False)

    def drawStep(self, _source: str, *_arguments: float) -> None:
        """Draw and write."""
        subsets = self._drawn()
        names = read_micrographs(self.inputMicrographs.get()).names
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
                f"micrograph {table.names[missing[0]]} (of {len(missing)}) has no CTF in the given "
                "set; give a CTF for each, or no set of CTFs: thirds are then random"
            )
        return draw_subsets(
            len(table.names),
            mean_defocus_angstrom=defocus,
            n_validation=self.numValidation.get(),
            training_fraction=self.trainingPercent.get() / 100,
            random_state=self.seed.get(),
        )

    def _validate(self) -> List[str]:
        if self.inputMicrographs.get() is None:
            return []  # scheduled before its input is there, or Scipion says that it is missing
        try:
            self._drawn()
        except ValueError as error:
            return [str(error)]
        return []

    def _summary(self) -> List[str]:
        outputs = [(name, getattr(self, one, None)) for one, name in zip(OUTPUTS, SUBSETS)]
        made = [f"{one.getSize()} for {name}" for name, one in outputs if one is not None]
        if not made:
            return ["The subsets are not ready yet."]
        by = (
            "by mean defocus" if self.inputCTFs.get() is not None else "at random (no CTF is given)"
        )
        return [f"Micrographs: {', '.join(made)}; thirds {by}."]

    def _methods(self) -> List[str]:
        return self._summary()

    def _citations(self) -> List[str]:
        return ["Cameron2024"]


def define_subset_params(form: params.Form) -> None:
    """How many micrographs are for what."""
    form.addParam(
        "numValidation",
        params.IntParam,
        default=N_VALIDATION,
        expertLevel=LEVEL_ADVANCED,
        label="Micrographs for validation",
    )
    form.addParam(
        "trainingPercent",
        params.FloatParam,
        default=100 * TRAINING_FRACTION,
        expertLevel=LEVEL_ADVANCED,
        label="Micrographs for training (%)",
        help="Of those that are not for validation; in whole threes, one of low, of medium and of "
        "high defocus, three at least. The others are for testing.",
    )
    form.addParam(
        "seed",
        params.IntParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Seed of random draws",
    )
