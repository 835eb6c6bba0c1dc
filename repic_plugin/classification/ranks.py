"""Images that are spread over several processes, on one machine or on many.

Every process is a rank, runs the same program and holds the images of one range. A course talks to
the other ranks through the few verbs of `Ranks`, which is one process that is alone; `MpiRanks`
speaks MPI. Results are the same to the last bit whatever the number of ranks, because

- ranges begin at multiples of `IMAGES_PER_BLOCK`, which all chunks divide: every chunk of images
  that goes through a matrix product is the same chunk on any number of ranks;
- what is added up over all images was rounded to `steady` numbers, whose sums do not round;
- what has to be done image by image goes from rank to rank (`in_turn`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

IMAGES_PER_BLOCK = 128
# Longer messages are sent in pieces: the count of an MPI message is a 32-bit number.
PIECE_BYTES = 1 << 28
# Errors that data and machines make; all others are ours, and end the program where they are.
AGREED = (ValueError, OSError, MemoryError)

Column = NDArray[Any]


class Ranks:
    """One process that is alone.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and of all.
    sent_bytes : int
        What this process has given to others so far.
    has_agreed : bool
        Whether an error has been raised on all ranks.
    """

    rank = 0
    size = 1
    sent_bytes = 0
    has_agreed = False

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that reads options, writes files and speaks."""
        return self.rank == 0

    def part(self, n: int, rank: Optional[int] = None) -> slice:
        """The range of n images that this rank, or another, holds."""
        rank = self.rank if rank is None else rank
        n_blocks = -(-n // IMAGES_PER_BLOCK)
        first, last = (n_blocks * r // self.size * IMAGES_PER_BLOCK for r in (rank, rank + 1))
        return slice(min(first, n), min(last, n))

    def sum(self, values: Column) -> Column:
        """Element by element over all ranks; exact for whole and `steady` numbers."""
        return values

    def largest(self, values: Column) -> Column:
        """Element by element over all ranks."""
        return values

    def exchange(self, parts: Sequence[Column]) -> List[Column]:
        """Give part r to rank r; what the ranks have for this one, in their order.

        Parameters
        ----------
        parts : sequence of ndarray, length size
            Of one dtype and shape but for the first axis, on all ranks.

        Returns
        -------
        list of ndarray, length size
        """
        return list(parts)

    def in_turn(self, values: Column, work: Callable[[Column], None]) -> Column:
        """Let one rank after the other change `values`, which are the same on all ranks.

        Returns
        -------
        ndarray
            As the last rank left them, on all ranks.
        """
        work(values)
        return values

    @contextmanager
    def agreement(self) -> Iterator[None]:
        """Raise an error of one rank on all of them, at the end of the block.

        No rank may talk to others within it.
        """
        yield

    def abort(self, code: int) -> None:
        """End all ranks where they are, with this exit code."""
        raise SystemExit(code)

    def count(self, n: int) -> int:
        """Sum of a number."""
        return int(self.sum(np.array([n], dtype=np.int64))[0])

    def everyone(self, n: int) -> List[int]:
        """The numbers of all ranks."""
        return [int(one[0]) for one in self.exchange([np.array([n], dtype=np.int64)] * self.size)]

    def first_row(self, n: int) -> int:
        """Number of images that the ranks before this one hold, where each holds its own n."""
        return sum(self.everyone(n)[: self.rank])

    def collect(self, column: Column) -> Column:
        """The columns of all ranks behind each other on the first rank, nothing on the others."""
        parts = [column, *[column[:0]] * (self.size - 1)]
        return _joined(self.exchange(parts))

    def evened(self, columns: Sequence[Column]) -> Tuple[Column, ...]:
        """Columns whose rows go on from rank to rank, moved so that each rank has its `part`."""
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
        With the methods of one of mpi4py that are used here.
    add, greatest
        Its operations SUM and MAX.
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
