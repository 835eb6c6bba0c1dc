"""What an overlay shows of sets of boxes on many micrographs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.plots.colors import CONSENSUS_COLOR, picker_color
from repic_plugin.plots.overlay_model import OverlayModel
from repic_plugin.plots.overlay_sets import BoxSet, ConsensusDetails
from repic_plugin.plots.overlay_words import short_number

NAMES = ["a.mrc", "b.mrc", "c.mrc", "d.mrc"]
FILES = [f"folder/{name}" for name in NAMES]


def box_set(name, micrograph, seed=0, role="picker", size_px=20.0):
    rng = np.random.default_rng(seed)
    n = len(micrograph)
    x, y, score = rng.uniform(0, 300, n), rng.uniform(0, 200, n), rng.random(n)
    return BoxSet(name, micrograph, x, y, size_px, role, score)


def small_model():
    """Two pickers and what they agree on: a at 50, 50 by both, b at 60, 58 by the first only."""
    one = BoxSet("one", [0, 0, 1], [50, 60, 10], [50, 58, 10], 20, score=[0.9, 0.5, 0.4])
    two = BoxSet("two", [1, 0], [90, 52], [90, 50], 20)
    both = BoxSet("both", [0, 0, 1], [50, 60, 10], [50, 58, 10], 20, "consensus")
    details = ConsensusDetails(
        weight=[0.8, 0.3, 0.2],
        overlap=[0.9, 0.6, 0.5],
        score=[0.95, 0.5, 0.4],
        members=[(0, 1), (1, -1), (2, -1)],
    )
    return OverlayModel(NAMES, FILES, [one, two, both], details)


places = st.lists(st.integers(0, len(NAMES) - 1), max_size=40)


@given(places, places, st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=40, max_size=40))
def test_a_micrograph_is_what_a_mask_takes(on_picker, on_consensus, weights):
    picker, agreed = box_set("p", on_picker, 1), box_set("c", on_consensus, 2, "consensus")
    weight = np.array(weights[: len(on_consensus)])
    model = OverlayModel(NAMES, FILES, [picker, agreed], ConsensusDetails(weight))
    for threshold in (-1.0, 0.25, 0.3, 1.0, 1.5):
        if not on_consensus:
            continue  # the picker would be the active set
        model.selection.set_minimum(threshold)
        for place in range(len(NAMES)):
            model.go_to(place)
            found, kept = model.layers()
            mask = np.array(on_picker, int) == place
            np.testing.assert_array_equal(found.centers, np.c_[picker.x, picker.y][mask])
            mask = (np.array(on_consensus, int) == place) & (weight >= threshold)
            np.testing.assert_array_equal(kept.centers, np.c_[agreed.x, agreed.y][mask])
            np.testing.assert_array_equal(model.kept("c"), np.flatnonzero(weight >= threshold))
            assert model.n_kept() == (mask.sum(), (weight >= threshold).sum())
            assert model.counts() == {"p": len(found.centers), "c": mask.sum()}


@given(places, st.floats(0, 300), st.floats(0, 200), st.floats(0, 1))
def test_the_nearest_box_that_holds_the_point(on, x, y, threshold):
    agreed = box_set("c", on, 4, "consensus", size_px=120.0)
    weight = np.linspace(0, 1, len(on))
    model = OverlayModel(NAMES, FILES, [agreed], ConsensusDetails(weight))
    model.selection.set_minimum(threshold)
    inside = [
        (np.hypot(agreed.x[i] - x, agreed.y[i] - y), i)
        for i in range(len(on))
        if on[i] == 0
        and weight[i] >= threshold
        and abs(agreed.x[i] - x) <= 60
        and abs(agreed.y[i] - y) <= 60
    ]
    assert model.at(x, y) == (min(inside)[1] if inside else None)


def test_paging_stops_at_the_ends():
    model = small_model()
    assert not model.previous()
    assert [model.next() for _ in NAMES] == [True, True, True, False]
    assert (model.place, model.name, model.file) == (3, "d.mrc", "folder/d.mrc")
    assert model.previous()
    assert model.name == "c.mrc"


def test_micrographs_are_found_by_name_and_index():
    model = small_model()
    model.go_to("b.mrc")
    assert model.place == 1
    model.go_to(1)
    model.go_to(0)
    assert model.name == "a.mrc"
    for wrong in ("e.mrc", 4, -1):
        with pytest.raises(ValueError, match="micrograph"):
            model.go_to(wrong)
    assert model.place == 0


def test_what_is_switched_off_is_not_drawn_and_cannot_be_hit():
    model = small_model()
    assert model.at(50, 50) == 0
    assert not model.toggle("both")
    assert [layer.name for layer in model.layers()] == ["one", "two"]
    assert model.counts()["both"] == 2
    assert model.at(50, 50) is None
    assert model.toggle("both")
    assert model.at(50, 50) == 0
    with pytest.raises(ValueError, match="no layer is named three; they are one, two, both"):
        model.toggle("three")


def test_colours_stay_when_other_layers_go():
    model = small_model()
    model.toggle("one")
    assert [layer.color for layer in model.layers()] == [picker_color(1), CONSENSUS_COLOR]


def test_a_particle_in_words():
    model = small_model()
    assert model.describe(0) == [
        "x 50, y 50 px",
        "weight 0.800",
        "overlap 0.900",
        "score 0.950",
        "one: score 0.900, at 50, 50",
        "two: no score, at 52, 50",
    ]
    assert model.describe(1)[-2:] == ["one: score 0.500, at 60, 58", "two: not found"]


def test_pickers_that_are_not_there_are_named():
    agreed = box_set("c", [0, 1], role="consensus")
    details = ConsensusDetails([0.5, 0.6], pickers=["one, two", "two"])
    model = OverlayModel(NAMES, FILES, [agreed], details)
    assert model.describe(1)[-2:] == ["weight 0.600", "found by two"]


def test_without_a_score_there_is_nothing_to_hide():
    plain = BoxSet("p", [0, 0, 2], [10, 50, 10], [10, 50, 10], 20, score=[np.nan] * 3)
    model = OverlayModel(NAMES, FILES, [plain])
    model.selection.set_minimum(5)
    assert (model.n_kept(), model.n_all()) == ((2, 3), (2, 3))
    assert (model.selection.range, model.selection.attribute) == (None, "")
    assert model.at(10, 10) is None
    assert model.hit(10, 10) == ("p", 0)
    assert len(model.layers()[0].centers) == 2


def scored_model():
    """Two pickers that found the same place, the second with more numbers."""
    one = BoxSet("one", [0, 0, 1], [50, 90, 10], [50, 90, 10], 20, score=[0.9, np.nan, 0.4])
    more = {"quality": [3.0, 1.0, np.nan], "2D class": [4, 7, 7]}
    two = BoxSet("two", [0, 0, 0], [52, 150, 90], [50, 150, 90], 20, score=[-6.0, 2.5, 4.0],
                 attributes=more, found_by=["two, one", "two", "two"])  # fmt: skip
    return OverlayModel(NAMES, FILES, [one, two])


def test_each_set_is_hidden_by_a_number_of_its_own():
    model = scored_model()
    chosen = model.selection
    assert (chosen.active, chosen.names) == ("one", ("one", "two"))
    assert (chosen.attribute, chosen.range, chosen.n_unknown) == ("score", (0.4, 0.9), 1)
    chosen.set_minimum(0.5)
    assert model.counts() == {"one": 1, "two": 3}, "a box without a score is shown"
    chosen.choose("two", "quality")
    assert chosen.range == (1.0, 3.0)
    chosen.set_minimum(2)
    assert model.counts() == {"one": 1, "two": 1}
    assert model.kept("two").tolist() == [0]
    assert (model.n_kept(), model.n_all()) == ((1, 1), (3, 3))
    assert (chosen.sentence("one"), chosen.sentence("two")) == (
        "score at least 0.5",
        "quality at least 2",
    )
    chosen.set_minimum(1.0)  # hides none, so that nothing is hidden for want of a number
    assert model.counts()["two"] == 3
    chosen.choose("two", "score")
    assert (chosen.minimum, chosen.sentence("two")) == (-np.inf, "")
    for wrong in (("three", None), ("two", "weight")):
        with pytest.raises(ValueError, match="named"):
            chosen.choose(*wrong)


def test_a_set_alone_is_found_by_itself():
    one = BoxSet("one", [0, 0, 1], [10, 50, 90], [10, 10, 10], 20)
    model = OverlayModel(NAMES, FILES, [one])
    assert model.picker_names() == ("one",)
    model.show_pattern("one")
    assert model.n_kept() == (2, 3)
    with pytest.raises(ValueError, match="names picker 'other'"):
        model.show_pattern("other")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.000"), (0.52, "0.520"), (-12.5, "-12.500"), (4e-6, "4.000e-06"), (-3e9, "-3.000e+09")],
)
def test_numbers_of_any_size_can_be_read(value, text):
    assert short_number(value) == text


def test_the_histogram_is_of_all_micrographs():
    counts, edges = scored_model().selection.histogram()
    assert counts.sum() == 2
    assert (counts[0], counts[-1]) == (1, 1)
    np.testing.assert_allclose(edges[[0, -1]], (0.4, 0.9))


def test_a_box_that_is_hit_is_that_of_the_active_set():
    model = scored_model()
    assert model.hit(51, 50) == ("one", 0)
    model.selection.choose("two")
    assert model.hit(51, 50) == ("two", 0)
    model.toggle("two")
    assert model.hit(51, 50) == ("one", 0)
    assert model.hit(120, 20) is None


def test_a_pick_in_words():
    model = scored_model()
    assert model.describe(0, "two") == [
        "two",
        "x 52, y 50 px",
        "score -6.000",
        "quality 3",
        "2D class 4",
        "found by two, one",
    ]
    assert model.describe(1, "one") == ["one", "x 90, y 90 px", "no score"]


@pytest.mark.parametrize(
    "names, files, sets, details, message",
    [
        ([], [], [], None, "no micrograph to show"),
        (NAMES, FILES[:2], [], None, "one for each of 4 names, got 2"),
        (NAMES, FILES, [box_set("p", [4])], None, "indices of the 4 micrographs, got 4 to 4"),
        (NAMES, FILES, [box_set("p", [0])] * 2, None, "got p twice"),
        (NAMES, FILES, [box_set("p", [0], size_px=0)], None, "box_size_px of p must be positive"),
        (NAMES, FILES, [box_set("p", [0], role="boss")], None, "got 'boss'"),
        (
            *(NAMES, FILES, [box_set(name, [0], role="consensus") for name in "pq"], None),
            "one set may be the consensus, got 2",
        ),
        (
            *(NAMES, FILES, [box_set("c", [0, 1], role="consensus")], ConsensusDetails([1.0])),
            "a row for each of the 2 particles",
        ),
        (NAMES, FILES, [BoxSet("p", [0, 1], [1.0], [1.0, 2.0], 5)], None, "columns of p"),
    ],
)
def test_arguments_that_do_not_fit(names, files, sets, details, message):
    with pytest.raises(ValueError, match=message):
        OverlayModel(names, files, sets, details)


def crowded(n_boxes, side_px, box_px=20.0):
    """One micrograph with so many boxes all over it."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, side_px, (2, n_boxes))
    return OverlayModel(["m"], ["m.mrc"], [BoxSet("a", np.zeros(n_boxes, int), x, y, box_px)])


def test_boxes_of_a_crowded_micrograph_are_shown_smaller_and_thinner():
    model = crowded(400, 300)
    layer = model.layer("a")
    assert layer.box_size_px == pytest.approx(20 * model.scale)
    covered = 400 * layer.box_size_px**2 / 320**2
    assert 0.28 < covered < 0.32
    assert layer.linewidth < crowded(400, 3000).layer("a").linewidth


@pytest.mark.parametrize(("n_boxes", "side_px"), [(400, 3000), (5, 10), (0, 10)])
def test_boxes_that_leave_room_are_shown_as_they_are(n_boxes, side_px):
    assert crowded(n_boxes, side_px).scale == 1


def test_patterns_of_a_consensus_are_those_of_its_members():
    model = small_model()
    model.show_pattern("one, not two")
    assert model.kept("both").tolist() == [1, 2]
    assert model.selection.sentence("both") == "found by one, not by two"
    assert model.counts() == {"one": 2, "two": 1, "both": 1}
    model.selection.set_minimum(0.25)
    assert model.kept("both").tolist() == [1]
    assert model.selection.sentence("both") == "weight at least 0.25, found by one, not by two"
    model.show_pattern("  ")
    assert model.kept("both").tolist() == [0, 1]
    for wrong in ("three", "one; two", "not two"):
        with pytest.raises(ValueError, match=r"pattern|picker"):
            model.show_pattern(wrong)
    assert model.kept("both").tolist() == [0, 1]


def test_patterns_of_named_pickers_and_of_sets_that_overlap():
    model = scored_model()
    model.selection.choose("two")
    assert model.picker_names() == ("two", "one")
    model.show_pattern("two, not one")
    assert model.kept("two").tolist() == [1, 2]
    model.selection.choose("one")  # no text names its pickers: what overlaps it does
    assert model.picker_names() == ("one", "two")
    model.show_pattern("one, not two")
    assert model.kept("one").tolist() == [2]
    assert model.kept("two").tolist() == [1, 2]


@given(places, places)
def test_a_box_is_found_by_a_set_that_has_a_box_with_enough_overlap(on_one, on_two):
    one, two = box_set("one", on_one, 1, size_px=60.0), box_set("two", on_two, 2, size_px=80.0)
    model = OverlayModel(NAMES, FILES, [one, two])
    model.selection.choose("one")
    model.show_pattern("one, two")

    def jaccard(i, j):
        ends = [(60 + 80) / 2 - abs(getattr(one, c)[i] - getattr(two, c)[j]) for c in "xy"]
        sides = [min(max(end, 0), 60) for end in ends]
        return sides[0] * sides[1] / (60**2 + 80**2 - sides[0] * sides[1])

    expected = [
        i
        for i, here in enumerate(on_one)
        if any(here == there and jaccard(i, j) > 0.3 for j, there in enumerate(on_two))
    ]
    assert model.kept("one").tolist() == expected
