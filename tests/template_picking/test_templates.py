"""What is looked for: averages of particles, or a blob."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.simulation import phantom_map, simulate_exposures
from repic_plugin.template_picking import (
    TemplateBank,
    cut_boxes,
    fitted_templates,
    learn_templates,
    prepare_micrograph,
    templates,
)
from repic_plugin.template_picking.reduced import reduced_box_px
from repic_plugin.template_picking.templates import (
    general_template,
    n_templates_for,
    rotated_templates,
    template_mask,
)
from tests.template_picking.material import BOX, GRID, labelled_boxes, one_body, trained

LOBES = [(0, 0, 4.0, 2.0), (5, 2, 2.5, 1.5), (-3, 6, 2.0, 1.5)]  # x, y, width, height
HOOK = [(-5, 0, 3.0, 2.0), (0, 0, 3.0, 2.0), (5, 0, 3.0, 2.0), (6, 7, 3.0, 2.0)]
PEAR = [(0, 0, 5.0, 2.0), (8, 0, 2.5, 2.0), (6, -6, 2.0, 2.0)]


def bodies(n, seed=0, noise=1.0, side=32, lobes=LOBES, mirrored=False):
    """Boxes of one body at any angle, in noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side // 2
    x = -x if mirrored else x
    found = []
    for angle in rng.uniform(0, 2 * np.pi, n):
        u, v = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
        body = sum(h * np.exp(-((u - a) ** 2 + (v - b) ** 2) / s**2) for a, b, s, h in lobes)
        found.append(noise * rng.normal(size=(side, side)) - body)
    return np.array(found, np.float32)


def best_agreement(first, second):
    """Greatest correlation over rotations of two images, both with or without their mirror."""
    mask = template_mask(len(first))
    return max(
        np.corrcoef(turned[mask], second[mask])[0, 1] for turned in rotated_templates([first], 10)
    )


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, 1), (3, 1), (4, 2), (59, 2), (90, 3), (360, 12), (100_000, 12)],
)
def test_number_of_templates_follows_that_of_particles(n, expected):
    assert n_templates_for(n) == expected


def test_averages_look_like_the_particle():
    learnt = learn_templates(bodies(60), 2)
    clean = bodies(1, noise=0)[0]
    assert len(learnt.images) == len(learnt.sizes) == 2
    assert learnt.sizes.sum() + learnt.n_left_out == 60
    assert (np.diff(learnt.sizes) <= 0).all()
    for image in learnt.images:
        assert best_agreement(image, clean) > 0.9
    assert best_agreement(bodies(1)[0], clean) < 0.7


def test_a_few_particles_are_enough():
    assert best_agreement(learn_templates(bodies(6)).images[0], bodies(1, noise=0)[0]) > 0.75


def test_a_single_template_is_an_average_of_aligned_particles():
    learnt = learn_templates(bodies(40), 1)
    assert len(learnt.images) == 1
    assert learnt.sizes.sum() + learnt.n_left_out == 40
    assert best_agreement(learnt.images[0], bodies(1, noise=0)[0]) > 0.9


def test_particles_too_few_to_be_aligned_give_a_round_template():
    (image,) = learn_templates(bodies(3)).images
    inner = image[1:, 1:]  # of the even box, what the middle is in the middle of
    np.testing.assert_allclose(np.rot90(inner), inner, atol=1e-6)
    assert image[16, 16] < image[16, 30]


def test_labels_that_are_off_to_one_side_keep_their_middle():
    """Templates must not drift: their middle is where labels are on average."""
    rng = np.random.default_rng(0)
    shifted = [np.roll(one, rng.integers(-2, 3, 2), (0, 1)) for one in bodies(80, noise=0.5)]
    clean = rotated_templates(bodies(1, noise=0), 15)
    bank = TemplateBank(clean, template_mask(32))
    for image in learn_templates(np.array(shifted), 2).images:
        scores = bank.scores(image)
        middle = np.unravel_index(np.argmax(scores), scores.shape)
        assert np.hypot(*np.subtract(middle, 16)) < 1.5


def test_the_middle_of_an_average_is_that_of_its_labels():
    """By what `Classification` says: content at p stands at R M (p + shift)."""
    rng = np.random.default_rng(0)
    angle, mirror = rng.uniform(-180, 180, 30), rng.random(30) < 0.5
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    x, y = cosine * 3 + sine * -2, -sine * 3 + cosine * -2  # R^-1 (3, -2)
    found = SimpleNamespace(
        labels=np.zeros(30, int),
        rotation_deg=angle,
        shift_px=np.column_stack([np.where(mirror, -x, x), y]),
        mirror=mirror,
        averages=np.roll(bodies(1, noise=0), (-2, 3), (1, 2)),
    )
    centred = templates._centred(found, 0)
    np.testing.assert_allclose(centred[4:-4, 4:-4], bodies(1, noise=0)[0, 4:-4, 4:-4], atol=1e-3)


def test_both_hands_of_a_particle_are_one_template():
    kinds = [(HOOK, False), (HOOK, True), (PEAR, False), (PEAR, True)]
    boxes = [bodies(15, i, 0.7, lobes=k, mirrored=m) for i, (k, m) in enumerate(kinds)]
    learnt = learn_templates(np.concatenate(boxes), 2)
    clean = [bodies(1, noise=0, lobes=one)[0] for one in (HOOK, PEAR)]
    agreement = np.array([[best_agreement(a, b) for b in clean] for a in learnt.images])
    assert sorted(agreement.argmax(axis=1)) == [0, 1]
    assert agreement.max(axis=1).min() > 0.96
    assert learnt.sizes.tolist() == [30, 30]


def test_the_same_seed_gives_the_same_templates_on_any_number_of_threads():
    boxes = bodies(40)
    one, two = (learn_templates(boxes, 3, n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.images, two.images)


def test_noise_that_was_labelled_does_not_become_a_template():
    labelled = bodies(60, noise=0.7)
    noise = np.random.default_rng(1).normal(size=(40, 32, 32)).astype(np.float32)
    noise *= labelled.std(axis=(1, 2)).mean()  # as strong as the particles
    learnt = learn_templates(np.concatenate([labelled, noise]), 4)
    assert learnt.n_left_out >= 20
    clean = bodies(1, noise=0)[0]
    assert all(best_agreement(image, clean) > 0.8 for image in learnt.images)


def test_no_class_of_particles_alone_is_left_out():
    made = simulate_exposures(
        phantom_map(32),
        9,
        pixel_size_angstrom=8.0,
        n_particles=30,
        micrograph_size_px=(420, 420),
        snr=0.15,
        random_state=2,
    )
    boxes = [cut_boxes(prepare_micrograph(one.micrograph, 32), one.centers, 32) for one in made]
    learnt = learn_templates(np.concatenate([one for k, one in enumerate(boxes) if k % 3]))
    assert len(learnt.images) == 6
    assert learnt.n_left_out < 5


@pytest.mark.parametrize("n", [20, 120])
def test_templates_of_noise_are_known_by_their_halves(n):
    noise = np.random.default_rng(5).normal(size=(n, 32, 32)).astype(np.float32)
    learnt = learn_templates(noise, 2)
    assert learnt.is_noise.all()
    assert learnt.agreement.max() < 0.6


@pytest.mark.parametrize("n", [20, 60])
def test_templates_of_particles_agree_between_the_halves(n):
    learnt = learn_templates(bodies(n), 2)
    assert not learnt.is_noise.any()
    assert learnt.agreement.min() > 0.8
    assert (learnt.agreement > learnt.noise_agreement).all()


def test_too_few_particles_have_no_halves():
    learnt = learn_templates(bodies(15), 2)
    assert np.isnan(learnt.agreement).all()
    assert not learnt.is_noise.any()


def test_a_crystal_among_the_labels_does_not_become_a_template():
    y, x = np.mgrid[:32, :32]
    crystal = np.float32(8 * np.sign(np.sin(0.5 * x + 0.3 * y)))
    boxes = np.concatenate([bodies(40), [crystal] * 3])
    learnt = learn_templates(boxes, 3)
    assert learnt.n_left_out >= 3
    assert all(best_agreement(image, crystal) < 0.5 for image in learnt.images)


def test_of_very_many_particles_a_part_is_drawn(monkeypatch):
    monkeypatch.setattr(templates, "MAX_PARTICLES", 30)
    learnt = learn_templates(bodies(80), 2)
    assert learnt.sizes.sum() + learnt.n_left_out == 30


def test_blank_boxes_are_left_out():
    learnt = learn_templates(np.concatenate([bodies(10), np.zeros((3, 32, 32), np.float32)]), 2)
    assert learnt.sizes.sum() == 10
    with pytest.raises(ValueError, match="boxes must not all be constant"):
        learn_templates(np.zeros((3, 32, 32)))


@pytest.mark.parametrize(
    ("boxes", "n", "words"),
    [
        (np.zeros((0, 32, 32)), 0, ["boxes", "one image"]),
        (np.zeros((3, 32, 30)), 0, ["boxes", "(3, 32, 30)"]),
        (np.full((3, 32, 32), np.inf), 0, ["boxes", "finite"]),
        (bodies(5), 6, ["n_templates", "5", "6", "label more"]),
        (bodies(5), -1, ["n_templates", "-1"]),
        (bodies(5), 1.5, ["n_templates", "whole", "1.5"]),
    ],
)
def test_bad_boxes_are_one_line(boxes, n, words):
    with pytest.raises(ValueError) as error:
        learn_templates(boxes, n)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words)


def test_the_blob_is_dark_within_a_bright_rim():
    (blob,) = general_template(BOX)
    middle = len(blob) // 2
    assert len(blob) > reduced_box_px(BOX)
    assert blob[middle, middle] == blob.min() < 0
    assert blob[middle, middle + reduced_box_px(BOX) // 2] > 0
    np.testing.assert_array_equal(blob, np.rot90(blob))
    assert blob.sum() == pytest.approx(0, abs=0.02 * np.abs(blob).sum())


def test_round_templates_need_no_rotation_and_others_come_in_both_hands():
    image = bodies(1, noise=0)
    turned = rotated_templates(image, 30)
    assert len(turned) == 24
    assert len(rotated_templates(general_template(BOX), 30)) == 1
    mask = template_mask(32)
    np.testing.assert_allclose(turned[0], image[0], atol=1e-5)
    agreement = np.corrcoef([one[mask] for one in turned])
    assert (agreement[np.triu_indices(24, 1)] < 0.99).all()
    mirrored = np.roll(image[0][:, ::-1], 1, axis=1)  # about the pixel side // 2
    upside = np.roll(image[0][::-1], 1, axis=0)
    for other in (mirrored, upside):
        assert max(np.corrcoef(one[mask], other[mask])[0, 1] for one in turned) > 0.99


def test_averages_at_another_pixel_size_are_brought_to_the_right_one():
    (image,) = bodies(1, noise=0)
    large = ndimage.zoom(image, 3, order=3, mode="nearest", grid_mode=True)
    shift = (3 - 1) / 2  # from the middle of a px to that of three
    large = ndimage.shift(large, (3 // 2 - shift, 3 // 2 - shift), mode="nearest")
    (found,) = fitted_templates(large[None], 1 / 3, 32)
    mask = template_mask(32)
    assert np.corrcoef(found[mask], image[mask])[0, 1] > 0.97


def test_averages_of_another_box_are_cut_or_filled_about_their_middle():
    image = bodies(1, noise=0, side=48)
    np.testing.assert_allclose(fitted_templates(image, 1, 32), image[:, 8:40, 8:40], atol=1e-3)
    wider = fitted_templates(image, 1, 52)
    np.testing.assert_allclose(wider[:, 2:50, 2:50], image, atol=1e-3)


def test_templates_that_fit_are_left_alone():
    image = bodies(1)
    np.testing.assert_array_equal(fitted_templates(image, 1.0, 32), image)


@pytest.mark.parametrize("scale", [0, -1, np.nan, 1e9])
def test_a_pixel_size_of_nothing_is_refused(scale):
    with pytest.raises(ValueError, match="scale must lie in"):
        fitted_templates(bodies(1), scale, 32)


@pytest.mark.parametrize("step", [0, -15, 400, np.nan])
def test_bad_steps_are_refused(step):
    with pytest.raises(ValueError, match="angular_step_deg must lie in"):
        rotated_templates(bodies(1), step)


def test_templates_of_micrographs_are_dark():
    assert len(labelled_boxes([one_body(0)])) == len(GRID)
    middle = reduced_box_px(BOX) // 2
    for image in trained().images:
        assert image[middle - 3 : middle + 4, middle - 3 : middle + 4].mean() < 0
