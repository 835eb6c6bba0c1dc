"""The picker of a line of the form: a choice in the window, a name in what is stored."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Optional

from pyworkflow.object import String
from pyworkflow.protocol import params

from repic_plugin.pickers import KNOWN, NONE, PICKERS


class Place(int):
    """A place in the form's list that keeps the name at it: lists of two protocols may differ."""

    name: str

    def __new__(cls, place: int, name: str) -> Place:
        """A number with a name."""
        made = super().__new__(cls, place)
        made.name = name
        return made


class PickerChoice(String):  # type: ignore[misc]
    """The name of a picker, which windows and conditions see as its place in the form's list.

    Projects, exported workflows and copies hold the name: the list changes with what is installed.
    A name that is not known is kept as it is. Numbers in texts and, up to the last of `KNOWN`,
    everywhere are those of version 0.2.0.

    Parameters
    ----------
    value : str or int, optional
        Name or title of a picker in any case, or a place. None is no picker.
    choices : list of str, optional
        What the form shows; gets a line for a name that is not known.
    """

    def __init__(self, value: Any = None, choices: Optional[List[str]] = None, **kwargs: Any):
        self._names = _names()
        self._choices = _titles() if choices is None else choices
        super().__init__(value, **kwargs)

    @classmethod
    def getClassName(cls) -> str:
        """What is stored is a text, also where this plugin is not installed."""
        return "String"

    def set(self, value: Any) -> None:
        """Take a name, a title or a place."""
        super().set(NONE if value is None else value)
        name = self.getObjValue()
        if name not in self._names:
            self._names.append(name)
            self._choices.append(f"{name} (not installed)")

    def get(self, default: Any = None) -> Place:
        """The place in the form's list; 0 is no picker."""
        name = self.getObjValue()
        return Place(self._names.index(name), name)

    def _convertValue(self, value: Any) -> str:
        if isinstance(value, Place):
            return value.name
        if type(value) is int and 0 <= value < len(self._names):
            return self._names[value]
        return _named(str(value).strip())

    def __str__(self) -> str:
        return str(self.getObjValue())


def define_choice(group: params.Group, name: str) -> None:
    """Add a parameter to the form that offers the pickers."""
    choices = _titles()
    param = group.addParam(name, params.EnumParam, choices=choices, default=NONE, label="Picker")
    param.paramClass = partial(PickerChoice, choices=choices)


def _names() -> List[str]:
    """Names in the order of the form; that of `KNOWN` holds even where one is not there."""
    return [NONE, *dict.fromkeys((*KNOWN, *PICKERS))]


def _titles() -> List[str]:
    """What the form shows, in its order."""
    return [PICKERS[name].title if name in PICKERS else name for name in _names()]


def _named(text: str) -> str:
    """The name that a text means, or the text where none is known."""
    places = {str(place): name for place, name in enumerate((NONE, *KNOWN))}
    texts: Dict[str, str] = {"": NONE, NONE: NONE, **places}
    for name, picker in PICKERS.items():
        texts.update({name.casefold(): name, picker.title.casefold(): name})
    return texts.get(text.casefold(), text)
