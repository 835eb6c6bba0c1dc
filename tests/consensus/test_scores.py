import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from repic_plugin.consensus import Picks, choose_transforms, find_consensus
from repic_plugin.consensus.probabilistic import places_on_micrograph
from repic_plugin.consensus.scores import above_min_score, comparable_scores, score_warnings
from repic_plugin.formats import read_picks_dir
from repic_plugin.simulation import simulate_picks
from tests.consensus.inputs import picks_of


def scored(scores, names=("a",)):
    """One picker's picks with these scores, beside pickers without a pick."""
    return picks_of([(i, 0, 0, 0, s) for i, s in enumerate(scores)], picker_names=names)


@pytest.mark.parametrize(
    ("name", "scores", "expected"),
    [
        ("a", [0.0, 0.5, 1.0], "identity"),
        ("topaz", [0.0, 0.5, 1.0], "identity"),
        ("a", [0.0, 0.5, 1.0001], "rank"),
        ("a", [-0.0001, 0.5], "rank"),
        ("topaz", [0.5, 2.0], "logistic"),
        ("my Topaz, retrained", [-3.0, 0.5], "logistic"),
        ("a", [], "identity"),
        ("topaz", [None, None], "identity"),
        ("a", [None, 0.5], "identity"),
    ],
)
def test_auto(name, scores, expected):
    assert choose_transforms(scored(scores, [name])) == (expected,)


def test_one_micrograph_beyond_1_decides_for_the_whole_picker():
    rows = [(m, p, 0, 0, 0.5) for m in range(5) for p in range(2)] + [(5, 1, 0, 0, 3.0)]
    picks = picks_of(rows, picker_names=["a", "topaz"])
    assert choose_transforms(picks) == ("identity", "logistic")
    result = find_consensus(picks, 10)
    assert result.score_transforms == ("identity", "logistic")
    assert result.score == pytest.approx([(0.5 + expit(0.5)) / 2] * 5)


def test_the_transform_is_decided_over_all_picks_and_not_a_batch_or_those_above_the_threshold():
    rows = [(0, 0, 0, 0, 0.5), (0, 1, 0, 0, 0.5), (1, 1, 50, 50, -4.0)]
    picks = picks_of(rows, picker_names=["a", "topaz"])
    for changes in ({"micrographs": [0]}, {"min_score": 0.0}):
        result = find_consensus(picks, 10, **changes)
        assert result.score_transforms == ("identity", "logistic")


def test_transforms_by_name_leave_the_others_to_auto():
    picks = picks_of(
        [(0, 0, 0, 0, 0.5), (0, 1, 0, 0, 5.0), (0, 2, 0, 0, 5.0)],
        picker_names=["a", "b", "topaz"],
    )
    assert choose_transforms(picks, {"b": "logistic"}) == ("identity", "logistic", "logistic")
    assert choose_transforms(picks, "rank") == ("rank", "rank", "rank")
    assert choose_transforms(picks, ["rank", "auto", "auto"]) == ("rank", "rank", "logistic")


@pytest.mark.parametrize("scores", [[0.5, 1.5], [-0.1, 0.5]])
def test_identity_is_refused_outside_0_to_1(scores):
    with pytest.raises(ValueError, match=r"picker a .*\[0, 1\].*identity.*use logistic"):
        choose_transforms(scored(scores), "identity")


def test_identity_changes_nothing():
    scores = [0.0, 0.25, 1.0]
    assert comparable_scores(scored(scores), ["identity"]).tolist() == scores


def test_logistic_is_expit():
    scores = np.linspace(-20, 20, 41)
    np.testing.assert_array_equal(
        comparable_scores(scored(scores.tolist()), ["logistic"]), expit(scores)
    )


@pytest.mark.parametrize("transform", ["logistic", "rank"])
def test_extreme_scores_raise_no_warning(transform):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = comparable_scores(scored([-1e6, -1e300, 0, 1e6, 1e300]), [transform])
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_extreme_scores_go_through_the_whole_consensus():
    rows = [(0, p, 100 * i, 0, s) for i, s in enumerate((-1e6, 0, 1e6)) for p in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = find_consensus(picks_of(rows), 10, score_transform="logistic")
    assert result.score.tolist() == [1.0, 0.5, 0.0]


def test_rank_by_hand():
    found = comparable_scores(scored([30.0, 10.0, 20.0, 20.0]), ["rank"])
    assert found.tolist() == [1.0, 0.25, 0.625, 0.625]


distinct = st.lists(st.integers(-1000, 1000), min_size=1, max_size=30)


@given(distinct)
def test_rank_is_monotone_and_in_0_to_1(scores):
    found = comparable_scores(scored(scores), ["rank"])
    assert ((found > 0) & (found <= 1)).all()
    order = np.argsort(scores, kind="stable")
    np.testing.assert_array_equal(np.sign(np.diff(found[order])), np.diff(scores_in(order, scores)))


def scores_in(order, scores):
    """Ranks without ties' means: equal for equal scores, one more for the next greater."""
    _, place = np.unique(np.asarray(scores)[order], return_inverse=True)
    return place


@pytest.mark.parametrize("increasing", [lambda s: 3 * s - 7, lambda s: s**3, np.arctan])
@given(scores=distinct)
def test_rank_does_not_change_under_increasing_functions(increasing, scores):
    values = np.asarray(scores, float)
    np.testing.assert_array_equal(
        comparable_scores(scored(values.tolist()), ["rank"]),
        comparable_scores(scored(increasing(values).tolist()), ["rank"]),
    )


def test_rank_is_taken_within_each_picker():
    picks = picks_of([(0, 0, 0, 0, 5.0), (0, 0, 90, 0, 6.0), (0, 1, 0, 0, 100.0)])
    assert comparable_scores(picks, ["rank", "rank"]).tolist() == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("transform", ["identity", "logistic", "rank"])
def test_a_missing_score_counts_as_1(transform):
    found = comparable_scores(scored([None, 0.25, None, 0.5]), [transform])
    assert found[[0, 2]].tolist() == [1.0, 1.0]
    assert found[1] < found[3]


def test_missing_scores_are_warned_of_by_picker_and_number():
    rows = [(0, 0, 0, 0, 0.5), (0, 1, 0, 0, None), (0, 1, 50, 0, None), (0, 2, 0, 0, None)]
    picks = picks_of(rows, picker_names=["a", "b", "c"])
    with pytest.warns(UserWarning) as caught:
        result = find_consensus(picks, 10)
    assert sorted(str(w.message) for w in caught) == [
        "1 picks of c have no score; they count as 1",
        "2 picks of b have no score; they count as 1",
    ]
    assert result.score.tolist() == [1.0]
    assert all(w.filename == __file__ for w in caught)


def test_no_warning_where_every_pick_has_a_score():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_consensus(picks_of([(0, 0, 0, 0, 0.0), (0, 1, 0, 0, 1.0)]), 10)


def test_the_number_beside_a_missing_score_is_not_used():
    base = [(0, 0, 0, 0, 0.5), (0, 1, 0, 0, None)]
    picks = picks_of(base)
    odd = type(picks).from_columns(
        [0, 0], [0, 1], [0, 0], [0, 0], [0.5, np.nan], has_score=[True, False]
    )
    with pytest.warns(UserWarning, match="no score"):
        assert find_consensus(odd, 10).weight == find_consensus(picks, 10).weight


def test_cliques_of_weight_zero_are_kept_where_nothing_stands_in_the_way():
    rows = [(0, 0, 0, 0, 0.0), (0, 1, 0, 0, 0.0)]  # alone
    rows += [(0, 0, 100, 0, 0.0), (0, 1, 101, 0, 0.0), (0, 1, 98, 0, 0.5)]  # beside a better one
    result = find_consensus(picks_of(rows), 10)
    assert result.members.tolist() == [[2, 4], [0, 1]]
    assert result.weight[1] == 0.0


@pytest.mark.parametrize("position", ["member", "mean"])
def test_all_scores_zero_still_give_a_finite_position(position):
    rows = [(0, 0, 10, 20, 0.0), (0, 1, 12, 20, 0.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = find_consensus(picks_of(rows), 10, position=position)
    assert (result.x[0], result.y[0]) == ((10, 20) if position == "member" else (11, 20))


THRESHOLDS = picks_of(
    [(0, 0, 0, 0, 0.3), (0, 0, 50, 0, 0.29), (0, 1, 0, 0, -2.0), (0, 1, 50, 0, None)],
    picker_names=["a", "b"],
)


@pytest.mark.parametrize(
    ("min_score", "expected"),
    [
        (None, [1, 1, 1, 1]),
        (0.3, [1, 0, 0, 1]),
        ({"a": 0.3}, [1, 0, 1, 1]),
        ({"b": -2.0}, [1, 1, 1, 1]),
        ({"b": -1.0}, [1, 1, 0, 1]),
        ([0.3, None], [1, 0, 1, 1]),
        (100.0, [0, 0, 0, 1]),
    ],
)
def test_min_score_is_on_the_pickers_own_scale_and_inclusive(min_score, expected):
    assert above_min_score(THRESHOLDS, min_score).astype(int).tolist() == expected


def test_picks_below_min_score_do_not_enter_the_graph():
    with pytest.warns(UserWarning, match="1 picks of b have no score"):
        result = find_consensus(THRESHOLDS, 10, min_score={"b": -1.0})
    assert result.micrographs.n_picks.tolist() == [[2, 1]]
    assert result.members.tolist() == [[1, 3]]
    assert result.is_unmatched.tolist() == [True, False, False, False]


def test_only_the_micrographs_worked_on_are_warned_of():
    picks = picks_of([(0, 0, 5, 5, None), (0, 1, 5, 5, 0.5), (1, 0, 5, 5, 0.5), (1, 1, 5, 5, 0.5)])
    with pytest.warns(UserWarning, match="1 picks of"):
        find_consensus(picks, 10, micrographs=[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_consensus(picks, 10, micrographs=[1])


def one_scored(scores, name="autopick"):
    """One picker's scores, and another's picks beside them."""
    n = len(scores)
    return Picks.from_columns(
        [0] * (n + 1), [0] * n + [1], range(n + 1), [0] * (n + 1), [*scores, 0.5],
        picker_names=[name, "other"],
    )  # fmt: skip


def test_one_stray_score_among_ten_thousand_changes_no_scale():
    rng = np.random.default_rng(0)
    scores = rng.random(10_000)
    scores[77] = 1.02
    picks = one_scored(scores)
    assert choose_transforms(picks)[0] == "identity"
    (line,) = score_warnings(picks, ("identity", "identity"))
    assert "1 of 10,000" in line
    assert "1.02" in line
    assert comparable_scores(picks, ("identity", "identity")).max() == 1
    scores[:20] += 3
    assert choose_transforms(one_scored(scores))[0] == "rank"


@pytest.mark.parametrize("value", [-3, 0.5, 1])
def test_constant_scores_are_reported(value):
    (line,) = score_warnings(one_scored([value] * 12), ("rank", "identity"))
    assert line == f"all scores of autopick are {value:g}: they do not rank its picks"
    assert score_warnings(one_scored([value] * 11 + [0.7]), ("rank", "identity")) == []


def test_a_wild_pick_does_not_change_the_area(shared_data):
    """Without scores, what meets by chance depends on the area in which the picks lie."""
    picks = read_picks_dir(shared_data / "empiar-10017").picks
    sizes = np.full(3, 180.0)
    area = places_on_micrograph(picks, sizes, 0.3)
    for far in (20_000, 1e9):
        x = picks.x.copy()
        x[5] = far
        assert places_on_micrograph(replace(picks, x=x), sizes, 0.3) == pytest.approx(area, 1e-3)
    plain = np.ptp(picks.x) * np.ptp(picks.y)
    assert area / places_on_micrograph(picks.take(slice(0, 1)), sizes, 0.3) > 1
    u = 0.6 / 1.3
    assert area == pytest.approx(plain / (4 * 180**2 * (1 - u + u * np.log(u))), rel=1e-9)


@pytest.mark.parametrize("mode", ["all", "quorum", "probabilistic"])
def test_scores_of_which_low_is_good_are_reported(mode):
    picks = simulate_picks(6, n_particles=80, random_state=2).picks
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean = find_consensus(picks, 180, mode=mode)
    assert len(clean)
    turned = np.where(picks.picker == 1, 1 - picks.score, picks.score)
    with pytest.warns(UserWarning, match="scores of picker_2 are lower for picks that other"):
        find_consensus(replace(picks, score=turned), 180, mode=mode)
    drawn = np.random.default_rng(0).random(len(picks))
    noise = np.where(picks.picker == 1, drawn, picks.score)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="scores of")
        find_consensus(replace(picks, score=noise), 180, mode=mode)
