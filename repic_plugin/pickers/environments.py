"""Whether the programs that a plugin runs are on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any, Optional

from pwem import Domain

# conda takes seconds to activate an environment; one that hangs must not hang the form
TIMEOUT_SECONDS = 60
# "yes" where a queue sends the jobs to machines that have a GPU, and this one has none
GPU_VARIABLE = "REPIC_GPU"


def plugin_of(protocol_name: str) -> Any:
    """The plugin that has a protocol; it knows the variables of its programs."""
    return Domain.getProtocols()[protocol_name].getPlugin()


def output_of(plugin: Any, activation: str, command: str) -> Optional[str]:
    """What a command prints in the environment of a plugin's programs; None where it fails.

    Parameters
    ----------
    plugin : Plugin
    activation : str
        The user's command that activates the environment. It is for a shell, as it is for the
        plugin.
    command : str
    """
    line = f"{plugin.getCondaActivationCmd() or ''} {activation} && {command}"
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env=plugin.getEnviron(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def activation_problem(plugin: Any, variable: str, program: str, package: str) -> Optional[str]:
    """Why a program does not start, with the remedy; None where it does.

    Parameters
    ----------
    plugin : Plugin
    variable : str
        Of scipion.conf, that holds the command that activates the environment.
    program : str
    package : str
        What Scipion installs it from.
    """
    activation = plugin.getVar(variable) or ""
    if not activation.strip():
        found = "is empty"
    elif output_of(plugin, activation, f"command -v {program}") is None:
        found = f"is '{activation}', after which there is no program {program}"
    else:
        return None
    return (
        f"{variable} {found}; run: scipion installb {package}, or set {variable} in scipion.conf "
        f"to the command that activates the environment with {program}"
    )


def gpu_found() -> bool:
    """Whether there is an NVIDIA GPU, here or where jobs are sent to."""
    told = os.environ.get(GPU_VARIABLE, "").strip().lower()
    if told:
        return told in ("yes", "true", "1")
    if shutil.which("nvidia-smi") is None:
        return False
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, timeout=TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return b"GPU" in listed.stdout
