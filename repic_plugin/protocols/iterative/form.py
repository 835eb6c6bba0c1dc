"""The form of iterative picking."""

from __future__ import annotations

from typing import Any

from pyworkflow.protocol import params

from repic_plugin.pickers import KNOWN, PICKERS
from repic_plugin.protocols.common.consensus_mode import (
    define_images,
    define_min_overlap,
    define_mode,
)
from repic_plugin.protocols.common.params import Fields, define_box_size, define_micrographs
from repic_plugin.protocols.iterative.picker_choice import define_choice
from repic_plugin.protocols.iterative.protocol_subsets import define_subset_params

N_LINES = 6
AUTOMATIC, MANUAL, TRANSFER = range(3)
STOP, PROCEED = range(2)
CLEAN_NOTHING, CLEAN_TMP, CLEAN_MODELS = range(3)
HELP = {
    "inputCTFs": "Micrographs for training and testing are then drawn evenly from low, medium and "
    "high defocus, otherwise at random. A probabilistic consensus also reports precision and "
    "recall of the pickers by defocus.",
    "numIterations": "Each of them trains the pickers, picks with them and finds their consensus. "
    "Iteration 0, before any training, is not counted.",
    "stopWhenStable": "End before the last iteration if the consensus has hardly changed since the "
    "one before.",
    "clean": "Of older iterations, whose coordinates stay in any case. Without the models of an "
    "iteration, no picking can be repeated with them.",
    "initialisation": "*automatic*: the pickers start pre-trained, or you provide their "
    "coordinates; they are then trained on their consensus. *manual picks*: they are trained on "
    "a few manually picked particles. *models of other data*: they start with models that were "
    "trained on another data set.",
    "manualCoordinates": "Only those on training micrographs are used.",
    "manualProbability": "Below 1: a random subset of the manual picks, at least five.",
    "numParticles": "This number of the best particles of the consensus on each micrograph is kept "
    "and used for training. In modes all pickers and quorum all picks of crYOLO, DeepPicker and "
    "Topaz then enter the consensus, whatever their scores, as in REPIC. 0: only picks of at least "
    "the minimum scores enter, and the number used for training is the one that the consensus "
    "recommends (70 per cent of its weight); all particles of a probabilistic consensus.",
    "referenceCoordinates": "Particles known to be correct, which are not used for training. "
    "Micrographs without any of them are ignored.",
    "retrainWorst": "After the first iteration, only the picker that agrees least with the "
    "consensus, or has the lowest estimated F1 score, is trained and picks again.",
    "stableAgreement": "2 x pairs / (particles before + particles now), on all micrographs.",
    "ifNoParticles": "If no 2D class of the candidates looks like particles, the labels would be "
    "junk, and so would all that the pickers learn. *stop*: look at the averages, correct the "
    "cause and press Continue. *proceed*: train on the least improbable candidates all the same.",
    "ifPickerFails": "*stop*: correct the cause and press Continue; completed stages are not "
    "repeated. *proceed*: as long as two pickers are left.",
}
COPIED = "It is copied with new inputs. A picker without training needs no training run."
LINE_HELP = {
    "coordinates": "By default it starts pre-trained.",
    "model": "From training on another data set.",
    "trainRun": COPIED,
    "pickRun": COPIED,
    "options": "The wizard lists them with their defaults. Parameters of the picker's protocols as "
    "*name=value; name=value*, or *train.name=value* and *pick.name=value* to set it in one of the "
    "two.",
    "threshold": "On the picker's own scale; lower-scoring picks are ignored. If empty, the "
    "threshold that its authors suggest; with expected particles per micrograph, in modes all "
    "pickers and quorum, that one only decides on how the picker is scored, and all its picks "
    "enter the consensus.",
}


def define_input_params(form: params.Form) -> None:
    """Micrographs, start, number of iterations."""
    fields = Fields(form, HELP)
    define_micrographs(form, "To pick on. Some of them are for training, see below.")
    fields.input("inputCTFs", "SetOfCTF", "CTF of the micrographs", allowsNull=True)
    fields.choice(
        "initialisation",
        ["automatic", "manual picks", "models of other data"],
        "Start from",
        default=AUTOMATIC,
        important=True,
    )
    fields.input(
        "manualCoordinates",
        "SetOfCoordinates",
        "Manual picks",
        allowsNull=True,
        condition=f"initialisation=={MANUAL}",
    )
    fields.value(
        "manualProbability",
        1.0,
        "Use each with probability",
        condition=f"initialisation=={MANUAL}",
        advanced=True,
    )
    define_box_size(form, "0: that of the coordinates that are given.")
    fields.value("numParticles", 0, "Expected particles per micrograph")
    fields.value("numIterations", 4, "Iterations")
    fields.input(
        "referenceCoordinates", "SetOfCoordinates", "Reference for evaluation", allowsNull=True
    )


def define_picker_params(form: params.Form) -> None:
    """The pickers, one group each."""
    form.addParam(
        "pickersHelp",
        params.LabelParam,
        label="Choose two or more pickers; one may be used twice with other options.",
        help="Pickers whose plugin is installed are ready to use. Options are offered below each.",
    )
    for line in range(1, N_LINES + 1):
        _define_line(form, line)


def _define_line(form: params.Form, line: int) -> None:
    group = form.addGroup(f"Picker {line}")
    name, there = f"picker{line}", f"picker{line}>0"
    is_project = f"picker{line}=={KNOWN.index('project') + 1}"
    define_choice(group, name)
    fields = Fields(group, {f"{name}{line}": text for name, text in LINE_HELP.items()})
    start = f"{there} and initialisation=="
    fields.input(
        f"coordinates{line}",
        "SetOfCoordinates",
        "Its coordinates, if available",
        allowsNull=True,
        condition=f"{start}{AUTOMATIC}",
    )
    models = ",".join(sorted({one.model_class for one in PICKERS.values() if one.model_class}))
    condition = f"{start}{TRANSFER}"
    fields.input(f"model{line}", models, "Its model", allowsNull=True, condition=condition)
    for role, what in (("trainRun", "training"), ("pickRun", "picking")):
        label = f"Finished {what} run"
        fields.input(f"{role}{line}", "Protocol", label, allowsNull=True, condition=is_project)
    fields.value(f"options{line}", "", "Options", condition=there, advanced=True)
    fields.value(f"threshold{line}", "", "Minimum score", condition=there, advanced=True)


def define_consensus_params(form: params.Form) -> None:
    """Consensus mode and overlap."""
    define_mode(
        form,
        "*all pickers*: every picker must have found a particle. *quorum*: at least a minimum "
        "number of pickers. *probabilistic*: one picker or more; their precision and recall are "
        "estimated without labels from agreement and scores. The probable particles are used for "
        "training, and the worst picker is the one with the lowest estimated F1 score.",
    )
    define_images(
        form,
        "The labels of each iteration are then the candidates that the images "
        "support, and the worst picker is that by the images.",
    )
    Fields(form, HELP).choice(
        "ifNoParticles",
        ["stop", "proceed"],
        "If no class shows particles",
        default=STOP,
        condition="mode==2 and lookAtImages",
    )
    define_min_overlap(form)


def define_run_params(form: Any) -> None:
    """Retraining, convergence, failures and old files."""
    fields = Fields(form, HELP)
    fields.value("retrainWorst", False, "Retrain only the worst picker")
    fields.value("stopWhenStable", False, "Stop when the consensus converges")
    fields.value(
        "stableAgreement",
        0.95,
        "Agreement at convergence",
        condition="stopWhenStable",
        advanced=True,
    )
    fields.choice(
        "ifPickerFails", ["stop", "proceed with the others"], "If a picker fails", default=STOP
    )
    fields.choice(
        "clean",
        ["nothing", "temporary files", "temporary files and models"],
        "Delete from older iterations",
        default=CLEAN_TMP,
        advanced=True,
    )
    define_subset_params(form)
