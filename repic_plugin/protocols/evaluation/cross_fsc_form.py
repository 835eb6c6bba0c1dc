"""The form of the Fourier shell correlation of maps."""

from __future__ import annotations

from pyworkflow.protocol import params

# Positions in the lists below; they are stored in users' projects.
AGAINST_REFERENCE, HALF_MAPS = range(2)
NO_MASK, SPHERE_MASK, AUTO_MASK, FILE_MASK = range(4)
KINDS = ["maps against a reference (0.5)", "two half maps (0.143)"]
MASKS = ["none", "sphere", "automatic from the reference", "a mask"]


def define_cross_fsc_params(form: params.Form) -> None:
    """What is compared, and how."""
    form.addSection(label="Input")
    form.addParam(
        "inputVolumes",
        params.MultiPointerParam,
        pointerClass="Volume, SetOfVolumes",
        label="Volumes",
        important=True,
        help="One or more, from different particle sets for example. Each gets a curve.",
    )
    form.addParam(
        "referenceVolume",
        params.PointerParam,
        pointerClass="Volume",
        label="Reference",
        important=True,
        help="What each of them is compared with; for half maps the other half map. Its box and "
        "sampling rate must be theirs.",
    )
    form.addParam(
        "kind",
        params.EnumParam,
        choices=KINDS,
        default=AGAINST_REFERENCE,
        label="Compare",
        help="Which threshold counts: 0.5 against a map of the truth, 0.143 between maps of two "
        "halves of the particles (Rosenthal and Henderson 2003).",
    )
    form.addParam(
        "maskKind",
        params.EnumParam,
        choices=MASKS,
        default=NO_MASK,
        label="Mask",
        help="Both maps are multiplied by it. A narrow mask makes maps agree by itself, and "
        "nothing corrects for that: take a wide one with a soft edge. The automatic one is where "
        "the smoothed reference is above Otsu's threshold, 3 px more, and a soft edge of 6 px.",
    )
    form.addParam(
        "inputMask",
        params.PointerParam,
        pointerClass="VolumeMask",
        allowsNull=True,
        condition=f"maskKind=={FILE_MASK}",
        label="Volume mask",
        help="From 0 to 1.",
    )
    form.addParam(
        "doRegister",
        params.BooleanParam,
        default=False,
        label="Register first?",
        help="Turn and shift each volume onto the reference: by up to about 25 degrees and a third "
        "of the box. The hand is not changed.",
    )
    form.addParallelSection(threads=2, mpi=0)
