"""Pickers of other installed packages, found by an entry point."""

from __future__ import annotations

import inspect
import logging
import re
from importlib import metadata
from typing import Dict, Iterator, Mapping, Tuple, Type

from repic_plugin.pickers.base import Picker

GROUP = "repic_plugin.pickers"
NONE = "none"  # a line of the form without a picker

logger = logging.getLogger(__name__)


def add_installed(pickers: Dict[str, Type[Picker]]) -> Dict[str, Type[Picker]]:
    """The given pickers and those of installed packages, by name.

    An entry point of the group `repic_plugin.pickers` is a subclass of `Picker`. Unusable ones are
    skipped with a line in the log. If two packages provide the same picker, the first in
    alphabetical order is used.

    Parameters
    ----------
    pickers : dict of str to type
        Those of this package, which are never replaced.
    """
    found = dict(pickers)
    for package, point in sorted(_entry_points(), key=lambda one: (one[0], one[1].name)):
        try:
            picker = _loaded(point)
            _check(picker, found)
        except ValueError as error:
            logger.error(
                "Picker %s of the package %s is skipped: %s, or remove the package (pip "
                "uninstall %s)",
                *(point.name, package, error, package),
            )
        else:
            found[picker.name] = picker
    return found


def _entry_points() -> Iterator[Tuple[str, metadata.EntryPoint]]:
    """Packages and entry points; if a package is installed twice, those that Python imports."""
    seen = set()
    for distribution in metadata.distributions():  # on Python 3.8, entry points lack their package
        points = [one for one in distribution.entry_points if one.group == GROUP]
        if points:
            package = re.sub(r"[-_.]+", "-", str(distribution.metadata["Name"])).lower()
            if package not in seen:
                yield from ((package, one) for one in points)
            seen.add(package)


def _loaded(point: metadata.EntryPoint) -> Type[Picker]:
    """The class that an entry point names.

    Raises
    ------
    ValueError
        If it cannot be imported, for whatever reason, or is not a concrete picker.
    """
    try:
        picker = point.load()
    except (Exception, SystemExit) as error:  # in third-party code: Scipion must start anyway
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{point.value} cannot be imported ({why}); correct it") from error
    if not (isinstance(picker, type) and issubclass(picker, Picker)):
        raise ValueError(
            f"{point.value} is not a subclass of repic_plugin.pickers.Picker; name one"
        )
    if inspect.isabstract(picker):
        missing = ", ".join(sorted(picker.__abstractmethods__))
        raise ValueError(f"{point.value} lacks {missing}; add what is missing")
    return picker


def _check(picker: Type[Picker], others: Mapping[str, Type[Picker]]) -> None:
    """Reject a picker whose name or title is invalid or taken.

    Raises
    ------
    ValueError
    """
    if not isinstance(picker.model_class, (str, type(None))):
        raise ValueError(f"its model_class must be a text, got {picker.model_class!r}; change it")
    taken = {NONE: NONE}
    for one in others.values():
        whose = f"{one.title} ({one.__module__})"
        taken.update({one.name.casefold(): whose, one.title.casefold(): whose})
    for what in ("name", "title"):
        text = getattr(picker, what, None)
        if not isinstance(text, str) or text != text.strip() or not text or text.isdigit():
            raise ValueError(f"its {what} must be a text and no number, got {text!r}; change it")
        if text.casefold() in taken:
            raise ValueError(
                f"its {what} {text!r} is that of {taken[text.casefold()]}; give it another"
            )
