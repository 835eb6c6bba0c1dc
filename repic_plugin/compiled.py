"""One way to compile the inner loops."""

from __future__ import annotations

from typing import Any, Callable

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` with numba; the code runs without the interpreter's lock.

    The machine code is kept beside the source or in the user's cache folder, so that only the
    first run after an installation waits for the compiler. Where neither can be written (a
    read-only installation and no home), every process compiles anew.

    A compiled function calls no compiled function of another file: numba notices that the code
    it kept is stale by the file that a function stands in alone.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # "no locator available": nowhere to keep the machine code
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
