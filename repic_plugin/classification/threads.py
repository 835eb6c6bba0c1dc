"""Work on chunks by several threads, with results independent of their number."""

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
        Writes its results to the slice.
    n_rows, chunk, n_threads : int
        The slices do not depend on `n_threads`.

    Raises
    ------
    Exception
        The exception raised by `work` for the first slice that fails.
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
            for job in jobs:  # after an error the rest is not awaited
                job.cancel()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Context in which matrix products run on one thread each.

    Threads are used by `for_each_chunk` instead, and the order of summation stays the same.
    """
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limit


@lru_cache(maxsize=None)
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # takes milliseconds to find them
