"""What every room's tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of shared data; a test that asks for it is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("REPIC_SHARED_DATA", str(beside)))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set REPIC_SHARED_DATA to its folder")
    return folder
