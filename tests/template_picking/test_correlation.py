"""Normalised cross-correlation, against scikit-image and sums written out."""

import numpy as np
import pytest
from skimage.feature import match_template

from repic_plugin.template_picking import TemplateBank, correlation


def random_images(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def inside(scores, side):
    """Where the template does not stick out, as `match_template` gives them."""
    first, last = side // 2, side - side // 2 - 1
    height, width = scores.shape
    return scores[first : height - last, first : width - last]


@pytest.mark.parametrize("shape", [(40, 57), (64, 64), (21, 100)])
@pytest.mark.parametrize("side", [7, 8, 20])
def test_is_that_of_scikit_image(shape, side):
    image, template = random_images(0, *shape) + 5, random_images(1, side, side)
    scores = TemplateBank(template[None]).scores(image)
    assert scores.shape == shape
    np.testing.assert_allclose(inside(scores, side), match_template(image, template), atol=1e-5)


def test_parts_of_a_large_image_are_those_of_the_whole(monkeypatch):
    image, templates = random_images(2, 150, 211), random_images(3, 2, 11, 11)
    whole = TemplateBank(templates).scores(image)
    monkeypatch.setattr(correlation, "MAX_TRANSFORM_PX", 40)
    in_parts = TemplateBank(templates)
    np.testing.assert_allclose(in_parts.scores(image), whole, atol=1e-5)
    assert all(max(shape) < 60 for shape in in_parts._transforms)


def test_a_mask_limits_what_is_compared():
    image, template = random_images(4, 30, 30), random_images(5, 9, 9)
    mask = np.hypot(*(np.mgrid[:9, :9] - 4)) < 4
    scores = TemplateBank(template[None], mask).scores(image)
    for y, x in ((4, 4), (10, 20), (25, 13)):
        window = image[y - 4 : y + 5, x - 4 : x + 5]
        expected = np.corrcoef(window[mask], template[mask])[0, 1]
        assert scores[y, x] == pytest.approx(expected, abs=1e-5)


def test_many_templates_give_the_greatest_of_each():
    image, templates = random_images(6, 50, 60), random_images(7, 4, 8, 8)
    each = [TemplateBank(one[None]).scores(image) for one in templates]
    np.testing.assert_allclose(TemplateBank(templates).scores(image), np.max(each, 0), atol=1e-6)


def test_inverted_scores_are_those_of_inverted_templates():
    image, templates = random_images(10, 50, 60), random_images(11, 4, 8, 8)
    scores, inverted = TemplateBank(templates).scores_and_inverted(image)
    np.testing.assert_allclose(scores, TemplateBank(templates).scores(image), atol=1e-6)
    np.testing.assert_allclose(inverted, TemplateBank(-templates).scores(image), atol=1e-6)


def test_a_copy_of_the_template_has_a_score_of_one_and_its_negative_minus_one():
    template = random_images(8, 12, 12)
    image = random_images(9, 60, 60)
    image[20:32, 30:42] = 3 * template + 7
    image[40:52, 10:22] = -0.1 * template
    scores = TemplateBank(template[None]).scores(image)
    assert scores[26, 36] == pytest.approx(1, abs=1e-5)
    assert scores[46, 16] == pytest.approx(-1, abs=1e-5)


@pytest.mark.parametrize(("factor", "offset"), [(1e-6, 0), (1e4, -3e6), (1, 1e5)])
def test_brightness_and_contrast_of_the_image_do_not_matter(factor, offset):
    image, template = random_images(10, 48, 48), random_images(11, 1, 9, 9)
    bank = TemplateBank(template)
    np.testing.assert_allclose(bank.scores(factor * image + offset), bank.scores(image), atol=1e-4)


def test_blank_places_have_a_score_of_nothing():
    image = random_images(12, 60, 60)
    image[:, 30:] = 4.0
    scores = TemplateBank(random_images(13, 1, 9, 9)).scores(image)
    assert not scores[:, 36:].any()
    assert np.abs(scores[:, :25]).max() > 0.2
    assert not TemplateBank(random_images(13, 1, 9, 9)).scores(np.full((20, 20), 8.0)).any()


@pytest.mark.parametrize(
    ("templates", "mask", "words"),
    [
        (np.zeros((9, 9)), None, ["templates", "(k, side, side)", "(9, 9)"]),
        (np.zeros((0, 9, 9)), None, ["templates", "one image"]),
        (np.full((1, 9, 9), np.nan), None, ["templates", "finite"]),
        (np.stack([np.eye(9), np.full((9, 9), 0.1)]), None, ["number 1", "flat"]),
        (np.eye(9)[None], np.ones((8, 8)), ["mask", "(9, 9)", "(8, 8)"]),
        (np.eye(9)[None], np.zeros((9, 9)), ["mask", "pixel"]),
    ],
)
def test_bad_templates_are_one_line(templates, mask, words):
    with pytest.raises(ValueError) as error:
        TemplateBank(templates, mask)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words)


def test_an_image_with_a_hole_in_it_is_refused():
    image = random_images(14, 30, 30)
    image[3, 3] = np.nan
    with pytest.raises(ValueError, match="image must be finite"):
        TemplateBank(np.eye(9)[None]).scores(image)
