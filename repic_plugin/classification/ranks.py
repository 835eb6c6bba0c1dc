"""Images distributed over several processes, on one or more machines.

Every process is a rank, runs the same program and holds one range of the images. A course
communicates with the other ranks through the methods of `Ranks`, which is a single process;
`MpiRanks` uses MPI. Results are bit-identical for any number of ranks, because

- ranges begin at multiples of `IMAGES_PER_BLOCK`, which all chunks divide: matrix products process
  the same chunks of images on any number of ranks;
- terms summed over all images are rounded to `steady` numbers, whose sums are exact;
- what must be done image by image is passed from rank to rank (`in_turn`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

IMAGES_PER_BLOCK = 128
# Longer messages are sent in pieces: the count of an MPI message is a 32-bit number.
PIECE_BYTES = 1 << 28
# Errors caused by data and machines; others are bugs, and end the program where they occur.
AGREED = (ValueError, OSError, MemoryError)

Column = NDArray[Any]


class Ranks:
    """A single process, holding all images.

    Attributes
    ----------
    rank, size : int
        Index of this process, from 0, and number of processes.
    sent_bytes : int
        Bytes sent by this process so far.
    has_agreed : bool
        Whether an error has been raised on all ranks.
    """

    rank = 0
    size = 1
    sent_bytes = 0
    has_agreed = False

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that reads options, writes files and prints."""
        return self.rank == 0

    def part(self, n: int, rank: Optional[int] = None) -> slice:
        """Range of the n images held by this rank, or another."""
        rank = self.rank if rank is None else rank
        n_blocks = -(-n // IMAGES_PER_BLOCK)
        first, last = (n_blocks * r // self.size * IMAGES_PER_BLOCK for r in (rank, rank + 1))
        return slice(min(first, n), min(last, n))

    def sum(self, values: Column) -> Column:
        """Element-wise sum over all ranks; exact for integers and `steady` numbers."""
        return values

    def largest(self, values: Column) -> Column:
        """Element-wise maximum over all ranks."""
        return values

    def exchange(self, parts: Sequence[Column]) -> List[Column]:
        """Parts sent by all ranks to this one, in their order, while part r is sent to rank r.

        Parameters
        ----------
        parts : sequence of ndarray, length size
            With the same dtype and shape, except along the first axis, on all ranks.

        Returns
        -------
        list of ndarray, length size
        """
        return list(parts)

    def in_turn(self, values: Column, work: Callable[[Column], None]) -> Column:
        """Let each rank in turn change `values`, which are the same on all ranks.

        Returns
        -------
        ndarray
            The final values, on all ranks.
        """
        work(values)
        return values

    @contextmanager
    def agreement(self) -> Iterator[None]:
        """Raise an error of one rank on all ranks, at the end of the block.

        Ranks may not communicate within it.
        """
        yield

    def abort(self, code: int) -> None:
        """End all ranks immediately with this exit code."""
        raise SystemExit(code)

    def count(self, n: int) -> int:
        """Sum of a number over all ranks."""
        return int(self.sum(np.array([n], dtype=np.int64))[0])

    def everyone(self, n: int) -> List[int]:
        """Numbers of all ranks."""
        return [int(one[0]) for one in self.exchange([np.array([n], dtype=np.int64)] * self.size)]

    def first_row(self, n: int) -> int:
        """Number of images held by the ranks before this one, each with its own n."""
        return sum(self.everyone(n)[: self.rank])

    def collect(self, column: Column) -> Column:
        """Concatenated columns of all ranks on the first rank, empty on the others."""
        parts = [column, *[column[:0]] * (self.size - 1)]
        return _joined(self.exchange(parts))

    def evened(self, columns: Sequence[Column]) -> Tuple[Column, ...]:
        """Columns redistributed so that each rank has its `part`."""
        counts = self.everyone(len(columns[0]))
        mine, n = sum(counts[: self.rank]), sum(counts)
        wanted = [self.part(n, rank) for rank in range(self.size)]
        here = [
            slice(*np.clip((rows.start - mine, rows.stop - mine), 0, counts[self.rank]))
            for rows in wanted
        ]
        return tuple(_joined(self.exchange([column[rows] for rows in here])) for column in columns)


ALONE = Ranks()


class MpiRanks(Ranks):
    """The processes of an MPI communicator.

    Parameters
    ----------
    communicator
        An mpi4py communicator, or an object with the methods used here.
    add, greatest
        The operations SUM and MAX.
    """

    def __init__(self, communicator: Any, add: Any, greatest: Any) -> None:
        self.communicator = communicator
        self.rank, self.size = communicator.Get_rank(), communicator.Get_size()
        self._add, self._greatest = add, greatest

    def sum(self, values: Column) -> Column:
        """See `Ranks.sum`."""
        return self._reduced(values, self._add)

    def largest(self, values: Column) -> Column:
        """See `Ranks.largest`."""
        return self._reduced(values, self._greatest)

    def _reduced(self, values: Column, operation: Any) -> Column:
        given = np.ascontiguousarray(values)
        found = np.empty_like(given)
        self.communicator.Allreduce(given, found, op=operation)
        self.sent_bytes += given.nbytes
        return found

    def exchange(self, parts: Sequence[Column]) -> List[Column]:
        """See `Ranks.exchange`."""
        given = [np.ascontiguousarray(part) for part in parts]
        own = given[self.rank]
        counts, coming = (
            np.array([len(part) for part in given], np.int64),
            np.empty(self.size, np.int64),
        )
        self.communicator.Alltoall(counts, coming)
        found = [np.empty((n, *own.shape[1:]), own.dtype) for n in coming.tolist()]
        found[self.rank] = own
        others = [rank for rank in range(self.size) if rank != self.rank]
        requests = [
            self.communicator.Irecv(piece, source=rank)
            for rank in others
            for piece in _pieces(found[rank])
        ]
        for rank in others:
            self.sent_bytes += given[rank].nbytes
            requests += [
                self.communicator.Isend(piece, dest=rank) for piece in _pieces(given[rank])
            ]
        for request in requests:
            request.Wait()
        return found

    def in_turn(self, values: Column, work: Callable[[Column], None]) -> Column:
        """See `Ranks.in_turn`."""
        values = np.ascontiguousarray(values)
        if self.rank > 0:
            self.communicator.Recv(values, source=self.rank - 1)
        work(values)
        if self.rank < self.size - 1:
            self.communicator.Send(values, dest=self.rank + 1)
            self.sent_bytes += values.nbytes
        self.communicator.Bcast(values, root=self.size - 1)
        return values

    @contextmanager
    def agreement(self) -> Iterator[None]:
        """See `Ranks.agreement`."""
        error: Optional[BaseException] = None
        try:
            yield
        except AGREED as raised:
            error = raised
        kind = 0 if error is None else 1 + [isinstance(error, k) for k in AGREED].index(True)
        kinds = self.everyone(kind)
        if not any(kinds):
            return
        told = np.frombuffer(("" if error is None else str(error)).encode("utf-8"), np.uint8)
        texts = self.exchange([told] * self.size)
        self.has_agreed = True
        worst = next(rank for rank in range(self.size) if kinds[rank])
        if worst == self.rank and error is not None:
            raise error
        raise AGREED[kinds[worst] - 1](texts[worst].tobytes().decode("utf-8")) from error

    def abort(self, code: int) -> None:
        """See `Ranks.abort`."""
        self.communicator.Abort(code)
        super().abort(code)


def _joined(parts: Sequence[Column]) -> Column:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _pieces(array: Column) -> Iterator[NDArray[np.uint8]]:
    flat = array.reshape(-1).view(np.uint8)
    for first in range(0, len(flat), PIECE_BYTES):
        yield flat[first : first + PIECE_BYTES]
