"""Consensus particle picking for Scipion (REPIC)."""

from __future__ import annotations

from typing import Any

__version__ = "0.3.0"

_logo = "repic_logo.png"
_references = ["Cameron2024"]


def __getattr__(name: str) -> Any:
    """Load `Plugin` when Scipion asks for it: the pure rooms never import Scipion."""
    if name == "Plugin":
        from repic_plugin.plugin import Plugin  # noqa: PLC0415 - this is the point

        return Plugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
