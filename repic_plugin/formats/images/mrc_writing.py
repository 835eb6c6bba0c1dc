"""Images and stacks of them, written to MRC files."""

from __future__ import annotations

from typing import Any, Iterator, Optional, Sequence, Tuple

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_positive
from repic_plugin.formats.base.atomic import atomic_open
from repic_plugin.formats.base.errors import PathLike
from repic_plugin.formats.images.mrc_header import HEADER_BYTES, MODES

# Numbers of an array that are written at a time: 16 MB.
BLOCK_NUMBERS = 1 << 22


def write_stack(
    path: PathLike,
    images: Any,
    pixel_size_angstrom: float,
    *,
    shape: Optional[Sequence[int]] = None,
) -> None:
    """Write an MRC stack of mode 2 (float32), which appears when complete.

    Parameters
    ----------
    path : str or path
        RELION takes it for a stack only with the suffix .mrcs.
    images : ndarray or ImageStacks of shape (n, box, box), or iterable of arrays
        An iterable gives chunks of shape (m, box, box), of which one at a time is in memory.
    pixel_size_angstrom : float
    shape : sequence of int, optional
        (n, box, box), for an iterable.

    Raises
    ------
    ValueError
        If there are no images, they are not square, not of one size, not as many as `shape` says
        or not finite, or the pixel size is not positive.
    OSError
        If the file cannot be written; `path` is then as before.
    """
    check_positive("pixel_size_angstrom", pixel_size_angstrom)
    n_images, box = _stack_shape(images, shape)
    chunks = _chunks_of(images, box) if hasattr(images, "shape") else images
    with atomic_open(path) as file:
        file.write(bytes(HEADER_BYTES))
        statistics = _Statistics()
        n_written = 0
        for chunk in chunks:
            data = _checked_chunk(chunk, box)
            n_written += len(data)
            if n_written > n_images:
                break
            statistics.add(data)
            file.write(data.data)
        if n_written != n_images:
            raise ValueError(f"images must be {n_images}, as shape says, got {n_written}")
        file.seek(0)
        file.write(_new_header((n_images, box, box), 2, float(pixel_size_angstrom), statistics))


def write_mrc(path: PathLike, image: NDArray[Any], pixel_size_angstrom: float = 0.0) -> None:
    """Write an image, reproducibly and atomically.

    Parameters
    ----------
    path : str or path
    image : ndarray of int8, int16, uint16, float16 or float32, shape (height, width)
    pixel_size_angstrom : float
        0 where it is not known.

    Raises
    ------
    ValueError
        If the image is empty or has another shape or type.
    OSError
        If the file cannot be written; `path` is then as before.
    """
    modes = {np.dtype(kind): mode for mode, kind in MODES.items()}
    mode = modes.get(image.dtype.newbyteorder("="))
    if mode is None or image.ndim != 2 or not image.size:
        known = ", ".join(map(str, modes))
        raise ValueError(
            f"image must have two axes and be of {known}, got {image.dtype} of shape {image.shape}"
        )
    data = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    statistics = _Statistics()
    statistics.add(data)
    with atomic_open(path) as file:
        file.write(_new_header((1, *data.shape), mode, pixel_size_angstrom, statistics))
        file.write(data.data)


class _Statistics:
    """Smallest, largest, mean and standard deviation of numbers that come in chunks."""

    def __init__(self) -> None:
        self.smallest, self.largest = np.inf, -np.inf
        self._n, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, data: NDArray[Any]) -> None:
        if not data.size:
            return
        self.smallest = min(self.smallest, float(data.min()))
        self.largest = max(self.largest, float(data.max()))
        self._n += data.size
        self._sum += float(data.sum(dtype=np.float64))
        self._squares += float(np.square(data, dtype=np.float64).sum())

    @property
    def mean(self) -> float:
        return self._sum / self._n

    @property
    def deviation(self) -> float:
        return float(np.sqrt(max(0.0, self._squares / self._n - self.mean**2)))


def _stack_shape(images: Any, shape: Optional[Sequence[int]]) -> Tuple[int, int]:
    """Number of images and box size, px."""
    given = getattr(images, "shape", shape)
    if given is None:
        raise ValueError("shape must be given for images that are no array: (n, box, box)")
    found = tuple(int(side) for side in given)
    if shape is not None and found != tuple(shape):
        raise ValueError(f"shape must be that of the images, {found}, got {tuple(shape)}")
    if len(found) != 3 or found[1] != found[2] or min(found) < 1:
        raise ValueError(f"images must be square, at least one: (n, box, box), got {found}")
    return found[0], found[1]


def _chunks_of(images: Any, box: int) -> Iterator[NDArray[Any]]:
    step = max(1, BLOCK_NUMBERS // (box * box))
    for start in range(0, images.shape[0], step):
        yield images[start : start + step]


def _checked_chunk(chunk: ArrayLike, box: int) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what does not fit becomes infinite and is refused below
        data = np.ascontiguousarray(chunk, "<f4")
    if data.ndim != 3 or data.shape[1:] != (box, box):
        raise ValueError(f"a chunk of images must be (m, {box}, {box}), got {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError("images must be finite in single precision, got NaN or infinity")
    return data


def _new_header(
    shape: Sequence[int], mode: int, pixel_size_angstrom: float, statistics: _Statistics
) -> bytes:
    """The header of a little-endian file of images, shape (n, height, width)."""
    n_images, height, width = shape
    header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    cell = tuple(side * pixel_size_angstrom for side in (width, height, 1))
    values = {
        **{"nx": width, "ny": height, "nz": n_images, "mode": mode},
        **{"mx": width, "my": height, "mz": 1},
        **{"mapc": 1, "mapr": 2, "maps": 3, "ispg": 0, "nversion": 20141},
        **{"cella": cell, "cellb": (90, 90, 90)},
        **{"dmin": statistics.smallest, "dmax": statistics.largest},
        **{"dmean": statistics.mean, "rms": statistics.deviation},
        **{"map": b"MAP ", "machst": (0x44, 0x44, 0, 0), "nlabl": 1},
    }
    for name, value in values.items():
        header[name] = value
    header["label"][0] = b"repic-plugin"
    return header.tobytes()
