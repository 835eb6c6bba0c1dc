"""Packages whose modules are imported on first use."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Callable, List, Mapping, Tuple


def lazy_door(
    package: str, homes: Mapping[str, str]
) -> Tuple[Callable[[str], Any], Callable[[], List[str]]]:
    """``__getattr__`` and ``__dir__`` of a package that imports its names on first use.

    For packages that load Scipion or matplotlib, which other imports should not wait for.

    Parameters
    ----------
    package : str
        Full name of the package.
    homes : mapping of str to str
        Module of the package that defines each name.

    Returns
    -------
    tuple of callable
        For ``__getattr__`` and ``__dir__`` of the package (PEP 562).
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return get, lambda: sorted({*vars(sys.modules[package]), *homes})
