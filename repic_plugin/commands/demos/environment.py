"""Scipion settings of a demo, in a folder that can be deleted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from repic_plugin.workflow import project_folder, set_common_environment

MARK = ".repic-plugin-demo"  # only a folder with this file is ever replaced


def demo_folder(folder: Path) -> Path:
    """An empty folder; an earlier demo in it is removed.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise ValueError(f"{folder}: is neither empty nor an earlier demo; choose another --out")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    return folder


def set_environment(folder: Path) -> None:
    """Set what Scipion reads before its first import; existing settings are kept.

    Raises
    ------
    ValueError
        If Scipion's application is not installed.
    """
    hosts = set_common_environment("the demo")
    os.environ.setdefault("SCIPION_HOME", str(folder))
    os.environ.setdefault("SCIPION_HOSTS", str(hosts))
    os.environ["SCIPION_USER_DATA"] = str(folder / "scipion")
    os.environ["SCIPION_NOTIFY"] = "False"
    project_folder("").mkdir(parents=True)
