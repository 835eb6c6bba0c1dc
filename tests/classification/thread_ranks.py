"""A stand-in for MPI: ranks that are threads of one process."""

import queue
import threading

import numpy as np

from repic_plugin.classification import MpiRanks

PATIENCE_S = 60


class _Done:
    def Wait(self):
        pass


class _Coming:
    def __init__(self, communicator, piece, source):
        self.arguments = (communicator, piece, source)

    def Wait(self):
        communicator, piece, source = self.arguments
        communicator.Recv(piece, source=source)


class Communicator:
    """What is used of mpi4py's, over queues."""

    def __init__(self, rank, queues):
        self.rank, self.queues = rank, queues

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return len(self.queues)

    def Send(self, array, dest):
        self.queues[self.rank][dest].put(array.copy())

    def Recv(self, array, source):
        found = self.queues[source][self.rank].get(timeout=PATIENCE_S)
        assert (found.shape, found.dtype) == (array.shape, array.dtype)
        array[...] = found

    def Isend(self, array, dest):
        self.Send(array, dest)
        return _Done()

    def Irecv(self, array, source):
        return _Coming(self, array, source)

    def Alltoall(self, given, found):
        for other in range(self.Get_size()):
            self.Send(given[other : other + 1], other)
        for other in range(self.Get_size()):
            self.Recv(found[other : other + 1], other)

    def Allreduce(self, given, found, op):
        everyone = np.empty((self.Get_size(), *given.shape), given.dtype)
        for other in range(self.Get_size()):
            self.Send(given, other)
        # in an order of its own on each rank: who adds must not care
        for other in np.roll(range(self.Get_size()), self.rank):
            self.Recv(everyone[other], other)
        found[...] = everyone[0]
        for one in np.roll(everyone[1:], self.rank, axis=0):
            found[...] = op(found, one)

    def Bcast(self, array, root):
        if self.rank == root:
            for other in range(self.Get_size()):
                self.Send(array, other)
        self.Recv(array, root)


def on_threads(n_ranks, work):
    """What ``work(ranks)`` returns on each rank; raises what it raises on the first that fails."""
    queues = [[queue.Queue() for _ in range(n_ranks)] for _ in range(n_ranks)]
    outcomes = [None] * n_ranks

    def run(rank):
        ranks = MpiRanks(Communicator(rank, queues), np.add, np.maximum)
        try:
            outcomes[rank] = (work(ranks), None)
        except BaseException as error:
            outcomes[rank] = (None, error)

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(n_ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_S)
    failed = [error for _, error in outcomes if error is not None]
    real = [error for error in failed if not isinstance(error, queue.Empty)]
    if failed:
        raise (real or failed)[0]
    return [result for result, _ in outcomes]
