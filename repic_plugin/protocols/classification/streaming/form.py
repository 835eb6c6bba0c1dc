"""The form of the 2D classification in a stream."""

from __future__ import annotations

from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.protocols.classification.form import HELP as OF_CLASSES
from repic_plugin.protocols.classification.form import define_output_params
from repic_plugin.protocols.common.following.form import define_following_params
from repic_plugin.protocols.common.params import Fields

HELP = {
    **OF_CLASSES,
    "inputParticles": "Extracted particles, of either contrast; particles that arrive later are "
    "assigned to the classes of the first ones. Disabled ones are ignored.",
    "numberOfClasses": "At the beginning; classes are appended for views that appear later.",
    "firstParticles": "Classes are made as soon as so many particles have arrived. 0: 250 for each "
    "class, or as many as 2 GB of memory hold; the summary shows the number.",
    "startAfter": "Classes are made of what has arrived this long after the first particle, if "
    "that is fewer than the number above, but 20 or more for each class. 0: always wait for that "
    "number, or for the end.",
    "newViews": "Where classes explain fewer of their members than usual, the others are "
    "classified alone, and classes that explain them are appended. Numbers stay what they are.",
    "fullPass": "At the end, all particles are classified again, starting from the classes as they "
    "are then. It takes as long as a classification in one go.",
    "particlesPerBatch": "Averages are refreshed after so many particles, "
    "however these arrive. The classes depend on it a little.",
    "streamingSleepOnWait": "A set of particles that is still growing when the run starts is "
    "followed until it is closed.",
    "selection": "Which classes form the output of good particles; the others form that of "
    "rejected ones. *automatic*: classes that are not junk, by the threshold that the scores "
    "of the first classes show. Scores are given when a class is made.",
}


def define_params(form: params.Form) -> None:
    """All parameters."""
    form.addSection(label="Input")
    fields = Fields(form, HELP)
    fields.input("inputParticles", "SetOfParticles", Message.LABEL_INPUT_PART, important=True)
    fields.value("numberOfClasses", 50, "Number of classes", important=True)
    fields.value("firstParticles", 0, "Particles to start with", validators=[params.GE(0)])
    fields.value("startAfter", 60, "Start at the latest after (min)", validators=[params.GE(0)])
    fields.choice("ctf", ["phase flip and CTF weighting", "phase flip", "none"], "CTF correction")
    fields.value("mirror", False, "Allow mirror images in a class")
    fields.value("newViews", True, "Append classes for new views")
    fields.value("fullPass", False, "Classify all particles again at the end")
    _define_comparison(fields)
    define_output_params(form, HELP)
    define_following_params(form, HELP)
    form.addParallelSection(threads=2, mpi=0)


def _define_comparison(fields: Fields) -> None:
    fields.value("particleDiameter", 0.0, "Particle diameter (Å)")
    fields.value("resolution", 0.0, "Resolution (Å)")
    fields.value("maxShift", 0.0, "Maximum shift (px)")
    fields.value("maskDiameter", 0.0, "Mask diameter (px)", advanced=True)
    fields.value("ownContrast", True, "Estimate the contrast of each particle", advanced=True)
    fields.value("particlesPerBatch", 1024, "Particles per batch", advanced=True)
    fields.value("seed", 0, "Random seed", advanced=True)
