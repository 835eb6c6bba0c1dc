"""The header of an MRC file: type, shape and completeness of its data.

Cheng et al. 2015, doi:10.1016/j.jsb.2015.04.002 (MRC2014).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Tuple

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from repic_plugin.formats.base.errors import FormatError, PathLike, format_error
from repic_plugin.formats.base.opening import open_input

HEADER_BYTES = 1024
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
# No image is wider; read in the wrong byte order, every width up to this becomes a larger one.
MAX_SIDE_PX = 65535
# IMOD wrote unsigned bytes as mode 0; its stamp and flags stand at bytes 152 and 156 of the
# header (bio3d.colorado.edu/imod/doc/mrc_format.txt), which are 40 and 44 of this field.
IMOD_STAMP = 1146047817
IMOD_SIGNED = 1
VOLUME_STACKS = range(401, 631)  # space groups of stacks of volumes


@dataclass(frozen=True)
class MrcHeader:
    """Properties needed to read the numbers of an MRC file.

    Attributes
    ----------
    path : Path
    dtype : dtype
        Of the numbers in the file, with their byte order.
    shape : tuple of int
        Sections, rows, columns.
    offset : int
        Byte at which the numbers begin.
    pixel_size_angstrom : tuple of float
        Along z, y, x; 0 where the header holds none.
    axes : tuple of int
        Axis (1: x, 2: y, 3: z) along sections, rows and columns.
    space_group : int
    n_bytes : int
        Length of the file.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: Tuple[int, int, int]
    offset: int
    pixel_size_angstrom: Tuple[float, float, float]
    axes: Tuple[int, int, int]
    space_group: int
    n_bytes: int

    @property
    def n_extra_sections(self) -> int:
        """How many more sections would fit into what the file has behind its numbers."""
        sections, rows, columns = self.shape
        size = rows * columns * self.dtype.itemsize
        return (self.n_bytes - self.offset) // size - sections

    @property
    def count(self) -> int:
        """Number of values in the file."""
        sections, rows, columns = self.shape
        return sections * rows * columns


def read_header(path: PathLike) -> MrcHeader:
    """Read and check the header of an MRC file, and the length of the file.

    The byte order is taken from the size of the image, for many programs write no machine stamp
    or a wrong one.

    Raises
    ------
    FormatError
        If the file cannot be opened, is no MRC file, has a mode other than 0, 1, 2, 6 and 12, or
        is shorter than its header says.
    """
    path = Path(path)
    raw, n_bytes = _first_bytes(path)
    fields = _in_its_byte_order(path, raw)
    header = MrcHeader(
        path=path,
        dtype=_dtype(path, fields),
        shape=(int(fields["nz"]), int(fields["ny"]), int(fields["nx"])),
        offset=HEADER_BYTES + _extended_bytes(path, fields),
        pixel_size_angstrom=_pixel_sizes(fields),
        axes=_axes(fields),
        space_group=int(fields["ispg"]),
        n_bytes=n_bytes,
    )
    _check_length(header)
    return header


def _first_bytes(path: Path) -> Tuple[bytes, int]:
    """The bytes of the header, and the length of the file."""
    try:
        with open_input(path) as file:
            raw, n_bytes = file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise format_error(path, "no such file; check the name") from None
    except OSError as exc:
        raise format_error(path, f"cannot be read ({exc.strerror}); check the file") from exc
    if len(raw) < HEADER_BYTES:
        problem = f"an MRC file has a header of {HEADER_BYTES} bytes, got {n_bytes} bytes in all"
        raise format_error(path, f"{problem}; the file is empty or cut short: write it again")
    return raw, n_bytes


def _in_its_byte_order(path: Path, raw: bytes) -> np.void:
    """The header's fields."""
    for order in "<>":
        fields: np.void = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order))[0]
        sides = int(fields["nx"]), int(fields["ny"])
        if all(0 < side <= MAX_SIDE_PX for side in sides) and fields["nz"] > 0:
            return fields
    raise format_error(
        path,
        f"is no MRC file: its header has no image size of 1 to {MAX_SIDE_PX} px; check the name, "
        "or convert the file",
    )


def _dtype(path: Path, fields: np.void) -> np.dtype[Any]:
    """The type of the numbers, with their byte order."""
    mode = int(fields["mode"])
    if mode not in MODES:
        known = ", ".join(map(str, MODES))
        raise format_error(
            path, f"the MRC mode must be one of {known}, got {mode}; convert the file to mode 2"
        )
    kind = "u1" if mode == 0 and _has_unsigned_bytes(fields) else MODES[mode]
    return np.dtype(f"{_order(fields)}{kind}")


def _order(fields: np.void) -> str:
    """The byte order of the header, ``<``, ``>`` or, where it is the machine's own, ``=``."""
    return str(fields.dtype["nx"].byteorder)


def _has_unsigned_bytes(fields: np.void) -> bool:
    stamp, flags = np.frombuffer(fields["extra2"].tobytes(), f"{_order(fields)}i4", 2, offset=40)
    return bool(stamp == IMOD_STAMP and not flags & IMOD_SIGNED)


def _extended_bytes(path: Path, fields: np.void) -> int:
    n_bytes = int(fields["nsymbt"])
    if n_bytes < 0:
        problem = f"the length of the extended header must be 0 or more, got {n_bytes}"
        raise format_error(path, f"{problem}; the header is damaged: write the file again")
    return n_bytes


def _pixel_sizes(fields: np.void) -> Tuple[float, float, float]:
    """Along z, y, x; 0 for what is not there or makes no sense."""
    x, y, z = (_pixel_size(float(fields["cella"][a]), int(fields[f"m{a}"])) for a in "xyz")
    return z, y, x


def _pixel_size(cell_angstrom: float, n_pixels: int) -> float:
    known = n_pixels > 0 and np.isfinite(cell_angstrom) and cell_angstrom > 0
    # Single precision in the file: seven digits are all that is meant.
    return float(f"{cell_angstrom / n_pixels:.7g}") if known else 0.0


def _axes(fields: np.void) -> Tuple[int, int, int]:
    """Axis along sections, rows, columns; z, y, x where the header does not say."""
    sections, rows, columns = (int(fields[name]) for name in ("maps", "mapr", "mapc"))
    return (sections, rows, columns) if {sections, rows, columns} == {1, 2, 3} else (3, 2, 1)


def _check_length(header: MrcHeader) -> None:
    expected = header.offset + header.count * header.dtype.itemsize
    if header.n_bytes < expected:
        sections, rows, columns = header.shape
        raise format_error(
            header.path,
            f"the header says {sections} x {rows} x {columns} numbers, {expected} bytes, got "
            f"{header.n_bytes} bytes; the file is cut short: copy or write it again",
        )


def volume_stack_error(header: MrcHeader) -> FormatError:
    """The error for a stack of volumes where images or one map are wanted."""
    return format_error(
        header.path,
        f"is a stack of volumes (space group {header.space_group}); give images or one map",
    )
