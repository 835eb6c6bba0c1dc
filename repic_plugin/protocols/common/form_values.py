"""A form's values as texts: labels in messages, values in place of automatic ones, citations."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import (
    Any,
    ClassVar,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Match,
    Optional,
    Sequence,
    Tuple,
)

from pwem.objects import SetOfCoordinates, SetOfMicrographs

from repic_plugin import __version__

MAX_BOX_PX = 20_000  # where the size of the micrographs is unknown; detectors have 11,520 px
SOFTWARE = f"repic_plugin {__version__}"


def in_form_terms(protocol: Any, error: ValueError, params: Mapping[str, str]) -> str:
    """The message of an error, with the form's labels for the arguments that it names.

    Parameters
    ----------
    protocol : Protocol
    error : ValueError
    params : mapping of str to str
        From arguments to parameters of the form; text before the parameter is kept, as in
        ``the box size divided by resolution``. An argument without an underscore may be an
        ordinary word: it is replaced only where the message begins with it.
    """

    def labelled(found: Match[str]) -> str:
        text, space, name = params[found.group()].rpartition(" ")
        return f"{text}{space}{protocol.label(name)}"

    if not params:
        return str(error)
    names = "|".join(rf"\b{name}" if "_" in name else f"^{name}" for name in params)
    return re.sub(rf"(?:{names})\b", labelled, str(error))


def box_problem(protocol: Any) -> str:
    """What is wrong with a box that is larger than any micrograph, which would fill the memory."""
    size_px = getattr(getattr(protocol, "boxSize", None), "get", int)()
    if not size_px:
        return ""
    sides = [_longest_side_px(pointer.get()) for _, pointer in protocol.iterInputPointers()]
    limit_px = max(sides, default=0) or MAX_BOX_PX
    if size_px <= limit_px:
        return ""
    what = "the longest side of the micrographs" if any(sides) else "larger than any micrograph"
    return (
        f"{protocol.label('boxSize')} must be {limit_px:,} px or less ({what}), got {size_px:,}; "
        "give about 1.5 particle diameters"
    )


def _longest_side_px(inputs: Any) -> int:
    """Longest side of the micrographs of a set, in px; 0 where it is unknown."""
    micrographs = inputs.getMicrographs() if isinstance(inputs, SetOfCoordinates) else inputs
    if not isinstance(micrographs, SetOfMicrographs):
        return 0
    return max(map(int, (micrographs.getDim() or (0,))[:2]))


class FormProtocol:
    """Mix-in, before the Scipion class: messages and values in terms of the form."""

    # Parameters of the form by the arguments that messages name, see `in_form_terms`.
    FORM_PARAMS: ClassVar[Mapping[str, str]] = {}

    def _check(self) -> Optional[Iterable[str]]:
        """Errors in the form, as a ValueError or lines; only called if all inputs exist."""
        return None

    def _automatic(self) -> Dict[str, str]:
        """Value used for each parameter that is automatic at 0 or where it is empty."""
        return {}

    def _validate(self: Any) -> List[str]:
        if not self._hasInputs():
            return []  # scheduled before its inputs exist, or Scipion reports that one is missing
        problem = box_problem(self)
        if problem:
            return [problem]
        try:
            return list(self._check() or ())
        except ValueError as error:
            return [in_form_terms(self, error, self.FORM_PARAMS)]

    @contextmanager
    def labelled_errors(self) -> Iterator[None]:
        """Raise errors again with their messages in terms of the form."""
        try:
            yield
        except ValueError as error:
            raise ValueError(in_form_terms(self, error, self.FORM_PARAMS)) from error

    def _hasInputs(self: Any) -> bool:
        """Whether all inputs that are chosen or required exist."""
        return not any(
            pointer.get() is None and (pointer.hasValue() or not self.getParam(name).allowsNull)
            for name, pointer in self.iterInputPointers()
            if self.evalParamCondition(name)
        )

    def label(self: Any, name: str) -> str:
        """The label of a parameter, as the form shows it, in quotes."""
        return f'"{self.getParam(name).label.get()}"'

    def values_used(self: Any) -> Dict[str, str]:
        """Value used for each parameter that the user left automatic; none once inputs are gone."""
        return {
            name: value
            for name, value in (self._automatic() if self._hasInputs() else {}).items()
            if value and self._isAutomatic(name) and self.evalParamCondition(name)
        }

    def _isAutomatic(self: Any, name: str) -> bool:
        """Whether the user left a parameter automatic."""
        return not getattr(self, name).get()

    def _valueLines(self: Any) -> List[str]:
        """A line of the summary; fields of the same label and value share an entry."""
        entries: Dict[Tuple[str, str], List[str]] = {}
        for name, value in self.values_used().items():
            entries.setdefault((self.label(name), value), []).append(self._whose(name))
        used = (
            " ".join([label, *[f"of {' and '.join(names)}"] * any(names), value])
            for (label, value), names in entries.items()
        )
        text = "; ".join(used)
        return [f"Automatic values: {text}."] if text else []

    def _whose(self, name: str) -> str:
        """What a parameter belongs to, such as a picker, where several have its label."""
        return ""


def with_angstrom(size_px: float, pixel_size_angstrom: float) -> str:
    """A length in px and in angstrom."""
    return f"{size_px:g} px ({size_px * pixel_size_angstrom:.4g} Å)"


def listed(values: Sequence[str], names: Sequence[str]) -> str:
    """The value that all have, or each value with the names of those that have it."""
    if len(set(values)) == 1:
        return values[0]
    return ", ".join(
        f"{value} for {' and '.join(n for v, n in zip(values, names) if v == value)}"
        for value in dict.fromkeys(values)
    )
