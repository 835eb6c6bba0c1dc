"""The form of the Fourier shell correlation of maps."""

from __future__ import annotations

from pyworkflow.protocol import params

from repic_plugin.protocols.common.params import Fields

# Positions in the lists below; they are stored in users' projects.
AGAINST_REFERENCE, HALF_MAPS = range(2)
NO_MASK, SPHERE_MASK, AUTO_MASK, FILE_MASK = range(4)
KINDS = ["maps against a reference (0.5)", "two half maps (0.143)"]
MASKS = ["none", "sphere", "automatic, from the reference", "volume mask"]
HELP = {
    "referenceVolume": "The map to compare with; for half maps the other half map. Box size and "
    "sampling rate must be the same.",
    "kind": "The FSC threshold: 0.5 against a reference map, 0.143 between maps from two halves "
    "of the particles (Rosenthal and Henderson 2003).",
    "maskKind": "Multiplied with both maps. A tight mask correlates the maps by itself, which is "
    "not corrected for: use a wide one with a soft edge. The automatic mask covers the smoothed "
    "reference above Otsu's threshold, extended by 3 px and a soft edge of 6 px.",
    "inputMask": "With values from 0 to 1.",
    "doRegister": "Rotate and shift each volume onto the reference, by up to about 25 degrees and "
    "a third of the box. The handedness is not changed.",
}


def define_cross_fsc_params(form: params.Form) -> None:
    """Volumes, reference, threshold, mask, registration."""
    fields = Fields(form, HELP)
    form.addSection(label="Input")
    form.addParam(
        "inputVolumes",
        params.MultiPointerParam,
        pointerClass="Volume, SetOfVolumes",
        label="Volumes",
        important=True,
        help="One or more, for example from different particle sets; each yields a curve.",
    )
    fields.input("referenceVolume", "Volume", "Reference", important=True)
    fields.choice("kind", KINDS, "Comparison", default=AGAINST_REFERENCE)
    fields.choice("maskKind", MASKS, "Mask", default=NO_MASK)
    fields.input(
        "inputMask",
        "VolumeMask",
        "Volume mask",
        allowsNull=True,
        condition=f"maskKind=={FILE_MASK}",
    )
    fields.value("doRegister", False, "Register the volumes first")
    form.addParallelSection(threads=2, mpi=0)
