"""What is drawn of the pickers of a probabilistic consensus."""

import itertools
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.text import Text

from repic_plugin.consensus import find_consensus
from repic_plugin.plots import pickers_figure
from repic_plugin.plots.colors import picker_color
from repic_plugin.plots.ensemble import MAX_PATTERNS
from repic_plugin.simulation import simulate_picks

NAMES = ("crYOLO", "deepPicker", "Topaz")
N_BINS = 6


@lru_cache(None)
def fitted():
    """What made-up numbers are put into."""
    picks = simulate_picks(3, 3, n_particles=20).picks
    return find_consensus(picks, 180, mode="probabilistic").ensemble


def model_of(names=NAMES, n_groups=0, seed=0, **values):
    """A model of made-up numbers; every combination of pickers occurs."""
    rng = np.random.default_rng(seed)
    k = len(names)
    found = np.array([*itertools.product((False, True), repeat=k)][1:])
    recall, precision = rng.uniform(0.2, 0.95, (2, k))
    count = rng.permutation(100 * np.arange(1, len(found) + 1)).astype(float)
    scores = rng.dirichlet(np.ones(N_BINS), (2, k))
    made_up = {
        "picker_names": tuple(names),
        "n_micrographs": 12,
        "n_candidates": int(count.sum()),
        "n_particles": 1234.4,
        "n_particles_interval": np.array([1100.0, 1400.0]),
        "recall": recall,
        "recall_interval": recall[:, None] + [-0.04, 0.03],
        "precision": precision,
        "precision_interval": precision[:, None] + [-0.02, 0.05],
        "n_junk": 500.0,
        "n_places": 3000.0,
        "junk_rate": rng.uniform(0.1, 0.5, k),
        "score_edges": np.sort(rng.uniform(-3, 5, (k, N_BINS - 1)), axis=1),
        "particle_scores": scores[0],
        "junk_scores": scores[1],
        "threshold": 0.4567,
        "threshold_rule": "highest expected F1 score",
        "dependence": np.zeros((k, k)),
        "dependence_error": np.ones((k, k)),
        "pattern_found": found,
        "pattern_count": count,
        "pattern_expected": count + rng.integers(-50, 50, len(count)),
        "quality_edges": np.linspace(8000, 26000, n_groups + 1) if n_groups else np.zeros(0),
        "quality_recall": rng.uniform(0.3, 0.9, (n_groups, k)),
        "quality_precision": rng.uniform(0.3, 0.9, (n_groups, k)),
        "warnings": (),
    }
    return replace(fitted(), **{**made_up, **values})


def without_scores(model, *pickers):
    edges = model.score_edges.copy()
    edges[list(pickers)] = np.nan
    return replace(model, score_edges=edges)


@pytest.fixture(scope="module")
def model():
    return model_of(n_groups=3)


@pytest.fixture(scope="module")
def figure(model):
    return pickers_figure(model)


@pytest.fixture(scope="module")
def plain():
    """Without groups and warnings, a picker without scores and one without a pick."""
    precision = np.array([0.5, np.nan, 0.5])
    model = model_of(precision=precision, precision_interval=precision[:, None] + [-0.1, 0.1])
    return pickers_figure(without_scores(model, 1))


def titled(figure, title):
    (axes,) = (one for one in figure.axes if one.get_title() == title)
    return axes


def agreement(figure):
    (axes,) = (one for one in figure.axes if one.get_xlabel().startswith("candidates"))
    return axes


def below(figure, title):
    """The scores of a card."""
    return figure.axes[figure.axes.index(titled(figure, title)) + 1]


def words(artist):
    return [text.get_text() for text in artist.findobj(Text) if text.get_text()]


def points(axes):
    """Value and ends of each point, by its row's name."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    found = {}
    for line, _, (bar,) in axes.containers:
        (segment,) = bar.get_segments()
        row = int(line.get_ydata()[0])
        assert segment[:, 1].tolist() == [row, row]
        found[names[row]] = (line.get_xdata()[0], *segment[:, 0])
    return found


def bars(axes):
    """Observed and expected counts from the top, by the label of the row."""
    labels = [label.get_text() for label in axes.get_yticklabels()]
    found = {name: [] for name in labels}
    for bar in axes.findobj(Rectangle):
        if bar.get_height() < 0.5 and bar is not axes.patch:
            found[labels[round(bar.get_y() + bar.get_height() / 2)]].append(bar.get_width())
    return found


def test_each_picker_has_its_estimates_with_intervals(model, figure):
    for place, name in enumerate(NAMES):
        axes = titled(figure, name)
        found = points(axes)
        precision, recall = model.precision[place], model.recall[place]
        low, high = (
            2 / (1 / model.precision_interval[place] + 1 / model.recall_interval[place])
        ).tolist()
        ends = model.precision_interval[place]
        np.testing.assert_allclose(found["precision"], (precision, *ends))
        np.testing.assert_allclose(found["recall"], (recall, *model.recall_interval[place]))
        np.testing.assert_allclose(found["F1"], (model.f1[place], low, high))
        assert f"{precision:.2f} ({ends[0]:.2f} to {ends[1]:.2f})" in words(axes)
        assert {to_rgb(one[0].get_color()) for one in axes.containers} == {
            to_rgb(picker_color(place))
        }


def test_a_picker_without_a_pick_has_no_points(plain):
    assert [len(titled(plain, name).containers) for name in NAMES] == [3, 0, 3]
    axes = titled(plain, NAMES[1])
    assert words(axes).count("no picks") == 3


def test_scores_are_drawn_by_class_and_told_on_the_pickers_own_scale(model, figure):
    for place, name in enumerate(NAMES):
        axes = below(figure, name)
        drawn = {one.get_label(): one.get_data() for one in axes.findobj(StepPatch)}
        for label, expected in (("particles", model.particle_scores), ("junk", model.junk_scores)):
            values, borders, _ = drawn[label]
            np.testing.assert_allclose(values, 100 * expected[place])
            assert borders.tolist() == [*range(N_BINS + 1)]
        ticks = dict(zip(axes.get_xticks(), (one.get_text() for one in axes.get_xticklabels())))
        assert len(ticks) > 2
        for border, text in ticks.items():
            assert text == f"{model.score_edges[place, int(border) - 1]:.3g}"


def test_pickers_without_scores_have_none_drawn(plain):
    drawn = [bool(below(plain, name).findobj(StepPatch)) for name in NAMES]
    assert drawn == [True, False, True]
    assert words(below(plain, NAMES[1])) == ["no scores"]
    none = pickers_figure(without_scores(model_of(), 0, 1, 2))
    assert len(none.axes) == 4
    assert none.get_figheight() < plain.get_figheight()


def test_combinations_are_counted_and_expected_the_largest_first(model, figure):
    found = bars(agreement(figure))
    labels = ["Topaz alone", "deepPicker alone", "deepPicker + Topaz", "crYOLO alone"]
    labels += ["crYOLO + Topaz", "crYOLO + deepPicker", "crYOLO + deepPicker + Topaz"]
    expected = {
        label: [count, awaited]
        for label, count, awaited in zip(labels, model.pattern_count, model.pattern_expected)
    }
    assert found == expected
    assert [pair[0] for pair in found.values()] == [700, 600, 500, 400, 300, 200, 100]


def test_of_many_combinations_the_rest_is_summed_and_many_pickers_are_named_shortly():
    names = [*"abcde"]
    model = model_of(names)
    found = bars(agreement(pickers_figure(model)))
    assert len(found) == MAX_PATTERNS + 1
    order = np.argsort(-model.pattern_count)[MAX_PATTERNS:]
    assert found["16 other combinations"] == [
        model.pattern_count[order].sum(),
        model.pattern_expected[order].sum(),
    ]
    few = model_of(
        names, pattern_found=[[1] * 5, [1, 1, 1, 0, 1], [1, 0, 1, 0, 1], [0, 1, 1, 0, 0]]
    )
    few = replace(few, pattern_found=np.array(few.pattern_found, bool))
    few = replace(few, pattern_count=np.arange(4, 0, -1.0), pattern_expected=np.ones(4))
    found = bars(agreement(pickers_figure(few)))
    assert [*found] == ["all 5 pickers", "all but d", "all but b and d", "b + c"]


def test_recall_by_quality_has_a_line_for_each_picker(model, figure, plain):
    axes = titled(figure, "recall by quality")
    for place, line in enumerate(axes.lines):
        assert line.get_label() == NAMES[place]
        np.testing.assert_array_equal(line.get_ydata(), model.quality_recall[:, place])
    assert len(axes.lines) == 3
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["8,000 to\n14,000", "14,000 to\n20,000", "20,000 to\n26,000"]
    assert "recall by quality" not in words(plain)


def test_facts_and_warnings_stand_on_top(plain):
    told = ("the first thing is wrong; mend it " * 9).strip()
    figure = pickers_figure(model_of(warnings=(told, "so is the second")))
    texts = words(figure)
    assert any("1,234 true particles (1,100 to 1,400) on 12 micrographs" in one for one in texts)
    rule = "Highest expected F1 score: minimum probability 0.457"
    assert rule in texts
    joined = " ".join(texts)
    assert f"Warning: {told}." in joined  # on as many lines as it needs
    assert "Warning: so is the second." in joined
    assert "Warning" not in " ".join(words(plain))


def test_the_total_does_not_contradict_what_is_kept(plain):
    """More candidates than in the fit: the total is what is expected to be true, at least."""
    kept = np.full(2000, 0.75)
    texts = words(pickers_figure(model_of(), kept, 12))
    total = "Estimated total: 1,500 true particles (1,100 to 1,500) on 12 micrographs"
    assert any(one.startswith(total) for one in texts)
    assert "Of 2,000 kept, about 1,500 are expected to be true" in texts
    assert not any("kept" in one for one in words(plain))
    of_all = words(pickers_figure(model_of(), kept, 24))
    assert any("2,469 true particles (2,200 to 2,800) on 24 micrographs" in one for one in of_all)


@pytest.mark.parametrize("n_pickers", [2, 6])
def test_nothing_is_cut_and_cards_do_not_overlap(n_pickers):
    names = [f"$a run with a really very long label ({i})" for i in range(n_pickers)]
    model = model_of(names, n_groups=3, warnings=("WWWW some words of a warning, " * 12,))
    figure = pickers_figure(model, np.full(2000, 0.75), 12)
    figure.canvas.draw()
    texts = [one for one in figure.findobj(Text) if one.get_text() and one.get_visible()]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text
    boxes = [axes.get_tightbbox() for axes in figure.axes if axes.axison]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
