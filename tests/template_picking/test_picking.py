"""Particles found where they are."""

import doctest
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from repic_plugin.template_picking import TemplateMatcher, learn_templates, picking, reduction
from repic_plugin.template_picking.reduced import reduced_box_px
from tests.template_picking.material import (
    BOX,
    GRID,
    SIZE,
    best_f1,
    exposures,
    labelled_boxes,
    one_body,
    trained,
)


@pytest.fixture(scope="module")
def matcher():
    return TemplateMatcher(trained().images, box_size_px=BOX)


@pytest.fixture(scope="module")
def micrograph():
    return one_body(1)[0]


def nearest(found, centers):
    return cKDTree(centers).query(found.centers)[0]


def test_all_particles_are_found_where_they_are(matcher):
    micrograph, centers = one_body(1)
    found = matcher.pick(micrograph, max_particles=len(GRID))
    assert len(found) == len(GRID)
    assert np.median(nearest(found, centers)) < 1.5
    assert nearest(found, centers).max() < 6
    assert cKDTree(found.centers).query(centers)[0].max() < 6


def test_centres_are_not_off_to_one_side(matcher):
    offsets = []
    for seed in (1, 2):
        micrograph, centers = one_body(seed, snr=2.0)
        found = matcher.pick(micrograph, max_particles=len(GRID))
        offsets.append(found.centers - centers[cKDTree(centers).query(found.centers)[1]])
    assert np.abs(np.median(np.concatenate(offsets), axis=0)).max() < 0.5


def test_scores_are_correlations_and_the_best_come_first(matcher, micrograph):
    scores = matcher.pick(micrograph, min_score=-1).scores
    assert (np.diff(scores) <= 0).all()
    assert 0.2 < scores[0] <= 1
    assert scores[-1] >= -1


def test_the_blob_finds_particles_without_training(micrograph):
    centers = one_body(1)[1]
    found = TemplateMatcher(box_size_px=BOX).pick(micrograph, max_particles=len(GRID))
    assert (nearest(found, centers) < BOX / 4).mean() > 0.8


def test_light_particles_are_found_by_inverted_templates(micrograph):
    dark = TemplateMatcher(trained().images, box_size_px=BOX).pick(micrograph)
    light = TemplateMatcher(trained().images, box_size_px=BOX, invert=True).pick(-micrograph)
    np.testing.assert_allclose(light.centers, dark.centers, atol=1e-3)
    np.testing.assert_allclose(light.scores, dark.scores, atol=1e-4)


def test_training_beats_the_blob_by_far():
    """Any orientation, CTF, ice, junk, at a signal-to-noise ratio of 0.15."""
    box = 32
    templates = learn_templates(labelled_boxes(exposures(4, 1), box), 3).images
    micrographs, truth = zip(*exposures(3, 2))
    learnt, general = (
        best_f1([matcher.pick(one, min_score=-1) for one in micrographs], truth, box)
        for matcher in (
            TemplateMatcher(templates, box_size_px=box),
            TemplateMatcher(box_size_px=box),
        )
    )
    assert learnt > 0.75
    assert learnt > general + 0.1


@pytest.mark.parametrize(("factor", "offset"), [(1e-4, 5), (40, -1e4)])
def test_brightness_and_contrast_do_not_matter(matcher, micrograph, factor, offset):
    expected = matcher.pick(micrograph)
    found = matcher.pick(factor * micrograph + offset)
    np.testing.assert_allclose(found.centers, expected.centers, atol=0.1)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)


def test_a_shifted_micrograph_has_shifted_picks(matcher):
    """By whole reduced px, and without what comes in or goes out at the border."""
    micrograph, _ = one_body(3, snr=2.0)
    step = 5 * reduction(BOX)
    moved = np.roll(micrograph, (step, step), (0, 1))
    found = matcher.pick(moved, max_particles=len(GRID))
    inner = found.centers[(found.centers > 80).all(axis=1)]
    gap = cKDTree(matcher.pick(micrograph).centers + step).query(inner)[0]
    assert len(inner) >= 25
    assert gap.max() < 1


def test_a_turned_micrograph_has_turned_picks(matcher):
    micrograph, _ = one_body(4, snr=2.0)
    expected = matcher.pick(micrograph, max_particles=len(GRID)).centers
    found = matcher.pick(np.rot90(micrograph), max_particles=len(GRID)).centers
    turned = np.column_stack([expected[:, 1], SIZE[0] - expected[:, 0]])
    assert cKDTree(found).query(turned)[0].max() < 2


def test_a_mirrored_micrograph_has_mirrored_picks(matcher):
    """Particles are seen from behind as often as from the front."""
    micrograph, _ = one_body(5, snr=2.0)
    expected = matcher.pick(micrograph, max_particles=len(GRID)).centers
    found = matcher.pick(micrograph[:, ::-1], max_particles=len(GRID)).centers
    assert cKDTree(found).query([SIZE[0], 0] + expected * [-1, 1])[0].max() < 2


def test_boxes_lie_within_the_micrograph(matcher):
    centers = np.array([(5, 200), (200, 395), (475, 100), (100, 3), (240, 200)], float)
    micrograph = one_body(6, snr=3.0, centers=centers)[0]
    found = matcher.pick(micrograph, min_score=-1)
    assert (found.centers >= BOX / 2).all()
    assert (found.centers <= np.array(SIZE) - BOX / 2).all()
    assert nearest(found, centers)[0] < 8


@pytest.mark.parametrize("n", [10, 80])
def test_a_blank_border_does_not_cost_the_particles_elsewhere(matcher, micrograph, n):
    expected = matcher.pick(micrograph)
    blank = micrograph.copy()
    blank[:n] = 0
    found = matcher.pick(blank)
    assert found.mask.blank_share == pytest.approx(n / SIZE[1], abs=0.01)
    away = expected.centers[:, 1] > n + BOX / 2
    gaps = cKDTree(found.centers).query(expected.centers[away])[0]
    assert (gaps < 3).mean() > 0.95
    assert (found.centers[:, 1] > n).all()


def test_contamination_is_not_picked(matcher, micrograph):
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    dirty = micrograph.copy()
    crystal = np.hypot(x - 240, y - 200) < 60
    spots = np.random.default_rng(0).normal(size=dirty.shape)
    dirty[crystal] -= 8 + 30 * ndimage.gaussian_filter(spots, 6)[crystal] / 0.05
    masked = matcher.pick(dirty)
    assert 0.05 < masked.mask.contamination_share < 0.3
    far = np.hypot(*(masked.centers - (240, 200)).T)
    assert (far > 60).all()
    assert len(masked) > 15
    unmasked = matcher.pick(dirty, mask_contamination=False, min_score=masked.min_score)
    assert unmasked.mask.contamination_share == 0
    assert (np.hypot(*(unmasked.centers - (240, 200)).T) < 60).any()


def test_the_best_are_kept(matcher, micrograph):
    every = matcher.pick(micrograph, min_score=-1)
    few = matcher.pick(micrograph, min_score=-1, max_particles=7)
    np.testing.assert_array_equal(few.centers, every.centers[:7])
    above = matcher.pick(micrograph, min_score=0.2)
    assert 0 < len(above) < len(every)
    assert above.scores.min() >= 0.2


@pytest.mark.parametrize("distance", [0.3, 0.5, 1.0, 2.0])
def test_picks_keep_their_distance(matcher, micrograph, distance):
    found = matcher.pick(micrograph, min_score=-1, min_distance_boxes=distance)
    assert pdist(found.centers).min() >= distance * BOX - 1e-6


@pytest.mark.parametrize("templates", ["trained", None])
def test_a_micrograph_of_noise_has_next_to_no_particle(templates):
    images = trained().images if templates else None
    matcher = TemplateMatcher(images, box_size_px=BOX)
    rng = np.random.default_rng(7)
    noise = ndimage.gaussian_filter(rng.normal(size=(6, 400, 480)), (0, 1, 1))
    found = [matcher.pick(one) for one in noise]
    assert np.mean([len(one) for one in found]) < 3
    every = [matcher.pick(one, min_score=-1) for one in noise]
    assert min(len(one) for one in every) > 50  # what a threshold of nothing would keep


def test_the_threshold_taken_is_told(matcher, micrograph):
    found = matcher.pick(micrograph)
    assert 0 < found.min_score <= found.scores.min()
    again = matcher.pick(micrograph, min_score=found.min_score)
    np.testing.assert_array_equal(again.centers, found.centers)
    assert matcher.pick(micrograph, min_score=0.25).min_score == 0.25


def test_the_default_threshold_keeps_the_particles_and_little_else(matcher):
    micrograph, centers = one_body(8)
    found = matcher.pick(micrograph)
    is_true = nearest(found, centers) < BOX / 4
    assert is_true.mean() > 0.9
    assert is_true.sum() > 0.9 * len(centers)


def test_several_threads_find_the_same(micrograph):
    matcher = TemplateMatcher(trained().images, box_size_px=BOX)
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(matcher.pick, [micrograph] * 3))
    for one in found[1:]:
        np.testing.assert_array_equal(one.centers, found[0].centers)


def test_a_blank_micrograph_has_no_particle(matcher):
    assert len(matcher.pick(np.full((200, 200), 9.0), min_score=-1)) == 0


def test_a_micrograph_of_the_size_of_a_box(matcher):
    found = matcher.pick(np.random.default_rng(0).normal(size=(BOX, BOX)), min_score=-1)
    assert len(found) <= 1


def test_scores_are_a_map_of_the_reduced_micrograph(matcher, micrograph):
    factor = reduction(BOX)
    assert matcher.scores(micrograph).shape == (SIZE[1] // factor, SIZE[0] // factor)
    assert reduced_box_px(BOX) == trained().images.shape[-1]


def test_the_example():
    failures, tried = doctest.testmod(picking)
    assert tried > 0
    assert failures == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_score": 1.5}, ["min_score", "[-1, 1]", "1.5"]),
        ({"min_score": np.nan}, ["min_score", "nan"]),
        ({"min_distance_boxes": -0.1}, ["min_distance_boxes", "-0.1"]),
        ({"max_particles": -1}, ["max_particles", "-1"]),
        ({"max_particles": 2.5}, ["max_particles", "whole", "2.5"]),
    ],
)
def test_bad_values_are_one_line(matcher, micrograph, options, words):
    with pytest.raises(ValueError) as error:
        matcher.pick(micrograph, **options)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words)


def test_micrographs_that_cannot_be_used_are_one_line(matcher):
    with pytest.raises(ValueError, match="must not exceed the micrograph of 40 x 30 px"):
        matcher.pick(np.zeros((30, 40)))
    holed = np.ones((100, 100))
    holed[50, 50] = np.nan
    with pytest.raises(ValueError, match="micrograph must be finite"):
        matcher.pick(holed)
