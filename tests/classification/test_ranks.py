"""Images spread over ranks, for which threads stand in: the classes are those of one process."""

import importlib
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import ALONE, classify_particles
from repic_plugin.classification import ranks as ranks_module
from repic_plugin.classification.exact_sums import steady, steady_sum
from repic_plugin.classification.ranks import Ranks
from repic_plugin.classification.threads import one_blas_thread
from tests.classification.particles import particles, same_result
from tests.classification.thread_ranks import on_threads

CHUNKED = (
    "averages",
    "candidates",
    "correlation",
    "fixed",
    "multi_reference",
    "preparation",
    "refinement",
    "subspace",
)
N_CLASSES = 8


@pytest.fixture(autouse=True, scope="module")
def _one_thread_for_products():
    with one_blas_thread():  # the ranks of these tests share one library
        yield


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Blocks of 8 images, so that a few images make many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks_module, "IMAGES_PER_BLOCK", 8)
        for name in CHUNKED:
            patch.setattr(module(name), "IMAGES_PER_CHUNK", 8)
        patch.setattr(module("correlation"), "IMAGES_PER_SEARCH", 20)
        patch.setattr(module("candidates"), "N_CANDIDATES", 2)  # so that they matter here
        yield


def module(name):
    return importlib.import_module(f"repic_plugin.classification.{name}")


# who holds what


class Place(Ranks):
    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@given(st.integers(0, 400), st.integers(1, 9))
def test_parts_are_one_behind_the_other_and_begin_with_a_block(n, size):
    parts = [Place(rank, size).part(n) for rank in range(size)]
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    assert all(part.start % 8 == 0 for part in parts if part.start < n)
    n_blocks = [-(-(part.stop - part.start) // 8) for part in parts]
    assert max(n_blocks) - min(n_blocks) <= 1
    assert [Place(0, size).part(n, rank) for rank in range(size)] == parts


@pytest.mark.parametrize("name", CHUNKED)
def test_blocks_are_whole_numbers_of_chunks(name, monkeypatch):
    with monkeypatch.context() as patch:
        patch.undo()
        fresh_ranks = _as_written("ranks").IMAGES_PER_BLOCK
        assert fresh_ranks % _as_written(name).IMAGES_PER_CHUNK == 0


def _as_written(name):
    """A module of its own, without what the tests have changed."""
    spec = importlib.util.find_spec(f"repic_plugin.classification.{name}")
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return fresh


@pytest.mark.parametrize("box", [16, 100, 300, 512, 1000, 5000])
def test_large_boxes_are_read_in_fewer_that_divide_a_block(box):
    fresh = _as_written("preparation")
    chunk = fresh._images_per_chunk(box)
    assert _as_written("ranks").IMAGES_PER_BLOCK % chunk == 0
    assert chunk == 1 or chunk * box**2 <= fresh.PIXELS_PER_CHUNK


# what ranks say to each other


@pytest.mark.parametrize("n_ranks", [1, 2, 5])
def test_sums_and_maxima(n_ranks):
    rows = np.arange(12).reshape(3, 4) - 5

    def work(ranks):
        mine = rows * (ranks.rank + 1)
        return ranks.sum(mine), ranks.largest(mine), ranks.count(ranks.rank), ranks.everyone(7)

    every = np.stack([rows * (rank + 1) for rank in range(n_ranks)])
    for total, largest, count, sevens in on_threads(n_ranks, work):
        assert np.array_equal(total, every.sum(axis=0))
        assert np.array_equal(largest, every.max(axis=0))
        assert count == sum(range(n_ranks))
        assert sevens == [7] * n_ranks


@pytest.mark.parametrize("piece_bytes", [1, 20, 1 << 28])
@pytest.mark.parametrize("dtype", [np.complex64, np.bool_, np.int64])
def test_everybody_gets_what_is_theirs(monkeypatch, piece_bytes, dtype):
    monkeypatch.setattr(ranks_module, "PIECE_BYTES", piece_bytes)

    def column(source, target):
        length = (source + 2 * target) % 4
        return np.full((length, 3), (10 * source + target) % 7).astype(dtype)

    def work(ranks):
        return ranks.exchange([column(ranks.rank, other) for other in range(ranks.size)])

    for target, found in enumerate(on_threads(3, work)):
        for source, part in enumerate(found):
            assert part.dtype == dtype
            assert np.array_equal(part, column(source, target))


def test_one_after_the_other():
    def work(ranks):
        def add(values):
            values[0] = 10 * values[0] + ranks.rank
            values[1] += 1

        return ranks.in_turn(np.zeros(2), add)

    assert [found.tolist() for found in on_threads(4, work)] == [[123.0, 4.0]] * 4


def test_the_first_gets_the_whole():
    def work(ranks):
        mine = np.arange(10.0)[ranks.part(10)]
        return ranks.collect(mine), ranks.first_row(len(mine))

    (whole, first), (nothing, second) = on_threads(2, work)
    assert whole.tolist() == list(range(10))
    assert (len(nothing), first, second) == (0, 0, 8)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_rows_are_spread_anew_in_their_order(counts):
    ends = np.cumsum([0, *counts])

    def work(ranks):
        mine = np.arange(ends[ranks.rank], ends[ranks.rank + 1])
        rows, twice = ranks.evened((mine, np.column_stack((mine, mine)).astype(np.float32)))
        assert np.array_equal(twice, np.column_stack((rows, rows)))
        return rows, ranks.part(sum(counts))

    for rows, part in on_threads(len(counts), work):
        assert rows.tolist() == list(range(part.start, part.stop))


@pytest.mark.parametrize("kind", [ValueError, OSError, MemoryError])
def test_an_error_of_one_is_an_error_of_all(kind):
    def work(ranks):
        with pytest.raises(kind, match="the disk of 1 is full"), ranks.agreement():
            if ranks.rank >= 1:
                raise kind(f"the disk of {ranks.rank} is full")
        return ranks.has_agreed

    assert on_threads(3, work) == [True] * 3


def test_agreement_without_an_error():
    def work(ranks):
        with ranks.agreement():
            pass
        return ranks.has_agreed

    assert on_threads(3, work) == [False] * 3


def test_one_that_is_alone_sends_nothing():
    ranks = Ranks()
    classified(ranks, on_iteration=lambda state: None)
    assert ranks.sent_bytes == 0


# sums


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=30), st.randoms())
def test_steady_sums_do_not_depend_on_the_order(numbers, random):
    values = np.array(numbers, np.float32)
    order = list(range(len(values)))
    random.shuffle(order)
    found = steady(values)
    total = 0.0
    for i in order:
        total += found[i]
    assert total == found.sum() == steady_sum(values) == steady_sum(values[order])
    largest = np.abs(values).max(initial=0.0)
    assert np.abs(found - values).max(initial=0.0) <= largest * max(len(values), 1) * 2.0**-50


def test_steady_sums_of_ranks():
    values = np.random.default_rng(0).normal(size=100).astype(np.float32) ** 9

    found = [
        on_threads(n, lambda ranks: steady_sum(values[ranks.part(100)], ranks)) for n in (2, 5)
    ]
    assert {total for totals in found for total in totals} == {steady_sum(values)}
    assert steady_sum(values) == pytest.approx(float(values.sum(dtype=np.float64)))


# classes


@lru_cache(maxsize=None)
def material():
    """90 images, some of them empty, in classes that are worth trading."""
    found = particles(6, 12, 1.0, junk_fraction=0.2, random_state=1)
    images = found.images.copy()
    images[[1, 2, 3, 17, 40, 41, 42, 43, 44, 45, 46, 89]] = 2.5
    return images, found


def classified(ranks=ALONE, images=None, **options):
    given_images, found = material()
    usual = {"random_state": 4, "max_iterations": 25, "tolerance": 0.02, "max_shift_px": 3.0}
    return classify_particles(
        given_images if images is None else images,
        N_CLASSES,
        ctf=found.ctf,
        pixel_size_angstrom=found.pixel_size_angstrom,
        ranks=ranks,
        **{**usual, **options},
    )


@pytest.mark.parametrize(
    "options, n_ranks",
    [
        ({}, 2),
        ({}, 3),
        ({}, 4),
        ({"mirror": True, "n_threads": 2, "max_iterations": 15}, 3),
        ({"trade": False, "ctf_mode": "flip"}, 3),
        ({"method": "kmeans", "max_iterations": 12}, 4),
        ({"method": "spider"}, 3),
        ({"alignment": "msa", "max_iterations": 6}, 3),
        ({"alignment": "rfa", "max_iterations": 12}, 3),
    ],
    ids=str,
)
def test_the_classes_are_those_of_one_process(options, n_ranks):
    first, *others = on_threads(n_ranks, lambda ranks: classified(ranks, **options))
    assert same_result(first, _alone(**options))
    for other in others:
        assert (len(other), len(other.averages), len(other.sizes)) == (0, 0, 0)


@lru_cache(maxsize=None)
def _alone(**options):
    return classified(**options)


def test_there_was_something_to_trade():
    trades = [record for record in _alone().records if record.stage == "trade"]
    assert max(record.fraction_changed for record in trades) > 0


@pytest.mark.parametrize("kept", [slice(0, 60), slice(0, 5), slice(60, 90)])
def test_one_rank_may_have_all_that_is_not_empty(kept):
    images = np.full_like(material()[0], 1.0)
    images[kept] = material()[1].images[kept]
    options = {"images": images, "max_iterations": 3}
    if kept.stop == 5:
        with pytest.raises(ValueError, match="images that are not empty, 5"):
            on_threads(3, lambda ranks: classified(ranks, **options))
        return
    first, *_ = on_threads(3, lambda ranks: classified(ranks, **options))
    assert same_result(first, classified(**options))


def test_more_ranks_than_blocks():
    first, *_ = on_threads(13, lambda ranks: classified(ranks, max_iterations=3))
    assert same_result(first, classified(max_iterations=3))


def test_a_state_is_the_same_and_goes_on_with_another_number_of_ranks():
    states = {}
    for n_ranks in (1, 3):
        kept = states[n_ranks] = []
        on_threads(n_ranks, lambda ranks, kept=kept: classified(ranks, on_iteration=kept.append))
    assert len(states[1]) == len(states[3])
    for one, other in zip(states[1], states[3]):
        assert one.records == other.records
        for a, b in zip(_columns(one), _columns(other)):
            assert np.array_equal(a, b)
    with_trades = next(state for state in states[3] if state.before_trade is not None)
    for state in (states[3][2], with_trades):
        first, *_ = on_threads(2, lambda ranks, state=state: classified(ranks, resume=state))
        assert same_result(first, _alone())
        assert same_result(classified(resume=state), _alone())


def _columns(state):
    columns = []
    state.carried(lambda column: columns.append(column) or column)
    return columns


def test_no_rank_prepares_more_than_its_part():
    seen = {}

    class Watched:
        shape = material()[0].shape

        def __init__(self, rank):
            self.rank = rank

        def __getitem__(self, rows):
            if isinstance(rows, slice):
                seen.setdefault(self.rank, []).extend(range(rows.start, rows.stop))
            return material()[0][rows]

    on_threads(3, lambda ranks: classified(ranks, images=Watched(ranks.rank), max_iterations=2))
    assert sorted(row for rows in seen.values() for row in rows) == list(range(90))
    assert max(map(len, seen.values())) == 32


# what is sent


def sent(n_images, n_classes, n_iterations):
    images, found = material()[1].images[:n_images], material()[1]

    def work(ranks):
        classify_particles(
            images,
            n_classes,
            ctf=found.ctf.take(slice(n_images)),
            pixel_size_angstrom=found.pixel_size_angstrom,
            max_iterations=n_iterations,
            tolerance=0.0,
            trade=False,
            own_contrast=False,
            ranks=ranks,
            n_rings=8,
            mask_diameter_px=26.0,
        )
        return ranks.sent_bytes

    return on_threads(2, work)[0]


def test_what_is_sent_in_an_iteration_grows_with_the_classes_not_with_the_images():
    few, many = (sent(n, 4, 5) - sent(n, 4, 4) for n in (48, 80))
    # what the averages at the end need from other ranks depends on the classes, a little
    assert abs(few - many) < 0.02 * few
    double = sent(80, 8, 5) - sent(80, 8, 4)
    assert 1.8 < double / many < 2


# errors


def test_images_that_are_not_finite_are_told_by_all(monkeypatch):
    images = material()[0].copy()
    images[[20, 70]] = np.nan

    def work(ranks):
        with pytest.raises(ValueError, match="image 21 has values that are not finite"):
            classified(ranks, images=images)
        return ranks.has_agreed

    assert on_threads(3, work) == [True] * 3


def test_an_error_while_a_state_is_kept_ends_all():
    def full(state):
        if state.iteration == 2:
            raise OSError("no room")

    def work(ranks):
        with pytest.raises(OSError, match="no room"):
            classified(ranks, on_iteration=full)
        return True

    assert on_threads(3, work) == [True] * 3


def test_what_cannot_be_spread_is_refused():
    with pytest.raises(ValueError, match=r"'eqk' sorts all pairs .* got 2 .* start one"):
        on_threads(2, lambda ranks: classified(ranks, method="eqk"))
    classified(method="eqk", max_iterations=1)
