"""Trades of classes: what a dissolved class costs, and constructed cases with one right answer."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import split_merge
from repic_plugin.classification.averages import Alignment, class_sums
from repic_plugin.classification.correlation import shift_grid
from repic_plugin.classification.multi_reference import Comparison, MultiReference
from repic_plugin.classification.preparation import prepare_images
from repic_plugin.classification.split_merge import trade_classes
from repic_plugin.classification.threads import one_blas_thread
from tests.classification.particles import BOX_PX, agreement, layout, particles


def comparison(dissimilarity):
    places = np.zeros(np.shape(dissimilarity), dtype=np.int32)
    return Comparison(None, np.asarray(dissimilarity, dtype=np.float32), places, np.zeros((1, 2)))


def dissolution(dissimilarity, labels, gone=()):
    labels = np.asarray(labels)
    return split_merge._dissolution(comparison(dissimilarity), labels, list(gone))


def squared_distances(x, labels, n_classes):
    means = np.stack([x[labels == k].mean(axis=0) for k in range(n_classes)])
    return ((x[:, None] - means) ** 2).sum(axis=2)


def sum_of_squares(x, labels):
    return sum(((x[labels == k] - x[labels == k].mean(axis=0)) ** 2).sum() for k in set(labels))


# what it costs to dissolve a class


@given(st.integers(0, 10**6))
def test_of_vectors_it_costs_what_ward_says(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], rng.integers(1, 9, 2))
    x = rng.normal(size=(len(labels), 3)) + labels[:, None]
    _, costs = dissolution(squared_distances(x, labels, 2), labels)
    joined = sum_of_squares(x, np.zeros_like(labels)) - sum_of_squares(x, labels)
    assert costs == pytest.approx([joined, joined], rel=1e-4, abs=1e-5)


@given(st.integers(0, 10**6))
def test_costs_as_they_are_written(seed):
    rng = np.random.default_rng(seed)
    n, k = 20, 4
    d, labels = rng.uniform(1, 9, (n, k)).astype(np.float32), rng.integers(k, size=n)
    next_best, costs = dissolution(d, labels)
    for a in range(k):
        expected = 0.0
        others = [h for h in range(k) if h != a]
        going = {h: [] for h in others}
        for i in np.flatnonzero(labels == a):
            best = min(others, key=lambda h: d[i, h])
            assert next_best[i] == best
            going[best].append(float(d[i, best]) - float(d[i, a]))
        for h, losses in going.items():
            size = (labels == h).sum()
            expected += sum(losses) * size / max(size + len(losses), 1)
        assert costs[a] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_nobody_goes_to_a_class_that_is_gone():
    d = [[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [5.0, 1.0, 9.0], [9.0, 9.0, 1.0]]
    assert dissolution(d, [0, 0, 1, 2])[0].tolist() == [1, 1, 0, 0]
    next_best, costs = dissolution(d, [0, 0, 1, 2], gone=[1])
    assert next_best[:2].tolist() == [2, 2]
    assert costs[0] == pytest.approx((2 + 3) / 3)  # one of class 2 and two that come


def test_a_class_without_members_costs_nothing():
    _, costs = dissolution([[1.0, 2.0, 3.0], [2.0, 1.0, 3.0]], [0, 1])
    assert costs[2] == 0


# which trades are made

N_ANGLES = 8


@pytest.fixture
def trade(monkeypatch):
    """Trade with splits that were made by hand, {class: gain}; halves are every other image."""

    def made(dissimilarity, labels, gains):
        labels = np.array(labels)
        dissimilarity = np.float32(dissimilarity)
        n, k = dissimilarity.shape
        places = np.tile(np.arange(k, dtype=np.int32), (n, 1))  # class h at h eighths of a turn
        found = Comparison(
            SimpleNamespace(n_angles=N_ANGLES), dissimilarity, places, np.zeros((1, 2))
        )

        def split(number):
            rows = np.flatnonzero(labels == number)
            poses = Alignment(
                np.full(len(rows), 9.0), np.ones((len(rows), 2)), np.zeros(len(rows), bool)
            )
            return split_merge._Split(number, gains[number], rows, np.arange(len(rows)) % 2, poses)

        splits = [split(number) for number in sorted(gains)]
        monkeypatch.setattr(split_merge, "_try_splits", lambda *_: splits)
        before = Alignment(np.full(n, -1.0), np.full((n, 2), 5.0), np.zeros(n, dtype=bool))
        return trade_classes(None, found, labels, before, None)

    return made


def test_images_go_where_they_belong_with_their_poses(trade):
    # class 0 is split; class 2 goes, one image to class 0 and one to class 1
    d = [[0, 9, 9], [0, 9, 9], [9, 0, 9], [9, 0, 9], [2, 3, 1], [3, 2, 1]]
    labels, alignment, n_trades = trade(d, [0, 0, 1, 1, 2, 2], {0: 5.0})
    assert n_trades == 1
    assert labels.tolist() == [0, 2, 1, 1, 0, 1]
    eighth = 2 * np.pi / N_ANGLES
    assert alignment.angle == pytest.approx([9, 9, -1, -1, 0 * eighth, 1 * eighth])
    assert alignment.shift_px[:, 0].tolist() == [1, 1, 5, 5, 0, 0]


@pytest.mark.parametrize("gain, n_trades", [(1.3, 0), (1.4, 1)])
def test_a_split_has_to_gain_more_than_it_costs(trade, gain, n_trades):
    # 2 images that lose 1 each go to a class of 4: 2 x 4 / 6
    d = [[0, 99, 99]] * 2 + [[99, 0, 99]] * 4 + [[99, 2, 1]] * 2
    assert trade(d, [0, 0, 1, 1, 1, 1, 2, 2], {0: gain})[2] == n_trades


@pytest.mark.parametrize("gains", [{0: 5.0, 1: 9.0}, {0: 9.0, 1: 5.0}])
def test_the_best_split_comes_first(trade, gains):
    # only class 2 is cheap
    d = [[0, 99, 99]] * 4 + [[99, 0, 99]] * 4 + [[2, 2, 1]]
    labels, _, n_trades = trade(d, [0] * 4 + [1] * 4 + [2], gains)
    assert n_trades == 1
    best = max(gains, key=gains.get)
    assert set(labels[4 * best : 4 * best + 4]) == {best, 2}
    assert set(labels[4 * (1 - best) : 4 * (1 - best) + 4]) == {1 - best}


def test_a_class_that_was_split_is_not_dissolved(trade):
    # class 1 is the cheapest, but it is split for class 2; class 3 makes way for class 0
    d = [[0, 99, 99, 99]] * 4 + [[1, 0, 99, 99]] * 4 + [[3, 99, 0, 99]] * 4 + [[9, 99, 99, 0]] * 4
    labels, _, n_trades = trade(d, np.repeat(range(4), 4), {0: 50.0, 1: 80.0})
    assert n_trades == 2
    assert set(labels[4:8]) == {1, 2}
    assert set(labels[:4]) == {0, 3}
    assert set(labels[8:]) == {0}


# constructed cases


class Bench:
    """Clean particles, aligned to the averages of the classes that they are put in."""

    def __init__(self, labels, n_classes, found, rows=slice(None), n_threads=1):
        grid, radius, edge = layout(BOX_PX, None, None)
        images = prepare_images(
            found.images[rows],
            grid,
            mask_radius_px=radius,
            mask_edge_px=edge,
            pixel_size_angstrom=found.pixel_size_angstrom,
            ctf=found.ctf.take(rows),
            weight=True,
        )
        self.setting = MultiReference(images, shift_grid(3.0, 1.0), n_threads=n_threads)
        self.labels, n = labels, len(labels)
        turns = np.random.default_rng(0).uniform(0, 2 * np.pi, n)
        self.alignment = Alignment(turns, np.zeros((n, 2)), np.zeros(n, dtype=bool))
        for iteration in range(6):
            members = self.setting.aligned(self.alignment)
            sums = class_sums(images, members, labels, n_classes)
            self.found = self.setting.compare(sums, members if iteration else None, labels)
            if iteration < 5:
                self.alignment = self.found.alignment(labels)

    def trade(self, seed=0):
        return trade_classes(
            self.setting, self.found, self.labels, self.alignment, np.random.default_rng(seed)
        )


@pytest.fixture(autouse=True, scope="module")
def _one_thread_for_products():
    with one_blas_thread():
        yield


def six_views():
    return particles(6, 20, 10.0)


def put(view, *groups):
    """Views of each class; a view in two classes goes to both in turn."""
    labels = np.full(len(view), -1)
    for v in range(view.max() + 1):
        rows, homes = np.flatnonzero(view == v), [k for k, g in enumerate(groups) if v in g]
        labels[rows] = np.resize(homes, len(rows))
    return labels


def test_a_class_of_two_views_is_split_and_a_double_is_dissolved():
    found = six_views()
    labels = put(found.view, {0, 1}, {2}, {3}, {4}, {5}, {5})
    new, alignment, n_trades = Bench(labels, 6, found).trade()
    assert n_trades == 1
    assert agreement(labels, found.view) < 0.8
    assert agreement(new, found.view) > 0.97
    kept = np.isin(found.view, [2, 3, 4])
    assert np.array_equal(new[kept], labels[kept])
    assert set(new[np.isin(found.view, [0, 1])]) == {0, *set(labels) - set(new[found.view > 1])}
    assert np.isfinite(alignment.angle).all()


@pytest.mark.parametrize("seed", range(3))
def test_of_two_doubles_only_one_is_dissolved(seed):
    # classes 2 and 3 are alike, and so are 4 and 5: all four are cheap, but only while the other
    # one of the pair is there
    found = six_views()
    labels = put(found.view, {0, 1}, {2, 3}, {4}, {4}, {5}, {5})
    new, _, n_trades = Bench(labels, 6, found).trade(seed)
    assert n_trades == 2
    assert agreement(new, found.view) > 0.95


def test_classes_that_are_right_are_left_alone():
    found = six_views()
    bench = Bench(found.view, 6, found)
    new, alignment, n_trades = bench.trade()
    assert n_trades == 0
    assert np.array_equal(new, found.view)
    assert np.array_equal(alignment.angle, bench.alignment.angle)
    assert np.array_equal(alignment.shift_px, bench.alignment.shift_px)


def test_a_class_without_members_is_taken_first():
    found = six_views()
    labels = put(found.view, {0, 1}, {2}, {3}, {4}, {5}, set())
    new, _, n_trades = Bench(labels, 6, found).trade()
    assert n_trades == 1
    assert set(new[np.isin(found.view, [0, 1])]) == {0, 5}
    assert agreement(new, found.view) > 0.97


def test_classes_without_members_do_not_stand_in_the_way_of_others():
    # classes 4 to 11 are empty; the class of two views is neither the largest nor without worth
    found = six_views()
    few = [np.flatnonzero(found.view == v)[: (9 if v < 2 else 20)] for v in range(6)]
    rows = np.sort(np.concatenate(few))
    view = found.view[rows]
    labels = put(view, {2}, {3}, {0, 1}, {4}, {5})
    new, _, n_trades = Bench(labels, 13, found, rows).trade()
    assert n_trades >= 1
    assert agreement(new[view < 2], view[view < 2]) > 0.9


def test_few_images_are_not_split():
    found = six_views()
    few = [np.flatnonzero(found.view == v)[: (3 if v < 2 else 20)] for v in range(6)]
    rows = np.sort(np.concatenate(few))
    labels = put(found.view[rows], {0, 1}, {2}, {3}, {4}, {5}, {5})
    new, _, _ = Bench(labels, 6, found, rows).trade()
    assert len(set(new[found.view[rows] < 2])) == 1


def test_of_two_classes_one_makes_way_for_the_other_s_split():
    # one class of two views and one of a few stray images of the first
    found = particles(2, 30, 10.0)
    labels = np.zeros(60, dtype=np.int64)
    labels[np.flatnonzero(found.view == 0)[:6]] = 1
    new, _, n_trades = Bench(labels, 2, found).trade()
    assert n_trades == 1
    assert agreement(new, found.view) > 0.7


def test_arguments_are_not_changed_and_the_seed_decides():
    found = six_views()
    labels = put(found.view, {0, 1}, {2}, {3}, {4}, {5}, {5})
    bench = Bench(labels, 6, found)
    before = labels.copy(), bench.alignment.copy(), bench.found.dissimilarity.copy()
    first, again = bench.trade(3), bench.trade(3)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1].angle, again[1].angle)
    assert np.array_equal(labels, before[0])
    assert np.array_equal(bench.alignment.angle, before[1].angle)
    assert np.array_equal(bench.alignment.shift_px, before[1].shift_px)
    assert np.array_equal(bench.found.dissimilarity, before[2])


def test_any_number_of_threads_makes_the_same_trades():
    found = six_views()
    labels = put(found.view, {0, 1}, {2, 3}, {4}, {4}, {5}, {5})
    results = [Bench(labels, 6, found, n_threads=n).trade() for n in (1, 2, 3)]
    for new, alignment, n_trades in results[1:]:
        assert np.array_equal(new, results[0][0])
        assert np.array_equal(alignment.angle, results[0][1].angle)
        assert np.array_equal(alignment.shift_px, results[0][1].shift_px)
        assert n_trades == results[0][2]


def test_a_trade_lowers_the_sum_of_dissimilarities():
    found = six_views()
    labels = put(found.view, {0, 1}, {2, 3}, {4}, {4}, {5}, {5})
    bench = Bench(labels, 6, found)
    new, alignment, _ = bench.trade()

    def total(some, poses):
        members = bench.setting.aligned(poses)
        sums = class_sums(bench.setting.images, members, some, 6)
        compared = bench.setting.compare(sums, members, some)
        return compared.dissimilarity[np.arange(len(some)), some].sum()

    assert total(new, alignment) < 0.8 * total(labels, bench.alignment)
