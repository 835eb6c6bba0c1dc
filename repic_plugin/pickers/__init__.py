"""Adapters for training and running pickers, one file each.

A subclass of `Picker` in a file of this folder is found automatically, as is one that an installed
package names in the entry point group `repic_plugin.pickers` (docs/develop/adding-a-picker.md).
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Dict, Type

from repic_plugin.pickers.base import PICK, TRAIN, NewProtocol, Picker, PickerFailed, PickerSettings
from repic_plugin.pickers.options import (
    Option,
    offered_options,
    option_value,
    options_text,
    read_options,
)
from repic_plugin.pickers.packages import NONE, add_installed

__all__ = [
    "KNOWN",
    "NONE",
    "PICK",
    "PICKERS",
    "TRAIN",
    "NewProtocol",
    "Option",
    "Picker",
    "PickerFailed",
    "PickerSettings",
    "find_pickers",
    "offered_options",
    "option_value",
    "options_text",
    "read_options",
]


# The order of the form, whose indices from 1 are stored by version 0.2.0: never change it.
KNOWN = ("template", "topaz", "cryolo", "deeppicker", "log", "project")


def find_pickers() -> Dict[str, Type[Picker]]:
    """All adapters by name: those of this folder, then those of other packages.

    Returns
    -------
    dict of str to type
        In the order of the form: those of `KNOWN`, then the others by name.
    """
    adapters = [
        one
        for module in pkgutil.iter_modules(__path__)
        for one in vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        if isinstance(one, type) and issubclass(one, Picker) and "name" in vars(one)
    ]
    by_name = add_installed({one.name: one for one in adapters})
    others = sorted(set(by_name) - set(KNOWN))
    return {name: by_name[name] for name in (*KNOWN, *others) if name in by_name}


def __getattr__(name: str) -> Dict[str, Type[Picker]]:
    """`PICKERS`, loaded on first use, as packages of pickers import this one."""
    if name != "PICKERS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, find_pickers())
