"""Weights that are probabilities, and particles that one picker found, in the other pictures."""

import numpy as np
import pytest
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from repic_plugin.consensus import find_consensus
from repic_plugin.plots import agreement_figure, overlap_figure, weights_figure
from repic_plugin.plots.overlay_model import OverlayModel
from repic_plugin.plots.overlay_sets import BoxSet, ConsensusDetails
from repic_plugin.plots.weights import member_colors
from repic_plugin.simulation import simulate_picks


@pytest.fixture(scope="module")
def picks():
    given = {"recall": [0.9, 0.5, 0.8], "precision": [0.9, 0.8, 0.7]}
    return simulate_picks(5, 3, n_particles=60, **given).picks


@pytest.fixture(scope="module")
def result(picks):
    found = find_consensus(picks, 180, mode="probabilistic")
    assert set(found.n_members.tolist()) == {1, 2, 3}
    return found


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def labels(axes):
    return [line.get_label() for line in axes.lines]


def test_probabilities_are_called_so_and_no_number_is_recommended(result):
    figure = weights_figure(
        result.weight, result.micrograph, n_members=result.n_members, is_probability=True
    )
    ranked, histogram, twin = figure.axes
    assert ranked.get_ylabel() == histogram.get_xlabel() == "probability"
    assert "weight" not in " ".join(words(figure))
    assert not any("REPIC" in text for text in words(figure))
    assert len(twin.lines) == 1  # the rule of 70 per cent is REPIC's
    assert ranked.get_legend() is None
    for k, n in zip(*(one.tolist() for one in np.unique(result.n_members, return_counts=True))):
        who = f"{k} picker" + "s" * (k > 1)
        assert f"{who}: {n:,}" in words(figure)
        (line,) = (one for one in ranked.lines if one.get_label() == who)
        assert sorted(line.get_ydata()) == sorted(result.weight[result.n_members == k])
    drawn = sum(bar.get_height() for bars in histogram.containers for bar in bars)
    assert drawn == len(result)


def test_the_users_own_number_is_still_marked(result):
    ranked = weights_figure(result.weight, result.micrograph, chosen=7, is_probability=True).axes[0]
    assert "chosen: 7" in labels(ranked)
    usual = weights_figure(result.weight, result.micrograph)
    assert any("to train on (REPIC)" in text for text in words(usual))


def test_one_picker_is_told_apart_from_two():
    for largest in (1, 2, 3, 6):
        assert len(set(member_colors(largest).values())) == largest


def test_particles_of_one_picker_have_no_overlap_drawn(result):
    (axes,) = overlap_figure(result.overlap, result.n_members).axes
    assert len(axes.findobj(StepPatch)) == 2
    for steps in axes.findobj(StepPatch):
        values, edges, _ = steps.get_data()
        assert values[edges[:-1] < 0.29].sum() == 0  # the least overlap of a pair is 0.3
    alone = np.count_nonzero(result.n_members == 1)
    assert f"1 picker: {alone:,} particles, no overlap" in words(axes)
    assert len([line for line in axes.lines if len(line.get_xdata())]) == 2  # medians


def test_only_particles_of_one_picker_are_drawn_without_error():
    (axes,) = overlap_figure([0.0, 0.0], [1, 1]).axes
    assert not axes.findobj(StepPatch)
    assert "1 picker: 2 particles, no overlap" in words(axes)


def test_every_pick_is_counted_once_in_the_agreement(picks, result):
    n_picks = np.bincount(picks.picker)
    unmatched = np.bincount(picks.picker[result.is_unmatched], minlength=3)
    matched = (result.members >= 0).sum(axis=0)
    np.testing.assert_array_equal(matched + unmatched, n_picks)
    dots, bars, _, _ = agreement_figure(result.members, picks.picker_names, unmatched).axes
    totals = np.zeros(3, int)
    lines = [line for line in dots.lines if line.get_gid() == "subset"]
    for line, bar in zip(lines, bars.patches):
        totals[line.get_ydata().astype(int)] += int(bar.get_height())
    np.testing.assert_array_equal(totals, n_picks)
    hatched = [bar.get_height() for bar in bars.patches if bar.get_hatch()]
    assert sorted(hatched) == sorted(unmatched[unmatched > 0])


@pytest.fixture
def overlay(picks, result):
    sets = []
    for place, name in enumerate(picks.picker_names):
        mine = picks.take(picks.picker == place)
        sets.append(BoxSet(name, mine.micrograph, mine.x, mine.y, 180, score=mine.score))
    sets.append(BoxSet("consensus", result.micrograph, result.x, result.y, 180, "consensus"))
    number = np.cumsum(np.eye(3, dtype=int)[picks.picker], axis=0)[
        np.arange(len(picks)), picks.picker
    ]
    members = np.where(result.members >= 0, number[result.members] - 1, -1)
    details = ConsensusDetails(
        result.weight, result.overlap, result.score, members, weight_name="probability"
    )
    names = picks.micrograph_names
    return OverlayModel(names, names, sets, details)


def test_a_particle_of_one_picker_is_clicked_and_described(picks, result, overlay):
    particle = int(np.flatnonzero(result.n_members == 1)[0])
    (pick,) = result.members[particle][result.members[particle] >= 0]
    overlay.go_to(int(result.micrograph[particle]))
    assert overlay.at(result.x[particle], result.y[particle]) == particle
    lines = overlay.describe(particle)
    assert lines[1] == f"probability {result.weight[particle]:.3f}"
    assert not any(line.startswith(("overlap", "weight")) for line in lines)
    assert sum(line.endswith(": not found") for line in lines) == 2
    finder = picks.picker_names[picks.picker[pick]]
    where = f"at {picks.x[pick]:.0f}, {picks.y[pick]:.0f}"
    assert f"{finder}: score {picks.score[pick]:.3f}, {where}" in lines
    several = int(np.flatnonzero(result.n_members == 3)[0])
    assert f"overlap {result.overlap[several]:.3f}" in overlay.describe(several)


def test_the_threshold_works_on_probabilities(result, overlay):
    overlay.selection.set_minimum(0.9)
    assert overlay.n_kept()[1] == np.count_nonzero(result.weight >= 0.9)
    assert overlay.selection.attribute == "probability"
