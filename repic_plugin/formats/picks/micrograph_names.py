"""The names by which RELION and cryoSPARC know the micrographs, from their own lists."""

from __future__ import annotations

from pathlib import Path
from typing import List, Sequence

from repic_plugin.formats.base.errors import PathLike, format_error, listed
from repic_plugin.formats.base.star_reading import no_table_error, star_tables
from repic_plugin.formats.base.text_tables import read_columns
from repic_plugin.formats.picks import cryosparc
from repic_plugin.formats.picks.names import match_names

STAR_COLUMN = "rlnMicrographName"
CS_COLUMNS = ("micrograph_blob/path", cryosparc.MICROGRAPH)
SHOWN = 3


def read_micrograph_names(path: PathLike, names: Sequence[str]) -> List[str]:
    """The name of each micrograph in a list of RELION or cryoSPARC.

    Parameters
    ----------
    path : str or path
        A STAR file with ``_rlnMicrographName``, as ``micrographs_ctf.star``, or a dataset of
        exposures (.cs).
    names : sequence of str
        As they are known here, see `match_names`.

    Returns
    -------
    list of str
        As the list has them, with folders and extension.

    Raises
    ------
    FormatError
        If the file cannot be read or has no names, or a micrograph is not in it.
    """
    file = Path(path)
    is_dataset = file.suffix.lower() in cryosparc.SUFFIXES
    written = [*dict.fromkeys(_from_dataset(file) if is_dataset else _from_star(file))]
    try:
        place = match_names(names, written).place
    except ValueError as error:
        raise format_error(file, str(error)) from None
    unknown = [name for name, i in zip(names, place.tolist()) if i < 0]
    if unknown:
        example = next(iter(written), "none")
        problem = f"{len(unknown):,} of {len(names):,} micrographs are not in it"
        found = f"({listed(unknown[:SHOWN])}); its names are as {example}"
        raise format_error(file, f"{problem} {found}: give the list of the same micrographs")
    return [written[i] for i in place.tolist()]


def _from_star(file: Path) -> List[str]:
    tables = star_tables(file, pairs=True)
    table = next((t for t in tables if STAR_COLUMN in t.columns), None)
    if table is None:
        raise no_table_error(file, tables, f"with _{STAR_COLUMN}")
    return read_columns(table, (), (STAR_COLUMN,)).words[STAR_COLUMN]


def _from_dataset(file: Path) -> List[str]:
    rows = cryosparc.read_dataset(file)
    fields = cryosparc.dataset_fields(rows)
    column = next((name for name in CS_COLUMNS if name in fields), None)
    if column is None or fields[column][0].kind not in "SU":
        raise format_error(file, f"has no {listed(CS_COLUMNS)}, found {listed(fields)}")
    words = [w.decode("utf-8", "replace") if isinstance(w, bytes) else w for w in rows[column]]
    return [word.lstrip(">") for word in words]
