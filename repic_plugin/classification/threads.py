"""Work on chunks, on several threads, with results that do not depend on their number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Callable

from threadpoolctl import ThreadpoolController


def for_each_chunk(
    work: Callable[[slice], None], n_rows: int, chunk: int, n_threads: int = 1
) -> None:
    """Call `work` with slices of `chunk` rows, several at a time.

    Parameters
    ----------
    work : callable
        Writes its results where the slice says.
    n_rows, chunk, n_threads : int
        The slices do not depend on `n_threads`.

    Raises
    ------
    Exception
        What `work` raises, for the first of the slices where it does.
    """
    slices = [slice(row, min(row + chunk, n_rows)) for row in range(0, n_rows, chunk)]
    if n_threads == 1 or len(slices) < 2:
        for rows in slices:
            work(rows)
        return
    with ThreadPoolExecutor(min(n_threads, len(slices))) as pool:
        jobs = [pool.submit(work, rows) for rows in slices]
        try:
            for job in jobs:
                job.result()
        finally:
            for job in jobs:  # after an error nobody waits for the rest
                job.cancel()


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which matrix products run on one thread each.

    The threads are ours, and the order in which numbers are added stays the same.
    """
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limit


@lru_cache(maxsize=None)
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # takes milliseconds to find them
