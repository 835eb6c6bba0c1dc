"""What Scipion has to know of this plugin."""

from __future__ import annotations

from typing import Any

import pwem

__all__ = ["Plugin"]


class Plugin(pwem.Plugin):
    """The consensus is computed in Python, in Scipion's own environment: nothing to install."""

    _homeVar = ""
    _pathVars: tuple = ()
    _supportedVersions: tuple = ()
    _url = "https://github.com/scipion-em/scipion-em-repic-plugin"

    @classmethod
    def _defineVariables(cls) -> None:
        """There are none."""

    @classmethod
    def defineBinaries(cls, env: Any) -> None:
        """There are none."""
