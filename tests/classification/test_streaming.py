"""Classes of a stream: as good as in one go, whenever particles come, new ones for new views."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from repic_plugin.classification import (
    ClassStream,
    StreamSettings,
    assign_particles,
    first_particles,
    stream_from_arrays,
    stream_to_arrays,
)
from repic_plugin.classification.full_averages import full_averages
from repic_plugin.classification.normalisation import Normaliser, background
from repic_plugin.classification.streaming.state import Unexplained
from repic_plugin.classification.streaming.stream import some_of_each
from tests.classification.particles import (
    PIXEL_SIZE_ANGSTROM,
    agreement,
    classified,
    particles,
    usual_sizes,
)

VIEWS, PER_VIEW, SNR, LATE = 6, 120, 0.1, 3
N, FIRST, BLOCK = VIEWS * PER_VIEW, 300, 90
COLUMNS = ("labels", "rotation_deg", "shift_px", "dissimilarity", "posterior", "fit", "residual")


@lru_cache(maxsize=None)
def made():
    return particles(VIEWS, PER_VIEW, SNR)


@lru_cache(maxsize=None)
def order(has_late_view=False):
    """Of the particles; those of one view in the second half alone, or evenly mixed."""
    mixed = np.random.default_rng(0).permutation(N)
    if not has_late_view:
        return mixed
    is_late = made().view[mixed] == LATE
    early = mixed[~is_late][: N // 2]
    others = np.setdiff1d(mixed, early)
    return np.concatenate([early, others[np.random.default_rng(1).permutation(len(others))]])


def settings(n_classes=VIEWS, **options):
    sizes = dict(usual_sizes(made()))
    pixel_size = sizes.pop("pixel_size_angstrom")
    usual = {"n_first": FIRST, "n_per_block": BLOCK, "classification": sizes}
    return StreamSettings(n_classes, pixel_size_angstrom=pixel_size, **{**usual, **options})


def run(images, ctf, stream=None, ends=(), **options):
    """The stream at the end, and labels with those that moved to new classes."""
    stream = stream or ClassStream(settings())
    blocks = []
    for end in (*ends, len(images)):
        some = None if ctf is None else ctf.take(slice(0, end))
        blocks += stream.advance(images[:end], some, now=end == len(images), **options)
    return stream, blocks


def labels_of(blocks):
    found = np.full(sum(len(block.rows) for block in blocks), -1)
    for block in blocks:
        found[block.rows] = block.found.labels
        if block.new is not None:
            found[block.new.rows] = block.new.found.labels
    return found


def streamed(rows, **options):
    return run(made().images[rows], made().ctf.take(rows), **options)


@lru_cache(maxsize=None)
def usual_run():
    return streamed(order())


@lru_cache(maxsize=None)
def late_run():
    return streamed(order(True), stream=ClassStream(settings(VIEWS - 1)))


def same(one, other):
    """Whether states and blocks of two runs are alike to the byte."""
    arrays = [stream_to_arrays(stream.state) for stream, _ in (one, other)]
    pairs = [(arrays[0][name], arrays[1][name]) for name in arrays[0]]
    for a, b in zip(one[1], other[1]):
        pairs += [(getattr(a.found, name), getattr(b.found, name)) for name in COLUMNS]
    assert arrays[0].keys() == arrays[1].keys() and len(one[1]) == len(other[1])
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def through_arrays(state, folder):
    np.savez(folder / "state.npz", **stream_to_arrays(state))
    with np.load(folder / "state.npz", allow_pickle=False) as stored:
        return stream_from_arrays(dict(stored))


# As good as in one go


def test_a_stream_is_as_good_as_one_go():
    stream, blocks = usual_run()
    view = made().view[order()]
    whole = classified(made(), VIEWS)
    assert agreement(labels_of(blocks), view) > agreement(whole.labels, made().view) - 0.02
    assert len(stream.state) == VIEWS and stream.state.sizes.sum() == N


def test_averages_are_those_of_all_their_members():
    """As if the members of all blocks were averaged in one go."""
    stream, blocks = usual_run()
    state, rows = stream.state, order()
    found = [block.found for block in blocks]
    is_member = np.concatenate([np.ones(FIRST, bool), *(b.is_explained for b in blocks[1:])])
    assert state.n_averaged.sum() == is_member.sum() < N
    columns = (
        np.concatenate([getattr(one, name) for one in found])
        for name in ("labels", "rotation_deg", "shift_px", "mirror", "factor")
    )
    labels, rotation, shift, mirror, factor = columns
    sizes = state.references.sizes
    outside = background(sizes.box_px, sizes.mask_diameter_px / 2 + sizes.edge_px)
    together = full_averages(
        made().images[rows],
        np.where(is_member, labels, -1),
        rotation,
        shift,
        mirror,
        VIEWS,
        pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
        ctf=made().ctf.take(rows),
        weight=True,
        normaliser=Normaliser(outside, state.references.dust_deviations),
        factor=factor,
    )
    largest = np.abs(together.averages).max()
    assert np.abs(together.averages - state.references.averages).max() < 1e-4 * largest


def test_more_members_make_better_averages():
    stream, _ = usual_run()
    first = ClassStream(settings())
    next(first.advance(made().images[order()], made().ctf.take(order())))
    clean = particles(VIEWS, PER_VIEW)
    errors = []
    for state in (first.state, stream.state):
        # without noise the particles are brighter than the limit for damaged pixels of the noisy
        references = replace(state.references, dust_deviations=np.inf)
        found = assign_particles(clean.images, references, ctf=clean.ctf)
        errors.append(1 - np.median(found.correlation))
    assert errors[1] < 0.9 * errors[0]


# New views


def test_a_view_that_comes_late_gets_a_class_of_its_own():
    stream, blocks = late_run()
    state, view = stream.state, made().view[order(True)]
    labels = labels_of(blocks)
    new = np.flatnonzero(state.made_after > 0)
    assert len(state) == VIEWS and new.tolist() == [VIEWS - 1]
    assert (view[labels == new[0]] == LATE).mean() > 0.9
    assert (labels[view == LATE] == new[0]).mean() > 0.75
    assert np.array_equal(np.bincount(labels, minlength=len(state)), state.sizes)
    full = assign_particles(
        made().images, state.references, ctf=made().ctf, measured_before=state.measured
    )
    assert agreement(full.labels, made().view) > 0.95
    assert state.scores.score[new[0]] > 0.75


def test_class_numbers_stay_what_they_were():
    _, blocks = late_run()
    view = made().view[order(True)]
    before, after = blocks[0].found.labels, labels_of(blocks)[-BLOCK:]
    for k in range(VIEWS - 1):
        own = np.bincount(view[:FIRST][before == k]).argmax()
        assert (view[-BLOCK:][after == k] == own).mean() > 0.9


def test_without_them_the_late_view_is_in_another_class():
    stream, _ = streamed(order(True), stream=ClassStream(settings(VIEWS - 1, new_views=False)))
    assert len(stream.state) == VIEWS - 1


@pytest.mark.parametrize("seed", range(3))
def test_the_same_views_again_make_no_classes(seed):
    stream, _ = streamed(np.random.default_rng(seed).permutation(N))
    assert len(stream.state) == VIEWS


def noise(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 32, 32)).astype(np.float32)


def blobs(n, seed):
    """Contamination of many sizes and places."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-16:16, -16:16]
    place, radius = rng.normal(0, 4, (2, n, 1, 1)), rng.uniform(2, 6, (n, 1, 1))
    shape = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * radius**2))
    return np.float32(noise(n, seed) + 3 * shape)


@pytest.mark.parametrize("junk", [noise, blobs])
@pytest.mark.parametrize("every", [1, 3])
def test_junk_makes_no_classes(junk, every):
    rows = order()
    images = made().images[rows].copy()
    scale = images.std()
    is_junk = np.zeros(N, bool)
    is_junk[FIRST::every] = True
    images[is_junk] = scale * junk(is_junk.sum(), 7)
    stream, blocks = run(images, made().ctf.take(rows))
    assert len(stream.state) == VIEWS
    is_explained = np.concatenate([block.is_explained for block in blocks])
    assert is_explained[is_junk].mean() < 0.3
    again = assign_particles(made().images, stream.state.references, ctf=made().ctf)
    assert agreement(again.labels, made().view) > 0.9  # averages are not spoilt


# Arrival, threads, kills


@pytest.mark.parametrize("seed", range(2))
def test_it_does_not_matter_when_particles_arrive(seed):
    ends = np.sort(np.random.default_rng(seed).integers(1, N, 5))
    late = settings(VIEWS - 1)
    assert same(streamed(order(True), stream=ClassStream(late), ends=ends), late_run())


def test_threads_change_nothing():
    late = settings(VIEWS - 1)
    assert same(streamed(order(True), stream=ClassStream(late), n_threads=3), late_run())


class Killed(Exception):
    pass


class Fragile:
    """Images of which some reading fails."""

    def __init__(self, images, lasts):
        self.images, self.shape, self.lasts = images, images.shape, lasts

    def __getitem__(self, rows):
        self.lasts -= 1
        if self.lasts < 0:
            raise Killed
        return self.images[rows]


@pytest.mark.slow
def test_fifty_kills_leave_the_same_result(tmp_path):
    """At any reading; what was stored after each block is all that is left."""
    rng, late = np.random.default_rng(4), settings(VIEWS - 1)
    images, ctf = made().images[order(True)], made().ctf.take(order(True))
    steady, n_reads = Fragile(images, 1 << 30), [0]
    for _ in ClassStream(late).advance(steady, ctf, now=True):
        n_reads.append((1 << 30) - steady.lasts)
    kills = [5, *rng.multinomial(45, np.full(5, 1 / 5))]  # before the end of each block
    state, blocks = None, []
    for n_kills, n in zip(kills, np.diff(n_reads)):
        for lasts in (*rng.integers(0, n, n_kills), n):
            stream = ClassStream(late, state)
            try:
                blocks.append(next(stream.advance(Fragile(images, lasts), ctf, now=True)))
            except Killed:
                assert lasts < n
        state = through_arrays(stream.state, tmp_path)
    assert sum(kills) == 50 and len(blocks) == len(kills)
    assert same((ClassStream(late, state), blocks), late_run())


def test_a_state_of_another_particle_diameter_goes_through_arrays(tmp_path):
    state = late_run()[0].state
    again = through_arrays(state, tmp_path)
    assert again.references.sizes == state.references.sizes
    assert again.measured.prior == state.measured.prior
    arrays = stream_to_arrays(state)
    assert all(a.dtype != object for a in arrays.values())
    for name in arrays:
        with pytest.raises(KeyError, match=name):
            stream_from_arrays({key: a for key, a in arrays.items() if key != name})


def test_what_is_there_is_taken_when_it_is_asked_for():
    stream = ClassStream(settings())
    assert not list(stream.advance(made().images[:200], made().ctf.take(slice(0, 200))))
    assert stream.state is None
    few = np.sort(order()[:200])
    blocks = list(stream.advance(made().images[few], made().ctf.take(few), now=True))
    assert [len(block.rows) for block in blocks] == [200] and stream.state.n_first == 200


def test_images_that_are_gone_are_missed():
    stream = ClassStream(settings(), usual_run()[0].state)
    with pytest.raises(ValueError, match="must be all of the stream so far"):
        list(stream.advance(made().images[:200], made().ctf.take(slice(0, 200))))


# Parts


def test_some_of_each_are_the_first():
    rng = np.random.default_rng(0)
    labels, is_wanted = rng.integers(-1, 4, 200), rng.random(200) < 0.7
    most = np.array([0, 5, 1000, 1])
    taken = some_of_each(labels, is_wanted, most)
    for k in range(4):
        wanted = np.flatnonzero(is_wanted & (labels == k))
        assert np.array_equal(np.flatnonzero(taken & (labels == k)), wanted[: most[k]])
    assert not taken[labels < 0].any()


def test_an_average_at_most_doubles():
    rows = order()
    few = settings(n_first=60, n_per_block=300)
    stream = ClassStream(few)
    ctf = made().ctf.take(rows)
    counts = []
    for _ in stream.advance(made().images[rows], ctf, now=True):
        counts.append(stream.state.n_averaged)
    assert all((new <= 2 * np.maximum(old, 1)).all() for old, new in zip(counts, counts[1:]))
    assert (counts[1] == 2 * counts[0]).any()


def test_chance_is_no_excess():
    rng = np.random.default_rng(0)
    expected = np.full(100, 12.0)
    for _ in range(20):
        labels = np.repeat(np.arange(100), rng.poisson(expected))
        lately = Unexplained(np.arange(len(labels)), labels, expected)
        assert lately.excess().sum() == 0
    labels = np.append(labels, np.full(60, 7))
    more = Unexplained(np.arange(len(labels)), labels, expected).excess()
    assert np.flatnonzero(more).tolist() == [7] and 40 < more[7] < 80


def test_the_latest_are_kept():
    lately = Unexplained.none(2)
    for first in range(0, 100, 10):
        rows = np.arange(first, first + 10)
        lately = lately.with_more(rows, rows % 2, np.full(2, 3.0), 40)
    assert lately.rows.tolist() == list(range(60, 100))
    assert np.array_equal(lately.labels, lately.rows % 2)
    assert np.allclose(lately.expected, 12, atol=1.5)  # of 40 particles, 3 of 5


def test_particles_waited_for():
    assert first_particles(100) == 25_000
    assert first_particles(100, memory_bytes=80e6) == 10_000
    assert StreamSettings(40).n_to_start == 10_000
