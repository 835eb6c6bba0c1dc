"""Checks that the programs of a plugin are available on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any, Optional

from pwem import Domain

# conda takes seconds to activate an environment, but must not block the form for ever
TIMEOUT_SECONDS = 60
# "yes" if a queue sends jobs to machines with a GPU, and this one has none
GPU_VARIABLE = "REPIC_GPU"


def plugin_of(protocol_name: str) -> Any:
    """The plugin of a protocol, with the variables of its programs."""
    return Domain.getProtocols()[protocol_name].getPlugin()


def output_of(plugin: Any, activation: str, command: str) -> Optional[str]:
    """Output of a command in the environment of a plugin's programs; None if it fails.

    Parameters
    ----------
    plugin : Plugin
    activation : str
        The user's shell command that activates the environment.
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
    """Reason why a program does not start, with the remedy; None if it does.

    Parameters
    ----------
    plugin : Plugin
    variable : str
        Variable in scipion.conf with the command that activates the environment.
    program : str
    package : str
        Package from which Scipion installs it.
    """
    activation = plugin.getVar(variable) or ""
    if not activation.strip():
        found = "is empty"
    elif output_of(plugin, activation, f"command -v {program}") is None:
        found = f"is '{activation}', which does not provide the program {program}"
    else:
        return None
    return (
        f"{variable} {found}; run: scipion installb {package}, or set {variable} in scipion.conf "
        f"to the command that activates the environment with {program}"
    )


def gpu_found() -> bool:
    """Whether there is an NVIDIA GPU, here or on the machines to which jobs are sent."""
    stated = os.environ.get(GPU_VARIABLE, "").strip().lower()
    if stated:
        return stated in ("yes", "true", "1")
    if shutil.which("nvidia-smi") is None:
        return False
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, timeout=TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return b"GPU" in listed.stdout
