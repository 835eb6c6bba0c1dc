"""The choice of a picker: an index in the form, a name in projects."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Optional

from pyworkflow.object import String
from pyworkflow.protocol import params

from repic_plugin.pickers import KNOWN, NONE, PICKERS

HELP = (
    "crYOLO, Topaz and DeepPicker are trained on the consensus; template matching makes new "
    "templates from it. *Runs of this project*: your own training and picking runs are copied with "
    "new inputs. Pickers of other packages appear here when they are installed."
)


class Place(int):
    """Index in the form's list, with the name at it: the lists of two protocols may differ."""

    name: str

    def __new__(cls, place: int, name: str) -> Place:
        """An index with a name."""
        made = super().__new__(cls, place)
        made.name = name
        return made


class PickerChoice(String):  # type: ignore[misc]
    """The name of a picker, presented to forms and conditions as its index in the form's list.

    Projects, exported workflows and copies hold the name, as the list depends on the installed
    packages. Unknown names are kept. Numbers in texts, and all numbers up to the last of `KNOWN`,
    are those of version 0.2.0.

    Parameters
    ----------
    value : str or int, optional
        Name or title of a picker, case-insensitive, or an index. None is no picker.
    choices : list of str, optional
        Choices of the form; an unknown name is appended.
    """

    def __init__(self, value: Any = None, choices: Optional[List[str]] = None, **kwargs: Any):
        self._names = _names()
        self._choices = _titles() if choices is None else choices
        super().__init__(value, **kwargs)

    @classmethod
    def getClassName(cls) -> str:
        """The stored class, which exists even without this plugin."""
        return "String"

    def set(self, value: Any) -> None:
        """Set the picker by name, title or index."""
        super().set(NONE if value is None else value)
        name = self.getObjValue()
        if name not in self._names:
            self._names.append(name)
            self._choices.append(f"{name} (not installed)")

    def get(self, default: Any = None) -> Place:
        """Index in the form's list; 0 is no picker."""
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
    """Add the choice of a picker to the form."""
    choices = _titles()
    param = group.addParam(
        name, params.EnumParam, choices=choices, default=NONE, label="Picker", help=HELP
    )
    param.paramClass = partial(PickerChoice, choices=choices)


def _names() -> List[str]:
    """Names in the order of the form, including those of `KNOWN` that are missing."""
    return [NONE, *dict.fromkeys((*KNOWN, *PICKERS))]


def _titles() -> List[str]:
    """Choices of the form, in order."""
    return [PICKERS[name].title if name in PICKERS else name for name in _names()]


def _named(text: str) -> str:
    """The name that a text stands for, or the text itself if it is unknown."""
    places = {str(place): name for place, name in enumerate((NONE, *KNOWN))}
    texts: Dict[str, str] = {"": NONE, NONE: NONE, **places}
    for name, picker in PICKERS.items():
        texts.update({name.casefold(): name, picker.title.casefold(): name})
    return texts.get(text.casefold(), text)
