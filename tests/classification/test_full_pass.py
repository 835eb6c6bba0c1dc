"""A pass over all particles of a stream: classes as good as in one go, with their numbers."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from repic_plugin.classification import (
    LEAST_BEST,
    ClassStream,
    assign_particles,
    stream_to_arrays,
)
from repic_plugin.classification.streaming.full_pass import class_numbers
from repic_plugin.classification.streaming.particles import Particles
from tests.classification.particles import agreement, classified
from tests.classification.test_streaming import (
    BLOCK,
    FIRST,
    VIEWS,
    Fragile,
    Killed,
    N,
    labels_of,
    made,
    noise,
    order,
    run,
    same,
    settings,
    usual_run,
)

FEW = 48  # eight of each view


def images_and_ctf():
    return made().images[order()], made().ctf.take(order())


@lru_cache(maxsize=None)
def few_run():
    """Classes of few first particles."""
    stream, blocks = run(*images_and_ctf(), ClassStream(settings(n_first=FEW, n_per_block=224)))
    return stream.state, labels_of(blocks)


def passed(state, **options):
    stream = ClassStream(settings(n_first=FEW, n_per_block=224), state)
    return stream, list(stream.full_pass(*images_and_ctf(), **options))


@lru_cache(maxsize=None)
def few_passed():
    return passed(few_run()[0])


def test_it_mends_what_few_first_particles_have_spoilt():
    view = made().view[order()]
    _, blocks = few_passed()
    whole = agreement(classified(made(), VIEWS).labels, made().view)
    before, after = agreement(few_run()[1], view), agreement(labels_of(blocks), view)
    assert before < whole - 0.03 and after > whole - 0.01


def test_labels_are_those_of_its_own_averages():
    stream, blocks = few_passed()
    images, ctf = images_and_ctf()
    known = {"ctf": ctf, "measured_before": stream.state.measured}
    found = assign_particles(images, stream.state.references, **known)
    assert np.array_equal(found.labels, labels_of(blocks))
    assert np.array_equal(found.sizes, stream.state.sizes)


def test_blocks_and_counts_are_as_they_were():
    before = few_run()[0]
    stream, blocks = few_passed()
    rows = np.concatenate([block.rows for block in blocks])
    assert np.array_equal(rows, np.arange(N))
    assert [len(block.rows) for block in blocks] == [FEW, 224, 224, 224]
    assert (stream.state.n_seen, stream.state.n_first) == (before.n_seen, before.n_first)


@pytest.mark.parametrize("seed", range(2))
def test_classes_keep_their_numbers_whatever_these_are(seed):
    """Of classes that had been numbered in another order, the same numbers come back."""
    state = usual_run()[0].state
    new = np.random.default_rng(seed).permutation(VIEWS)  # of class k
    old = np.argsort(new)
    renamed = renumbered(state, old)
    images, ctf = images_and_ctf()
    known = {"ctf": ctf, "measured_before": renamed.measured}
    before = assign_particles(images, renamed.references, **known).labels
    stream = ClassStream(settings(), renamed)
    after = labels_of(list(stream.full_pass(images, ctf)))
    for k in range(VIEWS):
        assert (after[before == k] == k).mean() > 0.9
    assert len(stream.state) == VIEWS


def renumbered(state, old):
    """The state with classes in another order."""
    return replace(
        state,
        references=replace(state.references, averages=state.references.averages[old]),
        sums=type(state.sums)(*(values[old] for values in state.sums)),
        n_averaged=state.n_averaged[old],
        sizes=state.sizes[old],
        scores=state.scores.of(old),
    )


@lru_cache(maxsize=None)
def mixed_passed():
    """After classes of which 0 and 1 have one view, and 2 has two."""
    state, (images, ctf) = usual_run()[0].state, images_and_ctf()
    every = Particles(images, ctf, np.arange(N), settings(), 1)
    found = every.assigned(state.references, state.measured)
    labels = np.where(found.labels == 1, 2, found.labels)
    labels[np.flatnonzero(labels == 0)[::2]] = 1
    sums = every.sums(replace(found, labels=labels), labels >= 0, state.references)
    references = replace(state.references, averages=sums.averages())
    mixed = replace(state, references=references, sums=sums)
    stream = ClassStream(settings(), mixed)
    return labels, stream, list(stream.full_pass(images, ctf))


def test_a_class_that_takes_the_place_of_another_has_a_new_number():
    before, stream, blocks = mixed_passed()
    state, after = stream.state, labels_of(blocks)
    empty = np.flatnonzero(state.sizes == 0)
    assert len(empty) == 1 and empty[0] in (0, 1) and len(state) == VIEWS + 1
    assert agreement(after, made().view[order()]) > 0.95
    assert state.made_after[VIEWS:].tolist() == [N]
    for k in np.setdiff1d(np.arange(VIEWS), empty):
        assert (before[after == k] == k).mean() > (0.45 if k < 2 else 0.9)
    assert (before[after == VIEWS] == 2).mean() > 0.9


def test_the_number_of_a_class_that_is_gone_stays_empty():
    _, stream, _ = mixed_passed()
    state, empty = stream.state, int(np.argmin(stream.state.sizes))
    assert state.scores.score[empty] == 0 and np.isnan(state.scores.resolution_angstrom[empty])
    assert not state.references.averages[empty].any() and state.n_averaged[empty] == 0
    again = ClassStream(settings(), state)
    blocks = list(again.full_pass(*images_and_ctf()))
    assert len(again.state) == len(state) and not (labels_of(blocks) == empty).any()


def test_noise_has_no_good_class_afterwards():
    images = noise(400, 3)
    stream, _ = run(images, None, ClassStream(settings(4, n_first=200, n_per_block=100)))
    list(stream.full_pass(images))
    assert (stream.state.scores.score < LEAST_BEST).all()
    assert len(stream.state.scores.score) == len(stream.state) >= 4


def test_threads_change_nothing():
    assert same(passed(few_run()[0], n_threads=3), few_passed())


def test_a_kill_leaves_the_state_as_it_was():
    state = few_run()[0]
    images, ctf = images_and_ctf()
    steady = Fragile(images, 1 << 30)
    list(ClassStream(settings(n_first=FEW, n_per_block=224), state).full_pass(steady, ctf))
    n = (1 << 30) - steady.lasts
    for lasts in (0, n // 2, n - 1):
        stream = ClassStream(settings(n_first=FEW, n_per_block=224), state)
        with pytest.raises(Killed):
            list(stream.full_pass(Fragile(images, lasts), ctf))
        assert stream.state is state


def test_the_stream_goes_on_after_it():
    images, ctf = images_and_ctf()
    first, n = ClassStream(settings()), FIRST + 2 * BLOCK
    list(first.advance(images[:n], ctf.take(slice(0, n))))
    list(first.full_pass(images, ctf))
    assert first.state.n_seen == n
    blocks = list(first.advance(images, ctf, now=True))
    assert first.state.n_seen == N and len(first.state) == VIEWS
    labels = np.concatenate([block.found.labels for block in blocks])
    assert agreement(labels, made().view[order()][n:]) > 0.95


def test_progress_ends_with_the_total():
    told = []
    passed(few_run()[0], progress=lambda done, total: told.append((done, total)))
    done = [one for one, _ in told]
    assert done == sorted(done) and len({total for _, total in told}) == 1
    assert told[-1][0] == told[-1][1]


def test_there_must_be_classes():
    with pytest.raises(ValueError, match="there are no classes yet, but 300 particles to wait for"):
        list(ClassStream(settings()).full_pass(*images_and_ctf()))


def test_numbers_of_classes():
    """Class 0 gets most of class 1, class 1 half of class 2: it has taken another's place."""
    before = np.repeat([0, 1, 2], [10, 10, 20])
    after = before.copy()
    after[before == 1] = 0
    after[-10:] = 1
    assert class_numbers(before, after, np.array([0, 3, 4]), 7).tolist() == [0, 7, 4]
    assert class_numbers(before, before, np.array([0, 3, 4]), 7).tolist() == [0, 3, 4]
    n_left = np.where(before == 1, 0, before)  # class 1 is empty
    assert class_numbers(before, n_left, np.array([0, 3, 4]), 7).tolist() == [0, 3, 4]


def test_the_state_after_it_can_be_stored():
    state = few_passed()[0].state
    arrays = stream_to_arrays(state)
    assert all(len(arrays[name]) == len(state) for name in ("sizes", "score", "averages"))
