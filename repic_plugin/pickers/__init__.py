"""Adapters: what it takes to train a picker and to run it, one file each.

To add a picker, add a file with a subclass of `Picker`; it is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Dict, Type

from repic_plugin.pickers.base import (
    NewProtocol,
    Picker,
    PickerFailed,
    PickerSettings,
)
from repic_plugin.pickers.options import option_value, read_options

__all__ = [
    "KNOWN",
    "PICKERS",
    "NewProtocol",
    "Picker",
    "PickerFailed",
    "PickerSettings",
    "option_value",
    "read_options",
]


# Users' projects hold the place of a picker in this list: never change it. Others come after.
KNOWN = ("template", "topaz", "cryolo", "deeppicker", "log", "project")


def _found() -> Dict[str, Type[Picker]]:
    """All adapters of this folder by name."""
    adapters = [
        one
        for module in pkgutil.iter_modules(__path__)
        for one in vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        if isinstance(one, type) and issubclass(one, Picker) and "name" in vars(one)
    ]
    by_name = {one.name: one for one in adapters}
    others = sorted(set(by_name) - set(KNOWN))
    return {name: by_name[name] for name in (*KNOWN, *others) if name in by_name}


PICKERS = _found()
