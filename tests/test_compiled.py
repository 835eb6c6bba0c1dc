"""Compiling where the machine code cannot be kept."""

import numba

from repic_plugin.compiled import compiled


def test_without_a_place_for_the_machine_code_it_still_compiles(monkeypatch):
    real = numba.njit

    def nowhere_to_write(*args, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", nowhere_to_write)
    function = compiled(lambda x: x + 1)
    assert function(1) == 2
    assert function.signatures
