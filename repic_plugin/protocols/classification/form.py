"""The form of the 2D classification."""

from __future__ import annotations

from typing import Mapping

from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.protocols.classification.output_format import AUTOMATIC, CHOICES
from repic_plugin.protocols.common.params import Fields

HELP = {
    "inputParticles": "Extracted particles, of either contrast. Disabled ones are ignored.",
    "numberOfClasses": "From 2 to the number of particles; 50 to 200 particles per class are "
    "typical.",
    "method": "*ACK-means* prevents classes from growing at the expense of others, so that few "
    "are lost at a low signal-to-noise ratio. *K-means* has no such constraint. *EQK-means* "
    "makes all classes equal in size. *SPIDER's size factor* corrects for the contribution of a "
    "particle to its own average.",
    "alignment": "MRA is the most accurate and the slowest.",
    "ctf": "*phase flip and CTF weighting*: averages and distances are weighted by the absolute "
    "CTF. Phases that have been flipped are not flipped again. Particles without a CTF, or with "
    "corrected amplitudes, are classified without CTF correction.",
    "mirror": "Views from opposite directions are mirror images of each other. The plugins of "
    "RELION and cryoSPARC ignore mirrors in a 2D alignment.",
    "particleDiameter": "The longest diameter. 0: measured in the mean of the particles; the "
    "summary shows the value.",
    "resolution": "For the comparison of particles. 0: 27 Å, or a tenth of the mask where that is "
    "finer, but no finer than 4 px; the summary shows the value. A low resolution is robust "
    "against noise; the averages have full resolution in any case.",
    "maxShift": "Maximum distance of a particle from the centre of its box. 0: a sixteenth of the "
    "box; the summary shows the value.",
    "maskDiameter": "0: 1.1 particle diameters, and at most 0.84 of the box size; the summary "
    "shows the value.",
    "ownContrast": "Where particles differ in contrast by more than noise explains, each is "
    "compared at its own. *No*: all are taken as equal.",
    "beta": "0 is K-means; the authors of ACK-means use 0.5.",
    "trade": "After classes have formed, so that views of unequal population get classes of "
    "unequal size. *No*: the published algorithm.",
    "maxIterations": "The classification ends with this iteration at the latest; the summary says "
    "whether it had converged.",
    "tolerance": "Stop when at most this fraction of the particles (0 to 1) changes class.",
    "seed": "The same seed gives the same classes, whatever the number of threads.",
    "selection": "Which classes form the output of good particles; the others form that of "
    "rejected ones. *automatic*: classes that are not junk, by the threshold that the scores "
    "themselves show. Particles are not classified again if this changes.",
    "minScore": "From 0 to 1, the same scale for all data sets; see the scores in the montage.",
    "shiftOrder": "The software that reads the 2D transforms next, as Scipion's plugins disagree "
    "on the last column of the matrix. *Xmipp, EMAN2, SPIDER*: the shift after the rotation, so "
    "that the matrix maps a particle onto its class average. *RELION, cryoSPARC, extract "
    "coordinates*: the shift before the rotation. *the program that the particles come from*: one "
    "of these two, the first if that program is not known; the summary shows which. Particles are "
    "not classified again if this changes.",
}


def define_main_params(form: params.Form) -> None:
    """Particles, number of classes, clustering, alignment, CTF."""
    fields = Fields(form, HELP)
    fields.input("inputParticles", "SetOfParticles", Message.LABEL_INPUT_PART, important=True)
    fields.value("numberOfClasses", 50, "Number of classes", important=True)
    fields.choice(
        "method",
        ["ACK-means", "K-means", "EQK-means (equal sizes)", "SPIDER's size factor"],
        "Clustering method",
    )
    fields.choice(
        "alignment",
        [
            "every iteration, to every class (MRA)",
            "every iteration, with distances in a PCA subspace (MSA)",
            "once, to the mean of all particles (RFA)",
        ],
        "Alignment",
    )
    fields.choice("ctf", ["phase flip and CTF weighting", "phase flip", "none"], "CTF correction")
    fields.value("mirror", False, "Allow mirror images in a class")


def define_alignment_params(form: params.Form) -> None:
    """Resolution, shifts and mask of the comparison."""
    fields = Fields(form, HELP)
    fields.value("particleDiameter", 0.0, "Particle diameter (Å)")
    fields.value("resolution", 0.0, "Resolution (Å)")
    fields.value("maxShift", 0.0, "Maximum shift (px)")
    fields.value("maskDiameter", 0.0, "Mask diameter (px)", advanced=True)
    fields.value(
        "ownContrast",
        True,
        "Estimate the contrast of each particle",
        condition="alignment==0",
        advanced=True,
    )


def define_clustering_params(form: params.Form) -> None:
    """Size constraint, convergence, seed."""
    fields = Fields(form, HELP)
    fields.value(
        "beta", 0.5, "Weight of the size constraint (beta)", condition="method==0", advanced=True
    )
    fields.value(
        "trade",
        True,
        "Split and merge classes",
        condition="method==0 and alignment==0",
        advanced=True,
    )
    fields.value("tolerance", 0.01, "Convergence threshold", advanced=True)
    fields.value("maxIterations", 60, "Maximum number of iterations", advanced=True)
    fields.value("seed", 0, "Random seed", advanced=True)


def define_output_params(form: params.Form, helps: Mapping[str, str] = HELP) -> None:
    """Selection of particles, and format of the 2D transforms."""
    fields = Fields(form, helps)
    fields.choice("selection", ["automatic", "minimum score"], "Good classes")
    fields.value("minScore", 0.5, "Minimum score", condition="selection==1")
    fields.choice(
        "shiftOrder",
        CHOICES,
        "Output format of 2D transforms",
        default=AUTOMATIC,
        advanced=True,
    )
