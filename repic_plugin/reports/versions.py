"""What a report was made by."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from repic_plugin import __version__

PACKAGES = ("numpy", "scipy", "scipion-em", "scipion-pyworkflow")


def made_by() -> str:
    """The versions that matter."""
    found = [f"repic_plugin {__version__}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"Made by {', '.join(found)}."
