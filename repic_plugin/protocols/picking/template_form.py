"""The forms of template training and template picking."""

from __future__ import annotations

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

from repic_plugin.protocols.common.params import define_box_size, define_micrographs
from repic_plugin.template_picking import DEFAULT_DISTANCE_BOXES, DEFAULT_STEP_DEG


def define_train_params(form: params.Form) -> None:
    """Of training."""
    form.addSection(label="Input")
    define_micrographs(form)
    form.addParam(
        "inputCoordinates",
        params.PointerParam,
        pointerClass="SetOfCoordinates",
        label="Particles to learn from",
        important=True,
        help="Ten are enough to begin with, a hundred are better. Those elsewhere than on the "
        "micrographs above are left out.",
    )
    define_box_size(form, "0 takes that of the coordinates.")
    form.addParam(
        "numberOfTemplates",
        params.IntParam,
        default=0,
        label="Number of templates",
        help="0: one for 30 particles, from 2 to 12.",
    )
    form.addParam(
        "seed",
        params.IntParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Seed of the first averages",
    )
    form.addParallelSection(threads=2, mpi=0)


def define_pick_params(form: params.Form) -> None:
    """Of picking."""
    form.addSection(label="Input")
    define_micrographs(form)
    form.addParam(
        "inputAverages",
        params.PointerParam,
        pointerClass="SetOfAverages",
        allowsNull=True,
        label="Templates",
        help="From template training, or any averages of particles. Without them a dark blob of "
        "half the box is looked for.",
    )
    define_box_size(
        form, "Of the particles, in px of the micrographs; 0 takes that of the templates."
    )
    form.addParam(
        "maxPerMicrograph",
        params.IntParam,
        default=0,
        label="Particles to keep on each micrograph",
        help="The best; 0 keeps all. Without templates, give about what you expect.",
    )
    form.addParam(
        "minScore",
        params.FloatParam,
        default=0.0,
        label="Least score",
        help="The correlation coefficient with the best template, -1 to 1. 0: with templates, what "
        "noise alone reaches about ten times on a micrograph. -1 keeps all.",
    )
    form.addParam(
        "invert",
        params.BooleanParam,
        default=False,
        label="Invert the templates",
        help="The blob, and the templates from training, look like the micrographs: dark on light "
        "as a rule. Averages of extracted particles are mostly light on dark: invert them.",
    )
    form.addParam(
        "minDistance",
        params.FloatParam,
        default=DEFAULT_DISTANCE_BOXES,
        expertLevel=LEVEL_ADVANCED,
        label="Least distance of two picks (boxes)",
    )
    form.addParam(
        "angularStep",
        params.FloatParam,
        default=DEFAULT_STEP_DEG,
        expertLevel=LEVEL_ADVANCED,
        label="Angular step (degrees)",
    )
    form.addParallelSection(threads=2, mpi=0)
