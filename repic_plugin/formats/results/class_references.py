"""Averages of classes to assign further particles to, and how their images were prepared."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.atomic import atomic_write
from repic_plugin.formats.base.csv_tables import open_table, typed_columns
from repic_plugin.formats.base.errors import FormatError, PathLike, format_error
from repic_plugin.formats.base.text_tables import read_text
from repic_plugin.formats.images.stacks import open_stack
from repic_plugin.formats.results.class_tables import CLASS, CLASS_QUALITY

if TYPE_CHECKING:
    from repic_plugin.classification import References

REFERENCES, AVERAGES, CLASSES = "references.json", "class_averages.mrcs", "classes.csv"
SETTINGS = ("ctf_mode", "mirror", "dust_deviations", "max_energy", "has_grey_scale")
AGAIN = "give the output of classify as this version writes it, or its averages as --references"


class GivenClasses(NamedTuple):
    """What is known of k classes from classes.csv.

    Attributes
    ----------
    is_junk : ndarray of bool, shape (k,)
    score, probability, resolution_angstrom : ndarray of float64, shape (k,), or None
        None in tables without scores.
    is_off_centre : ndarray of bool, shape (k,), or None
    """

    is_junk: NDArray[np.bool_]
    score: Optional[NDArray[np.float64]] = None
    probability: Optional[NDArray[np.float64]] = None
    resolution_angstrom: Optional[NDArray[np.float64]] = None
    is_off_centre: Optional[NDArray[np.bool_]] = None


def write_references(folder: PathLike, references: References) -> None:
    """Write references.json, beside class_averages.mrcs of the same classes.

    Parameters
    ----------
    folder : str or path
    references : References
    """
    settings = {name: getattr(references, name) for name in SETTINGS}
    settings["sizes"] = asdict(references.sizes)
    text = json.dumps({"averages": AVERAGES, **settings}, indent=1)
    atomic_write(Path(folder) / REFERENCES, text + "\n")


def read_references(folder: PathLike) -> References:
    """The classes of an earlier classification, to assign particles to.

    Raises
    ------
    FormatError
        If a file is missing or damaged.
    """
    from repic_plugin.classification import References, Sizes  # noqa: PLC0415 - loads slowly

    path = Path(folder) / REFERENCES
    if not path.is_file():
        raise format_error(path, f"no such file; {AGAIN}")
    try:
        stored = json.loads(read_text(path))
        names = [field.name for field in fields(Sizes)]
        sizes = Sizes(**{name: stored["sizes"][name] for name in names})
        settings: Dict[str, Any] = {name: stored[name] for name in SETTINGS}
        _check(stored)
    except FormatError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise format_error(path, f"is damaged ({error}); {AGAIN}") from None
    stack = open_stack(Path(folder) / AVERAGES)
    if stack.shape[-1] != sizes.box_px:
        problem = f"has a box of {sizes.box_px} px, but {AVERAGES} {stack.shape[-1]}"
        raise format_error(path, f"{problem}; {AGAIN}")
    return References(averages=stack[:], sizes=sizes, **settings)


def read_given_classes(folder: PathLike) -> GivenClasses:
    """Scores of the classes of an earlier classification.

    Raises
    ------
    FormatError
        If the table is missing or damaged.
    """
    table = open_table(Path(folder) / CLASSES, AGAIN)
    has_scores = "score" in table.columns
    columns = typed_columns(table, {**CLASS, **CLASS_QUALITY} if has_scores else CLASS)
    is_junk = columns["is_junk"] != 0
    if not has_scores:
        return GivenClasses(is_junk)
    return GivenClasses(
        is_junk,
        columns["score"],
        columns["probability"],
        columns["resolution_angstrom"],
        columns["is_off_centre"] != 0,
    )


def _check(stored: Mapping[str, Any]) -> None:
    """Refuse values that no version writes."""
    sizes = stored["sizes"]
    optional: List[str] = ["particle_diameter_angstrom"]
    numbers = [sizes[name] for name in sizes if name not in (*optional, "is_measured")]
    numbers += [stored["dust_deviations"], stored["max_energy"]]
    if not all(isinstance(one, (int, float)) and np.isfinite(one) for one in numbers):
        raise ValueError("sizes must be finite numbers")
    if stored["ctf_mode"] not in ("weight", "flip", "none"):
        raise ValueError(f"ctf_mode is {stored['ctf_mode']!r}")
