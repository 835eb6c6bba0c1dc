"""Defocus and files of micrographs; picks and box sizes on another set of micrographs."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates, SetOfCTF, SetOfMicrographs

from repic_plugin.classification import CtfParameters
from repic_plugin.consensus import Picks
from repic_plugin.convert.coordinates import (
    MicrographTable,
    PickerInput,
    find_micrographs,
    read_micrographs,
    read_picks,
)
from repic_plugin.convert.sets import item_labels, read_item_columns
from repic_plugin.formats import addition_note, match_names

DEFOCUS = ("_defocusU", "_defocusV", "_micObj._micName")
ANGLE, PHASE_SHIFT = "_defocusAngle", "_phaseShift"


def mean_defocus(ctfs: SetOfCTF, table: MicrographTable) -> NDArray[np.float64]:
    """Mean defocus of each micrograph, matched by `match_names`.

    Returns
    -------
    ndarray of float64, shape (n_micrographs,)
        Angstrom; NaN where unknown.

    Raises
    ------
    ValueError
        If the set cannot be read, or a name is ambiguous.
    """
    rows = read_item_columns(ctfs.getFileName(), DEFOCUS)
    places = match_names([str(row[2]) for row in rows], table.known_as).place
    defocus = np.full(len(table.names), np.nan)
    for (u, v, _), place in zip(rows, places):
        if place >= 0:
            defocus[place] = (float(u) + float(v)) / 2
    return defocus


def micrograph_ctfs(
    ctfs: SetOfCTF, micrographs: SetOfMicrographs, table: MicrographTable
) -> Tuple[CtfParameters, NDArray[np.bool_]]:
    """CTF of each micrograph, matched by `match_names`, with the micrographs' acquisition.

    Returns
    -------
    ctf : CtfParameters
        Of n micrographs; any where unknown.
    is_known : ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If the set cannot be read, a name is ambiguous, no micrograph has a CTF, or the acquisition
        is incomplete.
    """
    acquisition = micrographs.getAcquisition()
    microscope = (
        acquisition.getVoltage(),
        acquisition.getSphericalAberration(),
        acquisition.getAmplitudeContrast(),
    )
    if None in microscope:
        raise ValueError(
            "the micrographs lack voltage, spherical aberration or amplitude contrast, which their "
            "CTF needs; import them with these, or leave the CTFs out"
        )
    present = item_labels(ctfs.getFileName())
    more = [one for one in (ANGLE, PHASE_SHIFT) if one in present]
    rows = read_item_columns(ctfs.getFileName(), (*DEFOCUS, *more))
    place = find_micrographs([str(row[2]) for row in rows], table, "the set of CTFs")
    values = np.zeros((len(table.names), 4))
    columns = (0, 1, *(2 + (one == PHASE_SHIFT) for one in more))
    is_known = np.zeros(len(table.names), bool)
    for (u, v, _, *others), at in zip(rows, place.tolist()):
        if at >= 0:
            values[at, list(columns)] = [float(one or 0) for one in (u, v, *others)]
            is_known[at] = True
    voltage, aberration, contrast = map(float, microscope)
    ctf = CtfParameters.from_columns(
        *values.T[:3],
        voltage_kv=voltage,
        spherical_aberration_mm=aberration,
        amplitude_contrast=contrast,
        phase_shift_deg=values[:, 3],
    )
    return ctf, is_known


def micrograph_files(micrographs: SetOfMicrographs) -> List[str]:
    """Files of the micrographs of a set, in the order of `read_micrographs`."""
    return [str(row[0]) for row in read_item_columns(micrographs.getFileName(), ["_filename"])]


def append_micrographs(
    target: SetOfMicrographs, source: SetOfMicrographs, ids: Sequence[int]
) -> None:
    """Append micrographs of another set, by their ids, with all their attributes.

    The set is read from its file, which may be ahead of the object. Micrographs that it no longer
    has are left out.
    """
    if not len(ids):
        return
    micrographs = SetOfMicrographs(filename=source.getFileName(), prefix=source.getPrefix())
    for one in ids:
        item = micrographs[one]
        if item is not None:
            target.append(item)
    micrographs.close()


def pixel_ratio(coordinates: SetOfCoordinates, micrographs: SetOfMicrographs) -> float:
    """Factor from px of the coordinates' own micrographs to px of others."""
    return float(coordinates.getMicrographs().getSamplingRate() / micrographs.getSamplingRate())


def box_size_on(
    micrographs: SetOfMicrographs, coordinates: SetOfCoordinates, asked_px: Optional[int] = None
) -> int:
    """The given box size, else that of the coordinates in px of other micrographs, else 0."""
    return (
        int(asked_px)
        if asked_px
        else round((coordinates.getBoxSize() or 0) * pixel_ratio(coordinates, micrographs))
    )


def read_picks_on(
    micrographs: SetOfMicrographs, inputs: Sequence[PickerInput]
) -> Tuple[Picks, MicrographTable]:
    """Picks of several sets on the micrographs of another set, in its px.

    Returns
    -------
    picks : Picks
    table : MicrographTable
        The micrographs.

    Raises
    ------
    ValueError
        If there is no micrograph in common.
    """
    table = read_micrographs(micrographs)
    return read_picks(inputs, table)[0], table


def name_notes(picks: Picks, table: MicrographTable) -> List[str]:
    """What was cut from names for picks to meet micrographs, one line for each addition."""
    found = match_names(picks.micrograph_names, table.known_as)
    return [addition_note(cut, "the files", "the micrographs") for cut in found.additions]


def picks_on_micrographs(picks: Picks, table: MicrographTable) -> Tuple[Picks, List[str]]:
    """Picks indexed by the micrographs of another set; picks elsewhere are omitted.

    Parameters
    ----------
    picks : Picks
        Their micrographs are matched by `match_names`.
    table : MicrographTable

    Returns
    -------
    picks : Picks
    unknown : list of str
        Micrographs that the table lacks.

    Raises
    ------
    ValueError
        If the table lacks all of them.
    """
    places = find_micrographs(picks.micrograph_names, table, "the picks' files")
    unknown = [name for name, place in zip(picks.micrograph_names, places) if place < 0]
    return picks.placed(places, table.labels), unknown
