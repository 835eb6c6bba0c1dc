"""The form of the 2D classification."""

from __future__ import annotations

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.utils import Message

from repic_plugin.classification import DEFAULT_RINGS


def define_main_params(form: params.Form) -> None:
    """Particles, number of classes, how to cluster and align, CTF."""
    form.addParam(
        "inputParticles",
        params.PointerParam,
        pointerClass="SetOfParticles",
        label=Message.LABEL_INPUT_PART,
        important=True,
        help="Extracted particles, white on black or black on white. Disabled ones are left out.",
    )
    form.addParam(
        "numberOfClasses",
        params.IntParam,
        default=50,
        label="Number of classes",
        important=True,
        help="From 2 to the number of particles; 50 to 200 particles a class are usual.",
    )
    form.addParam(
        "method",
        params.EnumParam,
        choices=["ACK-means", "K-means", "EQK-means (equal sizes)", "SPIDER's size factor"],
        default=0,
        label="Clustering",
        help="*ACK-means* keeps classes from growing at the cost of others: few classes are lost "
        "at low signal. *K-means* has no such constraint. *EQK-means* makes all classes equal. "
        "*SPIDER's size factor* corrects for what a particle adds to its own average.",
    )
    form.addParam(
        "alignment",
        params.EnumParam,
        choices=[
            "at every iteration, to every class (MRA)",
            "the same, distances in a PCA subspace (MSA)",
            "once, to the mean of all (RFA)",
        ],
        default=0,
        label="Alignment",
        help="MRA is the most accurate and the slowest.",
    )
    form.addParam(
        "ctf",
        params.EnumParam,
        choices=["flip phases and weigh", "flip phases", "none"],
        default=0,
        label="CTF",
        help="*flip phases and weigh*: averages and distances are weighted by the absolute CTF. "
        "Phases that are flipped already are not flipped again. Particles without a CTF, or with "
        "corrected amplitudes, are classified without.",
    )
    form.addParam(
        "mirror",
        params.BooleanParam,
        default=False,
        label="Mirror images may share a class",
        help="Particles that lie on the one or the other side look like mirror images. RELION's "
        "and cryoSPARC's plugins take no notice of mirrors in a 2D alignment.",
    )


def define_alignment_params(form: params.Form) -> None:
    """What is compared, and how far particles are moved."""
    form.addParam(
        "resolution",
        params.FloatParam,
        default=0,
        label="Resolution (A)",
        help=f"Of the comparison; 0 takes {DEFAULT_RINGS} rings in Fourier space, that is the box "
        f"size in A divided by {DEFAULT_RINGS}. Coarse is robust against noise; the averages have "
        "full resolution in any case.",
    )
    form.addParam(
        "maxShift",
        params.FloatParam,
        default=4,
        label="Largest shift (px)",
        help="How far from the centre of the box a particle may be.",
    )
    form.addParam(
        "maskDiameter",
        params.FloatParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Mask diameter (px)",
        help="0 takes 0.84 of the box.",
    )


def define_clustering_params(form: params.Form) -> None:
    """The constraint, when to stop, the seed."""
    form.addParam(
        "beta",
        params.FloatParam,
        default=0.5,
        expertLevel=LEVEL_ADVANCED,
        condition="method==0",
        label="Weight of equal sizes (beta)",
        help="0 is K-means; the authors use 0.5.",
    )
    form.addParam(
        "trade",
        params.BooleanParam,
        default=True,
        expertLevel=LEVEL_ADVANCED,
        condition="method==0 and alignment==0",
        label="Split and merge classes",
        help="Once classes have formed, so that views of unequal population get classes of "
        "unequal size. *No* is the algorithm of the paper alone.",
    )
    form.addParam(
        "tolerance",
        params.FloatParam,
        default=0.01,
        expertLevel=LEVEL_ADVANCED,
        label="End when fewer particles change class",
        help="As a part of all particles, from 0 to 1.",
    )
    form.addParam(
        "maxIterations",
        params.IntParam,
        default=60,
        expertLevel=LEVEL_ADVANCED,
        label="Largest number of iterations",
    )
    form.addParam(
        "seed",
        params.IntParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Seed of random choices",
        help="The same seed gives the same classes, whatever the number of threads.",
    )


def define_output_params(form: params.Form) -> None:
    """Whose meaning the transforms have."""
    form.addParam(
        "shiftOrder",
        params.EnumParam,
        choices=["Xmipp, EMAN2, SPIDER", "RELION, cryoSPARC, extract coordinates"],
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="2D transforms are for",
        help="Scipion's plugins disagree on the last column of the matrix. In the first group it "
        "is the shift after the rotation: the matrix takes a particle to its class average. The "
        "second group takes it for the shift before the rotation. Choose by what reads the "
        "alignment next; a change does not classify again.",
    )
