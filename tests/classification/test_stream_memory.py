"""Memory of a stream is what the formula says, and does not grow with its particles."""

import tracemalloc

import numpy as np
import pytest

from repic_plugin.classification import ClassStream, stream_memory_bytes
from repic_plugin.classification.image_rows import ImageRows
from tests.classification.test_streaming import N, made, settings

SLACK = 1.1  # of what the interpreter and the libraries keep


def peak(work):
    """Largest memory of the arrays and objects that are made."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def particles(n):
    """Particles that come again and again."""
    rows = np.random.default_rng(0).permutation(N)[np.arange(n) % N]
    return ImageRows(made().images, rows), made().ctf.take(rows)


def streamed(n_first, n, n_classes):
    """The stream, and the largest memory while its classes are made, and afterwards."""
    options = {**settings().classification, "max_iterations": 6}
    stream = ClassStream(settings(n_classes, n_first=n_first, classification=options))
    images, ctf = particles(n)
    first = peak(lambda: next(stream.advance(images, ctf)))
    return stream, first, peak(lambda: list(stream.advance(images, ctf, now=True)))


@pytest.mark.parametrize(("n_first", "n_classes"), [(300, 6), (1500, 6), (300, 40)])
def test_memory_is_at_most_that_of_the_formula_and_half_or_more(n_first, n_classes):
    streamed(300, 400, n_classes)  # what is loaded once
    stream, first, others = streamed(n_first, n_first + 300, n_classes)
    sizes = stream.state.references.sizes
    expected = stream_memory_bytes(n_classes, sizes, n_first)
    assert 0.5 * expected < first < SLACK * expected
    assert others < SLACK * stream_memory_bytes(n_classes, sizes, 90)
    images, ctf = particles(n_first + 300)
    of_pass = peak(lambda: list(stream.full_pass(images, ctf)))
    expected = stream_memory_bytes(n_classes, sizes, n_first + 300)
    assert 0.5 * expected < of_pass < SLACK * expected


def test_it_does_not_grow_with_the_particles():
    streamed(300, 400, 6)
    few, many = (streamed(300, n, 6)[2] for n in (700, 2100))
    assert many < 1.1 * few


def test_the_formula_grows_with_each_of_its_parts():
    sizes = streamed(300, 390, 6)[0].state.references.sizes
    usual = stream_memory_bytes(50, sizes, 10_000)
    assert stream_memory_bytes(100, sizes, 10_000) > usual
    assert stream_memory_bytes(50, sizes, 20_000) > 1.5 * usual
    assert stream_memory_bytes(50, sizes, 100, mirror=True) > stream_memory_bytes(50, sizes, 100)
    assert stream_memory_bytes(50, sizes, 100, n_threads=8) > stream_memory_bytes(50, sizes, 100)
