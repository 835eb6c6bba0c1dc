"""The consensus mode and the look at the images: parameters and their values."""

from __future__ import annotations

from typing import Any, Optional

from pyworkflow.protocol import params

from repic_plugin.consensus import MIN_JACCARD, MODES
from repic_plugin.protocols.common.params import Fields

PROBABILISTIC = MODES[2]
HELP = {
    "quorum": "0: the smallest majority, that is 2 of 2 or 3 pickers, 3 of 4 or 5.",
    "targetPrecision": "Expected fraction of true particles among those kept, such as 0.95: the "
    "higher, the fewer are kept. 0: the highest expected F1 score, the best balance of false "
    "positives and false negatives.",
    "lookAtImages": "Candidates are cut out of the micrographs of the coordinates and sorted into "
    "2D classes. How good a class is, and how well each candidate agrees with it, decide what is a "
    "particle; the pickers' agreement and scores decide the rest. Needed where pickers share "
    "mistakes, such as blob detectors on ice.",
    "imageClasses": "Of the candidates. 0: one per 45 images, from 8 to 40. At most about 20,000 "
    "candidates, of evenly spread micrographs, make the classes; the others are assigned to them.",
    "minOverlap": "Boxes of two pickers agree if their Jaccard index (intersection over union) "
    "exceeds this value.",
}


def define_mode(form: params.Form, help_text: str) -> None:
    """The mode, and the quorum or the target precision that belongs to it."""
    fields = Fields(form, HELP)
    form.addParam(
        "mode",
        params.EnumParam,
        choices=["all pickers", "quorum", "probabilistic"],
        default=0,
        display=params.EnumParam.DISPLAY_HLIST,
        label="Consensus mode",
        help=help_text,
    )
    fields.value("quorum", 0, "Minimum number of pickers", condition="mode==1")
    fields.value("targetPrecision", 0.0, "Target precision", condition="mode==2")


def define_images(form: params.Form, more_help: str = "") -> None:
    """Whether the images are looked at, and the number of classes, in mode probabilistic."""
    fields = Fields(form, {**HELP, "lookAtImages": f"{HELP['lookAtImages']} {more_help}".strip()})
    fields.value("lookAtImages", False, "Look at the images", condition="mode==2")
    fields.value(
        "imageClasses",
        0,
        "Number of 2D classes",
        condition="mode==2 and lookAtImages",
        validators=[params.GE(0)],
    )


def define_min_overlap(form: params.Form) -> None:
    """The overlap above which boxes agree."""
    fields = Fields(form, HELP)
    fields.value("minOverlap", MIN_JACCARD, "Minimum overlap (Jaccard)", advanced=True)


def consensus_mode(protocol: Any) -> str:
    """The chosen mode, by its name in `find_consensus`."""
    return str(MODES[protocol.mode.get()])


def is_probabilistic(protocol: Any) -> bool:
    """Whether the consensus is probabilistic."""
    return consensus_mode(protocol) == PROBABILISTIC


def looks_at_images(protocol: Any) -> bool:
    """Whether the candidates of a consensus by probability are judged by their images."""
    return is_probabilistic(protocol) and bool(protocol.lookAtImages.get())


def check_image_classes(protocol: Any) -> None:
    """Check the number of 2D classes, if images are looked at.

    Raises
    ------
    ValueError
        If there is only one.
    """
    if looks_at_images(protocol) and protocol.imageClasses.get() == 1:
        raise ValueError(
            f"{protocol.label('imageClasses')} must be 0 (automatic) or at least 2, got 1; one "
            "class tells nothing apart"
        )


def target_precision(protocol: Any) -> Optional[float]:
    """The target precision; None for the highest expected F1 score.

    Raises
    ------
    ValueError
        If it is out of range.
    """
    target = float(protocol.targetPrecision.get() or 0)
    if not 0 <= target < 1:
        raise ValueError(
            f"target_precision must be at least 0 and below 1, got {target:g}; 0.95 is 95 per "
            "cent, 0 the highest expected F1 score"
        )
    return target or None
