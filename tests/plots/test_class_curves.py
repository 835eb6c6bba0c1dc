"""What the curves of 2D classifications show, read from the figures' artists."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer

from repic_plugin import plots
from repic_plugin.evaluation import score_classes
from repic_plugin.plots.class_curves import (
    angular_distance_figure,
    class_sizes_figure,
    comparison_figure,
    convergence_figure,
    size_bars_figure,
)
from repic_plugin.plots.colors import BLUE, JUNK_COLOR, RULE_STYLES, rule_styles

RULES = ("ack", "kmeans", "eqk", "spider")
EDGES = np.array([0.0, 5.0, 10.0, 20.0, 90.0])


def curves(axes, label):
    """Curves of a rule, in the order in which they were drawn."""
    color = RULE_STYLES[label].color
    return [line for line in axes.lines if line.get_color() == color and line.get_ls() != "None"]


def legend_texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def tick_labels(axis):
    return {
        round(tick, 12): axis.get_major_formatter()(tick) for tick in axis.get_major_locator()()
    }


def table(fractions, *, smallest=3, largest=9, first=1):
    n = len(fractions)
    return {
        "iteration": np.arange(first, first + n),
        "fraction_changed": np.array(fractions),
        "objective": np.linspace(9, 1, n),
        "smallest": np.full(n, smallest),
        "largest": np.full(n, largest),
    }


def one_of_each():
    """A figure of each kind, of all rules."""
    rng = np.random.default_rng(0)
    sizes = {rule: rng.poisson(80, 30) for rule in (*RULES, "RELION 3.1.3, 25 iterations")}
    pairs = {rule: (EDGES, rng.integers(1, 99, 4)) for rule in sizes}
    tables = {rule: table(rng.random(12)) for rule in sizes}
    flagged = np.arange(30) % 7 == 0
    return {
        "sizes": class_sizes_figure(sizes, title="sizes"),
        "flat": class_sizes_figure({rule: [80] * 9 for rule in sizes}, title="equal sizes"),
        "angles": angular_distance_figure(pairs, title="angles"),
        "comparison": comparison_figure(pairs, sizes, title="both"),
        "convergence": convergence_figure(tables, title="convergence"),
        "bars": size_bars_figure(sizes["ack"], flagged=flagged, order="class", title="bars"),
    }


FIGURES = one_of_each()


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_nothing_is_cut_off_and_no_legend_hides_a_curve(figure):
    figure.canvas.draw()
    title = figure._suptitle.get_window_extent()
    for axes in figure.axes:
        inside = axes.get_tightbbox()
        assert inside.x0 >= 0
        assert inside.y0 >= 0
        assert inside.x1 <= figure.bbox.x1
        assert inside.y1 <= title.y0
        if axes.get_legend():
            legend = axes.get_legend().get_window_extent()
            assert legend.y0 >= axes.get_window_extent().y1 - 1
            assert legend.x1 <= figure.bbox.x1
            assert legend.width < 1.2 * axes.get_window_extent().width
    assert title.y1 <= figure.bbox.y1


def test_sizes_are_sorted():
    sizes = {"ack": [3, 90, 0, 17], "kmeans": [5, 5]}
    (axes,) = class_sizes_figure(sizes).axes
    for rule, values in sizes.items():
        (curve,) = curves(axes, rule)
        assert curve.get_ydata().tolist() == sorted(values, reverse=True)
        assert curve.get_xdata().tolist() == list(range(1, len(values) + 1))
    assert legend_texts(axes) == ["ACK-means: 0 to 90", "K-means: all 5"]
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 90


@pytest.mark.parametrize("values", [[0], [0, 0], [7], [1_000_000, 0]])
def test_extreme_sizes(values, tmp_path):
    figure = class_sizes_figure({"ack": values})
    figure.savefig(tmp_path / "sizes.png")
    low, high = figure.axes[0].get_ylim()
    assert low == 0 < high
    assert max(values) < high
    figure = size_bars_figure(values)
    figure.savefig(tmp_path / "bars.png")
    assert max(values) < figure.axes[0].get_ylim()[1]


def test_angles_are_shares_of_all_pairs_for_a_degree():
    counts = np.array([10, 50, 20, 20])
    (axes,) = angular_distance_figure({"ack": (EDGES, counts), "eqk": (EDGES, 7 * counts)}).axes
    for rule in ("ack", "eqk"):
        (curve,) = curves(axes, rule)
        np.testing.assert_allclose(curve.get_xdata(), [2.5, 7.5, 15, 55])
        np.testing.assert_allclose(curve.get_ydata(), [2, 10, 2, 20 / 70])
    # half of the pairs between 10 and 20 degrees lie below 15
    assert legend_texts(axes) == ["ACK-means: 0.700 within 15°", "EQK-means: 0.700 within 15°"]
    assert axes.get_xlim() == (0, 90)


@pytest.mark.parametrize(
    ("max_angle", "said"),
    [(5, "0.100"), (7.5, "0.350"), (20, "0.800"), (90, "1.000"), (99, "1.000")],
)
def test_the_fraction_within_the_angle(max_angle, said):
    figure = angular_distance_figure({"ack": (EDGES, [10, 50, 20, 20])}, max_angle_deg=max_angle)
    (axes,) = figure.axes
    assert legend_texts(axes) == [f"ACK-means: {said} within {max_angle:g}°"]
    assert axes.lines[-1].get_xdata()[0] == max_angle
    assert axes.get_xlim()[1] > max_angle


def test_empty_bins_at_the_end_are_left_out():
    (axes,) = angular_distance_figure({"ack": (np.arange(181), np.arange(180) < 44)}).axes
    assert axes.get_xlim() == (0, 44)
    (axes,) = angular_distance_figure({"ack": (np.arange(181), np.zeros(180))}).axes
    assert legend_texts(axes) == ["ACK-means: no pairs"]


def test_class_scores_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(200, 3)) * (0.2, 0.2, 1)
    scores = {rule: score_classes(rng.integers(0, 9, 200), directions) for rule in ("ack", "eqk")}
    left, right = comparison_figure(scores).axes
    for rule, one in scores.items():
        (curve,) = curves(left, rule)
        shares = one.angle_counts / one.angle_counts.sum()
        np.testing.assert_allclose(curve.get_ydata(), 100 * shares)
        (curve,) = curves(right, rule)
        assert curve.get_ydata().tolist() == sorted(one.sizes, reverse=True)
        said = f"{RULE_STYLES[rule].label}: {one.pair_fraction:.3f} within 15°"
        assert said in legend_texts(left)
    (axes,) = class_sizes_figure(scores).axes
    assert curves(axes, "ack")[0].get_ydata()[0] == scores["ack"].largest


def test_a_rule_looks_the_same_in_both_panels():
    sizes = {"other": [4], "RELION": [3, 2], "eqk": [1, 2]}
    pairs = {"RELION": (EDGES, [1, 2, 3, 4]), "eqk": (EDGES, [4, 3, 2, 1])}
    panels = comparison_figure(pairs, sizes).axes
    looks = [
        {
            line.get_label().split(":")[0]: (line.get_color(), line._unscaled_dash_pattern)
            for line in axes.lines
            if ":" in line.get_label()
        }
        for axes in panels
    ]
    assert set(looks[0]) == {"RELION", "EQK-means"}
    assert all(looks[1][name] == look for name, look in looks[0].items())
    assert len(set(looks[1].values())) == 3


def test_convergence_is_drawn_as_it_is():
    tables = {
        "ack": table([0.9, 0.3, 0.02, 0.008], smallest=70, largest=90),
        "spider": table([1.0, 0.5], smallest=0, largest=444, first=0),
    }
    upper, lower = convergence_figure(tables).axes
    for rule, columns in tables.items():
        (curve,) = curves(upper, rule)
        np.testing.assert_array_equal(curve.get_xdata(), columns["iteration"])
        np.testing.assert_array_equal(curve.get_ydata(), columns["fraction_changed"])
        smallest, largest = curves(lower, rule)
        np.testing.assert_array_equal(smallest.get_ydata(), columns["smallest"])
        np.testing.assert_array_equal(largest.get_ydata(), columns["largest"])
    assert upper.get_yscale() == "log"
    assert legend_texts(upper) == ["ACK-means", "SPIDER", "tolerance 0.01"]
    assert upper.get_ylim()[0] < 0.008
    assert upper.get_ylim()[1] > 1
    assert lower.get_ylim()[0] == 0
    assert lower.get_ylim()[1] > 444
    assert "0" not in tick_labels(upper.yaxis).values()


@pytest.mark.parametrize("tolerance", [0.01, 0.2, 0])
def test_the_tolerance_is_a_line(tolerance):
    upper = convergence_figure({"ack": table([0.9, 0.5])}, tolerance=tolerance).axes[0]
    levels = [line for line in upper.lines if line.get_label().startswith("tolerance")]
    assert [line.get_ydata()[0] for line in levels] == ([tolerance] if tolerance else [])
    assert upper.get_ylim()[0] < (tolerance or 1)


def test_no_change_stands_at_a_tick_for_0_below_all_others():
    upper = convergence_figure({"ack": table([0.5, 0.002, 0.0]), "eqk": table([0.3])}).axes[0]
    (zero,) = (tick for tick, label in tick_labels(upper.yaxis).items() if label == "0")
    (marks,) = (line for line in upper.lines if line.get_marker() == "v")
    assert marks.get_xdata().tolist() == [3]
    assert marks.get_ydata() == pytest.approx([zero], rel=1e-6)
    (curve,) = curves(upper, "ack")
    assert curve.get_ydata()[:2].tolist() == [0.5, 0.002]
    assert upper.get_ylim()[0] < curve.get_ydata()[2] == marks.get_ydata()[0] < 0.001
    assert set(tick_labels(upper.yaxis).values()) == {"0", "0.001", "0.01", "0.1", "1"}


@pytest.mark.parametrize("fractions", [[0.0], [0.0, 0.0], [1.0], [np.nan, 0.5], [1e-7, 1.0]])
def test_extreme_convergence(fractions, tmp_path):
    tables = {"ack": table(fractions, smallest=0, largest=0)}
    for tolerance in (0, 0.01):
        figure = convergence_figure(tables, tolerance=tolerance)
        figure.savefig(tmp_path / "convergence.png")
        assert np.isfinite(figure.axes[0].get_ylim()).all()
        for axes in figure.axes:  # the layout did not give up
            assert axes.get_position().height > 0.3


def test_a_table_may_be_a_structured_array_or_an_object():
    columns = table([0.5, 0.1])
    array = np.rec.fromarrays(list(columns.values()), names=list(columns)).view(np.ndarray)
    for form in (array, SimpleNamespace(**columns)):
        upper, lower = convergence_figure({"ack": form}).axes
        assert curves(upper, "ack")[0].get_ydata().tolist() == [0.5, 0.1]
        assert curves(lower, "ack")[1].get_ydata().tolist() == [9, 9]


def bars(axes):
    """Middle, height, colour and hatch of each bar, from left to right."""
    patches = [patch for one in axes.containers if isinstance(one, BarContainer) for patch in one]
    found = [
        (p.get_x() + p.get_width() / 2, p.get_height(), to_rgb(p.get_facecolor()), p.get_hatch())
        for p in patches
    ]
    return sorted(found)


def test_bars_are_sorted_counted_and_numbered():
    (axes,) = size_bars_figure([7, 1200, 0, 7], first_number=1).axes
    assert [height for _, height, _, _ in bars(axes)] == [1200, 7, 7, 0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "1", "4", "3"]
    assert [text.get_text() for text in axes.texts] == ["1,200", "7", "7", "0"]
    assert "mean 303.5" in legend_texts(axes)
    np.testing.assert_allclose(axes.get_xticks(), [middle for middle, _, _, _ in bars(axes)])
    (axes,) = size_bars_figure([7, 1200, 0, 7], order="class").axes
    assert [height for _, height, _, _ in bars(axes)] == [7, 1200, 0, 7]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2", "3"]


def test_bars_of_junk_have_another_colour_and_are_hatched():
    (axes,) = size_bars_figure([5, 9, 7], flagged=[True, False, False]).axes
    looks = [(color, bool(hatch)) for _, _, color, hatch in bars(axes)]
    assert looks == [(to_rgb(BLUE), False), (to_rgb(BLUE), False), (to_rgb(JUNK_COLOR), True)]
    assert "junk" in legend_texts(axes)
    (axes,) = size_bars_figure([5, 9, 7], flagged=[True, True, True]).axes
    assert all(hatch for _, _, _, hatch in bars(axes))
    (axes,) = size_bars_figure([5, 9, 7]).axes
    assert "junk" not in legend_texts(axes)


def test_many_bars_are_not_labelled_one_by_one():
    sizes = np.random.default_rng(0).integers(0, 99, 300)
    (axes,) = size_bars_figure(sizes).axes
    assert not axes.texts
    assert len(axes.get_xticks()) < 20
    assert [height for _, height, _, _ in bars(axes)] == sorted(sizes, reverse=True)
    assert (axes.get_xlabel(), bars(axes)[0][0]) == ("class, by size", 1)
    (axes,) = size_bars_figure(sizes, order="class", first_number=0).axes
    assert [(x, height) for x, height, _, _ in bars(axes)] == list(enumerate(sizes))


def test_rules_are_known_by_key_and_by_label():
    styles = rule_styles(["ACK-means", "eqk", "K-Means", "spider"])
    keys = ["ack", "eqk", "kmeans", "spider"]
    assert list(styles.values()) == [RULE_STYLES[key] for key in keys]


def test_all_rules_and_others_look_different_with_and_without_colour():
    styles = rule_styles([*RULES, "RELION", "other", "third"]).values()
    assert len({to_rgb(style.color) for style in styles}) == 7
    assert len({style.linestyle for style in styles}) == 7
    assert [style.label for style in styles][-3:] == ["RELION", "other", "third"]


def test_others_keep_their_turn_when_rules_stand_between():
    styles = rule_styles(["one", "ack", "two"])
    assert styles["two"].color == rule_styles(["x", "y"])["y"].color


@pytest.mark.parametrize(
    ("function", "argument", "message"),
    [
        (class_sizes_figure, {}, "sizes must map the name of a rule to its data"),
        (class_sizes_figure, [1, 2], "sizes must map the name of a rule to its data"),
        (class_sizes_figure, {"ack": []}, r"sizes of 'ack' must be counts .* got shape \(0,\)"),
        (class_sizes_figure, {"ack": [1, -1]}, "sizes of 'ack' must be counts, 0 or more"),
        (class_sizes_figure, {"ack": ["a"]}, "sizes of 'ack' must be counts"),
        (angular_distance_figure, {}, "distances must map the name of a rule"),
        (angular_distance_figure, {"ack": ([0, 1], [1, 2])}, r"got shapes \(2,\) and \(2,\)"),
        (angular_distance_figure, {"ack": ([0, 2, 1], [1, 2])}, "must be n [+] 1 rising edges"),
        (angular_distance_figure, {"ack": ([0, 1, 2], [1, -2])}, "counts, 0 or more"),
        (convergence_figure, {}, "tables must map the name of a rule"),
        (convergence_figure, {"ack": {"iteration": [1]}}, "has no column 'fraction_changed'"),
        (convergence_figure, {"ack": np.zeros(3)}, "table of 'ack' has no column 'iteration'"),
        (convergence_figure, {"ack": [{"iteration": 1}]}, "has no column 'iteration'"),
        (convergence_figure, {"ack": table([])}, r"must be equally long, 1 or more, got \[0\]"),
        (
            convergence_figure,
            {"ack": {**table([0.1, 0.2]), "largest": [1]}},
            r"must be equally long, 1 or more, got \[1, 2\]",
        ),
        (size_bars_figure, [[1, 2]], r"sizes must be counts .* got shape \(1, 2\)"),
    ],
)
def test_bad_arguments(function, argument, message):
    with pytest.raises(ValueError, match=message):
        function(argument)


def test_bad_options():
    with pytest.raises(ValueError, match=r"order must be one of .* got 'random'"):
        size_bars_figure([1, 2], order="random")
    with pytest.raises(ValueError, match="flagged must be 2 booleans"):
        size_bars_figure([1, 2], flagged=[True])
    with pytest.raises(ValueError, match="max_angle_deg must be positive, got 0"):
        angular_distance_figure({"ack": ([0, 1], [1])}, max_angle_deg=0)


def test_the_package_gives_all_pictures_and_loads_them_when_asked():
    for name in (one for one in plots.HOMES if not one.isupper()):
        assert callable(getattr(plots, name))
        assert name in dir(plots)
    code = (
        "import sys, repic_plugin.plots as v; print('matplotlib' in sys.modules); "
        "v.comparison_figure, v.montage_figure, v.overlay_figure, v.Layer; "
        "print([m for m in ('pwem', 'pyworkflow', 'matplotlib.pyplot') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    said = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root)
    assert said.split() == ["False", "[]"]
