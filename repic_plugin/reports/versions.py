"""Software that made a report."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from repic_plugin import __version__

PACKAGES = ("numpy", "scipy", "scipion-em", "scipion-pyworkflow")


def made_by() -> str:
    """A sentence with the versions of the software."""
    found = [f"repic_plugin {__version__}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"Made by {', '.join(found)}."
