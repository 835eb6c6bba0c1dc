"""Processes of runs: started independently of this one and found by their command line."""

from __future__ import annotations

import os
import subprocess
from typing import Any, List

import psutil

PROGRAMS = ("pw_protocol_run", "pw_schedule_run")


class Launcher:
    """Stands in for `Popen` where Scipion starts a run.

    A run gets a session of its own, so that a Ctrl-C or a closed terminal does not reach it, and
    none of our files: a pipe behind this command closes when this command ends.
    """

    def __init__(self) -> None:
        self._started: List[subprocess.Popen[Any]] = []

    def __call__(self, command: Any, **options: Any) -> subprocess.Popen[Any]:
        """Start as asked, with what is said above."""
        is_run = options.get("stdout") is None  # else an answer is read: that of a queue
        for stream in ("stdin", "stdout", "stderr"):
            if options.get(stream) is None:
                options[stream] = subprocess.DEVNULL
        if "preexec_fn" not in options:
            options["start_new_session"] = True
        process = subprocess.Popen(command, **options)
        if is_run:
            self._started.append(process)
        return process

    def reap(self) -> bool:
        """Whether one has ended since the last call; else it would stay as a zombie."""
        ended = [one for one in self._started if one.poll() is not None]
        self._started = [one for one in self._started if one not in ended]
        return bool(ended)


def is_at_work(project_path: str, run_file: str) -> bool:
    """Whether a process on this machine runs or schedules a run, whatever its number.

    Parameters
    ----------
    project_path : str
        By whatever link: a window or an earlier run may have come by another.
    run_file : str
        As on its command line.
    """
    folder = os.path.realpath(project_path)  # a shell that starts a run has its command quoted
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or ()
        command = " ".join(words)
        if (
            any(program in command for program in PROGRAMS)
            and run_file in command
            and (folder in map(os.path.realpath, words) or f'"{project_path}"' in command)
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ):
            return True
    return False
