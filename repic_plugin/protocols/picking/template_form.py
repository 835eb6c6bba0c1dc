"""The forms of template training and template picking."""

from __future__ import annotations

from pyworkflow.protocol import params

from repic_plugin.protocols.common.following.form import define_following_params
from repic_plugin.protocols.common.params import Fields, define_box_size, define_micrographs
from repic_plugin.template_picking import DEFAULT_STEP_DEG, MIN_DISTANCE_DIAMETERS

HELP = {
    "angularStep": "Templates are rotated in steps of this angle: a smaller one is slower, and "
    "finds elongated particles better.",
    "seed": "Of the 2D classes that become templates: the same seed gives the same templates.",
    "inputCoordinates": "Ten are enough to start with, a hundred are better. Particles on other "
    "micrographs are ignored.",
    "numberOfTemplates": "0: one per 30 particles, from 2 to 12.",
    "inputAverages": "From template training, or any averages of particles. By default a dark "
    "blob of half the box size is searched for.",
    "maxPerMicrograph": "Those of the highest scores; 0 keeps all. Without templates, give the "
    "number that you expect.",
    "minScore": "The correlation coefficient with the best template, -1 to 1. 0: found on each "
    "micrograph, as the lowest score that noise reaches a fifth as often: the inverted templates "
    "on the same micrograph, or for a blob the micrograph with random phases. -1 keeps all.",
    "maskContamination": "Nothing is picked on contamination and carbon: parts larger than six "
    "particles whose brightness, texture or edges are unlike the rest of the micrograph. Blank "
    "and smeared borders are always left out.",
    "keepMasks": "Write the masks as MRC files (1: masked) at the pixel size of the downscaled "
    "micrographs, into extra/masks.",
    "particleDiameter": "Longest extent of the particle. Only a disc of 1.5 diameters of the "
    "templates is compared. 0: measured from the templates, for the minimum distance alone.",
    "minDistance": f"0: {MIN_DISTANCE_DIAMETERS} diameters of the particle, as the shortest extent "
    "of a compact particle is about that part of the longest.",
    "streamingSleepOnWait": "Micrographs that are still arriving when the run starts are followed "
    "until their set is closed.",
    "invert": "The blob and templates from training have the contrast of the micrographs, usually "
    "dark on bright. Averages of extracted particles are usually bright on dark: invert them.",
}


def define_train_params(form: params.Form) -> None:
    """The form of template training."""
    fields = Fields(form, HELP)
    form.addSection(label="Input")
    define_micrographs(form, "On which the training particles lie.")
    fields.input("inputCoordinates", "SetOfCoordinates", "Training particles", important=True)
    define_box_size(form, "0: that of the coordinates.")
    fields.value("numberOfTemplates", 0, "Number of templates")
    fields.value("seed", 0, "Random seed", advanced=True)
    form.addParallelSection(threads=2, mpi=0)


def define_pick_params(form: params.Form) -> None:
    """The form of template picking."""
    fields = Fields(form, HELP)
    form.addSection(label="Input")
    define_micrographs(form, "To pick on, such as those that are still arriving.")
    fields.input("inputAverages", "SetOfAverages", "Templates", allowsNull=True)
    define_box_size(form, "Of the particles, in px of the micrographs. 0: that of the templates.")
    fields.value("particleDiameter", 0.0, "Particle diameter (Å)")
    fields.value("maxPerMicrograph", 0, "Particles to keep per micrograph")
    fields.value("minScore", 0.0, "Minimum score")
    fields.value("invert", False, "Invert templates")
    fields.value("maskContamination", True, "Mask contamination")
    fields.value("keepMasks", False, "Keep the masks", advanced=True)
    fields.value("minDistance", 0.0, "Minimum distance between picks (boxes)", advanced=True)
    fields.value("angularStep", DEFAULT_STEP_DEG, "Angular step (degrees)", advanced=True)
    define_following_params(form, HELP)
    form.addParallelSection(threads=2, mpi=0)
