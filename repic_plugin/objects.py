"""Objects that protocols exchange in addition to Scipion's own sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Set

from pwem.objects import EMObject
from pyworkflow.object import String

__all__ = ["DeepPickerModel", "checkpoint_file"]

# Newer TensorFlow checkpoints are several files with a common prefix; this one is essential.
INDEX_ENDING = ".index"


class DeepPickerModel(EMObject):  # type: ignore[misc]
    """A trained model of DeepPicker.

    Parameters
    ----------
    path : str, optional
        Common prefix of its files, as DeepPicker's scripts take it.
    """

    def __init__(self, path: Optional[str] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._path = String(path)

    def getPath(self) -> str:
        """Common prefix of its files."""
        return str(self._path.get())

    def setPath(self, path: str) -> None:
        """Set the common prefix of its files."""
        self._path.set(path)

    def getFiles(self) -> Set[str]:
        """All its files."""
        path = Path(self.getPath())
        names = (path.name, f"{path.name}.")
        files = path.parent.iterdir() if path.parent.is_dir() else iter(())
        return {
            str(file) for file in files if file.name == names[0] or file.name.startswith(names[1])
        }

    def __str__(self) -> str:
        return f"DeepPickerModel(path={self.getPath()})"


def checkpoint_file(path: str) -> Optional[Path]:
    """The essential file of a model; None if it is missing.

    Parameters
    ----------
    path : str
        Common prefix of its files, as DeepPicker's scripts take it.
    """
    candidates = (Path(path), Path(f"{path}{INDEX_ENDING}"))
    return next((file for file in candidates if file.is_file() and file.stat().st_size), None)
