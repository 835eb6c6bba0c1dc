"""Mode probabilistic: what it estimates, what it keeps, what it refuses, what it warns of."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.consensus import (
    Picks,
    find_consensus,
    probabilistic,
    result_from_arrays,
    result_to_arrays,
)
from repic_plugin.consensus.ensemble import fit as fitting
from repic_plugin.consensus.probabilistic import places_on_micrograph
from repic_plugin.simulation import simulate_picks

BOX = 180
RECALL, PRECISION = (0.9, 0.45, 0.75), (0.8, 0.7, 0.6)
ALL = 10**9  # particles of a micrograph: every candidate


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(fitting, "N_REPLICATES", 12)


def data(n_micrographs=20, recall=RECALL, precision=PRECISION, seed=3, **values):
    return simulate_picks(
        n_micrographs,
        len(recall),
        n_particles=80,
        recall=recall,
        precision=precision,
        random_state=seed,
        **values,
    )


def probable(picks, **values):
    return find_consensus(picks, BOX, mode="probabilistic", **values)


def columns(picks, **changed):
    names = ("micrograph", "picker", "x", "y", "score")
    return Picks.from_columns(**{**{name: getattr(picks, name) for name in names}, **changed})


@pytest.fixture(scope="module")
def simulated():
    return data()


@pytest.fixture(scope="module")
def found(simulated):
    return probable(simulated.picks)


@pytest.fixture(scope="module")
def candidates(simulated, found):
    return probable(simulated.picks, ensemble=found.ensemble, num_particles=ALL)


# what is estimated


def test_recall_and_precision_are_told_without_labels(found):
    model = found.ensemble
    assert np.allclose(model.recall, RECALL, atol=0.05)
    assert np.allclose(model.precision, PRECISION, atol=0.05)
    assert model.n_particles == pytest.approx(20 * 80, rel=0.05)
    assert model.warnings == ()
    low, high = model.recall_interval.T
    assert (low < model.recall).all()
    assert (model.recall < high).all()
    assert (high - low < 0.15).all()


def test_a_probability_is_a_share(candidates, simulated):
    """Of candidates that are believed to be true by 0.3 to 0.9, so many are."""
    probability = candidates.weight
    truth = simulated.truth
    middle = (probability > 0.3) & (probability < 0.9)
    is_true = np.array(
        [
            (np.hypot(truth.x - x, truth.y - y)[truth.micrograph == m].min() < BOX / 4)
            for m, x, y in zip(candidates.micrograph, candidates.x, candidates.y)
        ]
    )
    n = middle.sum()
    assert n > 100
    assert abs(is_true[middle].mean() - probability[middle].mean()) < 3 * 0.5 / np.sqrt(n)
    assert is_true[probability > 0.95].mean() > 0.95


def test_every_pick_is_in_one_candidate(candidates, simulated):
    members = candidates.members[candidates.members >= 0]
    assert sorted(members.tolist()) == list(range(len(simulated.picks)))
    assert not candidates.is_unmatched.any()


def test_the_order_of_pickers_and_picks_does_not_matter(simulated, found):
    picks = simulated.picks
    order = np.random.default_rng(0).permutation(len(picks))
    turned = columns(
        picks.take(order), picker=2 - picks.picker[order], picker_names=["c", "b", "a"]
    )
    again = probable(turned)
    assert np.allclose(again.ensemble.recall[::-1], found.ensemble.recall, atol=1e-4)
    assert len(again) == len(found)
    assert np.allclose(again.weight, found.weight, atol=1e-4)


def test_only_the_order_of_scores_matters(simulated):
    picks = simulated.picks
    ranked = {"score_transform": "rank"}
    plain, cubed = (
        probable(picks, **ranked),
        probable(columns(picks, score=picks.score**3), **ranked),
    )
    assert np.array_equal(plain.members, cubed.members)
    assert np.allclose(plain.weight, cubed.weight)


def test_micrographs_of_another_quality_have_other_recalls():
    good, bad = data(recall=(0.95, 0.9, 0.9)), data(recall=(0.5, 0.85, 0.85), seed=9)
    both = columns(
        good.picks,
        **{
            name: np.concatenate([getattr(one.picks, name) for one in (good, bad)])
            for name in ("picker", "x", "y", "score")
        },
        micrograph=np.append(good.picks.micrograph, bad.picks.micrograph + 20),
    )
    defocus = np.append(np.linspace(1e4, 1.5e4, 20), np.linspace(1.6e4, 2e4, 20))
    model = probable(both, micrograph_quality=defocus).ensemble
    assert model.quality_edges[[0, -1]].tolist() == [1e4, 2e4]
    assert np.allclose(model.quality_recall[0], [0.95, 0.9, 0.9], atol=0.06)
    assert np.allclose(model.quality_recall[-1], [0.5, 0.85, 0.85], atol=0.06)


@pytest.mark.filterwarnings("error")
def test_fewer_micrographs_than_groups_have_fewer_groups(simulated):
    quality = np.append([1e4, 2e4], np.full(18, np.nan))
    model = probable(simulated.picks, micrographs=[0, 1], micrograph_quality=quality).ensemble
    assert model.quality_edges[[0, -1]].tolist() == [1e4, 2e4]
    assert model.quality_recall.shape == (2, 3)
    assert np.isfinite(model.quality_recall).all()


def test_places_that_boxes_can_share_are_as_many_as_chance_says():
    """Of two boxes at random, one in so many is joined to the other."""
    rng = np.random.default_rng(5)
    n, side = 4000, 4000.0
    x, y = rng.uniform(0, side, (2, 2 * n))
    picks = Picks.from_columns(np.repeat(np.arange(n), 2), np.tile([0, 1], n), x, y)
    with pytest.warns(UserWarning, match="have no score"):
        n_joined = len(find_consensus(picks, 800, min_overlap=0.2))
    # boxes near the edge have fewer neighbours
    places = places_on_micrograph(picks, np.array([800.0, 800.0]), 0.2)
    assert 0.6 < n_joined * places / n < 1.05


def test_many_kinds_of_candidates_are_learnt_on_some_micrographs(simulated, monkeypatch):
    monkeypatch.setattr(probabilistic, "LARGEST_FIT", 400)
    result = probable(simulated.picks, micrograph_quality=np.arange(20.0))
    model = result.ensemble
    assert 3 <= model.n_micrographs < 20
    assert model.quality_edges[[0, -1]].tolist() == [0, 19]
    assert np.allclose(model.recall, RECALL, atol=0.1)
    assert model.n_particles / model.n_micrographs == pytest.approx(80, rel=0.1)
    assert len(np.unique(result.micrograph)) == 20


# what is kept


def test_the_default_threshold_has_the_highest_expected_f1(found, candidates):
    probability = np.sort(candidates.weight)[::-1]
    n_particles = found.ensemble.n_particles
    best = max(
        2 * probability[:n].sum() / (n + n_particles) for n in range(1, len(probability) + 1)
    )
    assert 2 * found.weight.sum() / (len(found) + n_particles) == pytest.approx(best)
    assert found.weight.min() >= found.ensemble.threshold


def test_a_target_precision_is_kept_by_as_many_as_can_be(simulated, candidates):
    sizes = []
    for target in (0.99, 0.9, 0.7):
        kept = probable(simulated.picks, target_precision=target)
        assert kept.weight.mean() >= target
        more = np.sort(candidates.weight)[::-1]
        assert kept.weight.min() > more[len(kept)]
        next_value = more[len(kept)]
        equals = np.count_nonzero(np.isclose(more, next_value))
        assert more[: len(kept) + equals].mean() < target
        sizes.append(len(kept))
    assert sizes == sorted(sizes)


def test_the_best_of_each_micrograph(simulated, candidates):
    kept = probable(simulated.picks, num_particles=30)
    assert np.bincount(kept.micrograph).tolist() == [30] * 20
    for m in range(20):
        best = candidates.weight[candidates.micrograph == m][:30]
        assert np.allclose(kept.weight[kept.micrograph == m], best)


def test_batches_with_the_model_of_the_whole_are_the_whole(simulated, found):
    batches = [
        probable(simulated.picks, ensemble=found.ensemble, micrographs=part, n_threads=2)
        for part in (np.arange(7), np.arange(7, 20))
    ]
    for name in ("members", "weight"):
        joined = np.concatenate([getattr(batch, name) for batch in batches])
        assert np.array_equal(joined, getattr(found, name))


def test_what_is_stored_is_what_was_found(found):
    again = result_from_arrays(result_to_arrays(found))
    assert again.ensemble.warnings == found.ensemble.warnings
    assert np.array_equal(again.ensemble.dependence, found.ensemble.dependence, equal_nan=True)
    assert again.ensemble.threshold == found.ensemble.threshold
    assert replace(found, ensemble=None).quorum == again.quorum == 1


# what is warned of


def test_particles_that_are_hard_for_several_pickers_are_told_of():
    model = probable(data(30, miss_correlation=0.6).picks).ensemble
    assert any("hard for several pickers" in told for told in model.warnings)


def test_pickers_that_share_all_their_errors_are_told_of():
    pickers = {"recall": (0.8, 0.6, 0.7, 0.5, 0.75), "precision": (0.5,) * 5}
    model = probable(data(30, **pickers, shared_junk=0.6).picks).ensemble
    assert any("three latent classes" in told for told in model.warnings)


def test_junk_that_a_family_shares_is_allowed_for():
    model = probable(data(30, shared_junk=0.6, family=(1, 2)).picks).ensemble
    assert np.allclose(model.recall, RECALL, atol=0.05)
    assert np.allclose(model.precision, PRECISION, atol=0.05)


def test_two_copies_of_one_picker_are_told_of(simulated):
    picks = simulated.picks
    copied = columns(
        picks,
        **{
            name: np.append(getattr(picks, name), getattr(picks, name)[picks.picker == 1])
            for name in ("micrograph", "x", "y", "score")
        },
        picker=np.append(picks.picker, np.full((picks.picker == 1).sum(), 3)),
    )
    assert any(
        "picker1 and picker3 have the same picks" in told
        for told in probable(copied).ensemble.warnings
    )


def test_pickers_that_failed_make_no_consensus():
    values = {"recall": (0.85, 0.06, 0.04), "precision": (0.8, 0.06, 0.05)}
    model = probable(data(**values, score_separation=(2, 0.3, 0.3)).picks).ensemble
    assert any("no consensus is meaningful" in told for told in model.warnings)


def test_two_pickers_are_described_with_a_word_of_caution():
    model = probable(data(recall=(0.9, 0.6), precision=(0.8, 0.8)).picks).ensemble
    assert "two pickers" in model.warnings[0]


def test_without_scores_agreement_does_but_for_two_pickers(simulated):
    picks = simulated.picks
    with pytest.warns(UserWarning, match="have no score"):
        model = probable(columns(picks, score=None)).ensemble
    assert np.allclose(model.recall, RECALL, atol=0.08)
    assert "three pickers without scores" in model.warnings[0]
    two = picks.take(picks.picker < 2)
    with pytest.raises(
        ValueError, match="cannot be estimated without scores of both"
    ), pytest.warns(UserWarning, match="have no score"):
        probable(columns(two, score=None))


# odd inputs


def test_nothing_is_no_consensus():
    nothing = probable(Picks.from_columns([], [], [], [], picker_names=["a", "b"]))
    assert len(nothing) == 0
    assert nothing.ensemble is None


def test_a_picker_without_a_pick_has_no_precision(simulated):
    model = probable(columns(simulated.picks, picker_names=["a", "b", "c", "none"])).ensemble
    assert np.isnan(model.precision[3])
    assert model.recall[3] < 0.01
    assert np.allclose(model.recall[:3], RECALL, atol=0.06)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target_precision": 1.0}, "target_precision must lie between 0 and 1, got 1.0"),
        ({"micrograph_quality": [1.0]}, "one value for each of the 20 micrographs"),
        ({"largest_component": True}, "largest_component has no meaning"),
        ({"quorum": 2}, "quorum 2 has no meaning in mode probabilistic"),
        ({"mode": "all", "target_precision": 0.9}, "target_precision has no meaning in mode all"),
    ],
)
def test_bad_arguments(simulated, values, message):
    with pytest.raises(ValueError, match=message):
        find_consensus(simulated.picks, BOX, **{"mode": "probabilistic", **values})


def test_the_model_of_other_pickers_is_refused(simulated, found):
    other = columns(simulated.picks, picker_names=["x", "y", "z"])
    with pytest.raises(ValueError, match="fitted to the pickers picker_1, picker_2, picker_3"):
        probable(other, ensemble=found.ensemble)


def test_a_picker_that_has_not_looked_says_nothing():
    """A third of the micrographs lacks a picker: as if they were of the other pickers alone."""
    simulated = simulate_picks(30, n_particles=100, random_state=5)
    picks = simulated.picks
    lost = (picks.micrograph >= 20) & (picks.picker == 2)
    left = picks.take(~lost)
    unseen = np.zeros((30, 3), dtype=bool)
    unseen[20:, 2] = True
    known = find_consensus(left, 180, mode="probabilistic", unseen=unseen)
    blind = find_consensus(left, 180, mode="probabilistic")
    whole = find_consensus(picks, 180, mode="probabilistic")
    true_recall = whole.ensemble.recall[2]
    assert known.ensemble.recall[2] == pytest.approx(true_recall, abs=0.02)
    assert blind.ensemble.recall[2] < true_recall - 0.1
    on = {name: (r.micrograph >= 20).sum() for name, r in (("known", known), ("blind", blind))}
    n_whole = (whole.micrograph >= 20).sum()
    assert on["known"] > 0.9 * n_whole
    assert on["known"] > on["blind"]
    pair = find_consensus(
        left.on_micrographs(np.arange(20, 30)).take(slice(None)), 180, mode="quorum", quorum=2
    )
    agreed = known.micrograph[(known.members >= 0).sum(axis=1) == 2] >= 20
    assert agreed.sum() >= 0.95 * len(pair)  # what both others found is kept
    # where nobody is missing nothing changes but the fit
    none = find_consensus(picks, 180, mode="probabilistic", unseen=np.zeros((30, 3), bool))
    np.testing.assert_array_equal(none.weight, whole.weight)


@pytest.mark.parametrize(
    "unseen, rule",
    [
        (np.zeros((2, 3)), "must have shape"),
        (np.ones((1, 3)), "must be False where a picker has picks"),
    ],
)
def test_bad_unseen(unseen, rule):
    picks = simulate_picks(1, n_particles=20).picks
    with pytest.raises(ValueError, match=f"unseen {rule}"):
        find_consensus(picks, 180, mode="probabilistic", unseen=unseen)


@pytest.mark.parametrize("n_micrographs", [1, 2, 5])
def test_intervals_of_few_micrographs_cover(n_micrographs):
    """Of one micrograph drawn with replacement, all samples are the same."""
    covered = []
    for seed in range(8):
        data = simulate_picks(n_micrographs, 3, n_particles=150, random_state=seed)
        model = find_consensus(data.picks, 180, mode="probabilistic").ensemble
        width = np.diff(model.precision_interval, axis=1)
        assert (width > 0.01).all()
        tree = {m: [] for m in range(n_micrographs)}
        for m, x, y in zip(data.truth.micrograph, data.truth.x, data.truth.y):
            tree[m].append((x, y))
        near = [
            np.hypot(*(np.array(tree[m]) - (x, y)).T).min() < 45
            for m, x, y in zip(data.picks.micrograph, data.picks.x, data.picks.y)
        ]
        for j, (low, high) in enumerate(model.precision_interval):
            true = np.mean(np.array(near)[data.picks.picker == j])
            covered.append(low <= true <= high)
    assert np.mean(covered) > 0.75
