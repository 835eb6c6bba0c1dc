"""Agreement beyond chance: decoys, rates, and what a consensus makes of them."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.stats import kstest

from repic_plugin.consensus import (
    ALL_CANDIDATES,
    FATES,
    MODES,
    ImageClasses,
    Picks,
    agreement_line,
    agreement_warnings,
    find_consensus,
    judge_by_images,
    result_from_arrays,
    result_to_arrays,
)
from repic_plugin.consensus.assembly import prepared, rows_of
from repic_plugin.consensus.chance.decoys import N_DECOYS, SHIFT, circle, decoy
from repic_plugin.consensus.chance.rates import false_rates, rate_at, room_for_chance
from repic_plugin.consensus.chance.significance import closeness
from repic_plugin.formats import read_picks_dir
from repic_plugin.simulation import simulate_picks
from tests.consensus.inputs import data_sets

BOX = 180
CHANCE = "agree no more than by chance"


def random_picks(seed, n_micrographs=20, n_pickers=3, n_picks=200):
    """Picks of no particles, anywhere on micrographs of 4096 px."""
    rng = np.random.default_rng(seed)
    n = n_micrographs * n_pickers * n_picks
    return Picks.from_columns(
        np.repeat(np.arange(n_micrographs), n_pickers * n_picks),
        np.tile(np.repeat(np.arange(n_pickers), n_picks), n_micrographs),
        *rng.uniform(0, 4096, (2, n)),
        rng.random(n),
    )


def interleaved(one, other):
    """Picks of two data sets on every second micrograph."""
    columns = (
        np.append(getattr(one, name), getattr(other, name))
        for name in ("picker", "x", "y", "score")
    )
    micrograph = np.append(2 * one.micrograph, 2 * other.micrograph + 1)
    return Picks.from_columns(micrograph, *columns)


def consensus(picks, mode="quorum", box_px=BOX, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return find_consensus(picks, box_px, mode=mode, **options)


def batch_of(picks):
    everything = np.ones(len(picks), dtype=bool)
    rows = rows_of(picks, np.arange(picks.n_micrographs))
    return prepared(picks, rows, everything, ["identity"] * picks.n_pickers, {})


# decoys


@given(data_sets(max_micrographs=8), st.integers(0, N_DECOYS - 1))
def test_a_decoy_has_the_same_picks_of_each_picker(data, number):
    real, k = batch_of(data.picks), data.picks.n_pickers
    fake = decoy(real, np.arange(k), number)
    for picker in range(k):
        scores = [np.sort(one.score[one.picker == picker]) for one in (real, fake)]
        np.testing.assert_array_equal(*scores)
    order = np.lexsort((fake.picker, fake.micrograph))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    counts = np.bincount(fake.micrograph, minlength=data.picks.n_micrographs)
    np.testing.assert_array_equal(np.diff(fake.starts), counts)


@pytest.mark.parametrize("n_micrographs, n_pickers", [(5, 3), (9, 5), (4, 2)])
@pytest.mark.parametrize("number", range(2))
def test_different_pickers_get_different_micrographs(n_micrographs, n_pickers, number):
    picks = random_picks(0, n_micrographs, n_pickers, 5)
    fake = decoy(batch_of(picks), np.arange(n_pickers), number)
    source = dict(zip(picks.x.tolist(), picks.micrograph.tolist()))
    origin = np.array([source[x] for x in fake.x.tolist()])
    for m in range(n_micrographs):
        here = fake.micrograph == m
        pairs = set(zip(fake.picker[here].tolist(), origin[here].tolist()))
        assert len({picker for picker, _ in pairs}) == len({one for _, one in pairs}) == n_pickers
        assert (0, m) in pairs


@pytest.mark.parametrize("n_micrographs", [1, 2])
def test_few_micrographs_are_shifted(n_micrographs):
    real = batch_of(random_picks(0, n_micrographs))
    fakes = [
        decoy(real, np.arange(3), number, np.full((n_micrographs, 2), 4096.0))
        for number in range(4)
    ]
    for fake in fakes:
        np.testing.assert_array_equal(fake.micrograph, real.micrograph)
        np.testing.assert_array_equal(fake.x[fake.picker == 0], real.x[real.picker == 0])
        assert fake.x.min() >= 0 and fake.x.max() < 4096
    assert len({fake.x.sum() for fake in fakes}) == 4


def test_no_shift_is_small():
    times = np.outer(np.arange(1, 8), np.arange(1, N_DECOYS + 1)).ravel()
    turns = times[:, None] * np.array(SHIFT) % 1
    assert np.minimum(turns, 1 - turns).max(axis=1).min() > 0.08  # of the micrograph


def test_micrographs_of_another_size_are_not_swapped():
    picks = random_picks(0, 8, 2, 5)
    sizes = np.repeat([[4096.0, 4096.0], [5000.0, 4096.0]], 4, axis=0)
    fake = decoy(batch_of(picks), np.arange(2), 0, sizes)
    source = dict(zip(picks.x.tolist(), picks.micrograph.tolist()))
    origin = np.array([source[x] for x in fake.x.tolist()])
    assert ((origin < 4) == (fake.micrograph < 4)).all()


@given(st.lists(st.integers(0, 100), min_size=2, max_size=30))
def test_neighbours_in_the_circle_have_similar_numbers(counts):
    n_picks = np.array(counts)
    around = circle(n_picks, np.arange(len(counts)))
    assert sorted(around.tolist()) == list(range(len(counts)))
    rank = np.empty(len(counts), int)
    rank[np.argsort(n_picks, kind="stable")] = np.arange(len(counts))
    steps = np.abs(np.diff(rank[np.append(around, around[0])]))
    assert steps.max() <= 2


# rates


weights = st.lists(st.integers(0, 20), max_size=30)


@given(weights, weights, st.floats(0.1, 1))
def test_rates_equal_their_definition(seen, in_decoys, stands_for):
    levels, rates = false_rates(
        np.array(seen, float), np.array(in_decoys, float), np.full(len(in_decoys), stands_for)
    )
    assert levels.tolist() == sorted(set(seen))
    for place, rate in enumerate(rates.tolist()):
        shares = []
        for level in levels[: place + 1].tolist():
            n_chance = stands_for * sum(one >= level for one in in_decoys)
            shares.append(min(1.0, n_chance / sum(one >= level for one in seen)))
        assert rate == pytest.approx(min(shares))
    assert (np.diff(rates) <= 0).all()


def test_a_rate_is_that_of_the_next_lower_weight():
    levels, rates = np.array([1.0, 2.0]), np.array([0.5, 0.1])
    assert rate_at(np.array([0.5, 1.0, 1.5, 2.0, 9.0]), levels, rates).tolist() == [
        *(0.5, 0.5, 0.5, 0.1, 0.1)
    ]
    assert np.isnan(rate_at(np.ones(2), levels[:0], rates[:0])).all()


def test_room_for_chance():
    rng = np.random.default_rng(0)
    by_chance = rng.uniform(0.3, 0.8, 4000)
    assert room_for_chance(rng.uniform(0.3, 0.8, 1000), by_chance, 4) == pytest.approx(1, abs=0.1)
    assert room_for_chance(rng.uniform(0.8, 1.0, 1000), by_chance, 4) == 0
    half = np.append(rng.uniform(0.3, 0.8, 500), rng.uniform(0.8, 1.0, 500))
    assert room_for_chance(half, by_chance, 4) == pytest.approx(0.5, abs=0.05)
    assert room_for_chance(half, by_chance[:3], 4) == 1  # too few to tell
    assert room_for_chance(half, by_chance[:0], 4) == 1


@pytest.mark.parametrize("min_overlap", [0.0, 0.3, 0.6])
def test_closeness_of_chance_partners_is_even(min_overlap):
    dx, dy = np.random.default_rng(0).uniform(-1, 1, (2, 40_000))
    common = (1 - abs(dx)) * (1 - abs(dy))
    overlap = common / (2 - common)
    assert kstest(closeness(overlap[overlap > min_overlap], min_overlap), "uniform").pvalue > 0.01
    assert closeness(np.array([1.0]), min_overlap) == 1


# sets without agreement


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore:.*of its picks are copies")
def test_random_picks_agree_no_more_than_by_chance(seed):
    picks = random_picks(seed)
    for mode in ("all", "quorum"):
        with pytest.warns(UserWarning, match=CHANCE):
            result = find_consensus(picks, BOX, mode=mode)
        assert "NONE" in agreement_line(result.agreement)
        assert agreement_warnings(result.agreement)
    with pytest.raises(ValueError, match=CHANCE):
        find_consensus(picks, BOX, mode="probabilistic")


def test_random_picks_with_uneven_numbers():
    """Some micrographs are crowded and some are empty, for all pickers alike."""
    rng = np.random.default_rng(0)
    n_picks = rng.integers(10, 500, 20)
    micrograph = np.repeat(np.tile(np.arange(20), 3), np.tile(n_picks, 3))
    picker = np.repeat(np.arange(3), n_picks.sum())
    picks = Picks.from_columns(micrograph, picker, *rng.uniform(0, 4096, (2, len(picker))))
    assert consensus(picks).agreement.is_above_chance is False


@pytest.mark.parametrize("n_micrographs", [1, 2, 5])
def test_random_picks_on_few_micrographs(n_micrographs):
    agreement = consensus(random_picks(1, n_micrographs)).agreement
    assert agreement.is_above_chance is False


def test_too_few_picks_are_not_tested():
    agreement = consensus(random_picks(0, 1, 3, 5)).agreement
    assert agreement.is_above_chance is None
    assert "not tested" in agreement_line(agreement)
    assert agreement_warnings(agreement) == []
    consensus(random_picks(0, 1, 3, 5), "probabilistic")


def test_a_picker_alone_has_no_agreement():
    picks = Picks.from_columns([0, 0], [0, 0], [0, 500], [0, 500], picker_names=["a", "b"])
    result = consensus(picks)
    assert result.agreement is None and result.false_agreement is None


# sets with agreement


@pytest.mark.parametrize("mode", MODES)
def test_real_picks_agree(shared_data, mode):
    for folder, box_px in (("empiar-10017", 180), ("real/empiar-10146/picks", 120)):
        if not (shared_data / folder).is_dir():
            pytest.skip(f"no {folder} in {shared_data}")
        agreement = consensus(read_picks_dir(shared_data / folder).picks, mode, box_px).agreement
        assert agreement.is_above_chance
        assert max(agreement.excess / agreement.deviation, agreement.closer) > 10
        assert agreement.n_chance < 0.3 * agreement.n_groups


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("values", [{}, {"recall": 0.5, "precision": 0.5}, {"n_particles": 30}])
def test_particles_on_half_of_the_micrographs(mode, values):
    picks = interleaved(simulate_picks(8, 3, **values).picks, random_picks(0, 8, 3, 50))
    assert consensus(picks, mode).agreement.is_above_chance


@pytest.mark.parametrize("n_micrographs", [1, 2])
@pytest.mark.parametrize("n_particles", [20, 500])
def test_particles_on_few_micrographs(n_micrographs, n_particles):
    picks = simulate_picks(n_micrographs, 3, n_particles=n_particles, min_distance_px=90).picks
    assert consensus(picks, "probabilistic").agreement.is_above_chance


def test_a_micrograph_given_twice_is_not_swapped_for_itself():
    picks = simulate_picks(1, 3).picks
    copies = [picks.placed(np.array([m]), [f"m{i}" for i in range(20)]) for m in range(20)]
    names = ("micrograph", "picker", "x", "y", "score")
    many = Picks.from_columns(*(np.concatenate([getattr(p, n) for p in copies]) for n in names))
    agreement = consensus(many, "probabilistic").agreement
    assert agreement.n_micrographs == 1
    assert agreement.is_above_chance


# estimates


def is_true(simulated, result):
    """Whether two members of a particle are picks of one simulated particle."""
    found = np.full(len(simulated.picks) + 1, -1)
    for m in range(simulated.picks.n_micrographs):
        mine, truth = (
            np.flatnonzero(one.micrograph == m) for one in (simulated.picks, simulated.truth)
        )
        distance, place = cKDTree(simulated.truth.centers[truth]).query(
            simulated.picks.centers[mine]
        )
        found[mine] = np.where(distance < BOX / 4, truth[place], -1)
    of = np.sort(found[result.members], axis=1)
    return ((of[:, 1:] == of[:, :-1]) & (of[:, 1:] >= 0)).any(axis=1)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"recall": 0.4, "precision": 0.4},
        {"n_particles": 500, "min_distance_px": 90},
        {"n_particles": 40, "recall": 0.6, "precision": 0.5},
    ],
)
def test_the_share_of_chance_is_estimated(values):
    simulated = simulate_picks(20, 3, **values)
    result = consensus(simulated.picks)
    share = result.agreement.n_chance / result.agreement.n_groups
    true = is_true(simulated, result)
    assert share == pytest.approx(1 - true.mean(), abs=0.03)
    for rate in (0.3, 0.1, 0.05):  # rather too high than too low
        kept = result.false_agreement <= rate
        assert 1 - true[kept].mean() <= rate


def test_pairs_of_pickers_are_told_apart():
    simulated = simulate_picks(10, 3, recall=[0.9, 0.9, 0.1], precision=[0.9, 0.9, 0.1])
    agreement = consensus(simulated.picks, "all").agreement
    seen, by_chance = agreement.partners.sum(axis=1), agreement.chance_partners.sum(axis=1)
    assert agreement.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert seen[0] - by_chance[0] == pytest.approx(2000 * 0.81, rel=0.1)
    assert seen[1] - by_chance[1] < 2000 * 0.25


# how the consensus uses it


@pytest.mark.parametrize("mode", MODES)
def test_decoys_change_nothing_else(mode):
    picks = simulate_picks(6, 3, random_state=4).picks
    plain, measured = consensus(picks, mode, decoys=False), consensus(picks, mode)
    assert plain.agreement is None and plain.false_agreement is None
    for name in ("micrograph", "x", "y", "weight", "overlap", "score", "members", "fate"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(measured, name))


@pytest.mark.parametrize("mode", MODES)
def test_particles_above_the_rate_are_left_out(mode):
    picks = simulate_picks(10, 3, recall=0.5, precision=0.5).picks
    every, some = consensus(picks, mode), consensus(picks, mode, max_false_agreement=0.05)
    kept = every.false_agreement <= 0.05
    assert 0 < kept.sum() < len(every)
    np.testing.assert_array_equal(some.members, every.members[kept])
    np.testing.assert_array_equal(some.is_unmatched, every.is_unmatched)
    dropped = every.members[~kept]
    assert {FATES[fate] for fate in some.fate[dropped[dropped >= 0]]} == {"left out"}
    single = every.n_members == 1
    np.testing.assert_array_equal(np.isnan(every.false_agreement), single)
    assert single.any() == (mode == "probabilistic")


def test_particles_above_the_rate_are_left_out_after_the_images():
    picks = simulate_picks(6, 3, recall=0.5, precision=0.5).picks
    candidates = consensus(picks, "probabilistic", num_particles=ALL_CANDIDATES)
    label = np.arange(len(candidates)) % 4
    classes = ImageClasses(label, np.array([0.9, 0.8, 0.2, 0.1]))
    every = judge_by_images(candidates, picks, classes).result
    in_particles = every.fate == FATES.index("in a particle")
    assert in_particles.sum() == (every.members >= 0).sum()
    heavy = judge_by_images(candidates, picks, classes, min_weight=0.9).result
    np.testing.assert_array_equal(heavy.members, every.members[every.weight >= 0.9])
    assert 0 < len(heavy) < len(every)
    some = judge_by_images(candidates, picks, classes, max_false_agreement=0.05).result
    kept = every.false_agreement <= 0.05
    assert 0 < kept.sum() < len(every)
    np.testing.assert_array_equal(some.members, every.members[kept])
    dropped = every.members[~kept]
    assert {FATES[fate] for fate in some.fate[dropped[dropped >= 0]]} == {"left out"}


@pytest.mark.parametrize("mode", MODES)
def test_particles_below_the_minimum_weight_are_left_out(mode):
    picks = simulate_picks(6, 3, recall=0.6, precision=0.6).picks
    every = consensus(picks, mode)
    least = float(np.median(every.weight))
    some = consensus(picks, mode, min_weight=least)
    kept = every.weight >= least
    assert 0 < kept.sum() < len(every)
    np.testing.assert_array_equal(some.members, every.members[kept])
    np.testing.assert_array_equal(some.weight, every.weight[kept])
    dropped = every.members[~kept]
    assert {FATES[fate] for fate in some.fate[dropped[dropped >= 0]]} == {"left out"}
    both = consensus(picks, mode, min_weight=least, max_false_agreement=0.05)
    np.testing.assert_array_equal(
        both.members, every.members[kept & (every.false_agreement <= 0.05)]
    )
    highest = {"quorum": 2}.get(mode, 1)  # two of three pickers, and one above the quorum
    assert every.weight.max() > highest - 1
    consensus(picks, mode, min_weight=highest)
    for wrong in (-1, highest + 0.01):
        with pytest.raises(ValueError, match=rf"min_weight must lie in \[0, {highest}\], got"):
            consensus(picks, mode, min_weight=wrong)


def test_the_measure_of_all_holds_for_a_part():
    picks = simulate_picks(10, 3, recall=0.5, precision=0.5).picks
    whole = consensus(picks)
    part = consensus(picks, micrographs=[3], agreement=whole.agreement)
    assert part.agreement == whole.agreement
    np.testing.assert_array_equal(
        part.false_agreement, whole.false_agreement[whole.micrograph == 3]
    )


@given(st.permutations(range(3 * 3 * 30)))
def test_the_order_of_the_picks_does_not_matter(order):
    picks = random_picks(0, 3, 3, 30)
    assert consensus(picks).agreement == consensus(picks.take(np.array(order))).agreement


@given(st.permutations(range(30)))
@settings(max_examples=20)
def test_the_order_of_the_micrographs_does_not_matter(order):
    picks = simulate_picks(30, 3, n_particles=30).picks
    moved = picks.placed(np.array(order), [f"m{i}" for i in range(30)])
    assert consensus(picks).agreement == consensus(moved).agreement


def test_the_order_of_the_pickers_does_not_matter():
    picks = simulate_picks(6, 3, recall=[0.9, 0.6, 0.4], precision=0.5).picks
    turned = Picks.from_columns(
        picks.micrograph,
        (picks.picker + 1) % 3,
        picks.x,
        picks.y,
        picks.score,
        picker_names=[picks.picker_names[i] for i in (2, 0, 1)],
    )
    one, other = consensus(picks).agreement, consensus(turned).agreement
    np.testing.assert_array_equal(one.rate, other.rate)
    assert (one.excess, one.closer) == pytest.approx((other.excess, other.closer))


@pytest.mark.parametrize("mode", MODES)
def test_a_result_is_stored_with_its_agreement(mode):
    result = consensus(simulate_picks(3, 3).picks, mode)
    again = result_from_arrays(result_to_arrays(result))
    assert again.agreement == result.agreement
    np.testing.assert_array_equal(again.false_agreement, result.false_agreement)
    assert (
        result_from_arrays(
            result_to_arrays(consensus(simulate_picks(1).picks, decoys=False))
        ).agreement
        is None
    )


def test_wrong_arguments():
    picks = simulate_picks(1, 3).picks
    with pytest.raises(ValueError, match=r"max_false_agreement must lie in \(0, 1\], got 5"):
        find_consensus(picks, BOX, max_false_agreement=5)
    with pytest.raises(ValueError, match="leave decoys at True"):
        find_consensus(picks, BOX, max_false_agreement=0.05, decoys=False)
    other = simulate_picks(1, 3, picker_names=["a", "b", "c"]).picks
    with pytest.raises(ValueError, match="measured between the pickers picker_1"):
        find_consensus(other, BOX, agreement=find_consensus(picks, BOX).agreement)
