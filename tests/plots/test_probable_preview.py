"""The preview of a consensus by probability is what the run finds, and promises what it says."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from repic_plugin.consensus import Picks, expected_scores, find_consensus
from repic_plugin.plots.preview import PreviewSettings
from repic_plugin.plots.probable_preview import (
    draw_precision_curve,
    fit_preview,
    precision_curve,
    preview_probable,
    probable_text,
    promise_of,
    spread_micrographs,
)
from repic_plugin.simulation import simulate_picks

N_MICROGRAPHS = 8


@pytest.fixture(scope="module")
def made():
    return simulate_picks(N_MICROGRAPHS, 3, n_particles=60, random_state=4)


@pytest.fixture(scope="module")
def options(made):
    return {"box_size_px": made.box_size_px, "min_overlap": 0.3}


@pytest.fixture(scope="module")
def fitted(made, options):
    shuffled = made.picks.take(np.random.default_rng(0).permutation(len(made.picks)))
    return fit_preview(shuffled, np.arange(N_MICROGRAPHS), options)


def settings(target=0.0, number=0):
    return PreviewSettings(2, 0.3, number, target)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("target", "number"), [(0.0, 0), (0.9, 0), (0.99, 0), (0.9, 20), (0.0, 20)]
)
def test_it_is_what_the_run_will_find(made, options, fitted, target, number):
    expected = find_consensus(
        made.picks,
        **options,
        mode="probabilistic",
        target_precision=target or None,
        num_particles=number or None,
    )
    total = 0
    for micrograph in (0, 5):
        shown = preview_probable(fitted, micrograph, settings(target, number))
        mine = expected.micrograph == micrograph
        total += int(mine.sum())
        for column in ("x", "y", "weight"):
            np.testing.assert_allclose(getattr(shown, column), getattr(expected, column)[mine])
    assert total > 30
    promise = promise_of(fitted, settings(target, number))
    asked = expected_scores(expected.weight, expected.ensemble, N_MICROGRAPHS)
    assert promise.per_micrograph == len(expected) / N_MICROGRAPHS
    assert promise.precision == pytest.approx(asked.precision)
    assert promise.recall == pytest.approx(asked.recall)


def test_a_higher_target_keeps_fewer_and_reaches_it(fitted):
    promises = [promise_of(fitted, settings(target)) for target in (0.5, 0.8, 0.95, 0.99)]
    numbers = [one.per_micrograph for one in promises]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > numbers[-1] > 0
    for promise, target in zip(promises, (0.5, 0.8, 0.95, 0.99)):
        assert promise.precision >= target


def test_the_curve_passes_through_what_every_target_keeps(fitted):
    number, precision = precision_curve(fitted)
    assert (np.diff(precision) <= 1e-12).all()
    assert number[-1] == len(fitted.probability) / N_MICROGRAPHS
    for target in (0.7, 0.95):
        promise = promise_of(fitted, settings(target))
        at = int(np.searchsorted(number, promise.per_micrograph))
        assert precision[at] == pytest.approx(promise.precision)


def test_micrographs_outside_the_fit_are_judged_by_its_model(made, options, fitted):
    some = fit_preview(made.picks, np.array([0, 2, 4, 6]), options)
    assert some.model.n_micrographs == 4
    near = preview_probable(some, 5, settings())
    assert abs(len(near) - len(preview_probable(fitted, 5, settings()))) <= 6
    assert (near.micrograph == 5).all()


def test_the_text_has_the_value_that_a_zero_stands_for(fitted):
    found = preview_probable(fitted, 0, settings())
    text, promise = probable_text(fitted, found, settings()), promise_of(fitted, settings())
    assert text.startswith(f"{len(found)} particles on this micrograph.")
    assert f"expected precision {promise.precision:.3f}, recall {promise.recall:.3f}" in text
    assert f"(highest expected F1 score; minimum probability {fitted.model.threshold:.3f})" in text
    many = settings(0.0, 20)
    assert "the 20 most probable" in probable_text(fitted, found, many)


def test_a_precision_that_nothing_reaches_is_said(fitted):
    most = float(fitted.probability.max())
    assert most < 1
    high = settings((1 + most) / 2)
    found = preview_probable(fitted, 0, high)
    assert len(found) == 0
    assert "no selection reaches this precision" in probable_text(fitted, found, high)


def test_picks_at_random_are_refused(options):
    rng = np.random.default_rng(3)
    n = 2400
    junk = Picks.from_columns(
        np.arange(n) % 4, np.arange(n) // 4 % 3, *rng.uniform(0, 4000, (2, n)), rng.random(n)
    )
    with pytest.raises(ValueError, match="by chance"):
        fit_preview(junk, np.arange(4), options)


def test_no_picks_no_model(options):
    none = Picks.from_columns([0, 0], [0, 1], [5, 600], [5, 600]).take(np.zeros(2, bool))
    with pytest.raises(ValueError, match="no picks"):
        fit_preview(none, np.array([0]), {**options, "decoys": False})


def test_the_figure_marks_the_settings(fitted):
    figure = Figure()
    draw_precision_curve(figure, fitted, settings(0.9))
    lines = {line.get_gid(): line for line in figure.axes[0].get_lines()}
    promise = promise_of(fitted, settings(0.9))
    assert lines["here"].get_xydata().tolist() == [[promise.per_micrograph, promise.precision]]
    assert list(lines["target"].get_ydata()) == [0.9, 0.9]
    draw_precision_curve(figure, fitted, settings())
    assert {line.get_gid() for line in figure.axes[0].get_lines()} == {"curve", "here"}


@pytest.mark.parametrize(("n", "most", "expected"), [(3, 20, [0, 1, 2]), (100, 3, [0, 50, 99])])
def test_micrographs_are_spread(n, most, expected):
    found = spread_micrographs(n, most).tolist()
    assert found[0] == expected[0]
    assert found[-1] == expected[-1]
    assert len(found) == len(expected)
