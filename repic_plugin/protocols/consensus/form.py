"""The form of the consensus protocol."""

from __future__ import annotations

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

from repic_plugin.consensus import RANKINGS
from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.protocols.common.consensus_mode import (
    define_images,
    define_min_overlap,
    define_mode,
)
from repic_plugin.protocols.common.following.form import define_following_params
from repic_plugin.protocols.common.params import Fields, define_box_size

KEEP_ALL = "-"
EACH = "One entry per input set, in order and separated by spaces, or one entry for all."
HELP = {
    "inputCTFs": "Precision and recall of the pickers are then reported for low, medium and high "
    "defocus as well. With *Look at the images* the 2D classes are made with phase flip and CTF "
    "weighting, and micrographs without a CTF are not looked at; otherwise the particles do not "
    "depend on it.",
    "chosenParticles": "Particles that hold no junk, or the good ones of some 2D classes, as they "
    "are left by a choice in another protocol's classes: they decide what is a particle, and "
    "agreement and scores are learnt from them. Any program may have classified, but the particles "
    "need their coordinates. As with *Look at the images*, there are no outputs while inputs are "
    "open.",
    "classifiedParticles": "All that were classified, chosen or not: what is among them and was "
    "not chosen is junk, and other candidates were not seen. If empty, all that was not chosen is "
    "junk.",
    "numParticles": "At most so many are kept on each micrograph: those of the highest weight, or "
    "confidence if they are ranked by it; 0 keeps all. Needed where pickers give all candidates, "
    "without a threshold. *probabilistic*: the most probable ones, with no threshold unless a "
    "target precision is given; 0 keeps all above the threshold. The wizard estimates the number "
    "from the agreement of the pickers, as mode probabilistic does.",
    "rankBy": "Decides which particles are the best, their order, and how many the report suggests "
    "to train pickers on. *weight*: overlap times score, and the number of pickers. *confidence*: "
    "the median score of the picks, as in REPIC's code. The selected particles are the same. Mode "
    "probabilistic ranks by probability.",
    "maxFalseAgreement": "Particles are dropped if the expected share of chance among those of at "
    "least their weight is larger, such as 0.05. It is measured with decoys, in which each picker "
    "has the picks of another micrograph; while inputs grow, before any micrograph is processed. 0 "
    "keeps all.",
    "minWeight": "Particles of a smaller weight are dropped after all other choices; in mode "
    "probabilistic the weight is the probability of being a particle. It is at most 1, in mode "
    "quorum 1 more for each picker above the quorum. The slider in the window of "
    "an earlier run shows what a minimum would keep. 0 keeps all.",
    "minScores": "Picks with lower scores, on the picker's own scale, are discarded first. Usual "
    "are 0.3 for crYOLO, 0.5 for DeepPicker and 0 for Topaz; with the expected number of particles "
    "per micrograph, keep all picks of these three in modes all pickers and quorum. "
    "Template matching and blob detectors need their own threshold in any case. "
    f"{KEEP_ALL} keeps all. {EACH}",
    "scoreAttributes": "The attribute that holds a picker's score, such as _cryoloScore. If "
    f"empty, those of known pickers are used: {', '.join(SCORE_ATTRIBUTES)}. Coordinates without "
    f"a score count as 1. {EACH}",
    "scoreTransforms": "*identity* for probabilities, *logistic* for log-likelihood ratios "
    f"(Topaz), *rank* for anything else, *auto* to choose from the scores. {EACH}",
    "copyDistance": "Picks of one picker that are closer than this, in px of the first set's "
    "micrographs, are copies, of which the best is kept. -1: a quarter of the box; 0: none, as for "
    "filaments.",
    "minDistance": "Between two particles of the consensus, in px. -1: a quarter of the box; 0: "
    "any, as for filaments.",
    "checkCoordinates": "Refuse pickers whose coordinates seem scaled, mirrored or shifted: their "
    "picks hardly meet those of the others, and would with one correction.",
    "position": "*best overlapping member*: the particle is where that pick of it is which "
    "overlaps the others best, as in REPIC. *mean of the members*: the mean of its picks, which "
    "averages out errors of the pickers. With *Look at the images*, the pick of the most precise "
    "picker in any case.",
    "dropOutside": "Picks whose boxes extend beyond the micrograph are discarded before the "
    "consensus, as most programs cannot extract them.",
    "largestComponent": "On each micrograph, only the largest group of picks that are connected by "
    "overlaps enters the consensus, and all others are lost. Only for comparison with REPIC, which "
    "has this option; particles that do not touch are components of their own.",
    "solver": "For the integer programs. *auto*: Gurobi if you have a licence, HiGHS otherwise. "
    "Both reach the same optimum.",
    "timeLimit": "0: none. The summary reports results that are not proven optimal.",
    "patterns": "Further outputs: particles that some pickers found and others did not, whatever "
    "the consensus mode. Names are those of the input runs. *topaz, not cryolo*: picks of topaz "
    "that overlap none of cryolo's; *topaz, cryolo*: what both found. Several patterns are "
    "separated by semicolons, and each makes an output.",
    "unmatchedOutput": "A second set, of the picks that belong to no consensus particle.",
    "minAgreement": "Share of the picks on a micrograph that are in a particle found by two "
    "pickers or more, from 0 to 1. With a threshold in this group there are two more outputs, "
    "accepted and rejected micrographs; coordinates are not changed. What is unknown of a "
    "micrograph, such as the agreement where there is no pick, rejects nothing. 0: not used.",
    "minExpected": "*probabilistic*: sum of the probabilities of the particles kept on a "
    "micrograph; other modes: their number. 0: not used.",
    "maxJunk": "Share of the picks with an image that lie in 2D classes of junk, from 0 to 1. 0: "
    "not used.",
    "streamingSleepOnWait": "Inputs that are still growing when the run starts are followed until "
    "they are closed. A micrograph is processed once every picker has picked it or is closed.",
    "lateAfter": "How long a micrograph that a quorum of the pickers has picked waits for the "
    "others. 0: until they have picked it or are closed.",
    "endAfterIdle": "For inputs that are never closed: the data present by then are processed. 0: "
    "never.",
}


def define_input_params(form: params.Form) -> None:
    """Pickers, consensus mode, box size, number of particles to keep."""
    fields = Fields(form, HELP)
    form.addParam(
        "inputCoordinates",
        params.MultiPointerParam,
        pointerClass="SetOfCoordinates",
        label="Pickers' coordinates",
        important=True,
        help="Two or more sets of coordinates, one from each picker. Micrographs are matched "
        "by identity, or by name if the sets come from different imports; coordinates at "
        "another pixel size are rescaled to the first set's micrographs.",
    )
    define_mode(
        form,
        "*all pickers*: every picker must have found a particle (REPIC). *quorum*: at least a "
        "minimum number of pickers, so that particles missed by a weak picker are kept; larger "
        "groups take precedence over the smaller ones they contain. *probabilistic*: one picker "
        "or more; the precision and recall of each picker are estimated without labels, from the "
        "agreement of the pickers and their scores, and the probable particles are kept. Works "
        "best with three or more pickers that provide scores.",
    )
    fields.input(
        "inputCTFs", "SetOfCTF", "CTF of the micrographs", allowsNull=True, condition="mode==2"
    )
    define_images(
        form,
        "While inputs are open, there are no outputs: they are written at the end, when all "
        "candidates are known.",
    )
    kinds, no_look = "SetOfClasses2D, SetOfParticles", "mode==2 and not lookAtImages"
    fields.input("chosenParticles", kinds, "Chosen classes or particles", allowsNull=True,
                 condition=no_look)  # fmt: skip
    fields.input("classifiedParticles", kinds, "Classified particles", allowsNull=True,
                 condition=no_look)  # fmt: skip
    define_box_size(
        form,
        "For all pickers, in px of the first set's micrographs. 0: the box size of each input set.",
    )
    fields.value("numParticles", 0, "Expected particles per micrograph")
    fields.value("maxFalseAgreement", 0.0, "Maximum false-agreement rate", advanced=True)
    fields.value("minWeight", 0.0, "Minimum weight", advanced=True)
    fields.choice("rankBy", [*RANKINGS], "Rank particles by", condition="mode!=2", advanced=True)


def define_score_params(form: params.Form) -> None:
    """Thresholds and score transforms."""
    fields = Fields(form, HELP)
    fields.value("minScores", "", "Minimum scores", advanced=True)
    fields.value("scoreAttributes", "", "Score attributes", advanced=True)
    fields.value("scoreTransforms", "", "Score transforms", advanced=True)


def define_graph_params(form: params.Form) -> None:
    """Overlap, positions, solver, further outputs."""
    fields = Fields(form, HELP)
    define_min_overlap(form)
    fields.choice(
        "position",
        ["best overlapping member", "mean of the members"],
        "Position of a particle",
        advanced=True,
    )
    fields.value("copyDistance", -1.0, "Distance of copies within a picker (px)", advanced=True)
    fields.value("minDistance", -1.0, "Minimum distance of particles (px)", advanced=True)
    fields.value("checkCoordinates", True, "Check coordinates of pickers", advanced=True)
    fields.value("dropOutside", False, "Discard particles at the edges", advanced=True)
    fields.value(
        "largestComponent", False, "Keep only the largest connected component", advanced=True
    )
    fields.choice("solver", ["auto", "HiGHS", "Gurobi"], "Solver", advanced=True)
    fields.value("timeLimit", 0.0, "Time limit per micrograph (s)", advanced=True)
    fields.value("unmatchedOutput", False, "Output unmatched picks", advanced=True)
    fields.value("patterns", "", "Patterns", advanced=True)


def define_judging_params(form: params.Form) -> None:
    """Thresholds for accepting micrographs."""
    group = form.addGroup("Judge micrographs", expertLevel=LEVEL_ADVANCED)
    fields = Fields(group, HELP)
    share = [params.Range(0, 1)]
    fields.value("minAgreement", 0.0, "Minimum agreement", advanced=True, validators=share)
    fields.value("minExpected", 0.0, "Minimum number of expected particles", advanced=True,
                 validators=[params.GE(0)])  # fmt: skip
    fields.value("maxJunk", 0.0, "Maximum share of picks in junk classes", advanced=True,
                 validators=share, condition="mode==2")  # fmt: skip


def define_streaming_params(form: params.Form) -> None:
    """Streaming: how growing inputs are followed."""
    define_following_params(form, HELP, _define_late)


def _define_late(fields: Fields) -> None:
    fields.value(
        "lateAfter",
        0,
        "Proceed without late pickers after (s)",
        condition="mode==1",
        validators=[params.GE(0)],
    )
