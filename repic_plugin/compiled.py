"""Compilation of the inner loops."""

from __future__ import annotations

from typing import Any, Callable

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Function compiled with numba, which runs without the interpreter's lock.

    The machine code is cached beside the source or in the user's cache folder, so that only the
    first run after an installation waits for the compiler. If neither is writable (a read-only
    installation without a home folder), every process compiles again.

    A compiled function must not call a compiled function of another file: numba invalidates its
    cache only when the function's own file changes.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # "no locator available": no folder to cache the machine code
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
