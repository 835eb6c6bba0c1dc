"""The rules of assignment against loops over images and classes that anybody can read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.classification.rules import (
    RULES,
    AdaptiveRule,
    EqualRule,
    NearestRule,
    SizeFactorRule,
)

SEED = 5


def problem(n, k, seed=0, dtype=np.float32, contrast=1.0):
    """Dissimilarities like those of noisy images, and labels of the iteration before."""
    rng = np.random.default_rng(seed)
    dissimilarity = (100 + contrast * rng.normal(size=(n, k))).astype(dtype)
    return dissimilarity, rng.integers(k, size=n)


@st.composite
def problems(draw):
    """Small problems, many with ties among the dissimilarities and classes without a member."""
    k = draw(st.integers(2, 6))
    n = draw(st.integers(k, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    dissimilarity = rng.uniform(0, draw(st.sampled_from([0, 1, 4, 100])), (n, k))
    if draw(st.booleans()):
        dissimilarity = np.rint(dissimilarity)
    labels = rng.integers(draw(st.integers(1, k)), size=n)
    return dissimilarity.astype(np.float32), labels


def assign(rule, dissimilarity, labels, seed=SEED):
    return rule.assign(dissimilarity, labels, np.random.default_rng(seed))


def price_of(beta, dissimilarity, seed=SEED):
    """2 lambda = beta d_c / floor(n / k), d_c over 10 random images."""
    n, k = dissimilarity.shape
    some = np.random.default_rng(seed).choice(n, min(n, 10), replace=False)
    spans = [float(dissimilarity[i].max() - dissimilarity[i].min()) for i in some]
    return beta * (sum(spans) / len(spans)) / (n // k)


def adaptive_oracle(dissimilarity, labels, price):
    """Image after image goes to argmin_h d + 2 lambda s'_h, s' without the image."""
    labels = list(labels)
    for i, row in enumerate(dissimilarity.astype(np.float64)):
        rest = labels[:i] + labels[i + 1 :]
        costs = [d + price * rest.count(h) for h, d in enumerate(row)]
        labels[i] = costs.index(min(costs))
    return labels


def equal_oracle(dissimilarity):
    """Pairs in the order of their dissimilarity; n mod k classes may take one more."""
    n, k = dissimilarity.shape
    pairs = sorted((dissimilarity[i, h], i, h) for i in range(n) for h in range(k))
    labels, sizes, larger = [-1] * n, [0] * k, n % k
    for _, i, h in pairs:
        is_larger = sizes[h] == n // k
        if labels[i] >= 0 or sizes[h] > n // k or (is_larger and larger == 0):
            continue
        larger -= is_larger
        labels[i] = h
        sizes[h] += 1
    return labels


def size_factor_oracle(dissimilarity, labels):
    labels = list(labels)
    for i, row in enumerate(dissimilarity.astype(np.float64)):
        sizes = [labels.count(h) for h in range(len(row))]
        own = labels[i]
        if sizes[own] == 1:
            continue
        costs = [
            d * s / (s - 1) if h == own else d * s / (s + 1)
            for h, (d, s) in enumerate(zip(row, sizes))
        ]
        if min(costs) < costs[own]:
            labels[i] = costs.index(min(costs))
    return labels


def objective(dissimilarity, labels, price):
    """Sum of dissimilarities plus lambda times the sum of squared sizes."""
    sizes = np.bincount(labels, minlength=dissimilarity.shape[1])
    d = dissimilarity.astype(np.float64)[np.arange(len(labels)), labels].sum()
    return float(d + price / 2 * (sizes.astype(np.float64) ** 2).sum())


# all rules


@pytest.mark.parametrize("name", RULES)
@given(case=problems())
def test_every_rule_gives_each_image_a_class_and_changes_no_argument(name, case):
    dissimilarity, labels = case
    before = dissimilarity.copy(), labels.copy()
    new, penalty = assign(RULES[name](0.5), dissimilarity, labels)
    assert new.shape == labels.shape
    assert new.dtype == np.int64
    assert set(new) <= set(range(dissimilarity.shape[1]))
    assert penalty >= 0
    assert np.array_equal(dissimilarity, before[0])
    assert np.array_equal(labels, before[1])


@pytest.mark.parametrize("name", RULES)
def test_doubles_and_singles_of_memory_in_any_order_are_the_same(name):
    dissimilarity, labels = problem(40, 5)
    rule = RULES[name](0.5)
    expected, _ = assign(rule, dissimilarity, labels)
    for same in (dissimilarity.astype(np.float64), np.asfortranarray(dissimilarity)):
        assert np.array_equal(assign(rule, same, labels)[0], expected)


@pytest.mark.parametrize("name", RULES)
def test_names_of_classes_do_not_matter(name):
    dissimilarity, labels = problem(60, 6)
    order = np.random.default_rng(3).permutation(6)
    names = np.argsort(order)
    new, _ = assign(RULES[name](0.5), dissimilarity, labels)
    renamed, _ = assign(RULES[name](0.5), dissimilarity[:, order], names[labels])
    assert np.array_equal(renamed, names[new])


@pytest.mark.parametrize("name", RULES)
def test_a_greater_unit_of_dissimilarity_changes_nothing(name):
    dissimilarity, labels = problem(60, 6)
    new, penalty = assign(RULES[name](0.5), dissimilarity, labels)
    scaled, greater = assign(RULES[name](0.5), 1024 * dissimilarity, labels)
    assert np.array_equal(scaled, new)
    assert greater == pytest.approx(1024 * penalty)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"eqk", "spider"}))
def test_what_an_image_has_in_common_with_all_classes_does_not_matter(name):
    dissimilarity, labels = problem(60, 6, dtype=np.float64)
    own = np.random.default_rng(1).uniform(0, 50, (60, 1))
    new, _ = assign(RULES[name](0.5), dissimilarity, labels)
    assert np.array_equal(assign(RULES[name](0.5), dissimilarity + own, labels)[0], new)


def test_rules_by_name():
    assert {name: type(rule(0.25)) for name, rule in RULES.items()} == {
        "ack": AdaptiveRule,
        "kmeans": NearestRule,
        "eqk": EqualRule,
        "spider": SizeFactorRule,
    }
    assert RULES["ack"](0.25) == AdaptiveRule(0.25)


def test_the_paper_s_beta():
    assert AdaptiveRule().beta == 0.5


# traditional K-means


@given(case=problems())
def test_nearest(case):
    dissimilarity, labels = case
    new, penalty = assign(NearestRule(), dissimilarity, labels)
    assert new.tolist() == [row.index(min(row)) for row in dissimilarity.tolist()]
    assert penalty == 0


# ACK-means


@given(case=problems(), beta=st.floats(0, 3))
def test_adaptive_rule_as_the_paper_writes_it(case, beta):
    dissimilarity, labels = case
    new, penalty = assign(AdaptiveRule(beta), dissimilarity, labels)
    price = price_of(beta, dissimilarity)
    assert new.tolist() == adaptive_oracle(dissimilarity, labels, price)
    sizes = np.bincount(new, minlength=dissimilarity.shape[1])
    assert penalty == pytest.approx(price / 2 * sum(int(s) ** 2 for s in sizes))


@pytest.mark.parametrize("n, k", [(200, 7), (203, 100), (64, 64)])
def test_adaptive_rule_on_noise(n, k):
    dissimilarity, labels = problem(n, k, seed=n)
    new, _ = assign(AdaptiveRule(0.5), dissimilarity, labels)
    assert new.tolist() == adaptive_oracle(dissimilarity, labels, price_of(0.5, dissimilarity))


def test_a_step_worked_out_by_hand():
    # n = 4, k = 2, all contrasts 2: 2 lambda = 0.5 x 2 / 2 = 0.5. All begin in class 0.
    dissimilarity = np.array([[0.0, 2.0], [1.0, 3.0], [0.0, 2.0], [2.0, 0.0]])
    # images 1 to 3 stay: 0 + 0.5 x 3 against 2; the last goes: 2 + 1.5 against 0
    new, penalty = assign(AdaptiveRule(0.5), dissimilarity, np.zeros(4, dtype=np.int64))
    assert new.tolist() == [0, 0, 0, 1]
    assert penalty == pytest.approx(0.25 * (9 + 1))
    # with 2 lambda = 1 the first goes (3 against 2), and then the others of class 0 stay
    new, penalty = assign(AdaptiveRule(1.0), dissimilarity, np.zeros(4, dtype=np.int64))
    assert new.tolist() == [1, 0, 0, 1]
    assert penalty == pytest.approx(0.5 * (4 + 4))


@given(case=problems())
def test_without_weight_ack_means_is_k_means(case):
    new, penalty = assign(AdaptiveRule(0.0), *case)
    assert np.array_equal(new, assign(NearestRule(), *case)[0])
    assert penalty == 0


@given(case=problems(), beta=st.floats(0, 3))
def test_a_pass_never_raises_the_objective(case, beta):
    dissimilarity, labels = case
    price = price_of(beta, dissimilarity)
    new, penalty = assign(AdaptiveRule(beta), dissimilarity, labels)
    before, after = (objective(dissimilarity, some, price) for some in (labels, new))
    assert after <= before + 1e-6 * max(1.0, before)
    d = dissimilarity.astype(np.float64)[np.arange(len(new)), new].sum()
    assert d + penalty == pytest.approx(after)


@given(case=problems())
def test_a_great_weight_makes_sizes_equal(case):
    dissimilarity, labels = case
    if price_of(1.0, dissimilarity) == 0:  # the 10 images see no difference between the classes
        return
    new, _ = assign(AdaptiveRule(1e6), dissimilarity, labels)
    again, _ = assign(AdaptiveRule(1e6), dissimilarity, new)
    sizes = np.bincount(again, minlength=dissimilarity.shape[1])
    assert np.ptp(sizes) <= 1


def test_more_weight_makes_sizes_more_even():
    dissimilarity, labels = problem(600, 6, seed=1)
    dissimilarity -= np.linspace(0, 1, 6)  # later classes please more
    spreads = []
    for beta in (0.0, 0.1, 0.5, 2.0):
        new = labels
        for _ in range(5):
            new, _ = assign(AdaptiveRule(beta), dissimilarity, new)
        spreads.append(np.bincount(new, minlength=6).std())
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < spreads[0] / 5


def test_the_scale_is_that_of_10_images_drawn_anew():
    # one image in two has a contrast of 10, the others of 2
    dissimilarity = np.where(np.arange(40)[:, None] % 2, [[0.0, 10.0]], [[0.0, 2.0]])
    labels = np.zeros(40, dtype=np.int64)
    rng = np.random.default_rng(0)
    prices = [
        2 * penalty / (np.bincount(new, minlength=2) ** 2).sum()
        for new, penalty in (AdaptiveRule(0.5).assign(dissimilarity, labels, rng) for _ in range(9))
    ]
    # 0.5 / 20 x (10 m + 2 (10 - m)) / 10 for m of 10 images
    drawn = np.array(prices) / (0.5 / 20)
    assert np.allclose((drawn - 2) / 0.8, np.rint((drawn - 2) / 0.8))
    assert len(set(np.rint((drawn - 2) / 0.8))) > 1
    assert ((drawn > 2) & (drawn < 10)).all()


def test_images_that_see_no_difference_all_go_to_the_first_class():
    dissimilarity, labels = np.full((12, 3), 7.0), np.arange(12) % 3
    new, penalty = assign(AdaptiveRule(0.5), dissimilarity, labels)
    assert new.tolist() == [0] * 12
    assert penalty == 0


# equal sizes


@given(case=problems())
def test_equal_rule_takes_the_nearest_pairs_first(case):
    new, penalty = assign(EqualRule(), *case)
    assert new.tolist() == equal_oracle(case[0])
    assert penalty == 0


@pytest.mark.parametrize("n, k", [(12, 4), (13, 4), (15, 4), (7, 7), (50, 7), (99, 50)])
def test_sizes_differ_by_one_at_most(n, k):
    new, _ = assign(EqualRule(), *problem(n, k, seed=n))
    sizes = np.bincount(new, minlength=k)
    assert sorted(sizes) == [n // k] * (k - n % k) + [n // k + 1] * (n % k)


def test_equal_rule_worked_out_by_hand():
    # all prefer class 0; it takes the two that prefer it most
    dissimilarity = np.array([[1.0, 9.0], [2.0, 3.0], [4.0, 8.0], [1.5, 2.0]])
    new, _ = assign(EqualRule(), dissimilarity, np.zeros(4, dtype=np.int64))
    assert new.tolist() == [0, 1, 1, 0]


def test_ties_go_to_the_earlier_image_and_the_earlier_class():
    new, _ = assign(EqualRule(), np.zeros((5, 2)), np.ones(5, dtype=np.int64))
    assert new.tolist() == [0, 0, 0, 1, 1]


def test_equal_rule_forgets_the_labels_before():
    dissimilarity, labels = problem(30, 4)
    assert np.array_equal(
        assign(EqualRule(), dissimilarity, labels)[0],
        assign(EqualRule(), dissimilarity, np.zeros_like(labels))[0],
    )


# SPIDER's size factor


@given(case=problems())
def test_size_factor_rule_as_it_is_written(case):
    new, penalty = assign(SizeFactorRule(), *case)
    assert new.tolist() == size_factor_oracle(*case)
    assert penalty == 0


def squares(x, labels):
    """Within-class sum of squares."""
    return sum(((x[labels == h] - x[labels == h].mean(axis=0)) ** 2).sum() for h in set(labels))


@given(st.integers(0, 10**6))
def test_an_image_moves_if_and_only_if_the_sum_of_squares_shrinks(seed):
    rng = np.random.default_rng(seed)
    k, n = 3, 9
    x = rng.normal(size=(n, 2))
    labels = np.concatenate((np.arange(k), rng.integers(k, size=n - k)))
    rng.shuffle(labels)
    means = np.stack([x[labels == h].mean(axis=0) for h in range(k)])
    dissimilarity = ((x[:, None] - means) ** 2).sum(axis=2)
    # the rule is exact for the first image, whose neighbours have not moved yet
    new, _ = assign(SizeFactorRule(), dissimilarity, labels)
    best, least = labels[0], squares(x, labels)
    for h in range(k):
        moved = labels.copy()
        moved[0] = h
        is_emptied = (labels == labels[0]).sum() == 1
        if not is_emptied and squares(x, moved) < least - 1e-12:
            best, least = h, squares(x, moved)
    assert new[0] == best


def test_the_factors_are_the_change_of_the_sum_of_squares():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 4))
    home, away = x[:3], x[3:]
    image = home[0]
    leaves = ((home - home.mean(axis=0)) ** 2).sum() - (
        (home[1:] - home[1:].mean(axis=0)) ** 2
    ).sum()
    joined = np.vstack((away, image))
    comes = ((joined - joined.mean(axis=0)) ** 2).sum() - ((away - away.mean(axis=0)) ** 2).sum()
    assert leaves == pytest.approx(((image - home.mean(axis=0)) ** 2).sum() * 3 / 2)
    assert comes == pytest.approx(((image - away.mean(axis=0)) ** 2).sum() * 4 / 5)


def test_the_only_member_of_a_class_stays_and_an_empty_class_takes_the_next_image():
    far = np.array([[9.0, 0.0, 5.0]])
    assert assign(SizeFactorRule(), far, np.array([0]))[0].tolist() == [0]
    dissimilarity = np.array([[1.0, 9.0, 50.0], [1.0, 9.0, 50.0], [9.0, 1.0, 50.0]])
    new, _ = assign(SizeFactorRule(), dissimilarity, np.array([0, 0, 1]))
    assert new.tolist() == [2, 0, 1]


def test_sizes_count_at_once():
    # images 0 and 1 are on the fence: after one has left, class 0 of 3 is class 0 of 2, which
    # is costlier to stay in, but class 1 has grown too
    dissimilarity = np.array([[1.0, 1.4], [1.0, 1.4], [0.1, 9.0], [9.0, 0.1]])
    new, _ = assign(SizeFactorRule(), dissimilarity, np.array([0, 0, 0, 1]))
    assert new.tolist() == size_factor_oracle(dissimilarity, [0, 0, 0, 1]) == [1, 1, 0, 1]
