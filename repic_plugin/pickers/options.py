"""Options of a picker: values of its protocols' parameters, as text."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from pyworkflow.protocol import Protocol, params

SWITCH = {**dict.fromkeys(("yes", "true", "1"), True), **dict.fromkeys(("no", "false", "0"), False)}
# Parameters that say how a run is started, which iterative picking decides.
HOW_IT_RUNS = {"runName", "runMode", "hostName", "numberOfThreads", "numberOfMpi", "binThreads"}
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


class Option(NamedTuple):
    """An option that a picker offers.

    Attributes
    ----------
    key : str
        As in the text of the options: ``name``, or ``train.name`` and ``pick.name``.
    label, default, help : str
        Of the parameter; the default is written as in the text.
    """

    key: str
    label: str
    default: str
    help: str


def offered_options(protocols: Mapping[str, Protocol]) -> List[Option]:
    """All options of a picker's protocols with their defaults.

    Parameters
    ----------
    protocols : mapping of str to Protocol
        Samples by role, ``train`` or ``pick``. Where there is one protocol, keys have no role.
    """
    found = []
    for role, protocol in protocols.items():
        for name, param in protocol.getDefinition().iterParams():
            if _is_option(name, param):
                key = f"{role}.{name}" if len(protocols) > 1 else name
                help_text = " ".join(str(param.help.get() or "").split())
                found.append(Option(key, param.label.get(), option_text(param), help_text))
    return found


def option_text(param: Any) -> str:
    """The default of a parameter, as an option is written."""
    default = param.default.get()
    if default is None:
        return ""
    if isinstance(param, params.BooleanParam):
        return "yes" if str(default).lower() in ("true", "1") else "no"
    if isinstance(param, params.EnumParam):
        choices = [str(one) for one in param.choices]
        return choices[int(default)] if str(default).isdigit() else str(default)
    return str(default)


def options_text(options: Mapping[str, str]) -> str:
    """Options as `read_options` reads them."""
    return "; ".join(f"{key}={value}" for key, value in options.items())


def _is_option(name: str, param: Any) -> bool:
    """Whether the form of iterative picking can set a parameter, and the picker does not."""
    kinds = (params.PointerParam, params.MultiPointerParam, params.LabelParam)
    is_hidden = str(param.condition.get() or "") == "False" or not param.label.get()
    return not (isinstance(param, kinds) or is_hidden or name in HOW_IT_RUNS)


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
    lowered = [one.lower() for one in choices]
    if text.lower() in lowered:
        return lowered.index(text.lower())
    if text.isdigit() and int(text) < len(choices):
        return int(text)
    raise ValueError(f"option {name}: must be one of {', '.join(choices)}, got {text!r}")
