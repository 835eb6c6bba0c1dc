"""What Scipion reads from the environment before its first import."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["project_folder", "set_user_environment"]


def set_user_environment() -> None:
    """Keep what Scipion's launcher or the user has set, and fill in the rest.

    Raises
    ------
    ValueError
        If Scipion's application is not installed.
    """
    spec = find_spec("scipion")
    if spec is None or spec.origin is None:
        raise ValueError(
            "this needs Scipion's application: pip install 'scipion-em-repic-plugin[scipion]'"
        )
    data = Path(os.environ.setdefault("SCIPION_USER_DATA", "~/ScipionUserData")).expanduser()
    (data / "projects").mkdir(parents=True, exist_ok=True)
    home = Path(os.environ.setdefault("SCIPION_HOME", str(data)))
    own = home / "config" / "hosts.conf"
    template = Path(spec.origin).parent / "templates" / "hosts.template"
    os.environ.setdefault("SCIPION_HOSTS", str(own if own.is_file() else template))
    os.environ.setdefault("SCIPION_DOMAIN", "pwem")
    os.environ.setdefault("SCIPION_NOTIFY", "False")
    # a protocol is run by the first python on the path
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def project_folder(name: str) -> Path:
    """Where Scipion keeps a project of that name."""
    data = Path(os.path.expandvars(os.environ["SCIPION_USER_DATA"])).expanduser()
    return data.absolute() / "projects" / name
