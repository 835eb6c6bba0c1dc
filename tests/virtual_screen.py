"""A display for windows, and pictures of it."""

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

ARTIFACTS = Path(__file__).parent / "artifacts"
VIRTUAL = "virtual"


@contextmanager
def a_screen(size="1200x900"):
    """The display there is, or a virtual one; a test is skipped where neither can be had.

    Windows of this process need the fixture `screen` instead, for Tk cannot do without the first
    display that it has used.
    """
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no display, and no Xvfb to make one")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24"]
    server = start_apart(command, pass_fds=[writing])
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()  # Xvfb writes it once it is ready
    if not number:
        pytest.skip("Xvfb does not start")
    os.environ["DISPLAY"] = f":{number}"
    try:
        yield VIRTUAL
    finally:
        del os.environ["DISPLAY"]
        end(server)


@contextmanager
def window_manager(screen):
    """Frames and titles on a virtual screen, where a program for them is installed."""
    if screen != VIRTUAL or shutil.which("openbox") is None:
        yield
        return
    manager = start_apart(["openbox"])
    try:
        yield
    finally:
        end(manager)


def start_apart(command, **options):
    """Start a program that is no child of this process: tests kill all of theirs."""
    shell = ["sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh", *command]
    started = subprocess.run(shell, check=True, stdout=subprocess.PIPE, text=True, **options)
    return psutil.Process(int(started.stdout))


def end(process):
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        process.wait()


def photograph(screen, name):
    """Save the virtual screen for people to look at; nobody's own screen, and no condition."""
    if screen == VIRTUAL and shutil.which("import"):
        ARTIFACTS.mkdir(exist_ok=True)
        with suppress(subprocess.TimeoutExpired):
            command = ["import", "-window", "root", str(ARTIFACTS / name)]
            subprocess.run(command, check=False, timeout=60)
