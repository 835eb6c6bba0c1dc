import os
from pathlib import Path

import pytest


@pytest.fixture
def make(tmp_path):
    """Write a file below a fresh folder and return its path."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="session")
def empiar_10017():
    """The folder of real picks; skips where it is absent."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("REPIC_SHARED_DATA", str(beside))) / "empiar-10017"
    if not folder.is_dir():
        pytest.skip(f"the real picks of EMPIAR-10017 are not here (looked for {folder})")
    return folder
