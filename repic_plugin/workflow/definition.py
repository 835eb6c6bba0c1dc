"""Workflows and templates of workflows, read and checked without Scipion."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from repic_plugin.workflow.corrections import (
    imported_folders,
    split_corrections,
    with_corrections,
)
from repic_plugin.workflow.import_labels import with_import_labels
from repic_plugin.workflow.pixel_size import with_pixel_size
from repic_plugin.workflow.switches import NONE, switched_on

SUFFIX = ".json.template"
TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
# Scipion's numbers for the types of placeholders
STRING, BOOLEAN, PATH, INTEGER, DECIMAL, FILENAME, FOLDER = range(7)
KIND = ("text", "true or false", "a path", "a whole number", "a number", "a file name", "a folder")
TRUE, FALSE = ("true", "1"), ("false", "0")


@dataclass(frozen=True)
class Placeholder:
    """A value that a template leaves open: ``~title|default|type|name~``.

    Attributes
    ----------
    title, default, name : str
    kind : int
        Scipion's number.
    """

    title: str
    default: str
    kind: int
    name: str


@dataclass(frozen=True)
class Workflow:
    """Protocols to run.

    Attributes
    ----------
    source : str
        Template or file.
    protocols : list of dict
        As Scipion exports them.
    values : dict
        Of all placeholders of the template, and corrections.
    folder : str or None
        Base of relative paths in a workflow file.
    """

    source: str
    protocols: List[Dict[str, Any]]
    values: Dict[str, str]
    folder: Optional[str]


def template_names() -> List[str]:
    """Names of the templates of this plugin."""
    return sorted(path.name[: -len(SUFFIX)] for path in TEMPLATES.glob(f"*{SUFFIX}"))


def template_purpose(name: str) -> str:
    """What a template of this plugin is for."""
    text = _text(TEMPLATES / f"{name}{SUFFIX}")
    return " ".join(text[: text.index("[")].split())


def read_workflow(source: str, assignments: Sequence[str]) -> Workflow:
    """A workflow file, or a template with its values.

    Parameters
    ----------
    source : str
        A file, or the name of a template.
    assignments : sequence of str
        ``name=value``; ``name.scale=8`` and other corrections of coordinates for a folder of picks.

    Raises
    ------
    ValueError
        If there is no such file or template, a value is invalid, or it is no workflow.
    """
    path = _find(source)
    given = _split(assignments)
    if not path.name.endswith(".template"):
        if given:
            raise ValueError(
                f"{path}: is no template (*{SUFFIX}) and takes no values, got {next(iter(given))}=;"
                " leave them out, or change the workflow"
            )
        return Workflow(str(path), _protocols(_text(path), path), {}, str(path.parent))
    pieces, placeholders = _parsed(path)
    given, corrections = split_corrections(given, (one.name for one in placeholders))
    values = with_pixel_size(_values(path, placeholders, given), given)
    protocols = _protocols(_filled(pieces, placeholders, values), path)
    if corrections:
        by_name = _protocols(_filled(pieces, placeholders, _with_names(placeholders, values)), path)
        protocols = with_corrections(protocols, by_name, corrections)
    try:
        used = switched_on(protocols)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return Workflow(str(path), with_import_labels(used), {**values, **corrections}, None)


def read_imports(source: str) -> List[str]:
    """Names of a template's values that are folders of picks, whose coordinates it can correct."""
    path = _find(source)
    if not path.name.endswith(".template"):
        return []
    pieces, placeholders = _parsed(path)
    empty = {BOOLEAN: "false", INTEGER: "0", DECIMAL: "0"}  # where JSON must have something
    defaults = {one.name: one.default or empty.get(one.kind, "") for one in placeholders}
    filled = _filled(pieces, placeholders, _with_names(placeholders, defaults))
    found = imported_folders(_protocols(filled, path))
    return [name for name in found if name in defaults]


def _with_names(placeholders: Sequence[Placeholder], values: Mapping[str, str]) -> Dict[str, str]:
    """Values, with the name of each that is a folder or a path in place of it."""
    names = {one.name: one.name for one in placeholders if one.kind in (PATH, FOLDER)}
    return {**values, **names}


def _filled(
    pieces: Sequence[str], placeholders: Sequence[Placeholder], values: Mapping[str, str]
) -> str:
    """The text of a template with values."""
    whole = list(pieces)
    for number, one in enumerate(placeholders):
        whole[2 * number + 1] = json.dumps(values[one.name], ensure_ascii=False)[1:-1]
    return "".join(whole)


def read_placeholders(source: str) -> List[Placeholder]:
    """Placeholders of a template, each name once."""
    path = _find(source)
    found: Dict[str, Placeholder] = {}
    if path.name.endswith(".template"):
        for one in _parsed(path)[1]:
            found.setdefault(one.name, one)
    return list(found.values())


def _find(source: str) -> Path:
    """Path of a file or a template, also by its name in `scipion template`."""
    path = Path(source)
    if path.is_file():
        return path.resolve()
    name = re.sub(r"^repic_plugin-", "", path.name)
    name = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else name
    if name in template_names() and path.name == source:
        return TEMPLATES / f"{name}{SUFFIX}"
    raise ValueError(
        f"{source}: is neither a file nor a template; the templates are "
        f"{', '.join(template_names())}"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: is not text ({error}); give a workflow exported from Scipion"
        ) from error


def _parsed(path: Path) -> Tuple[List[str], List[Placeholder]]:
    """Alternating text and placeholders, and the placeholders, as Scipion splits a template."""
    text = _text(path)
    start = re.search(r"^\s*\[\s*$|^\s*\[\s*\{", text, re.M)
    try:
        text = text[start.start() if start else 0 :] % os.environ
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: needs the variable {error} of the environment; set it, or write %% for %"
        ) from error
    pieces = text.split("~")
    if len(pieces) % 2 == 0:
        raise ValueError(f"{path}: unbalanced ~; placeholders are ~title|default|type|name~")
    return pieces, [_placeholder(path, one) for one in pieces[1::2]]


def _placeholder(path: Path, text: str) -> Placeholder:
    title, default, kind, name = (*text.split("|"), "", "", "", "")[:4]
    if not kind.isdigit() or int(kind) >= len(KIND):
        raise ValueError(
            f"{path}: placeholder ~{text}~ has no type; it must be ~title|default|type|name~ with "
            f"a type from 0 to {len(KIND) - 1}"
        )
    return Placeholder(title, default, int(kind), name or title)


def _split(assignments: Sequence[str]) -> Dict[str, str]:
    given: Dict[str, str] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"values must be name=value, got {text!r}")
        if name in given:
            raise ValueError(f"{name} is given twice; give it once")
        given[name] = value
    return given


def _values(
    path: Path, placeholders: Sequence[Placeholder], given: Mapping[str, str]
) -> Dict[str, str]:
    """Values by name, as inserted into the workflow."""
    known = {one.name: one for one in reversed(placeholders)}
    for name in given:
        if name not in known:
            raise ValueError(f"{path.name} has no value {name}; it has {_listed(placeholders)}")
    kinds = {one.name: one for one in placeholders}
    missing = [
        name
        for name, one in kinds.items()
        if name not in given and not one.default and one.kind not in (STRING, FILENAME)
    ]
    if missing:
        raise ValueError(
            f"{path.name} needs {', '.join(f'{name}=' for name in missing)}; "
            f"its values are {_listed(placeholders)}"
        )
    return {name: _checked(one, given.get(name, one.default)) for name, one in kinds.items()}


def _listed(placeholders: Sequence[Placeholder]) -> str:
    """Names with their defaults, each name once."""
    names = {one.name: one.default for one in placeholders}
    return ", ".join(f"{name}={default}" for name, default in names.items()) or "none"


def _checked(one: Placeholder, value: str) -> str:
    """The value checked for its type; paths become absolute, as Scipion works elsewhere."""
    wrong = f"{one.name} ({one.title}) must be {KIND[one.kind]}, got {value!r}"
    if one.kind == BOOLEAN:
        if value.lower() not in TRUE + FALSE:
            raise ValueError(wrong)
        return "true" if value.lower() in TRUE else "false"
    if one.kind in (INTEGER, DECIMAL):
        try:
            number = int(value) if one.kind == INTEGER else float(value)
        except ValueError:
            raise ValueError(wrong) from None
        if not math.isfinite(number):
            raise ValueError(wrong)
        return str(number)
    if one.kind in (PATH, FOLDER):
        if value == one.default == NONE:
            return value
        try:
            found = Path(value).expanduser()
        except RuntimeError as error:
            raise ValueError(f"{wrong}: there is no such user") from error
        if not value or not (found.is_dir() if one.kind == FOLDER else found.exists()):
            raise ValueError(f"{wrong}, which does not exist")
        return str(found.absolute())
    return value


def _protocols(text: str, path: Path) -> List[Dict[str, Any]]:
    """The protocols of a workflow, checked for their class and a unique id."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: is not JSON ({error}); export the workflow from Scipion again"
        ) from error
    if not isinstance(found, list) or not found:
        raise ValueError(f"{path}: must be a list of one or more protocols; export it from Scipion")
    seen = set()
    for place, one in enumerate(found, 1):
        named = isinstance(one, dict) and all(
            isinstance(one.get(f"object.{key}"), str) and one[f"object.{key}"]
            for key in ("className", "id")
        )
        if not named:
            raise ValueError(
                f"{path}: entry {place} has no object.className or object.id; export it again"
            )
        if one["object.id"] in seen:
            raise ValueError(
                f"{path}: two protocols have the id {one['object.id']}; export it again"
            )
        seen.add(one["object.id"])
    return found
