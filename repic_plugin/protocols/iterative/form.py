"""The form of iterative picking."""

from __future__ import annotations

from typing import Any

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

from repic_plugin.pickers import KNOWN, PICKERS
from repic_plugin.protocols.common.consensus_mode import define_min_overlap, define_mode
from repic_plugin.protocols.common.params import define_box_size, define_micrographs
from repic_plugin.protocols.iterative.picker_choice import define_choice
from repic_plugin.protocols.iterative.protocol_subsets import define_subset_params

N_LINES = 6
AUTOMATIC, MANUAL, TRANSFER = range(3)
STOP, GO_ON = range(2)
CLEAN_NOTHING, CLEAN_TMP, CLEAN_MODELS = range(3)


def define_input_params(form: params.Form) -> None:
    """Micrographs, how it starts, how long it goes on."""
    define_micrographs(form)
    form.addParam(
        "inputCTFs",
        params.PointerParam,
        pointerClass="SetOfCTF",
        allowsNull=True,
        label="CTF of the micrographs",
        help="Micrographs for training and testing are then drawn from low, medium and high "
        "defocus alike; without it at random. A consensus by probability also tells how good the "
        "pickers are by defocus.",
    )
    form.addParam(
        "initialisation",
        params.EnumParam,
        choices=["automatic", "manual picks", "models of other data"],
        default=AUTOMATIC,
        label="Start from",
        important=True,
        help="*automatic*: the pickers pick as they come, pre-trained, or you give the "
        "coordinates that they found; their consensus is what they are trained on. *manual "
        "picks*: they are trained on the few particles that you picked. *models of other data*: "
        "they pick with models that were trained on another data set.",
    )
    form.addParam(
        "manualCoordinates",
        params.PointerParam,
        pointerClass="SetOfCoordinates",
        allowsNull=True,
        condition=f"initialisation=={MANUAL}",
        label="Manual picks",
        help="Those on micrographs for training are used.",
    )
    form.addParam(
        "manualProbability",
        params.FloatParam,
        default=1.0,
        condition=f"initialisation=={MANUAL}",
        expertLevel=LEVEL_ADVANCED,
        label="Use each with probability",
        help="Below 1: a random part of the manual picks, five at least.",
    )
    define_box_size(form, "0 takes that of the coordinates that are given.")
    form.addParam(
        "numParticles",
        params.IntParam,
        default=0,
        label="Particles expected in a micrograph",
        help="So many of the best of each micrograph are trained on. 0 takes the number that the "
        "consensus recommends (70 per cent of its weight); by probability, all that it keeps.",
    )
    form.addParam("numIterations", params.IntParam, default=4, label="Iterations")
    form.addParam(
        "referenceCoordinates",
        params.PointerParam,
        pointerClass="SetOfCoordinates",
        allowsNull=True,
        label="Reference to score against",
        help="Particles that are known to be right; nothing is trained on them. Micrographs "
        "without one of them do not count.",
    )


def define_picker_params(form: params.Form) -> None:
    """The pickers, a group for each."""
    form.addParam(
        "pickersHelp",
        params.LabelParam,
        label="Two pickers or more; the same one may come twice with other options.",
    )
    for line in range(1, N_LINES + 1):
        _define_line(form, line)


def _define_line(form: params.Form, line: int) -> None:
    group = form.addGroup(f"Picker {line}")
    name, there = f"picker{line}", f"picker{line}>0"
    is_project = f"picker{line}=={KNOWN.index('project') + 1}"
    define_choice(group, name)
    group.addParam(
        f"coordinates{line}",
        params.PointerParam,
        pointerClass="SetOfCoordinates",
        allowsNull=True,
        condition=f"{there} and initialisation=={AUTOMATIC}",
        label="Its coordinates, if you have them",
        help="Else it picks as it comes, pre-trained.",
    )
    models = sorted({one.model_class for one in PICKERS.values() if one.model_class})
    group.addParam(
        f"model{line}",
        params.PointerParam,
        pointerClass=",".join(models),
        allowsNull=True,
        condition=f"{there} and initialisation=={TRANSFER}",
        label="Its model",
        help="That training on another data set left.",
    )
    for role, what in (("trainRun", "training"), ("pickRun", "picking")):
        group.addParam(
            f"{role}{line}",
            params.PointerParam,
            pointerClass="Protocol",
            allowsNull=True,
            condition=is_project,
            label=f"Finished run of its {what}",
            help="Is copied with new inputs. A picker that is not trained has no training.",
        )
    group.addParam(
        f"options{line}",
        params.StringParam,
        default="",
        condition=there,
        expertLevel=LEVEL_ADVANCED,
        label="Options",
        help="Parameters of the picker's own protocols, as *name=value; name=value*; "
        "*train.name=value* and *pick.name=value* where both have it.",
    )
    group.addParam(
        f"threshold{line}",
        params.StringParam,
        default="",
        condition=there,
        expertLevel=LEVEL_ADVANCED,
        label="Least score",
        help="On the picker's own scale; picks below do not count. Empty takes what its authors "
        "suggest.",
    )


def define_consensus_params(form: params.Form) -> None:
    """How the consensus is found."""
    define_mode(
        form,
        "*by probability*: one picker or more; how good each is, is estimated from their "
        "agreement and scores, without labels. What is probably a particle is trained on, and the "
        "worst picker is the one with the lowest estimated F1 score.",
    )
    define_min_overlap(form)


def define_run_params(form: Any) -> None:
    """Who is trained again, when it ends, what failures and old files mean."""
    form.addParam(
        "retrainWorst",
        params.BooleanParam,
        default=False,
        label="Train only the worst picker again",
        help="After the first iteration only the picker that agrees least with the consensus, or "
        "has the lowest estimated F1 score, is trained and picks again.",
    )
    form.addParam(
        "stopWhenStable",
        params.BooleanParam,
        default=False,
        label="End when the consensus no longer changes",
    )
    form.addParam(
        "stableAgreement",
        params.FloatParam,
        default=0.95,
        condition="stopWhenStable",
        expertLevel=LEVEL_ADVANCED,
        label="Agreement that counts as no change",
        help="2 x pairs / (particles before + particles now), on all micrographs.",
    )
    form.addParam(
        "ifPickerFails",
        params.EnumParam,
        choices=["stop", "go on with the others"],
        default=STOP,
        label="If a picker fails",
        help="*stop*: mend it and press Continue; what is done is not repeated. *go on*: while "
        "at least two are left.",
    )
    form.addParam(
        "clean",
        params.EnumParam,
        choices=["nothing", "temporary files", "temporary files and models"],
        default=CLEAN_TMP,
        expertLevel=LEVEL_ADVANCED,
        label="Remove of older iterations",
    )
    define_subset_params(form)
