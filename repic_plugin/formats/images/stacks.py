"""Stacks of particle images, read image by image from MRC files, and maps."""

from __future__ import annotations

import copy
from collections import OrderedDict
from threading import Lock
from typing import Any, Callable, Iterator, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.formats.base.errors import FormatError, PathLike, format_error
from repic_plugin.formats.images.mrc import OpenMrc, stack_file
from repic_plugin.formats.images.mrc_header import (
    VOLUME_STACKS,
    MrcHeader,
    read_header,
    volume_stack_error,
)

STACK_SUFFIXES = (".mrcs", ".mrc", ".st")
# Thousands of stacks must fit in a process that may open 1024 files.
MAX_OPEN_STACKS = 16
# Relative difference of pixel sizes that count as equal, after rounding in single precision.
# A thousandth moves nothing by more than half a pixel in boxes of up to 1000 px.
MAX_PIXEL_SIZE_RATIO = 1.001
MAX_ROUNDED_RATIO = 1.005  # where one is the other, rounded to fewer digits
# Numbers converted at a time, on top of what the caller gets: 16 MB.
BLOCK_NUMBERS = 1 << 22

RowError = Callable[[int, str], FormatError]


class ImageStacks:
    """Images of one or many MRC stacks as one array of float32 that stays on the disk.

    ``images[rows]``, with a slice or an array of integers, reads these images, stack by stack and
    in the order of the file, and returns them in the order asked for, as an ndarray of float32,
    shape (m, box, box); an integer gives one image, shape (box, box).

    Parameters
    ----------
    paths : sequence of str or path
        The stacks. All headers, and the lengths of the files, are checked at once.
    stack : array_like of int, shape (n,)
        The stack of each image, counted from 0 in `paths`.
    index : array_like of int, shape (n,)
        The image in that stack, counted from 0.
    row_error : callable, optional
        ``row_error(row, problem)`` makes the error for an image that is not there; by default it
        names the stack.
    has_pixel_size : bool
        Whether the pixel size is known, so that what the headers say does not matter.

    Attributes
    ----------
    shape : tuple of int
        (n, box, box).
    dtype : dtype
        float32, whatever the files hold.
    paths : tuple of Path
    stack, index : ndarray of int64, shape (n,)
    lengths : ndarray of int64, shape (n_stacks,)
        Number of images in each stack.
    pixel_size_angstrom : float
        As the headers say; 0 where none does.
    notes : tuple of str
        What a user should know of the files.

    Raises
    ------
    FormatError
        If a file is missing, no MRC stack, cut short, or has fewer images than asked for, if
        images are not square, or if box or pixel size differ between stacks.
    ValueError
        If there are no images, or `stack` and `index` do not fit.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        paths: Sequence[PathLike],
        stack: ArrayLike,
        index: ArrayLike,
        *,
        row_error: Optional[RowError] = None,
        has_pixel_size: bool = False,
    ) -> None:
        self.stack, self.index = _checked_rows(len(paths), stack, index)
        headers = [_stack_header(path) for path in paths]
        _check_boxes(headers)
        if not has_pixel_size:
            _check_pixel_sizes(headers)
        self.notes = tuple(_notes(headers))
        self.paths = tuple(header.path for header in headers)
        self.lengths = np.array([header.shape[0] for header in headers], np.int64)
        known = (header.pixel_size_angstrom[2] for header in headers)
        self.pixel_size_angstrom = next((size for size in known if size), 0.0)
        box = headers[0].shape[2]
        self.shape: Tuple[int, int, int] = (len(self.stack), box, box)
        self._check_there(row_error)
        self._files = _OpenStacks(headers)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        n, rows, columns = self.shape
        return f"ImageStacks({n} images of {rows} x {columns} px in {len(self.paths)} files)"

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        stack, index = self.stack[rows], self.index[rows]
        if np.ndim(stack) > 1:
            raise IndexError("images must be indexed by a slice, an integer or a list of integers")
        if np.ndim(stack) == 0:
            only: NDArray[np.float32] = self[[rows]][0]
            return only
        result = np.empty((len(stack), *self.shape[1:]), np.float32)
        order = np.lexsort((index, stack))
        cuts = np.flatnonzero(np.diff(stack[order])) + 1
        for group in np.split(order, cuts):
            if len(group):
                self._files.read(int(stack[group[0]]), index[group], result, group)
        return result

    def first(self, n: int) -> ImageStacks:
        """The first n images."""
        some = copy.copy(self)
        some.stack, some.index = self.stack[:n], self.index[:n]
        some.shape = (n, *self.shape[1:])
        return some

    def _check_there(self, row_error: Optional[RowError]) -> None:
        """Raise an error unless each stack has the images that are asked of it."""
        lengths = self.lengths[self.stack] if len(self.lengths) > 1 else self.lengths
        beyond = np.flatnonzero((self.index < 0) | (self.index >= lengths))
        if not len(beyond):
            return
        row = int(beyond[0])
        number, stack = self.index[row] + 1, self.stack[row]
        path, length = self.paths[stack], self.lengths[stack]
        problem = f"image {number} must be one of 1 to {length}, as many as the stack has"
        remedy = "the stack is shorter than the particle list: extract it again"
        if row_error is None:
            raise format_error(path, f"{problem}; {remedy}")
        raise row_error(row, f"{problem}, {path}; {remedy}")


class _OpenStacks:
    """The stacks read last, open."""

    def __init__(self, headers: Sequence[MrcHeader]) -> None:
        self._headers = headers
        self._lock = Lock()
        self._open: OrderedDict[int, OpenMrc] = OrderedDict()

    def read(
        self,
        stack: int,
        index: NDArray[np.int64],
        result: NDArray[np.float32],
        rows: NDArray[np.int64],
    ) -> None:
        """Read images of one stack into these rows of `result`."""
        file = self._file(stack)
        step = max(1, BLOCK_NUMBERS // result[0].size)
        for start in range(0, len(index), step):
            block = slice(start, start + step)
            try:
                result[rows[block]] = file.read(index[block])
            except FormatError:  # the next one looks again
                self._open.pop(stack, None)
                raise

    def _file(self, stack: int) -> OpenMrc:
        with self._lock:
            if stack not in self._open:
                self._open[stack] = OpenMrc(self._headers[stack])
            self._open.move_to_end(stack)
            # Who still reads from a file that is dropped here keeps it open until done.
            while len(self._open) > MAX_OPEN_STACKS:
                self._open.popitem(last=False)
            return self._open[stack]


def open_stack(path: PathLike) -> ImageStacks:
    """All images of one MRC stack, in the order of the file.

    Parameters
    ----------
    path : str or path
        With a suffix of `STACK_SUFFIXES`. What calls itself a volume is a stack of its sections,
        for many programs write stacks so.

    Raises
    ------
    FormatError
        As `ImageStacks`.
    """
    n_images = _stack_header(path).shape[0]
    return ImageStacks([path], np.zeros(n_images, np.int64), np.arange(n_images))


def read_map(path: PathLike) -> Tuple[NDArray[np.float32], float]:
    """Read a three-dimensional map.

    Parameters
    ----------
    path : str or path
        MRC file of modes 0, 1, 2, 6 or 12, with any order of its axes.

    Returns
    -------
    density : ndarray of float32, shape (z, y, x)
    voxel_size_angstrom : float
        0 where the header holds none.

    Raises
    ------
    FormatError
        If the file cannot be read, is an image or a stack of volumes, its voxels are no cubes, or
        a number is not finite.
    """
    header = read_header(path)
    if header.shape[0] < 2:
        raise format_error(header.path, "must be a map, got a single image; give a volume")
    if header.space_group in VOLUME_STACKS:
        raise volume_stack_error(header)
    sizes = header.pixel_size_angstrom
    if max(sizes) > min(sizes) * MAX_PIXEL_SIZE_RATIO:
        shown = " x ".join(f"{size:g}" for size in reversed(sizes))
        raise format_error(header.path, f"voxels must be cubes, got {shown} Å; resample the map")
    sections = OpenMrc(header).read(np.arange(header.shape[0]))
    # The axes of the array, in the order z, y, x.
    density = sections.transpose([header.axes.index(axis) for axis in (3, 2, 1)])
    density = np.ascontiguousarray(density, np.float32)
    n_bad = int(np.count_nonzero(~np.isfinite(density)))
    if n_bad:
        raise format_error(
            header.path, f"density must be finite, got {n_bad} NaN or infinite; correct the map"
        )
    return density, sizes[2]


def _checked_rows(
    n_stacks: int, stack: ArrayLike, index: ArrayLike
) -> Tuple[NDArray[np.int64], NDArray[np.int64]]:
    stacks, indices = np.asarray(stack), np.asarray(index)
    if not (stacks.ndim == 1 and stacks.shape == indices.shape and len(stacks)):
        raise ValueError(
            "stack and index must have one number for each image, and there must be an image, got "
            f"shapes {stacks.shape} and {indices.shape}"
        )
    for name, rows in (("stack", stacks), ("index", indices)):
        if not np.issubdtype(rows.dtype, np.integer):
            raise ValueError(f"{name} must be integers, got {rows.dtype}")
    if stacks.min() < 0 or stacks.max() >= n_stacks:
        raise ValueError(f"stack must be below {n_stacks}, the number of paths, and not negative")
    return stacks.astype(np.int64, copy=False), indices.astype(np.int64, copy=False)


def _stack_header(path: PathLike) -> MrcHeader:
    """The header of a file that can be a stack of square images."""
    file = stack_file(path)
    if file.suffix.lower() not in STACK_SUFFIXES:
        known = ", ".join(STACK_SUFFIXES)
        raise format_error(
            file, f"a stack must end in {known}, got {file.suffix!r}; convert it to MRC"
        )
    header = read_header(file)
    _, rows, columns = header.shape
    if header.space_group in VOLUME_STACKS:
        raise volume_stack_error(header)
    if rows != columns:
        raise format_error(
            file, f"images must be square, got {columns} x {rows} px; extract them again"
        )
    return header


def is_same_pixel_size(one: float, other: float) -> bool:
    """Whether two pixel sizes, in angstrom, differ by no more than their rounding."""
    small, large = sorted((one, other))
    if large <= small * MAX_PIXEL_SIZE_RATIO:
        return True
    pairs = ((one, other), (other, one))
    is_rounded = any(round(exact, _n_decimals(rounded)) == rounded for exact, rounded in pairs)
    return is_rounded and large <= small * MAX_ROUNDED_RATIO


def _n_decimals(value: float) -> int:
    return len(f"{value:.7g}".partition(".")[2])


def _notes(headers: Sequence[MrcHeader]) -> Iterator[str]:
    longer = [header for header in headers if header.n_extra_sections]
    if longer:
        one = longer[0]
        files = one.path if len(longer) == 1 else f"{one.path} and {len(longer) - 1} more stacks"
        yield (
            f"{files}: longer than the header says, {one.shape[0]:,} images with room for "
            f"{one.n_extra_sections:,} more behind them, which are not read; if they are "
            "particles, correct the header"
        )


def _check_boxes(headers: Sequence[MrcHeader]) -> None:
    """Raise a FormatError unless all stacks have one box."""
    first = headers[0]
    for header in headers:
        box, wanted = header.shape[2], first.shape[2]
        if box != wanted:
            raise format_error(
                header.path,
                f"images must be of one size, got {box} px, and {wanted} px in {first.path}; "
                "classify them separately, or extract them again",
            )


def _check_pixel_sizes(headers: Sequence[MrcHeader]) -> None:
    """Raise a FormatError unless all stacks that say a pixel size say the same."""
    known = [header for header in headers if header.pixel_size_angstrom[2]]
    for header in known:
        size, other = header.pixel_size_angstrom[2], known[0].pixel_size_angstrom[2]
        if not is_same_pixel_size(size, other):
            raise format_error(
                header.path,
                f"images must have one pixel size, got {size:g} Å, and {other:g} Å in "
                f"{known[0].path}; classify them separately, or correct the headers",
            )
