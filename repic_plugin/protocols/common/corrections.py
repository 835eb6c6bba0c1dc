"""Corrections of a picker's coordinates: the fields of a form, and how a message names them."""

from __future__ import annotations

import math
from typing import Any, List, Sequence, Tuple

from pyworkflow.protocol import params

from repic_plugin.consensus import Correction
from repic_plugin.protocols.common.params import Fields

LABELS = {
    "swapXY": "Exchange x and y",
    "scale": "Scale coordinates by",
    "flipX": "Count x from the other edge",
    "flipY": "Count y from the other edge",
    "offsetX": "Offset in x (px)",
    "offsetY": "Offset in y (px)",
}
HELP = {
    "swapXY": "For files with rows before columns.",
    "flipX": "For picks whose x runs from right to left.",
    "flipY": "For picks whose y runs from bottom to top, such as on flipped micrographs.",
    "offsetY": "Added after all other corrections; half a box turns lower corners into centres.",
    "scale": "Such as 8 for picks on micrographs that were binned by 8.",
    "offsetX": "Added after all other corrections; half a box turns lower corners into centres.",
}


def define_corrections(form: params.Form) -> None:
    """Define the fields, in the order in which they are applied."""
    fields = Fields(form, HELP)
    for name, value in zip(LABELS, (False, 1.0, False, False, 0.0, 0.0)):
        fields.value(name, value, LABELS[name], advanced=True)


def correction_values(protocol: Any) -> List[Any]:
    """Values of the fields, as a step can be given them; none where nothing is corrected."""
    values = [getattr(protocol, name).get() for name in LABELS]
    return [] if values == [False, 1.0, False, False, 0.0, 0.0] else values


def check_corrections(protocol: Any) -> None:
    """Check the values of the fields.

    Raises
    ------
    ValueError
        If coordinates would be scaled by no positive number.
    """
    scale = protocol.scale.get()
    if scale is None or not 0 < scale < math.inf:
        raise ValueError(
            f'"{LABELS["scale"]}" must be a positive number, got {scale}; 1 leaves coordinates as '
            "they are"
        )


def correction_of(values: Sequence[Any], size_px: Tuple[int, int]) -> Correction:
    """The correction that the values of the fields stand for, on micrographs of a size."""
    if not values:
        return Correction()
    swap, scale, flip_x, flip_y, x, y = values
    width, height = size_px
    return Correction(swap, scale, width if flip_x else None, height if flip_y else None, (x, y))


def correction_text(found: Correction) -> str:
    """The fields that make a correction, with their values, as a message names them."""
    used = [
        (found.swap_xy, "swapXY", "Yes"),
        (found.scale != 1, "scale", f"{found.scale:g}"),
        (found.flip_x_px is not None, "flipX", "Yes"),
        (found.flip_y_px is not None, "flipY", "Yes"),
        (found.offset_px[0] != 0, "offsetX", f"{found.offset_px[0]:g}"),
        (found.offset_px[1] != 0, "offsetY", f"{found.offset_px[1]:g}"),
    ]
    return " and ".join(f'"{LABELS[name]}" {value}' for is_used, name, value in used if is_used)
