"""What Scipion has to know of this plugin."""

from __future__ import annotations

from typing import Any

import pwem

__all__ = ["Plugin"]


class Plugin(pwem.Plugin):
    """The consensus is computed in Python, in Scipion's own environment: nothing to install."""

    # Scipion takes the plugin's name and folder from the module of this class
    __module__ = "repic_plugin"
    _url = "https://doi.org/10.1038/s42003-024-07045-0"

    @classmethod
    def _defineVariables(cls) -> None:
        """There are none."""

    @classmethod
    def defineBinaries(cls, env: Any) -> None:
        """There are none."""
