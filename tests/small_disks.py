"""Disks of some kilobytes, for programs to fill."""

import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def small_disk(folder, size_kb):
    """A file system in memory on a folder that is there; the test is skipped without the right."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount program")
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
