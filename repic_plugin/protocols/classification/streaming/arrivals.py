"""The particles of a stream in the order in which they arrived, on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import CtfParameters
from repic_plugin.convert import ParticleRows, as_mrc_stacks
from repic_plugin.formats import GrowingStacks, read_arrays, write_arrays
from repic_plugin.protocols.common.following.record import REMEDY

CTF = "ctf"


class Arrivals:
    """Particles that were taken from a growing set: a file for each time that some had come.

    The order in which they arrive decides which of them make the classes, so that it is kept
    before anything is done with them.

    Parameters
    ----------
    folder : str or path

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
    images : GrowingStacks or None
        None before the first particle.
    ctf : CtfParameters or None
    found_by : list of str, length n
        Names of the pickers that found each; empty of particles without.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.ids = np.zeros(0, np.int64)
        self.images: Optional[GrowingStacks] = None
        self.ctf: Optional[CtfParameters] = None
        self.found_by: List[str] = []
        self._n_files = 0
        while self._file().is_file():
            self._add(read_arrays(self._file(), remedy=REMEDY))

    def __len__(self) -> int:
        return len(self.ids)

    def _file(self) -> Path:
        return self.folder / f"arrivals_{self._n_files:06d}.npz"

    def keep(self, rows: ParticleRows, box_px: int, pixel_size_angstrom: float) -> None:
        """Record particles, whose stacks are converted where they are in SPIDER's format."""
        self.folder.mkdir(parents=True, exist_ok=True)
        converted = as_mrc_stacks(
            rows.files, str(self.folder / f"stacks_{self._n_files:06d}"), pixel_size_angstrom
        )
        files = [converted.get(one, one) for one in rows.files]
        paths, stack = np.unique(files, return_inverse=True)
        arrays: Dict[str, NDArray[Any]] = {
            "ids": rows.ids,
            "paths": paths,
            "stack": stack.ravel(),
            "index": np.maximum(rows.index - 1, 0),
            "box_px": np.array([box_px]),
        }
        if rows.ctf is not None:
            arrays[CTF] = np.stack([*rows.ctf.columns()])
        if rows.pickers is not None:
            names, who = np.unique(rows.pickers, return_inverse=True)
            arrays.update(pickers=names, found_by=who.ravel())
        write_arrays(self._file(), arrays)
        self._add(arrays)

    def _add(self, arrays: Dict[str, NDArray[Any]]) -> None:
        if self.images is None:
            self.images = GrowingStacks(int(arrays["box_px"][0]))
        self.ids = np.append(self.ids, arrays["ids"])
        self.images.append(arrays["paths"].tolist(), arrays["stack"], arrays["index"])
        if CTF in arrays:
            before = [] if self.ctf is None else [np.stack([*self.ctf.columns()])]
            self.ctf = CtfParameters(*np.concatenate([*before, arrays[CTF]], axis=1))
        if "pickers" in arrays:
            self.found_by += arrays["pickers"][arrays["found_by"]].tolist()
        self._n_files += 1

    def is_converted(self, stack: int) -> bool:
        """Whether a stack is one of ours, made of one in another format."""
        return self.images is not None and self.images.paths[stack].startswith(str(self.folder))

    def names(self) -> List[str]:
        """Names of the images, 000001@file."""
        images = self.images
        if images is None:
            return []
        pairs = zip(images.index.tolist(), images.stack.tolist())
        return [f"{index + 1:06d}@{images.paths[stack]}" for index, stack in pairs]
