"""Quality of micrographs over a session: the data that is drawn."""

import numpy as np
import pytest

from repic_plugin.consensus import MicrographQuality, Thresholds, running_median
from repic_plugin.plots import micrographs_figure


def quality(n=300, place=200, **columns):
    rng = np.random.default_rng(0)
    unknown = np.full(n, np.nan)
    values = {
        "agreement": np.where(np.arange(n) < place, 0.7, 0.2) + rng.normal(0, 0.05, n),
        "n_particles": rng.poisson(100, n),
        "n_expected": unknown,
        "precision": unknown,
        "junk": unknown,
        "score": np.full((n, 2), np.nan),
    }
    values.update(columns)
    return MicrographQuality(tuple(f"m{i}" for i in range(n)), ("_a$", "b"), **values)


def labelled(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def test_points_medians_thresholds_and_falls_are_the_data():
    of = quality()
    figure = micrographs_figure(of, Thresholds(min_agreement=0.5))
    first, second = figure.axes
    (kept,), (rejected,) = labelled(first, "micrograph"), labelled(first, "rejected")
    np.testing.assert_array_equal(kept.get_ydata(), of.agreement[of.agreement >= 0.5])
    np.testing.assert_array_equal(rejected.get_xdata() - 1, np.flatnonzero(of.agreement < 0.5))
    (median,) = labelled(first, "running median")
    np.testing.assert_array_equal(median.get_ydata(), running_median(of.agreement))
    assert labelled(first, "threshold")[0].get_ydata()[0] == 0.5
    assert labelled(first, "sudden fall")[0].get_xdata()[0] == 200.5
    assert not labelled(second, "threshold")
    assert not labelled(second, "sudden fall")
    assert [axes.get_ylabel() for axes in figure.axes] == ["agreement", "particles"]
    told = figure._suptitle.get_text()
    assert told == f"{(of.agreement >= 0.5).sum()} of 300 micrographs accepted"


def test_without_thresholds_none_is_rejected_or_told():
    figure = micrographs_figure(quality())
    assert not labelled(figure.axes[0], "rejected")
    assert figure._suptitle is None


def test_what_is_known_has_a_panel():
    n = 300
    half = np.full(n, 0.5)
    score = np.stack([np.arange(n), np.full(n, np.nan)], axis=1)
    figure = micrographs_figure(
        quality(precision=half, junk=half, n_expected=100 * half, score=score)
    )
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == [
        *("agreement", "expected precision", "particles"),
        *("share of junk", "rank of scores"),
    ]
    (particles,) = labelled(figure.axes[2], "micrograph")
    assert set(particles.get_ydata()) == {50}  # the expected number
    assert [text.get_text() for text in figure.axes[-1].get_legend().get_texts()] == [" _a$"]
    figure.canvas.draw()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_micrographs(n):
    micrographs_figure(quality(n)).canvas.draw()
