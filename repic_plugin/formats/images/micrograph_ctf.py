"""The contrast transfer function of each micrograph of a RELION STAR file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Tuple

import numpy as np

from repic_plugin.formats.base.errors import PathLike, format_error, listed
from repic_plugin.formats.base.star_optics import GROUP, OPTICS, group_rows
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import TextTable, raw_words, read_columns
from repic_plugin.formats.images.particle_star import DEFOCUS_U, NUMBERS, ParticleStar
from repic_plugin.formats.images.particle_star_ctf import star_ctf
from repic_plugin.formats.picks.names import match_names
from repic_plugin.formats.picks.star import MICROGRAPH

if TYPE_CHECKING:
    from repic_plugin.classification import CtfParameters

_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE)


class ListedCtfs(NamedTuple):
    """Micrographs of a list, their CTFs, and the micrographs whose CTF is no number."""

    names: List[str]
    ctf: CtfParameters
    failed: List[str]


def read_micrograph_ctfs(path: PathLike, names: Sequence[str]) -> CtfParameters:
    """The CTF of some micrographs from a list of micrographs.

    Parameters
    ----------
    path : str or path
        As RELION's ``micrographs_ctf.star``: ``_rlnMicrographName``, ``_rlnDefocusU`` and so on;
        voltage, spherical aberration and amplitude contrast of each row or its optics group.
    names : sequence of str
        See `match_names`.

    Returns
    -------
    CtfParameters
        Of each of `names`.

    Raises
    ------
    FormatError
        If the file cannot be read, has no defocus, or a micrograph twice, not at all, or with
        values that are no numbers.
    """
    known, ctf, failed = read_listed_ctfs(path)
    try:
        place = match_names(names, known).place
    except ValueError as error:
        raise format_error(Path(path), str(error)) from None
    lacking = [name for name, at in zip(names, place.tolist()) if at < 0]
    if lacking and (match_names(lacking, failed).place >= 0).any():
        problem = f"the CTF of {listed(failed)} is no number"
        raise format_error(Path(path), f"{problem}; estimate it, or leave such micrographs out")
    if lacking:
        problem = f"{len(lacking):,} of {len(names):,} micrographs have no CTF in it"
        example = f"such as {lacking[0]}; its names are as {known[0]}"
        raise format_error(
            Path(path), f"{problem}, {example}: give the list of the same micrographs"
        )
    return ctf.take(np.asarray(place))


def read_listed_ctfs(path: PathLike) -> ListedCtfs:
    """The micrographs of a list, and their CTFs, see `read_micrograph_ctfs`.

    Programs write NaN where an estimation failed; such micrographs are named, not refused.

    Raises
    ------
    FormatError
        If the file cannot be read, has no defocus, or a micrograph twice.
    """
    star, failed = _micrograph_star(Path(path))
    ctf = star_ctf(star, "give another file, or leave it out")
    if ctf is None:
        raise no_table_error(star.path, [star.particles], f"with _{DEFOCUS_U}")
    return ListedCtfs(list(star.names), ctf, failed)


def _micrograph_star(path: Path) -> Tuple[ParticleStar, List[str]]:
    """The table of micrographs with the columns that CTFs are made of, and who failed."""
    tables = star_tables(path, pairs=True)
    needed = {MICROGRAPH, DEFOCUS_U}
    table = next((one for one in tables if needed <= {*one.columns}), None)
    if table is None:
        raise no_table_error(path, tables, f"with _{MICROGRAPH} and _{DEFOCUS_U}")
    optics = next((one for one in tables if one.name == OPTICS and one is not table), None)
    table, failed = _finite_rows(table)
    columns = read_columns(table, table.present(NUMBERS), (MICROGRAPH,))
    names = columns.words[MICROGRAPH]
    if not names:
        problem = "CTF that is a number" if failed else "micrographs"
        raise format_error(Path(path), f"{table.name} has no {problem}; give the list of them")
    if len(set(names)) < len(names):
        first = dict(zip(reversed(names), range(len(names) - 1, -1, -1)))
        row = next(i for i, name in enumerate(names) if first[name] < i)
        problem = f"micrograph {listed([names[row]])} occurs twice"
        raise table.row_error(row, f"{problem}; give a list of micrographs, not of particles")
    found = read_columns(optics, optics.present(NUMBERS)).numbers if optics else {}
    group = group_rows(table, columns.numbers.get(GROUP), optics, found, len(names))
    return ParticleStar(path, table, optics, names, group, columns.numbers, found), failed


def _finite_rows(table: TextTable) -> Tuple[TextTable, List[str]]:
    """A table with rows of infinite numbers and NaN as comments, and their micrographs."""
    if not _NOT_FINITE.search(table.text):
        return table, []
    used = [table.columns.index(name) for name in table.present(NUMBERS)]
    micrograph = table.columns.index(MICROGRAPH)
    lines, failed = table.text.split("\n"), []
    for number, line in table.numbered_rows():
        values = raw_words(line)
        if len(values) == len(table.columns) and any(
            _NOT_FINITE.fullmatch(values[column]) for column in used
        ):
            lines[number - 1] = "#"
            failed.append(values[micrograph])
    return replace(table, text="\n".join(lines)), failed
