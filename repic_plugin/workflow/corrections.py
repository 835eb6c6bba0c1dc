"""Corrections of the coordinates that a template imports: ``picks1.scale=8`` beside ``picks1=``."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, List, Mapping, Tuple

IMPORT, FOLDER = "ProtRepicImportPicks", "picksFolder"
SWITCHES = {"swap-xy": "swapXY", "flip-x": "flipX", "flip-y": "flipY"}
SCALE, OFFSET = "scale", "offset"
OFFSETS = ("offsetX", "offsetY")
CORRECTIONS = {
    "swap-xy": "true",
    SCALE: "FACTOR",
    "flip-x": "true",
    "flip-y": "true",
    OFFSET: "DX,DY",
}
YES, NO = ("true", "yes", "1"), ("false", "no", "0")


def split_corrections(
    given: Mapping[str, str], known: Iterable[str]
) -> Tuple[Dict[str, str], Dict[str, str]]:
    """Values of a template, and corrections, which are named after one of them and a dot.

    Parameters
    ----------
    given : mapping of str to str
    known : iterable of str
        Names of the template's values.
    """
    names = {*known}
    dotted = {name for name in given if name not in names and name.rpartition(".")[0] in names}
    values = {name: value for name, value in given.items() if name not in dotted}
    return values, {name: given[name] for name in given if name in dotted}


def imported_folders(protocols: Iterable[Mapping[str, Any]]) -> List[str]:
    """Folders of picks that a workflow imports, in its order."""
    folders = (one.get(FOLDER) for one in protocols if one.get("object.className") == IMPORT)
    return list(dict.fromkeys(str(folder) for folder in folders if folder))


def with_corrections(
    protocols: List[Dict[str, Any]], by_name: List[Dict[str, Any]], corrections: Mapping[str, str]
) -> List[Dict[str, Any]]:
    """The protocols, with corrections in those that import the coordinates.

    Parameters
    ----------
    protocols, by_name : list of dict
        With the values, and with their names in place of folders.
    corrections : mapping of str to str

    Raises
    ------
    ValueError
        If a correction is unknown, has no such value, or nothing is imported from its folder.
    """
    able = imported_folders(by_name)
    added: Dict[str, Dict[str, Any]] = {}
    for name, text in corrections.items():
        folder, _, kind = name.rpartition(".")
        if folder not in able:
            where = ", ".join(able) or "none of its values, as it imports no picks"
            raise ValueError(f"{name}: a correction of coordinates belongs to {where}")
        added.setdefault(folder, {}).update(_fields(name, kind, text))
    return [{**one, **added.get(str(there.get(FOLDER)), {})}
            for one, there in zip(protocols, by_name)]  # fmt: skip


def _fields(name: str, kind: str, text: str) -> Dict[str, Any]:
    """Fields of the import protocol's form."""
    if kind in SWITCHES:
        if text.lower() not in YES + NO:
            raise ValueError(f"{name} must be true or false, got {text!r}")
        return {SWITCHES[kind]: text.lower() in YES}
    if kind == SCALE:
        scale = _number(text)
        if not scale > 0:
            raise ValueError(f"{name} must be a factor above 0, such as 8, got {text!r}")
        return {SCALE: scale}
    if kind == OFFSET:
        both = [_number(part) for part in text.split(",")]
        if len(both) != 2 or any(map(math.isnan, both)):
            raise ValueError(f"{name} must be DX,DY in px, got {text!r}")
        return dict(zip(OFFSETS, both))
    raise ValueError(f"{name}: there is no such correction; choose {', '.join(CORRECTIONS)}")


def _number(text: str) -> float:
    """A finite number, else NaN."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
