"""Environment variables that Scipion reads on import."""

from __future__ import annotations

import os
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

# Scipion puts the path of a project into a shell line, between double quotes.
NOT_IN_PATHS = '$`"\\'


def set_common_environment(who: str) -> Path:
    """Set the environment of every project; return Scipion's template of hosts.conf.

    Raises
    ------
    ValueError
        If Scipion's application is not installed.
    """
    spec = find_spec("scipion")
    if spec is None or spec.origin is None:
        raise ValueError(
            f"{who} needs Scipion's application: pip install 'scipion-em-repic-plugin[scipion]'"
        )
    os.environ.setdefault("SCIPION_DOMAIN", "pwem")
    # protocols are run by the first python on the path
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return Path(spec.origin).parent / "templates" / "hosts.template"


def set_user_environment() -> None:
    """Set the environment of the user's Scipion; existing variables are kept.

    Raises
    ------
    ValueError
        If Scipion's application is not installed.
    """
    template = set_common_environment("this")
    data = Path(os.environ.setdefault("SCIPION_USER_DATA", "~/ScipionUserData")).expanduser()
    (data / "projects").mkdir(parents=True, exist_ok=True)
    home = Path(os.environ.setdefault("SCIPION_HOME", str(data)))
    own = home / "config" / "hosts.conf"
    os.environ.setdefault("SCIPION_HOSTS", str(own if own.is_file() else template))
    os.environ.setdefault("SCIPION_NOTIFY", "False")


def check_new_name(name: str) -> None:
    """Refuse names of projects that Scipion would change.

    Raises
    ------
    ValueError
        If it has anything but letters, digits, - and _.
    """
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(
            f"--project must be of letters, digits, - and _, got {name!r}; Scipion would rename it"
        )


def project_folder(name: str) -> Path:
    """Folder of the Scipion project of that name.

    Raises
    ------
    ValueError
        If the path has characters that a shell would interpret.
    """
    data = Path(os.path.expandvars(os.environ["SCIPION_USER_DATA"])).expanduser()
    folder = data.absolute() / "projects" / name
    bad = sorted(set(NOT_IN_PATHS) & set(str(folder)))
    if bad:
        raise ValueError(
            f"{folder}: Scipion puts this path into a shell line, which may not hold "
            f"{' '.join(bad)}; choose another folder or name"
        )
    return folder


def open_command(project: str) -> str:
    """The command that opens a project in Scipion, with this process's settings of Scipion.

    Scipion's own program, `scipion`, uses importlib.util without importing it, and fails where
    nothing else has imported it at the start of Python. ``python -m`` does.
    """
    path = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    settings = " ".join(
        f"{name}={shlex.quote(str(Path(os.path.expandvars(os.environ[name])).expanduser()))}"
        for name in ("SCIPION_HOME", "SCIPION_USER_DATA")
    )
    return f"{path} {settings} {Path(sys.executable).name} -m scipion project {project}"
