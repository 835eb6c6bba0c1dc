"""What is known of micrographs beside their names; picks seen from another set of micrographs."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates, SetOfCTF, SetOfMicrographs

from repic_plugin.consensus import Picks
from repic_plugin.convert.coordinates import (
    MicrographTable,
    PickerInput,
    read_micrographs,
    read_picks,
)
from repic_plugin.convert.sets import read_item_columns
from repic_plugin.formats import micrograph_name

__all__ = [
    "box_size_on",
    "mean_defocus",
    "micrograph_files",
    "picks_on_micrographs",
    "pixel_ratio",
    "read_picks_on",
]

DEFOCUS = ("_defocusU", "_defocusV", "_micObj._micName")


def mean_defocus(ctfs: SetOfCTF, table: MicrographTable) -> Optional[NDArray[np.float64]]:
    """Mean defocus of each micrograph.

    Parameters
    ----------
    ctfs : SetOfCTF
    table : MicrographTable

    Returns
    -------
    ndarray of float64, shape (n_micrographs,)
        Angstrom.

    Raises
    ------
    ValueError
        If the defocus of a micrograph is not known.
    """
    rows = read_item_columns(ctfs.getFileName(), DEFOCUS)
    known = {name: (float(u) + float(v)) / 2 for u, v, name in rows}
    missing = [name for name in table.names if name not in known]
    if missing:
        raise ValueError(
            f"micrograph {missing[0]} (of {len(missing)}) has no CTF in the given set; give a CTF "
            "for each, or no set of CTFs: thirds are then random"
        )
    return np.array([known[name] for name in table.names])


def micrograph_files(micrographs: SetOfMicrographs) -> List[str]:
    """Files of the micrographs of a set, in the order of `read_micrographs`."""
    return [str(row[0]) for row in read_item_columns(micrographs.getFileName(), ["_filename"])]


def pixel_ratio(coordinates: SetOfCoordinates, micrographs: SetOfMicrographs) -> float:
    """From px of the coordinates' own micrographs to px of others."""
    return float(coordinates.getMicrographs().getSamplingRate() / micrographs.getSamplingRate())


def box_size_on(micrographs: SetOfMicrographs, coordinates: SetOfCoordinates) -> int:
    """The coordinates' box in px of other micrographs; 0 where they have none."""
    return round((coordinates.getBoxSize() or 0) * pixel_ratio(coordinates, micrographs))


def read_picks_on(
    micrographs: SetOfMicrographs, inputs: Sequence[PickerInput]
) -> Tuple[Picks, MicrographTable]:
    """The picks of several sets on the micrographs of another one, in its px.

    Parameters
    ----------
    micrographs : SetOfMicrographs
    inputs : sequence of PickerInput

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
    picks, _ = picks_on_micrographs(read_picks(inputs)[0], table)
    scale = pixel_ratio(inputs[0].coordinates, micrographs)
    return replace(picks, x=picks.x * scale, y=picks.y * scale), table


def picks_on_micrographs(picks: Picks, table: MicrographTable) -> Tuple[Picks, List[str]]:
    """Picks indexed by the micrographs of another set; the others are left out.

    Parameters
    ----------
    picks : Picks
        Their micrographs are found by name, without folder and suffix.
    table : MicrographTable

    Returns
    -------
    picks : Picks
    unknown : list of str
        Micrographs that the table lacks.

    Raises
    ------
    ValueError
        If the table lacks them all.
    """
    place_of = {_key(name): place for place, name in enumerate(table.names)}
    names = [micrograph_name(name) for name in picks.micrograph_names]
    unknown = [name for name in names if _key(name) not in place_of]
    if len(unknown) == len(names):
        raise ValueError(
            f"picks and micrographs have no name in common: picks are on "
            f"{(unknown or ['none'])[0]}, micrographs are as {(table.names or ('none',))[0]}; "
            "rename one side"
        )
    places = np.array([place_of.get(_key(name), -1) for name in names])
    micrograph = places[picks.micrograph] if len(picks) else np.zeros(0, dtype=np.int64)
    known = micrograph >= 0
    kept = picks.take(known)
    return (
        Picks.from_columns(
            micrograph[known],
            kept.picker,
            kept.x,
            kept.y,
            kept.score,
            has_score=kept.has_score,
            micrograph_names=[micrograph_name(name) for name in table.names],
            picker_names=picks.picker_names,
        ),
        unknown,
    )


def _key(name: str) -> str:
    """What a name is known by: Scipion drops spaces when it imports micrographs."""
    return "".join(micrograph_name(name).split())
