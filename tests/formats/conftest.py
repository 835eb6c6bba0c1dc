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
def empiar_10017(shared_data):
    """The folder of real picks; skips where it is absent."""
    return shared_data / "empiar-10017"
