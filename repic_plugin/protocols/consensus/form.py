"""The form of the consensus protocol."""

from __future__ import annotations

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.protocols.common.consensus_mode import define_min_overlap, define_mode
from repic_plugin.protocols.common.params import define_box_size

KEEP_ALL = "-"


def define_input_params(form: params.Form) -> None:
    """Pickers, who has to agree, box size, how many to keep."""
    form.addParam(
        "inputCoordinates",
        params.MultiPointerParam,
        pointerClass="SetOfCoordinates",
        label="Pickers' coordinates",
        important=True,
        help="Two or more sets of coordinates, one from each picker. Micrographs are matched "
        "by identity, or by name where sets come from different imports; coordinates at "
        "another pixel size are rescaled to the first set's micrographs.",
    )
    define_mode(
        form,
        "*all pickers*: a particle is found by every picker (REPIC). *a quorum*: by at "
        "least so many of them; a weak picker then no longer costs the particles it misses. "
        "Larger groups win over the smaller ones inside them. *by probability*: by one or more; "
        "how good each picker is, is estimated from where the pickers agree and from their "
        "scores, without labels, and what is probably a particle is kept. Best with three pickers "
        "or more that have scores.",
    )
    form.addParam(
        "inputCTFs",
        params.PointerParam,
        pointerClass="SetOfCTF",
        allowsNull=True,
        condition="mode==2",
        label="CTF of the micrographs",
        help="Precision and recall of the pickers are then told for low, medium and high defocus "
        "too. The particles do not depend on it.",
    )
    define_box_size(
        form,
        "In px of the first set's micrographs, for all pickers. 0 takes the box size of "
        "each input set.",
    )
    form.addParam(
        "numParticles",
        params.IntParam,
        default=0,
        label="Particles to keep on each micrograph",
        help="The best by weight; 0 keeps all. The summary recommends a number. *By probability*: "
        "so many of the most probable ones, without a threshold if no precision is given; 0 leaves "
        "it to the threshold.",
    )


def define_score_params(form: params.Form) -> None:
    """Thresholds, and how scores become comparable."""
    each = "One entry for each input set in its order, separated by spaces; one entry for all."
    form.addParam(
        "minScores",
        params.StringParam,
        default="",
        expertLevel=LEVEL_ADVANCED,
        label="Least scores",
        help="Picks below are dropped first, on the picker's own scale. The authors of REPIC "
        f"use 0.3 for crYOLO, 0.5 for DeepPicker and 0 for Topaz. {KEEP_ALL} keeps all. {each}",
    )
    form.addParam(
        "scoreAttributes",
        params.StringParam,
        default="",
        expertLevel=LEVEL_ADVANCED,
        label="Score attributes",
        help="The attribute that holds a picker's score, such as _cryoloScore. Empty finds "
        f"those of known pickers: {', '.join(SCORE_ATTRIBUTES)}. Coordinates without a score "
        f"count as 1. {each}",
    )
    form.addParam(
        "scoreTransforms",
        params.StringParam,
        default="",
        expertLevel=LEVEL_ADVANCED,
        label="Make scores comparable by",
        help="*identity* for probabilities, *logistic* for log-likelihood ratios (Topaz), "
        f"*rank* for anything else, *auto* to decide from the scores. {each}",
    )


def define_graph_params(form: params.Form) -> None:
    """Overlap, positions, solver, further outputs."""
    define_min_overlap(form)
    form.addParam(
        "position",
        params.EnumParam,
        choices=["best overlapping member", "mean of the members"],
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Position of a particle",
    )
    form.addParam(
        "dropOutside",
        params.BooleanParam,
        default=False,
        expertLevel=LEVEL_ADVANCED,
        label="Drop boxes that stick out of the micrograph",
    )
    form.addParam(
        "largestComponent",
        params.BooleanParam,
        default=False,
        expertLevel=LEVEL_ADVANCED,
        label="Keep only the largest connected component",
    )
    form.addParam(
        "solver",
        params.EnumParam,
        choices=["auto", "HiGHS", "Gurobi"],
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Integer programs by",
        help="*auto* is Gurobi where you have a licence of your own, HiGHS otherwise. Both "
        "reach the same optimum.",
    )
    form.addParam(
        "timeLimit",
        params.FloatParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Time limit for a micrograph (s)",
        help="0 sets none. A result that is not proven optimal says so.",
    )
    form.addParam(
        "unmatchedOutput",
        params.BooleanParam,
        default=False,
        expertLevel=LEVEL_ADVANCED,
        label="Output the picks without a partner too",
        help="Those that are in no particle of the consensus.",
    )


def define_streaming_params(form: params.Form) -> None:
    """How to follow inputs that are still growing."""
    form.addSection(label="Streaming")
    form.addParam(
        "streamingSleepOnWait",
        params.IntParam,
        default=10,
        validators=[params.Positive],
        label="Look at the inputs every (s)",
        help="Inputs that are still growing when the run starts are followed until they are "
        "closed. A micrograph is worked on once every picker has picked it, or is closed.",
    )
    form.addParam(
        "lateAfter",
        params.IntParam,
        default=0,
        condition="mode==1",
        validators=[params.GE(0)],
        label="Go on without late pickers after (s)",
        help="A micrograph that a quorum of the pickers has picked waits so long for the others. "
        "0 waits until they have picked it or are closed.",
    )
    form.addParam(
        "endAfterIdle",
        params.IntParam,
        default=0,
        validators=[params.GE(0)],
        expertLevel=LEVEL_ADVANCED,
        label="End when nothing comes for (s)",
        help="For inputs that nobody closes. What is there is used then. 0 waits for ever.",
    )
