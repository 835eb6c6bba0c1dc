"""Options of a picker: values of its protocols' parameters, as text."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from pyworkflow.protocol import Protocol, params

SWITCH = {**dict.fromkeys(("yes", "true", "1"), True), **dict.fromkeys(("no", "false", "0"), False)}
NUMBERS = ((params.IntParam, int, "a whole number"), (params.FloatParam, float, "a number"))


def read_options(text: Optional[str]) -> Dict[str, str]:
    """Options of a picker from one line of text.

    Parameters
    ----------
    text : str or None
        ``name=value`` pairs, separated by semicolons or line ends. ``train.name`` and
        ``pick.name`` apply to one of the two protocols only.

    Raises
    ------
    ValueError
        If a part is not such a pair, or a name is repeated.
    """
    options: Dict[str, str] = {}
    for part in (text or "").replace("\n", ";").split(";"):
        name, equals, value = (one.strip() for one in part.partition("="))
        if not part.strip():
            continue
        if not equals or not name:
            raise ValueError(f"options must be name=value; name=value, got {part.strip()!r}")
        if name in options:
            raise ValueError(f"options must have {name} only once, got it twice")
        options[name] = value
    return options


def option_value(protocol: Protocol, name: str, text: str) -> Any:
    """The value of a parameter that a text stands for.

    Parameters
    ----------
    protocol : Protocol
    name : str
        Of the parameter.
    text : str
        For a list, a choice or its number from 0; for a switch, yes or no.

    Returns
    -------
    bool, int, float or str

    Raises
    ------
    ValueError
        If it is not a value of the parameter.
    """
    param = protocol.getParam(name)
    if isinstance(param, (params.PointerParam, params.MultiPointerParam)):
        raise ValueError(
            f"option {name}: it refers to an object of the project and cannot be typed"
        )
    if isinstance(param, params.EnumParam):
        return _choice(name, [str(one) for one in param.choices], text)
    if isinstance(param, params.BooleanParam):
        if text.lower() not in SWITCH:
            raise ValueError(f"option {name}: must be yes or no, got {text!r}")
        return SWITCH[text.lower()]
    for kind, convert, what in NUMBERS:
        if isinstance(param, kind):
            try:
                return convert(text)
            except ValueError:
                raise ValueError(f"option {name}: must be {what}, got {text!r}") from None
    return text


def _choice(name: str, choices: List[str], text: str) -> int:
    """Index of a choice that is given by its text or its index."""
    words = [one.lower() for one in choices]
    if text.lower() in words:
        return words.index(text.lower())
    if text.isdigit() and int(text) < len(choices):
        return int(text)
    raise ValueError(f"option {name}: must be one of {', '.join(choices)}, got {text!r}")
