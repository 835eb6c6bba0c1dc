"""Shifts of refined particles: where their centres are, and not where their boxes were cut out.

RELION's refinements leave the coordinates as they are and write how far each image has to be moved:
the particle's centre is the coordinate minus the origin. That is the place to compare with what a
picker found, whether the particles are a reference or a picker's opinion among others.
"""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.star_optics import GROUP, OPTICS, group_rows
from repic_plugin.formats.base.text_tables import TextTable, read_columns, require_positive

ORIGINS = ("rlnOriginXAngst", "rlnOriginYAngst")
# Before RELION 3.1, in px of the particle's image, which may have been scaled down.
ORIGINS_PX = ("rlnOriginX", "rlnOriginY")
# RELION drops the first from the particles that it extracts; the second is the movie's, and the
# same unless the movies were binned.
PIXEL_SIZES = ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")

Floats = NDArray[np.float64]


class Shifts(NamedTuple):
    """What to take from the coordinates, px, and what a user should know of it."""

    x: Floats
    y: Floats
    notes: Tuple[str, ...]


def shift_columns(table: TextTable) -> List[str]:
    """The columns that `origin_shifts` takes; none in a table without shifts."""
    shifts = table.present((*ORIGINS, *ORIGINS_PX))
    return [*shifts, *table.present((*PIXEL_SIZES, GROUP))] if shifts else []


def origin_shifts(
    tables: Sequence[TextTable], table: TextTable, numbers: Mapping[str, Floats]
) -> Optional[Shifts]:
    """The shifts of a table's particles; None where it has none but zeros.

    Parameters
    ----------
    tables : sequence of TextTable
        Of the whole file.
    table : TextTable
        With the particles.
    numbers : mapping of str to ndarray of float64, shape (n,)
        Those that `shift_columns` names.

    Returns
    -------
    Shifts or None
        Zero where the file does not say how large a px is.

    Raises
    ------
    FormatError
        If an optics group is wrong.
    """
    labels = next((one for one in (ORIGINS, ORIGINS_PX) if {*one} <= {*numbers}), None)
    if labels is None or not any(np.any(numbers[label]) for label in labels):
        return None
    shift = np.stack([numbers[label] for label in labels])
    label, size = _pixel_size(tables, table, numbers)
    if labels == ORIGINS_PX or size is None:
        unit = "px of the particles" if labels == ORIGINS_PX else "Å"
        reason = f"the file does not give the micrographs' pixel size as _{PIXEL_SIZES[0]}"
        if labels == ORIGINS_PX:
            reason = f"they are in px of the particles' images; RELION 3.1 writes _{ORIGINS[0]}"
        largest = f"{np.abs(shift).max():.3g} {unit}"
        note = f"shifts of refined particles, up to {largest}, are not applied: {reason}"
        return Shifts(np.zeros(shift.shape[1]), np.zeros(shift.shape[1]), (note,))
    x, y = shift / size
    largest = f"{np.abs([x, y]).max():.3g} px"
    note = f"centres of refined particles are coordinate minus shift, up to {largest}"
    return Shifts(x, y, (f"{note} (_{ORIGINS[0]} and Y, px of _{label})",))


def _pixel_size(
    tables: Sequence[TextTable], table: TextTable, numbers: Mapping[str, Floats]
) -> Tuple[str, Optional[Floats]]:
    """The micrograph's pixel size of each particle, from its row or its optics group."""
    optics = next((t for t in tables if t.name == OPTICS and t is not table), None)
    found = read_columns(optics, optics.present((*PIXEL_SIZES, GROUP))) if optics else None
    for label in PIXEL_SIZES:
        if label in numbers:
            return label, numbers[label]
        if optics is not None and found is not None and label in found.numbers:
            require_positive(optics, found, [label], remedy="correct the pixel size")
            n = len(numbers[next(iter(numbers))])
            group = group_rows(table, numbers.get(GROUP), optics, found.numbers, n)
            return label, found.numbers[label][group]
    return PIXEL_SIZES[0], None
