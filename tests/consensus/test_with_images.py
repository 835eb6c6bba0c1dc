"""Candidates judged by their 2D classes: what the classes decide, and what agreement does."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from repic_plugin.consensus import (
    ALL_CANDIDATES,
    ImageClasses,
    Picks,
    candidates_to_look_at,
    find_consensus,
    judge_by_images,
    picker_classes,
)
from repic_plugin.consensus.ensemble.candidates import as_cells
from repic_plugin.consensus.ensemble.image_classes import fit_with_images

BOX, SIZE, N = 40, 1000, 40
SHARE = np.array([0.95, 0.95, 0.95, 0.05, 0.05, 0.05, 0.05])


def two_blob_detectors(seed, n_micrographs=10):
    """Two pickers that share their mistakes, and a better one; the places of the particles."""
    rng = np.random.default_rng(seed)
    columns, truth = [], []
    for m in range(n_micrographs):
        sites = rng.permutation(np.stack(np.mgrid[1:15, 1:15], -1).reshape(-1, 2))[: 3 * N] * 65.0
        particles, blobs = sites[:N], sites[N:]
        truth.append(particles)
        for picker, (recall, share, n_own) in enumerate(
            ((0.5, 0.9, 10), (0.5, 0.9, 10), (0.95, 0, 15))
        ):
            own = rng.uniform(BOX, SIZE - BOX, (n_own, 2))
            found = [
                particles[rng.random(N) < recall],
                blobs[rng.random(len(blobs)) < share],
                own,
            ]
            places = np.concatenate(found) + rng.normal(0, 2, (sum(map(len, found)), 2))
            columns += [(m, picker, x, y, rng.random()) for x, y in places]
    return Picks.from_columns(*map(np.array, zip(*columns))), truth


@lru_cache(maxsize=None)
def material(seed, n_micrographs=10):
    """Picks, truth and all candidates."""
    picks, truth = two_blob_detectors(seed, n_micrographs)
    mode = {"mode": "probabilistic", "num_particles": ALL_CANDIDATES}
    return picks, truth, find_consensus(picks, BOX, **mode)


def is_true(found, truth):
    trees = [cKDTree(places) for places in truth]
    places = zip(found.micrograph.tolist(), found.x.tolist(), found.y.tolist())
    return np.array([trees[m].query((x, y))[0] < BOX / 4 for m, x, y in places])


def classes_of(candidates, truth, seed=0, wrong=0.05):
    """Classes that tell particles from junk but for a few."""
    rng = np.random.default_rng(seed)
    true = is_true(candidates, truth)
    good = true ^ (rng.random(len(candidates)) < wrong)
    label = np.where(good, rng.integers(0, 3, len(good)), rng.integers(3, 7, len(good)))
    return ImageClasses(label, np.bincount(label, true, 7) / np.bincount(label, minlength=7))


def f1(found, truth):
    right = is_true(found, truth).sum()
    return 2 * right / (len(found) + sum(map(len, truth)))


@pytest.mark.parametrize("seed", range(3))
def test_shared_junk_does_not_outvote_the_classes(seed):
    picks, truth, candidates = material(seed)
    found = judge_by_images(candidates, picks, classes_of(candidates, truth, seed)).result
    by_agreement = find_consensus(picks, BOX, mode="probabilistic")
    assert f1(by_agreement, truth) < 0.6
    assert f1(found, truth) > 0.88
    assert found.weight.mean() == pytest.approx(is_true(found, truth).mean(), abs=0.05)
    hits = [is_true(replace_picks(picks, j), truth) for j in range(3)]
    for j in range(3):
        assert found.ensemble.precision[j] == pytest.approx(hits[j].mean(), abs=0.05)
        assert found.ensemble.recall[j] == pytest.approx(hits[j].sum() / (10 * N), abs=0.08)
        low, high = found.ensemble.precision_interval[j]
        assert low < high < low + 0.2
    assert any("better than agreement says" in told for told in found.ensemble.warnings)
    best = picks.picker_names[2]
    assert by_agreement.ensemble.f1.argmin() == 2 == found.ensemble.f1.argmax()
    assert any(told.startswith(f"agreement ranks {best} last") for told in found.ensemble.warnings)


def replace_picks(picks, picker):
    return picks.take(picks.picker == picker)


def test_where_no_class_holds_particles_agreement_decides_and_it_is_said_first():
    """The negative control: classes that do not depend on what is there have equal shares."""
    picks, _, candidates = material(0)
    label = np.random.default_rng(0).integers(0, 7, len(candidates))
    judged = judge_by_images(candidates, picks, ImageClasses(label, np.full(7, 0.05)))
    by_agreement = find_consensus(picks, BOX, mode="probabilistic")
    assert judged.result.ensemble.warnings[0].startswith("no 2D class looks like particles")
    assert judged.result.weight == pytest.approx(by_agreement.weight)
    assert judged.result.ensemble.precision == pytest.approx(by_agreement.ensemble.precision)


@lru_cache(maxsize=None)
def alike(seed, n_pickers=3):
    """Pickers that find the same easy particles and score them alike, and some junk."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for m in range(12):
        sites = rng.permutation(np.stack(np.mgrid[1:15, 1:15], -1).reshape(-1, 2))[:60] * 65.0
        truth.append(sites[:50])
        ease = rng.random(60)
        for picker in range(n_pickers):
            seen = ease + rng.normal(0, 0.1, 60)
            for (x, y), score in zip(sites[seen > 0.3], seen[seen > 0.3]):
                rows.append((m, picker, *(rng.normal(0, 1, 2) + np.array([x, y])), score))
    picks = Picks.from_columns(*map(np.array, zip(*rows)))
    mode = {"mode": "probabilistic", "num_particles": ALL_CANDIDATES, "score_transform": "rank"}
    return picks, truth, find_consensus(picks, BOX, **mode)


@pytest.mark.parametrize("seed", range(3))
def test_members_of_pure_classes_are_kept_where_pickers_score_alike(seed):
    """Easy and difficult particles are two kinds, but no junk."""
    picks, truth, candidates = alike(seed)
    true = is_true(candidates, truth)
    label = np.where(true, np.random.default_rng(seed).integers(0, 3, len(true)), 3)
    classes = ImageClasses(label, np.array([1.0, 1.0, 1.0, 0.0]))
    found = judge_by_images(candidates, picks, classes).result
    assert is_true(found, truth).sum() > 0.97 * true.sum()
    assert is_true(found, truth).all()


def test_junk_within_classes_of_particles_is_judged_by_agreement():
    """What a picker alone found, at random, while the others agree on particles."""
    rng = np.random.default_rng(0)
    rows, truth = [], []
    for m in range(12):
        sites = rng.permutation(np.stack(np.mgrid[1:30, 1:30], -1).reshape(-1, 2)) * 65.0
        truth.append(sites[:40])
        for picker in range(3):
            mine = [*sites[:40][rng.random(40) < 0.85], *sites[40 + 15 * picker :][:15]]
            score = np.r_[rng.beta(4, 2, len(mine) - 15), rng.beta(2, 3, 15)]
            rows += [(m, picker, *(rng.normal(0, 1, 2) + at), s) for at, s in zip(mine, score)]
    picks = Picks.from_columns(*map(np.array, zip(*rows)))
    mode = {"mode": "probabilistic", "num_particles": ALL_CANDIDATES}
    candidates = find_consensus(picks, BOX, **mode)
    true = is_true(candidates, truth)
    good = true | (rng.random(len(true)) < 0.35)  # a quarter of them is junk
    assert true[good].mean() < 0.85
    classes = ImageClasses(np.where(good, 0, 1), np.array([0.75, 0.0]))
    found = judge_by_images(candidates, picks, classes).result
    assert is_true(found, truth).mean() > 0.9


def test_one_pattern_has_the_shares_of_its_classes():
    cells, cell = as_cells(np.zeros((60, 1), np.int64), np.array([-1]), 2)
    label = np.arange(60) % 3
    share = np.array([0.9, 0.3, 0.05])
    fit = fit_with_images(cells, cell, 2, share[label], np.arange(60) % 5)
    assert fit.probability == pytest.approx(share[label], abs=1e-6)
    assert fit.precision[0] == pytest.approx(share.mean(), abs=1e-6)


def test_a_candidate_without_an_image_is_judged_by_its_pickers():
    picks, truth, candidates = material(1)
    classes = classes_of(candidates, truth)
    hidden = np.random.default_rng(1).random(len(candidates)) < 0.5
    label = np.where(hidden, -1, classes.label)
    probability = judge_by_images(candidates, picks, classes._replace(label=label)).probability
    true = is_true(candidates, truth)
    assert probability[hidden & true].mean() > probability[hidden & ~true].mean() + 0.4
    found = candidates.members >= 0
    pair = hidden & found[:, 0] & found[:, 1] & ~found[:, 2]
    assert pair.sum() > 20
    assert probability[pair].mean() < 0.3  # agreement alone is sure of these
    assert candidates.weight[pair].mean() > 0.8


@given(st.permutations(range(7)), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_the_numbers_of_classes_and_the_order_of_candidates_mean_nothing(numbers, seed):
    rng = np.random.default_rng(seed)
    n, k = 80, 3
    members = np.where(rng.random((n, k)) < 0.6, rng.integers(0, 50, (n, k)), -1)
    members[(members < 0).all(axis=1), 0] = 0
    bins = rng.integers(0, 2, 50)
    label, micrograph = rng.integers(-1, 7, n), rng.integers(0, 4, n)
    numbers = np.array(numbers)
    order = rng.permutation(n)

    def probability(rows, label, share):
        cells, cell = as_cells(members[rows], bins, 2)
        by_image = np.append(share, np.nan)[label[rows]]
        return fit_with_images(cells, cell, 2, by_image, micrograph[rows]).probability

    share = np.empty(7)
    share[numbers] = SHARE
    other = np.where(label < 0, -1, numbers[label])
    one = probability(np.arange(n), label, SHARE)
    assert probability(order, other, share) == pytest.approx(one[order], abs=1e-4)


def test_a_particle_lies_where_the_most_precise_picker_says():
    picks, truth, candidates = material(2)
    found = judge_by_images(candidates, picks, classes_of(candidates, truth)).result
    assert found.ensemble.precision.argmax() == 2
    third = found.members[:, 2]
    assert (third >= 0).sum() > 100
    assert (found.x[third >= 0] == picks.x[third[third >= 0]]).all()


def test_a_target_precision_and_a_number_choose():
    picks, truth, candidates = material(0)
    classes = classes_of(candidates, truth, wrong=0.1)
    strict = judge_by_images(candidates, picks, classes, target_precision=0.99).result
    loose = judge_by_images(candidates, picks, classes, target_precision=0.8).result
    assert len(strict) < len(loose)
    assert strict.weight.mean() >= 0.99
    few = judge_by_images(candidates, picks, classes, num_particles=5).result
    assert np.bincount(few.micrograph).max() == 5


def test_one_micrograph_has_intervals_with_a_width():
    picks, truth, candidates = material(3, n_micrographs=1)
    model = judge_by_images(candidates, picks, classes_of(candidates, truth)).result.ensemble
    widths = np.diff(model.precision_interval, axis=1).ravel()
    assert (widths > 0.02).all()


def test_picks_have_a_fate():
    picks, truth, candidates = material(0)
    found = judge_by_images(candidates, picks, classes_of(candidates, truth)).result
    in_particles = np.zeros(len(picks), bool)
    in_particles[found.members[found.members >= 0]] = True
    assert not (found.is_unmatched & in_particles).any()
    assert found.fate is not None
    assert len(found.fate) == len(picks)


def test_counts_by_picker_and_class():
    _, truth, candidates = material(0, 2)
    classes = classes_of(candidates, truth)
    counts = picker_classes(candidates, classes)
    for picker in range(3):
        for k in range(7):
            rows = (candidates.members[:, picker] >= 0) & (classes.label == k)
            alone = (candidates.members[rows] >= 0).sum(axis=1) == 1
            assert counts[picker, k].tolist() == [alone.sum(), (~alone).sum()]


@pytest.mark.parametrize("most, n_looked_at", [(1000, 10), (300, 6), (1, 1)])
def test_some_micrographs_are_looked_at(most, n_looked_at):
    micrograph = np.repeat(np.arange(10), 50)
    looked_at = candidates_to_look_at(micrograph, most)
    assert len(np.unique(micrograph[looked_at])) == n_looked_at
    assert looked_at.sum() == 50 * n_looked_at  # whole micrographs


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda c: c._replace(label=c.label[1:]), "one for each candidate"),
        (lambda c: c._replace(label=c.label + 7), "give a share for each class"),
        (lambda c: c._replace(share=2 * SHARE), "from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, problem):
    picks, truth, candidates = material(0, 2)
    with pytest.raises(ValueError, match=problem):
        judge_by_images(candidates, picks, change(classes_of(candidates, truth)))


def test_a_number_of_particles_is_positive():
    picks, _, candidates = material(0)
    classes = ImageClasses(np.full(len(candidates), -1), SHARE)
    with pytest.raises(ValueError, match=r"num_particles must be .* got 0; leave it out"):
        judge_by_images(candidates, picks, classes, num_particles=0)


def test_a_consensus_of_another_mode_is_refused():
    picks, truth, candidates = material(0, 2)
    without = replace(candidates, ensemble=None)
    with pytest.raises(ValueError, match="mode probabilistic"):
        judge_by_images(without, picks, classes_of(candidates, truth))


@pytest.mark.parametrize("target", [None, 0.9])
def test_filtered_images_leave_the_decision_to_agreement(target):
    picks, truth, candidates = material(0)
    classes = classes_of(candidates, truth)._replace(is_filtered=True)
    judged = judge_by_images(candidates, picks, classes, target_precision=target)
    blind = find_consensus(picks, BOX, mode="probabilistic", target_precision=target)
    assert (judged.probability == candidates.weight).all()
    for name in ("x", "y", "weight", "members", "fate"):
        assert (getattr(judged.result, name) == getattr(blind, name)).all()
    assert "denoised" in judged.result.ensemble.warnings[-1]
