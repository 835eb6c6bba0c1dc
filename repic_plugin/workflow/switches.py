"""Protocols of a template that a value leaves out.

They have an entry ``"object.use": "cryolo=~Pick with crYOLO|true|1|cryolo~"``. What refers to one
that is left out refers to its ``"object.instead": "6.outputCoordinates"``, or loses the reference:
an optional input stays empty, a list is shorter.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from repic_plugin.wording import counted

USE, INSTEAD = "object.use", "object.instead"
NONE = "none"  # the default of a path that may be left out
OFF = ("", "false", "0", NONE)
CONSENSUS, PICKERS, MIN_PICKERS = "ProtRepicConsensus", "inputCoordinates", 2


def switch_of(protocol: Mapping[str, Any]) -> Tuple[str, str]:
    """Name and value of what leaves a protocol out; empty if nothing does."""
    name, _, value = str(protocol.get(USE, "")).partition("=")
    return name, value


def switched_on(protocols: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The protocols that are used, without references to others.

    Raises
    ------
    ValueError
        If a consensus is left with fewer than two pickers.
    """
    off = {one["object.id"]: one.get(INSTEAD) for one in protocols if _is_off(one)}
    used = [_redirected(one, off) for one in protocols if one["object.id"] not in off]
    for one in used if off else ():
        pickers = one.get(PICKERS)
        if one["object.className"] == CONSENSUS and len(pickers or ()) < MIN_PICKERS:
            names = [switch_of(other)[0] for other in protocols if switch_of(other)[0]]
            n = counted(len(pickers or ()), "picker")
            raise ValueError(
                f"a consensus needs {MIN_PICKERS} pickers or more, got {n}; switch on more of "
                f"{', '.join(dict.fromkeys(names))}"
            )
    return used


def how_to_leave_out(protocol: Mapping[str, Any]) -> str:
    """The value that leaves a protocol out, as a message names it; empty if nothing does."""
    name, value = switch_of(protocol)
    if not name:
        return ""
    return f"{name}=false" if value == "true" else f"no {name}="


def _is_off(protocol: Mapping[str, Any]) -> bool:
    return USE in protocol and switch_of(protocol)[1].lower() in OFF


def _redirected(protocol: Dict[str, Any], off: Mapping[str, Any]) -> Dict[str, Any]:
    """A protocol that refers to none that is left out."""
    kept: Dict[str, Any] = {}
    for key, value in protocol.items():
        if key.startswith("object."):
            kept[key] = value
        elif isinstance(value, list):
            found = [_reference(one, off) for one in value]
            kept[key] = [one for one in found if one is not None]
        else:
            found_one = _reference(value, off)
            if found_one is not None or value is None:
                kept[key] = found_one
    return kept


def _reference(value: Any, off: Mapping[str, Any]) -> Any:
    """A value, or what a reference to a protocol that is left out becomes: None if nothing."""
    while isinstance(value, str) and "." in value and value.partition(".")[0] in off:
        value = off[value.partition(".")[0]]
    return value
