"""Conversion of sets of particles to arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.emlib.image.image_readers import ImageReadersRegistry
from pwem.objects import SetOfParticles

from repic_plugin import constants
from repic_plugin.classification import CtfParameters
from repic_plugin.convert.sets import item_labels, read_item_columns, table_prefix
from repic_plugin.formats import STACK_SUFFIXES, stack_file, write_stack

SPIDER_SUFFIX = ".stk"  # Xmipp's stacks, which pwem reads without Xmipp
IMAGES_PER_CHUNK = 256
DEFOCUS = ("_ctfModel._defocusU", "_ctfModel._defocusV", "_ctfModel._defocusAngle")
PHASE_SHIFT = "_ctfModel._phaseShift"
FOUND_BY = f"_coordinate.{constants.PICKERS}"
MICROSCOPE = {
    "_acquisition._voltage": "getVoltage",
    "_acquisition._sphericalAberration": "getSphericalAberration",
    "_acquisition._amplitudeContrast": "getAmplitudeContrast",
}


@dataclass(frozen=True, eq=False)
class ParticleRows:
    """Enabled particles of a set, ordered by id, or those that were asked for in their order.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
    files : tuple of str, length n
        Relative to the project's folder, as in the set.
    index : ndarray of int64, shape (n,)
        Number of the image in its file, from 1; 0 if the file is a single image.
    ctf : CtfParameters or None
    pickers : tuple of str, length n, or None
        Names of the pickers that found each particle of a consensus; None of other particles.
    """

    ids: NDArray[np.int64]
    files: Tuple[str, ...]
    index: NDArray[np.int64]
    ctf: Optional[CtfParameters]
    pickers: Optional[Tuple[str, ...]] = None

    def __len__(self) -> int:
        return len(self.ids)

    def names(self, replaced: Optional[Dict[str, str]] = None) -> List[str]:
        """Names of the images in RELION's format, 000001@file, with some files replaced."""
        new = replaced or {}
        pairs = zip(self.index.tolist(), self.files)
        return [
            f"{index:06d}@{new.get(file, file)}" if index else new.get(file, file)
            for index, file in pairs
        ]


def read_particle_rows(
    particles: SetOfParticles, with_ctf: bool = True, among: Optional[NDArray[np.int64]] = None
) -> ParticleRows:
    """Images and CTFs of the enabled particles of a set, read directly from its file.

    Parameters
    ----------
    particles : SetOfParticles
    with_ctf : bool
        Whether to read CTFs, if the set has them.
    among : ndarray of int64, optional
        Ids of those to read, one or more; by default all are read.

    Raises
    ------
    ValueError
        If the set has no enabled particle, lacks one that was asked for, or only some of them have
        a CTF.
    """
    file_name, prefix = particles.getFileName(), table_prefix(particles)
    present = item_labels(file_name, prefix)
    labels = ["id", "_index", "_filename"]
    with_ctf = with_ctf and particles.hasCTF() and DEFOCUS[0] in present
    if with_ctf:
        labels += [label for label in (*DEFOCUS, PHASE_SHIFT, *MICROSCOPE) if label in present]
    labels += [FOUND_BY] * (FOUND_BY in present)
    span = None if among is None else (int(among.min()), int(among.max()))
    rows = read_item_columns(file_name, labels, prefix, only_enabled=True, span=span)
    if not rows:
        raise ValueError(f"{file_name} has no enabled particle; enable some, or choose another set")
    if among is not None:
        rows = _those(rows, among, file_name)
    columns = dict(zip(labels, zip(*rows)))
    ids = np.array(columns["id"], dtype=np.int64)
    return ParticleRows(
        ids=ids,
        files=tuple(map(str, columns["_filename"])),
        index=np.array([index or 0 for index in columns["_index"]], dtype=np.int64),
        ctf=_ctf(particles, ids, columns) if with_ctf else None,
        pickers=tuple(str(one or "") for one in columns[FOUND_BY]) if FOUND_BY in columns else None,
    )


def _those(
    rows: List[Tuple[Any, ...]], ids: NDArray[np.int64], file_name: str
) -> List[Tuple[Any, ...]]:
    """Rows of these ids, which come first in a row, in their order."""
    by_id = {row[0]: row for row in rows}
    missing = [one for one in ids.tolist() if one not in by_id]
    if missing:
        raise ValueError(f"{file_name} has no enabled particle with id {missing[0]} any more")
    return [by_id[one] for one in ids.tolist()]


def _ctf(
    particles: SetOfParticles, ids: NDArray[np.int64], columns: Dict[str, Sequence[Any]]
) -> CtfParameters:
    """CTFs from the columns of the particles, with missing microscope values from the set."""
    nothing = np.full(len(ids), np.nan)
    found = {
        label: np.array(columns[label], dtype=np.float64) if label in columns else nothing
        for label in (*DEFOCUS, PHASE_SHIFT, *MICROSCOPE)
    }
    for label, getter in MICROSCOPE.items():
        common = getattr(particles.getAcquisition(), getter)()
        value = np.nan if common is None else float(common)
        found[label] = np.where(np.isnan(found[label]), value, found[label])
    needed = [found[label] for label in (*DEFOCUS[:2], *MICROSCOPE)]
    lacking = np.flatnonzero(np.isnan(needed).any(axis=0))
    if len(lacking):
        raise ValueError(
            f"{len(lacking):,} of {len(ids):,} particles have an incomplete CTF, such as the one "
            f"with id {ids[lacking[0]]}; assign a CTF to them, or use no CTF correction"
        )
    voltage, aberration, contrast = (found[label] for label in MICROSCOPE)
    return CtfParameters.from_columns(
        found[DEFOCUS[0]],
        found[DEFOCUS[1]],
        np.nan_to_num(found[DEFOCUS[2]]),
        voltage_kv=voltage,
        spherical_aberration_mm=aberration,
        amplitude_contrast=contrast,
        phase_shift_deg=np.nan_to_num(found[PHASE_SHIFT]),
    )


def unreadable_stacks(files: Sequence[str]) -> List[str]:
    """Files of images in an unsupported format."""
    known = (*STACK_SUFFIXES, SPIDER_SUFFIX)
    return [file for file in dict.fromkeys(files) if _suffix(file) not in known]


def as_mrc_stacks(files: Sequence[str], folder: str, pixel_size_angstrom: float) -> Dict[str, str]:
    """Convert stacks in SPIDER's format, as written by Xmipp's protocols, to MRC stacks.

    Parameters
    ----------
    files : sequence of str
        Files in MRC format are not converted.
    folder : str
        Folder for stack_0001.mrcs and so on, created if needed.
    pixel_size_angstrom : float

    Returns
    -------
    dict of str to str
        From the converted files to the new ones.

    Raises
    ------
    OSError
        If a file cannot be read or written.
    """
    to_convert = [file for file in dict.fromkeys(files) if _suffix(file) == SPIDER_SUFFIX]
    new = {file: f"{folder}/stack_{i:04d}.mrcs" for i, file in enumerate(to_convert, 1)}
    if new:
        Path(folder).mkdir(parents=True, exist_ok=True)
    for file, target in new.items():
        columns, rows, _, n_images = ImageReadersRegistry.getReader(file).getDimensions(file)
        chunks = _spider_chunks(file, n_images)
        write_stack(target, chunks, pixel_size_angstrom, shape=(n_images, rows, columns))
    return new


def _spider_chunks(file: str, n_images: int) -> Iterator[NDArray[np.float32]]:
    reader = ImageReadersRegistry.getReader(file)
    for start in range(1, n_images + 1, IMAGES_PER_CHUNK):
        stop = min(start + IMAGES_PER_CHUNK, n_images + 1)
        yield np.stack([reader.openSlice(file, number) for number in range(start, stop)])


def _suffix(file: str) -> str:
    return stack_file(file).suffix.lower()
