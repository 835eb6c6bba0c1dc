"""Chunks on threads: each row once, and errors that arrive."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from repic_plugin.classification import threads
from repic_plugin.classification.threads import for_each_chunk, one_blas_thread


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(1, 60), st.integers(1, 4))
def test_every_row_is_worked_on_once(n_rows, chunk, n_threads):
    times, slices = np.zeros(n_rows, dtype=int), []

    def work(rows):
        times[rows] += 1
        slices.append((rows.start, rows.stop))

    for_each_chunk(work, n_rows, chunk, n_threads)
    assert (times == 1).all()
    assert sorted(slices) == [
        (first, min(first + chunk, n_rows)) for first in range(0, n_rows, chunk)
    ]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_an_error_reaches_the_caller(n_threads):
    def work(rows):
        if rows.start in (4, 8):
            raise ValueError(f"rows from {rows.start}")

    with pytest.raises(ValueError, match=r"^rows from 4$"):  # the first, whichever came first
        for_each_chunk(work, 12, 2, n_threads)


def test_after_an_error_the_rest_is_left(monkeypatch):
    gate, started = threading.Event(), []

    class Pool(ThreadPoolExecutor):
        def __exit__(self, *error):
            gate.set()  # the error has been seen
            return super().__exit__(*error)

    def work(rows):
        started.append(rows.start)
        if rows.start == 0:
            raise ValueError("at once")
        gate.wait(60)

    monkeypatch.setattr(threads, "ThreadPoolExecutor", Pool)
    with pytest.raises(ValueError, match="at once"):
        for_each_chunk(work, 1000, 1, 2)
    assert len(started) < 1000


def test_several_threads_work_at_a_time():
    barrier = threading.Barrier(3)
    for_each_chunk(lambda rows: barrier.wait(30), 3, 1, 3)  # breaks if they do not meet


def test_one_thread_is_the_callers_own():
    used = set()
    for_each_chunk(lambda rows: used.add(threading.get_ident()), 5, 1, 1)
    for_each_chunk(lambda rows: used.add(threading.get_ident()), 5, 5, 8)
    assert used == {threading.get_ident()}


def test_matrix_products_run_on_one_thread():
    def counts():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        before = counts()
        if max(before, default=1) < 2:
            pytest.skip("the matrix library has one thread only; nothing to limit")
        with one_blas_thread():
            assert counts() == {1}
        assert counts() == before
