"""K-means and its relatives on vectors: a plain Lloyd, what may not matter, bad input."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification import (
    ACKMeans,
    Clustering,
    EQKMeans,
    KMeans,
    SpiderKMeans,
    ack_means,
    eqk_means,
    k_means,
    spider_k_means,
)

CLASSES = [KMeans, ACKMeans, EQKMeans, SpiderKMeans]
FUNCTIONS = [k_means, ack_means, eqk_means, spider_k_means]
BOTH = list(zip(CLASSES, FUNCTIONS))


def blobs(sizes=(20, 20, 20), noise=1.0, distance=20.0, n_features=5, seed=0):
    """Clouds about corners, each `distance` from the origin along an axis; and their numbers."""
    rng = np.random.default_rng(seed)
    corners = distance * np.eye(len(sizes), n_features)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return corners[truth] + noise * rng.normal(size=(len(truth), n_features)), truth


def partition(labels):
    return labels[:, None] == labels


def lloyd(x, centers, tolerance, max_iterations):
    """K-means as it is taught, one vector after another."""
    labels = [min(range(len(centers)), key=lambda j: sum((v - centers[j]) ** 2)) for v in x]
    convergence = []
    for iteration in range(max_iterations):
        new = [min(range(len(centers)), key=lambda j: sum((v - centers[j]) ** 2)) for v in x]
        convergence.append(sum(a != b for a, b in zip(new, labels)) / len(x))
        labels = new
        for j in range(len(centers)):
            members = [v for v, label in zip(x, labels) if label == j]
            if members:
                centers[j] = sum(members) / len(members)
        if iteration and convergence[-1] <= tolerance:
            break
    inertia = sum(sum((v - centers[label]) ** 2) for v, label in zip(x, labels))
    return labels, np.array(centers), inertia, convergence


# scikit-learn's manner


@pytest.mark.parametrize("kind", CLASSES)
def test_init_only_stores(kind):
    given_values = {
        name: object() for name in inspect.signature(kind.__init__).parameters if name != "self"
    }
    assert {"n_clusters", "tolerance", "max_iterations", "init", "random_state"} <= set(
        given_values
    )
    assert vars(kind(**given_values)) == given_values


@pytest.mark.parametrize("kind", CLASSES)
def test_fit_returns_itself_and_learns_names_that_end_in_underscores(kind):
    x, _ = blobs()
    parameters = dict(vars(kind(3)))
    model = kind(3)
    assert model.fit(x) is model
    learned = {"labels_", "cluster_centers_", "inertia_", "convergence_"}
    assert set(vars(model)) - set(parameters) == learned
    assert {name: vars(model)[name] for name in parameters} == parameters
    assert model.labels_.shape == (60,)
    assert model.labels_.dtype == np.int64
    assert model.cluster_centers_.shape == (3, 5)
    assert isinstance(model.inertia_, float)
    assert 2 <= len(model.convergence_) <= 100


@pytest.mark.parametrize("kind, function", BOTH)
def test_function_forms_are_the_classes(kind, function):
    x, _ = blobs(noise=8.0)
    options = {"random_state": 3, "tolerance": 0.0, "max_iterations": 7}
    model, found = kind(4, **options).fit(x), function(x, 4, **options)
    assert isinstance(found, Clustering)
    assert np.array_equal(found.labels, model.labels_)
    assert np.array_equal(found.centers, model.cluster_centers_)
    assert np.array_equal(found.convergence, model.convergence_)
    assert found.inertia == model.inertia_


def test_beta_goes_through_the_function_form():
    x, _ = blobs(sizes=(50, 10), noise=10.0)
    even, uneven = (
        np.ptp(np.bincount(ack_means(x, 2, beta=b).labels, minlength=2)) for b in (50.0, 0.0)
    )
    assert even <= 1 < uneven


@pytest.mark.parametrize("kind", CLASSES)
def test_the_same_seed_gives_the_same_clusters_and_fit_can_be_repeated(kind):
    x, _ = blobs(noise=10.0)
    model = kind(5, random_state=7, max_iterations=3).fit(x)
    first = model.labels_, model.cluster_centers_, model.convergence_
    again = model.fit(x)
    assert all(
        map(np.array_equal, first, (again.labels_, again.cluster_centers_, again.convergence_))
    )
    other = kind(5, random_state=8, max_iterations=3).fit(x)
    assert not np.array_equal(partition(first[0]), partition(other.labels_))


@pytest.mark.parametrize("kind", CLASSES)
def test_the_global_seed_is_neither_used_nor_changed(kind):
    x, _ = blobs(noise=10.0)
    expected = kind(4).fit(x).labels_
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    assert np.array_equal(kind(4).fit(x).labels_, expected)
    assert np.array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("kind", CLASSES)
def test_x_and_init_stay_as_they_are(kind):
    x, _ = blobs()
    init = x[:3].copy()
    x.flags.writeable = init.flags.writeable = False
    kind(3, init=init).fit(x)


@pytest.mark.parametrize("kind", CLASSES)
def test_lists_and_integers_and_single_precision(kind):
    x = np.rint(10 * blobs()[0])
    expected = kind(3).fit(x).labels_
    for same in (x.tolist(), x.astype(np.int32), x.astype(np.float32), np.asfortranarray(x)):
        assert np.array_equal(kind(3).fit(same).labels_, expected)


# what is found


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("seed", range(3))
def test_far_clouds_are_found_from_a_member_of_each(kind, seed):
    x, truth = blobs(seed=seed)
    init = [x[truth == j][0] for j in range(3)]
    model = kind(3, init=init).fit(x)
    assert np.array_equal(model.labels_, truth)
    means = np.stack([x[truth == j].mean(axis=0) for j in range(3)])
    assert np.allclose(model.cluster_centers_, means)
    assert model.inertia_ == pytest.approx(((x - means[truth]) ** 2).sum())
    assert model.convergence_[-1] == 0


@pytest.mark.parametrize("kind", CLASSES)
def test_centers_and_inertia_are_those_of_the_labels(kind):
    x, _ = blobs(noise=15.0)
    model = kind(6, max_iterations=4).fit(x)
    for j in np.unique(model.labels_):
        assert np.allclose(model.cluster_centers_[j], x[model.labels_ == j].mean(axis=0))
    assert model.inertia_ == pytest.approx(((x - model.cluster_centers_[model.labels_]) ** 2).sum())


@given(st.integers(0, 10**6), st.integers(2, 5))
def test_k_means_is_lloyd_s(seed, k):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, 3))
    init = x[rng.choice(len(x), k, replace=False)]
    model = KMeans(k, init=init, tolerance=0.0, max_iterations=20).fit(x)
    labels, centers, inertia, convergence = lloyd(x, list(init), 0.0, 20)
    assert model.labels_.tolist() == labels
    assert np.allclose(model.cluster_centers_, centers)
    assert model.inertia_ == pytest.approx(inertia)
    assert model.convergence_.tolist() == convergence


@given(st.integers(0, 10**6))
def test_ack_means_without_weight_is_k_means(seed):
    x = np.random.default_rng(seed).normal(size=(30, 3))
    plain, free = KMeans(4, random_state=seed).fit(x), ACKMeans(4, beta=0, random_state=seed).fit(x)
    assert np.array_equal(plain.labels_, free.labels_)
    assert np.array_equal(plain.cluster_centers_, free.cluster_centers_)


@given(st.integers(0, 10**6), st.integers(2, 7))
def test_equal_clusters(seed, k):
    x = np.random.default_rng(seed).normal(size=(31, 3))
    assert np.ptp(np.bincount(EQKMeans(k).fit(x).labels_, minlength=k)) <= 1


def test_spider_ends_in_clusters_that_no_single_move_improves():
    x, _ = blobs(noise=12.0, seed=4)
    labels = SpiderKMeans(3, tolerance=0.0).fit(x).labels_

    def squares(some):
        return sum(((x[some == j] - x[some == j].mean(axis=0)) ** 2).sum() for j in set(some))

    least = squares(labels)
    for i in range(len(x)):
        for j in range(3):
            moved = labels.copy()
            moved[i] = j
            if (labels == labels[i]).sum() > 1:
                assert squares(moved) >= least - 1e-9


def test_ack_means_makes_sizes_more_even_on_balanced_noisy_clouds():
    # the paper's claim: better clusters, of more even sizes
    spreads, purities = {}, {}
    for seed in range(8):
        x, truth = blobs(sizes=(30,) * 8, noise=2.0, distance=8.0, n_features=16, seed=seed)
        for kind in (KMeans, ACKMeans):
            labels = kind(8, random_state=seed).fit(x).labels_
            same = partition(labels)
            np.fill_diagonal(same, False)
            spreads.setdefault(kind, []).append(np.bincount(labels, minlength=8).std())
            purities.setdefault(kind, []).append(partition(truth)[same].mean())
    assert np.mean(spreads[ACKMeans]) < 0.4 * np.mean(spreads[KMeans])
    assert np.mean(purities[ACKMeans]) > np.mean(purities[KMeans]) + 0.03


@pytest.mark.parametrize("kind", CLASSES)
def test_as_many_clusters_as_vectors(kind):
    x = np.random.default_rng(0).normal(size=(6, 2))
    model = kind(6, init=x).fit(x)
    assert sorted(model.labels_) == list(range(6))
    assert model.inertia_ == pytest.approx(0)


@pytest.mark.parametrize("kind", CLASSES)
def test_vectors_that_are_all_the_same(kind):
    model = kind(3).fit(np.full((9, 2), 4.0))
    assert model.inertia_ == 0
    assert np.isfinite(model.cluster_centers_).all()


@pytest.mark.parametrize("kind", CLASSES)
def test_doubles_share_a_cluster_where_sizes_allow(kind):
    x = np.repeat(10 * np.eye(3), 4, axis=0)
    labels = kind(3, init=10 * np.eye(3) + 0.1).fit(x).labels_
    assert labels.tolist() == np.repeat(np.arange(3), 4).tolist()


def test_a_cluster_without_members_keeps_its_center():
    x, _ = blobs(sizes=(10, 10))
    init = np.vstack((20 * np.eye(2, 5), np.full(5, 1e3)))
    model = KMeans(3, init=init).fit(x)
    assert set(model.labels_) == {0, 1}
    assert np.allclose(model.cluster_centers_[2], 1e3)


# convergence


@pytest.mark.parametrize("kind", CLASSES)
def test_it_ends_when_few_vectors_change(kind):
    x, _ = blobs(sizes=(40, 40, 40), noise=15.0)
    exact, loose = (kind(6, tolerance=t).fit(x).convergence_ for t in (0.0, 0.1))
    assert loose[-1] <= 0.1
    assert all(changed > 0.1 for changed in loose[1:-1])
    assert np.array_equal(loose, exact[: len(loose)])
    assert len(loose) < len(exact)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_number_of_iterations_ends_it(kind):
    x, _ = blobs(noise=15.0)
    assert len(kind(6, tolerance=0.0, max_iterations=1).fit(x).convergence_) == 1
    assert len(kind(6, tolerance=0.0, max_iterations=2).fit(x).convergence_) == 2


def test_more_iterations_never_raise_the_inertia_of_k_means():
    x, _ = blobs(sizes=(40, 40), noise=15.0)
    options = {"tolerance": 0.0, "init": x[:5]}
    inertia = [KMeans(5, max_iterations=n, **options).fit(x).inertia_ for n in range(1, 12)]
    assert all(later <= earlier + 1e-9 for earlier, later in zip(inertia, inertia[1:]))


# what may not matter


def turned(x, seed=0):
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(x.shape[1],) * 2))
    return x @ turn


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    "change",
    [lambda x: x + 1000.0, lambda x: 1e-3 * x, lambda x: 1e6 * x, lambda x: -x, turned],
    ids=["moved", "smaller", "larger", "mirrored", "turned"],
)
def test_moves_turns_and_units_do_not_matter(kind, change):
    x, _ = blobs(sizes=(25, 25, 25), noise=12.0)
    options = {"tolerance": 0.0, "max_iterations": 10}
    expected = kind(5, **options).fit(x).labels_
    assert np.array_equal(kind(5, **options).fit(change(x)).labels_, expected)


@pytest.mark.parametrize("kind", CLASSES)
def test_small_clouds_far_from_the_origin_are_found(kind):
    # squared norms of 1e18 would drown squared distances of 1
    x, truth = blobs(distance=1.0, noise=0.05)
    far = x + 1e9
    init = [far[truth == j][0] for j in range(3)]
    model = kind(3, init=init).fit(far)
    assert np.array_equal(model.labels_, truth)
    assert model.inertia_ == pytest.approx(
        kind(3, init=np.array(init) - 1e9).fit(x).inertia_, rel=1e-3
    )


@pytest.mark.parametrize("kind", [KMeans, EQKMeans])
def test_the_order_of_vectors_does_not_matter(kind):
    x, _ = blobs(sizes=(25, 25, 25), noise=12.0)
    order = np.random.default_rng(1).permutation(len(x))
    expected, shuffled = (kind(4, init=x[:4]).fit(some).labels_ for some in (x, x[order]))
    assert np.array_equal(shuffled, expected[order])


@pytest.mark.parametrize("kind", [ACKMeans, SpiderKMeans])
def test_the_order_of_vectors_does_not_matter_to_far_clouds(kind):
    x, truth = blobs()
    order = np.random.default_rng(1).permutation(len(x))
    init = 20 * np.eye(3, 5)
    assert np.array_equal(kind(3, init=init).fit(x[order]).labels_, truth[order])


@pytest.mark.parametrize("kind", CLASSES)
def test_names_of_clusters_do_not_matter(kind):
    x, _ = blobs(sizes=(25, 25, 25), noise=12.0)
    init, order = x[:5], np.array([3, 0, 4, 1, 2])
    first, second = kind(5, init=init).fit(x), kind(5, init=init[order]).fit(x)
    assert np.array_equal(order[second.labels_], first.labels_)
    assert np.allclose(second.cluster_centers_, first.cluster_centers_[order])


# bad input

X = blobs()[0]
BAD = [
    (X[0], {}, "x must be finite and of shape (n, n_features), got shape (5,)"),
    (X[None], {}, "got shape (1, 60, 5)"),
    (np.where(np.eye(60, 5) > 0, np.nan, X), {}, "x must be finite"),
    (np.where(np.eye(60, 5) > 0, np.inf, X), {}, "x must be finite"),
    (X, {"n_clusters": 1}, "n_clusters must be a whole number, 2 or more, got 1"),
    (X, {"n_clusters": 0}, "got 0"),
    (X, {"n_clusters": -3}, "got -3"),
    (X, {"n_clusters": 2.5}, "n_clusters must be a whole number, 2 or more, got 2.5"),
    (X, {"n_clusters": np.nan}, "n_clusters must be a whole number"),
    (X, {"n_clusters": "3"}, "n_clusters must be a whole number"),
    (X, {"n_clusters": 61}, "must not exceed the number of rows of x, 60, got 61"),
    (X[:0], {}, "must not exceed the number of rows of x, 0, got 3"),
    (X, {"max_iterations": 0}, "max_iterations must be a whole number, 1 or more, got 0"),
    (X, {"max_iterations": 1.5}, "max_iterations must be a whole number"),
    (X, {"tolerance": -0.1}, "tolerance must lie in [0, 1], got -0.1"),
    (X, {"tolerance": 1.5}, "tolerance must lie in [0, 1]"),
    (X, {"tolerance": np.nan}, "tolerance must lie in [0, 1]"),
    (X, {"random_state": -1}, "random_state must be a whole number, 0 or more, got -1"),
    (X, {"random_state": 0.5}, "random_state must be a whole number"),
    (X, {"init": X[:2]}, "init must be finite and of shape (3, 5), got shape (2, 5)"),
    (X, {"init": X[:3, :4]}, "got shape (3, 4)"),
    (X, {"init": np.full((3, 5), np.nan)}, "init must be finite"),
]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("x, options, told", BAD)
def test_bad_input_is_refused_in_one_line(kind, x, options, told):
    with pytest.raises(ValueError) as caught:
        kind(**{"n_clusters": 3, **options}).fit(x)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("beta", [-0.1, np.nan, np.inf])
def test_a_bad_weight_is_refused(beta):
    with pytest.raises(ValueError, match="beta must be 0 or more"):
        ACKMeans(3, beta=beta).fit(X)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_forms_refuse_what_the_classes_refuse(function):
    with pytest.raises(ValueError, match="n_clusters must be a whole number"):
        function(X, 1)
    with pytest.raises(TypeError):
        function(X, 3, no_such_option=1)


@pytest.mark.parametrize("estimator", [KMeans, ACKMeans])
def test_further_vectors_go_to_the_nearest_centre(estimator):
    x = np.concatenate([np.random.default_rng(0).normal(c, 1, (30, 2)) for c in (0, 20)]) + 1e6
    fitted = estimator(2).fit(x)
    new = np.array([[1e6, 1e6], [1e6 + 20, 1e6 + 20], [1e6 + 19, 1e6 + 22]])
    assert fitted.predict(new).tolist() == [fitted.labels_[0], *[fitted.labels_[-1]] * 2]
    apart = np.linalg.norm(new[:, None] - fitted.cluster_centers_, axis=2)
    assert np.allclose(fitted.transform(new), apart)
    assert np.array_equal(fitted.predict(x), fitted.labels_)


def test_vectors_of_other_features_are_refused():
    with pytest.raises(ValueError, match="must be fitted first"):
        KMeans(2).predict(np.zeros((2, 2)))
    fitted = KMeans(2).fit(np.random.default_rng(0).normal(size=(9, 3)))
    with pytest.raises(ValueError, match="of shape \\(n, 3\\)"):
        fitted.transform(np.zeros((2, 2)))
