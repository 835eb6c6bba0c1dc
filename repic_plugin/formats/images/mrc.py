"""Contents of MRC files as arrays that stay on the disk."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import FormatError, PathLike, format_error
from repic_plugin.formats.base.opening import open_input
from repic_plugin.formats.images.mrc_header import MrcHeader, read_header


def open_mrc(path: PathLike, index: Optional[int] = None) -> NDArray[Any]:
    """The image in an MRC file, shape (height, width), read where it is looked at.

    What does not matter for the numbers may be wrong in the header: the machine stamp, the version,
    the pixel size, the statistics. Bytes behind the image are ignored.

    Parameters
    ----------
    path : str or path
        With any suffix, also RELION's ``:mrc`` and ``:mrcs``.
    index : int, optional
        Image to take from a file of several, counted from 0. By default there must be one only, on
        whichever axis the file has a length of 1.

    Returns
    -------
    ndarray
        Of the type of the file's numbers.

    Raises
    ------
    FormatError
        If the file is missing, damaged or cut short, or does not hold that image.
    """
    header = read_header(stack_file(path))
    n_images = header.shape[0]
    images = _mapped(header)
    if index is not None and not 0 <= index < n_images:
        problem = f"image {index + 1} must be one of 1 to {n_images}, as many as the file has"
        raise format_error(header.path, f"{problem}; give the stack that it is in")
    image = images[index or 0] if index is not None or n_images == 1 else images.squeeze()
    if image.ndim != 2:
        raise format_error(
            header.path, f"must hold one image, got {n_images}; average the frames first"
        )
    return image


def stack_file(path: PathLike) -> Path:
    """The file of a stack's name, which in RELION may end in a colon and a format."""
    text = str(path)
    name, colon, kind = text.rpartition(":")
    return Path(name if colon and kind in ("mrc", "mrcs") else text)


def _mapped(header: MrcHeader) -> NDArray[Any]:
    """The numbers of a file in their shape, on the disk."""
    try:
        with open_input(header.path) as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        numbers = np.frombuffer(memory, header.dtype, header.count, header.offset)
    except OSError as exc:
        raise _gone_error(header, exc) from exc
    except ValueError:
        raise _shorter_error(header) from None
    return numbers.reshape(header.shape)


class OpenMrc:
    """The sections of an open MRC file, read when they are asked for.

    Plain reads: where a file that is mapped into memory becomes shorter, the process is killed.

    Raises
    ------
    FormatError
        If the file can no longer be read.
    """

    def __init__(self, header: MrcHeader) -> None:
        self._header = header
        _, rows, columns = header.shape
        self._n_bytes = rows * columns * header.dtype.itemsize  # of a section
        try:
            self._file = open_input(header.path)
        except OSError as exc:
            raise _gone_error(header, exc) from exc

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Some sections, in the order asked for, shape (n, rows, columns), in the file's dtype.

        Raises
        ------
        FormatError
            If they are no longer there.
        """
        header = self._header
        result = np.empty((len(index), *header.shape[1:]), header.dtype)
        starts = np.flatnonzero(np.diff(index, prepend=-2) != 1).tolist()
        for first, stop in zip(starts, [*starts[1:], len(index)]):
            place = header.offset + int(index[first]) * self._n_bytes
            self._fill(result[first:stop], place)
        return result

    def _fill(self, part: NDArray[Any], place: int) -> None:
        buffer = part.reshape(-1).view(np.uint8).data
        while buffer:
            try:
                n_read = os.preadv(self._file.fileno(), [buffer], place)
            except OSError as exc:
                raise _gone_error(self._header, exc) from exc
            if n_read == 0:
                raise _shorter_error(self._header)
            buffer, place = buffer[n_read:], place + n_read


def _gone_error(header: MrcHeader, error: OSError) -> FormatError:
    return format_error(header.path, f"can no longer be read ({error.strerror}); check the file")


def _shorter_error(header: MrcHeader) -> FormatError:
    problem = "has become shorter since it was opened; do not change it during the run"
    return format_error(header.path, problem)
