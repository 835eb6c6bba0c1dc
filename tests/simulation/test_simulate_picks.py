"""The simulated picks have the properties that were asked for."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.stats import norm, rankdata

from repic_plugin.evaluation import match_scores
from repic_plugin.simulation import simulate_pickers, simulate_picks

BOX = 180
RECALLS, PRECISIONS = (0.9, 0.6, 0.75), (0.95, 0.5, 0.8)
COLUMNS = ("micrograph", "picker", "x", "y", "score", "has_score")


def centers(picks, micrograph, picker=0):
    rows = (picks.micrograph == micrograph) & (picks.picker == picker)
    return np.column_stack([picks.x[rows], picks.y[rows]])


@pytest.fixture(scope="module")
def simulated():
    return simulate_picks(20, 3, recall=RECALLS, precision=PRECISIONS)


def nearest_particle(simulated, picker):
    """Offset of each of a picker's picks to the nearest particle, shape (n, 2), and its score."""
    offsets, scores = [], []
    picks = simulated.picks
    for micrograph in range(picks.n_micrographs):
        mine, true = centers(picks, micrograph, picker), centers(simulated.truth, micrograph)
        offsets.append(mine - true[cKDTree(true).query(mine)[1]])
        scores.append(picks.score[(picks.micrograph == micrograph) & (picks.picker == picker)])
    return np.concatenate(offsets), np.concatenate(scores)


def is_true(offsets):
    # No false pick is nearer than half a box; five standard deviations of the jitter are a quarter.
    return np.hypot(*offsets.T) < BOX / 2


@pytest.mark.parametrize("picker", range(3))
def test_recall_and_precision_are_those_asked_for(simulated, picker):
    offsets, _ = nearest_particle(simulated, picker)
    n_true, n_found, n_all = is_true(offsets).sum(), len(offsets), len(simulated.truth)
    for measured, asked, n in (
        (n_true / n_all, RECALLS[picker], n_all),
        (n_true / n_found, PRECISIONS[picker], n_found),
    ):
        assert abs(measured - asked) < 4 * np.sqrt(asked * (1 - asked) / n)


@pytest.mark.parametrize("picker", range(3))
def test_matching_finds_the_same_true_picks(simulated, picker):
    offsets, _ = nearest_particle(simulated, picker)
    n_matched = sum(
        match_scores(
            centers(simulated.picks, i, picker), centers(simulated.truth, i), BOX / 2 - 1e-6
        ).tp
        for i in range(20)
    )
    assert n_matched == is_true(offsets).sum()


def test_pickers_err_independently(simulated):
    found = []
    for picker in (0, 1):
        hits = []
        for i in range(20):
            tree = cKDTree(centers(simulated.picks, i, picker))
            hits.append(tree.query(centers(simulated.truth, i))[0] < BOX / 4)
        found.append(np.concatenate(hits))
    both, expected = np.mean(found[0] & found[1]), RECALLS[0] * RECALLS[1]
    assert abs(both - expected) < 4 * np.sqrt(expected * (1 - expected) / len(found[0]))


@pytest.mark.parametrize("picker", range(3))
def test_jitter_is_gaussian_of_the_default_width(simulated, picker):
    offsets, _ = nearest_particle(simulated, picker)
    noise = offsets[is_true(offsets)].ravel() / (BOX / 20)
    n = len(noise)
    assert abs(noise.mean()) < 4 / np.sqrt(n)
    assert abs(noise.std() - 1) < 4 / np.sqrt(2 * n)


@pytest.mark.parametrize("separation", [0.0, 1.0, 2.5])
def test_score_separation_sets_the_area_under_the_curve(separation):
    simulated = simulate_picks(10, 1, precision=0.5, score_separation=separation, random_state=3)
    offsets, scores = nearest_particle(simulated, 0)
    true = is_true(offsets)
    n_true, n_false = true.sum(), (~true).sum()
    ranks = rankdata(scores)[true].sum() - n_true * (n_true + 1) / 2
    area = ranks / (n_true * n_false)
    # An upper bound of its standard error: Birnbaum and Klose 1957, doi:10.1214/aoms/1177706794.
    expected = norm.cdf(separation / np.sqrt(2))
    bound = np.sqrt(max(expected * (1 - expected), 1e-3) / min(n_true, n_false))
    assert abs(area - expected) < 4 * bound


def test_scores_are_probabilities(simulated):
    picks = simulated.picks
    assert picks.has_score.all()
    assert 0 < picks.score.min() < 0.2
    assert 0.8 < picks.score.max() < 1
    assert not simulated.truth.has_score.any()


def test_picks_come_by_micrograph_picker_and_falling_score(simulated):
    picks = simulated.picks
    order = np.lexsort((-picks.score, picks.picker, picks.micrograph))
    np.testing.assert_array_equal(order, np.arange(len(picks)))


def test_particles_keep_their_distance_and_their_boxes_lie_inside(simulated):
    truth = simulated.truth
    assert np.all(np.bincount(truth.micrograph) == 200)
    assert min(pdist(centers(truth, i)).min() for i in range(20)) >= 0.9 * BOX
    for axis in (truth.x, truth.y):
        assert axis.min() >= BOX / 2
        assert axis.max() <= 4096 - BOX / 2


def test_false_picks_keep_clear_of_particles_and_each_other():
    simulated = simulate_picks(3, 1, recall=0.5, precision=0.3, jitter_px=0.0)
    for i in range(3):
        offsets, _ = nearest_particle(simulated, 0)
        distances = np.hypot(*offsets.T)
        assert np.all((distances == 0) | (distances >= BOX / 2))
        assert pdist(centers(simulated.picks, i)).min() >= BOX / 2


def test_size_is_width_then_height():
    truth = simulate_picks(1, 1, n_particles=80, micrograph_size_px=(5000, 1500)).truth
    assert truth.x.max() > 1500
    assert truth.y.max() <= 1500 - BOX / 2


def test_names_and_sizes_are_kept():
    simulated = simulate_picks(2, 2, n_particles=5, picker_names=["crYOLO", "Topaz"])
    assert simulated.picks.picker_names == ("crYOLO", "Topaz")
    assert simulated.picks.micrograph_names == ("mic_000", "mic_001")
    assert simulated.truth.picker_names == ("truth",)
    assert (simulated.box_size_px, simulated.micrograph_size_px) == (180, (4096, 4096))
    assert simulate_picks(1, 2, n_particles=5).picks.picker_names == ("picker_1", "picker_2")


def test_a_perfect_picker_returns_the_truth():
    simulated = simulate_picks(2, 1, recall=1, precision=1, jitter_px=0, n_particles=50)
    for i in range(2):
        mine, true = centers(simulated.picks, i), centers(simulated.truth, i)
        np.testing.assert_array_equal(mine[np.lexsort(mine.T)], true[np.lexsort(true.T)])


def test_nothing_to_find():
    simulated = simulate_picks(2, 2, n_particles=0)
    assert len(simulated.picks) == len(simulated.truth) == 0
    assert simulated.picks.n_micrographs == 2
    assert len(simulate_picks(1, 1, recall=0).picks) == 0


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS)


def test_same_seed_same_picks():
    first, second, other = (simulate_picks(2, 2, random_state=seed) for seed in (7, 7, 8))
    assert same(first.picks, second.picks)
    assert same(first.truth, second.truth)
    assert not np.array_equal(first.truth.x, other.truth.x)


def test_more_micrographs_or_pickers_leave_the_first_ones_alone():
    few, many = simulate_picks(2, 2), simulate_picks(5, 3)
    common = (many.picks.micrograph < 2) & (many.picks.picker < 2)
    assert same(few.picks, many.picks.take(common))
    assert same(few.truth, many.truth.take(many.truth.micrograph < 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_micrographs": 0}, "n_micrographs must be a whole number, 1 or more, got 0"),
        ({"n_pickers": 1.5}, "n_pickers must be a whole number, 1 or more, got 1.5"),
        ({"n_particles": np.nan}, "n_particles must be a whole number, 0 or more, got nan"),
        ({"micrograph_size_px": (np.inf, 5)}, r"micrograph_size_px .* got \(inf, 5\)"),
        ({"n_particles": -1}, "n_particles must be a whole number, 0 or more, got -1"),
        ({"box_size_px": 0}, "box_size_px must be"),
        ({"box_size_px": 5000}, "box_size_px must not exceed .* got 5000; give a smaller box"),
        ({"micrograph_size_px": (0, 5)}, r"micrograph_size_px .* got \(0, 5\)"),
        ({"recall": 1.2}, r"recall must lie in \[0, 1\], got 1.2"),
        ({"recall": (0.5, 0.5)}, r"recall must be one number .* 3 pickers, got shape \(2,\)"),
        ({"precision": (0.5, 0, 0.5)}, r"precision must lie in \(0, 1\], got 0"),
        ({"jitter_px": -1}, r"jitter_px must lie in \[0, inf\), got -1"),
        ({"jitter_px": np.inf}, r"jitter_px .* got inf"),
        ({"score_separation": np.nan}, r"score_separation must lie in \[0, 20\], got nan"),
        ({"min_distance_px": -1}, "min_distance_px must be 0 or more and finite, got -1"),
        ({"picker_names": ["a", "a", "b"]}, "picker_names must be 3 different names"),
        ({"random_state": None}, "random_state must be a whole number, 0 or more, got None"),
        ({"n_particles": 2000}, "n_particles must fit .* got 2000 .* ask for fewer"),
        ({"precision": 0.02}, r"false picks \(set by precision\) must fit"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        simulate_picks(**arguments)
    assert "\n" not in str(error.value)


# errors that pickers share


def found_by(simulated):
    """Which particles each picker found, shape (n_particles, n_pickers)."""
    result = np.zeros((len(simulated.truth), simulated.picks.n_pickers), dtype=bool)
    for picker in range(simulated.picks.n_pickers):
        first = 0
        for micrograph in range(simulated.picks.n_micrographs):
            true = centers(simulated.truth, micrograph)
            distance, nearest = cKDTree(true).query(centers(simulated.picks, micrograph, picker))
            result[first + nearest[distance < BOX / 2], picker] = True
            first += len(true)
    return result


def test_a_family_misses_the_same_particles_and_only_the_family():
    same = {"recall": 0.5, "precision": 0.9, "random_state": 4}
    related = simulate_picks(30, 3, miss_correlation=0.6, family=(0, 1), **same)
    found = found_by(related)
    correlation = np.corrcoef(found.T)
    assert np.allclose(found.mean(axis=0), 0.5, atol=0.03)
    # the correlation of two halved normal variables of correlation 0.6
    assert abs(correlation[0, 1] - 2 / np.pi * np.arcsin(0.6)) < 0.05
    assert np.abs(correlation[2, :2]).max() < 0.05


def test_a_family_picks_the_same_junk():
    apart, shared = (
        simulate_picks(10, 2, precision=0.5, shared_junk=share, random_state=1)
        for share in (0.0, 0.8)
    )
    near = []
    for simulated in (apart, shared):
        false = [nearest_particle(simulated, picker)[0] for picker in (0, 1)]
        n_false = [np.count_nonzero(~is_true(offsets)) for offsets in false]
        picks, n_near = simulated.picks, 0
        for micrograph in range(picks.n_micrographs):
            true = cKDTree(centers(simulated.truth, micrograph))
            first, second = (centers(picks, micrograph, picker) for picker in (0, 1))
            first = first[true.query(first)[0] > BOX / 2]
            second = second[true.query(second)[0] > BOX / 2]
            n_near += np.count_nonzero(cKDTree(second).query(first)[0] < BOX / 4)
        near.append(n_near / n_false[0])
    assert near[0] < 0.2
    assert 0.45 < near[1] < 0.75  # 0.7 of the 0.8, and some by chance


@pytest.mark.parametrize("name", ["miss_correlation", "shared_junk"])
def test_what_is_shared_is_a_part(name):
    with pytest.raises(ValueError, match=f"{name} must"):
        simulate_picks(1, 2, **{name: 1.5})


def test_pickers_find_given_particles_with_the_recall_and_precision_asked_for():
    true = simulate_picks(20, 1).truth
    particles = [centers(true, i) for i in range(20)]
    found = simulate_pickers(
        particles, 2, micrograph_size_px=(4096, 4096), box_size_px=BOX, recall=(0.9, 0.6),
        precision=(0.95, 0.5),
    )  # fmt: skip
    for picker, (recall, precision) in enumerate([(0.9, 0.95), (0.6, 0.5)]):
        n_true = n_found = 0
        for i, rows in enumerate(particles):
            mine = centers(found, i, picker)
            n_true += (cKDTree(rows).query(mine)[0] < BOX / 2).sum()
            n_found += len(mine)
        n = sum(map(len, particles))
        assert abs(n_true / n - recall) < 4 * np.sqrt(recall * (1 - recall) / n)
        assert abs(n_true / n_found - precision) < 4 * np.sqrt(
            precision * (1 - precision) / n_found
        )


def test_a_micrograph_without_particles_has_no_picks():
    found = simulate_pickers([[], [[300, 300]]], 2, micrograph_size_px=(600, 600), box_size_px=60,
                             recall=1.0, precision=1.0)  # fmt: skip
    assert found.micrograph.tolist() == [1, 1]
