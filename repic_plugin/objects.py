"""What protocols of this plugin hand to each other beside Scipion's own sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Set

from pwem.objects import EMObject
from pyworkflow.object import String

__all__ = ["DeepPickerModel", "checkpoint_file"]

# TensorFlow's newer checkpoints are several files whose names begin alike; this one is needed.
INDEX_ENDING = ".index"


class DeepPickerModel(EMObject):  # type: ignore[misc]
    """A trained model of DeepPicker.

    Parameters
    ----------
    path : str, optional
        As DeepPicker's scripts take it: the common beginning of the names of its files.
    """

    def __init__(self, path: Optional[str] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._path = String(path)

    def getPath(self) -> str:
        """The common beginning of the names of its files."""
        return str(self._path.get())

    def setPath(self, path: str) -> None:
        """Say where it lies."""
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
    """The file that has to be there for a model to be used; None where there is none.

    Parameters
    ----------
    path : str
        As DeepPicker's scripts take it.
    """
    candidates = (Path(path), Path(f"{path}{INDEX_ENDING}"))
    return next((file for file in candidates if file.is_file() and file.stat().st_size), None)
