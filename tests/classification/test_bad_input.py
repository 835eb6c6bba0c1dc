"""What may not be classified is refused in one line that names the argument, rule and value."""

import numpy as np
import pytest

from repic_plugin.classification import CtfParameters, classify_particles, particle_sizes
from tests.classification.particles import classified, particles

N = 12
IMAGES = np.random.default_rng(0).normal(size=(N, 32, 32)).astype(np.float32)


def with_value(value, image=7):
    images = IMAGES.copy()
    images[image, 3, 4] = value
    return images


def empty(*rows):
    images = IMAGES.copy()
    images[list(rows)] = 2.5
    return images


def ctf_of(n):
    return CtfParameters.from_columns(
        np.full(n, 15_000.0),
        voltage_kv=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
    )


BAD = [
    # images
    (IMAGES[0], {}, "images must be of shape (n, box, box), got shape (32, 32)"),
    (IMAGES[:, :, :30], {}, "images must be of shape (n, box, box), got shape (12, 32, 30)"),
    (IMAGES[None], {}, "got shape (1, 12, 32, 32)"),
    ([[1.0, 2.0]], {}, "images must be of shape (n, box, box), got shape ()"),
    (None, {}, "images must be of shape (n, box, box), got shape ()"),
    (IMAGES[:, :15, :15], {}, "images must have a box of 16 px or more, got 15"),
    (IMAGES[:0], {}, "n_classes must not exceed the number of images, 0, got 3"),
    (with_value(np.nan), {}, "image 8 has values that are not finite"),
    (with_value(np.inf), {}, "image 8 has values that are not finite"),
    (with_value(-np.inf, 0), {}, "image 1 has values that are not finite"),
    (np.full((N, 32, 32), np.nan), {}, "image 1 has values that are not finite"),
    # classes
    (IMAGES, {"n_classes": 1}, "n_classes must be a whole number, 2 or more, got 1"),
    (IMAGES, {"n_classes": 0}, "got 0"),
    (IMAGES, {"n_classes": -4}, "got -4"),
    (IMAGES, {"n_classes": 2.5}, "n_classes must be a whole number, 2 or more, got 2.5"),
    (IMAGES, {"n_classes": 3.0}, "n_classes must be a whole number, 2 or more, got 3.0"),
    (IMAGES, {"n_classes": np.nan}, "n_classes must be a whole number"),
    (IMAGES, {"n_classes": "3"}, "n_classes must be a whole number"),
    (IMAGES, {"n_classes": None}, "n_classes must be a whole number"),
    (IMAGES, {"n_classes": 13}, "n_classes must not exceed the number of images, 12, got 13"),
    (
        empty(*range(10)),
        {},
        "n_classes must not exceed the number of images that are not empty, 2, got 3",
    ),
    (empty(*range(N)), {}, "the number of images that are not empty, 0, got 3"),
    # names
    (IMAGES, {"method": "k-means"}, "method must be ack, kmeans, eqk or spider"),
    (IMAGES, {"alignment": "MRA"}, "alignment must be mra, msa or rfa, got 'MRA'"),
    (IMAGES, {"ctf_mode": "phase"}, "ctf_mode must be weight, flip or none, got 'phase'"),
    # numbers
    (IMAGES, {"beta": -0.1}, "beta must be 0 or more and finite, got -0.1"),
    (IMAGES, {"beta": np.nan}, "beta must be 0 or more and finite, got nan"),
    (IMAGES, {"beta": np.inf}, "beta must be 0 or more and finite, got inf"),
    (IMAGES, {"tolerance": -1}, "tolerance must lie in [0, 1], got -1"),
    (IMAGES, {"tolerance": 1.01}, "tolerance must lie in [0, 1], got 1.01"),
    (IMAGES, {"tolerance": np.nan}, "tolerance must lie in [0, 1], got nan"),
    (IMAGES, {"max_iterations": 0}, "max_iterations must be a whole number, 1 or more, got 0"),
    (IMAGES, {"max_iterations": 2.5}, "max_iterations must be a whole number"),
    (IMAGES, {"n_threads": 0}, "n_threads must be a whole number, 1 or more, got 0"),
    (IMAGES, {"n_threads": 2.0}, "n_threads must be a whole number"),
    (IMAGES, {"random_state": -1}, "random_state must be a whole number, 0 or more, got -1"),
    (IMAGES, {"random_state": 1.0}, "random_state must be a whole number"),
    (IMAGES, {"random_state": None}, "random_state must be a whole number"),
    (IMAGES, {"max_shift_px": -1}, "max_shift_px must be 0 or more and finite, got -1"),
    (IMAGES, {"max_shift_px": np.nan}, "max_shift_px must be 0 or more and finite, got nan"),
    (IMAGES, {"max_shift_px": np.inf}, "max_shift_px must be 0 or more and finite, got inf"),
    (IMAGES, {"max_shift_px": 16.5}, "max_shift_px must not exceed half of the box, 16, got 16.5"),
    (IMAGES, {"max_shift_px": 1e9}, "max_shift_px must not exceed half of the box, 16, got 1e+09"),
    # optics
    (IMAGES, {"pixel_size_angstrom": 0}, "pixel_size_angstrom must be positive and finite, got 0"),
    (
        IMAGES,
        {"pixel_size_angstrom": -1.5},
        "pixel_size_angstrom must be positive and finite, got -1.5",
    ),
    (
        IMAGES,
        {"pixel_size_angstrom": np.nan},
        "pixel_size_angstrom must be positive and finite, got nan",
    ),
    (IMAGES, {"ctf": ctf_of(11)}, "ctf must have an entry for each of the 12 images, got 11"),
    (
        IMAGES,
        {"ctf": ctf_of(13), "ctf_mode": "none"},
        "ctf must have an entry for each of the 12 images, got 13",
    ),
    # rings and mask
    (IMAGES, {"n_rings": 3}, "n_rings must be a whole number, 4 or more, got 3"),
    (IMAGES, {"n_rings": 0}, "n_rings must be a whole number, 4 or more, got 0"),
    (IMAGES, {"n_rings": 10.0}, "n_rings must be a whole number"),
    (IMAGES, {"n_rings": 15}, "n_rings must be 14 or less in a box of 32 px, got 15"),
    (IMAGES, {"mask_diameter_px": 0}, "mask_diameter_px must be positive and finite, got 0"),
    (IMAGES, {"mask_diameter_px": -3}, "mask_diameter_px must be positive and finite, got -3"),
    (IMAGES, {"mask_diameter_px": np.nan}, "mask_diameter_px must be positive and finite, got nan"),
    (
        IMAGES,
        {"mask_diameter_px": 29},
        "the box of 32 px is too small for a mask of 29 px and its soft edge of 1.6 px; "
        "give mask_diameter_px of 28.8 at most",
    ),
]


@pytest.mark.parametrize("images, options, told", BAD)
def test_bad_input_is_refused_in_one_line(images, options, told):
    with pytest.raises(ValueError) as caught:
        classify_particles(images, **{"n_classes": 3, **options})
    message = str(caught.value)
    assert told in message
    assert "\n" not in message


@pytest.mark.parametrize("mode", ["method", "alignment", "ctf_mode"])
def test_names_that_are_no_strings_are_refused(mode):
    with pytest.raises(ValueError, match=f"{mode} must be .* or "):
        classify_particles(IMAGES, 3, **{mode: None})


def test_the_largest_and_smallest_of_everything_are_accepted():
    largest = {"n_classes": N, "max_shift_px": 2.0, "n_rings": 14, "mask_diameter_px": 28.8}
    assert classify_particles(IMAGES, max_iterations=1, **largest).sizes.sum() == N
    smallest = {"n_classes": 2, "max_shift_px": 0, "n_rings": 4, "mask_diameter_px": 1.0}
    smallest.update(beta=0, tolerance=0, random_state=0, pixel_size_angstrom=1e-3)
    assert classify_particles(IMAGES, max_iterations=1, **smallest).sizes.sum() == N


def test_whole_numbers_of_numpy_are_accepted():
    numbers = {"max_iterations": np.int32(2), "random_state": np.int64(3), "n_threads": np.uint8(2)}
    found = classify_particles(IMAGES, np.int16(3), n_rings=np.int64(8), **numbers)
    assert len(found.records) == 2


def test_what_can_be_refused_at_once_is_refused_before_anything_is_read():
    class Unreadable:
        shape = (N, 32, 32)

        def __getitem__(self, rows):
            raise AssertionError("read")

    options = [options for images, options, _ in BAD if images is IMAGES]
    assert len(options) > 40
    for bad in options:
        with pytest.raises(ValueError):
            classify_particles(Unreadable(), **{"n_classes": 3, **bad})


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_bad_image_of_a_later_chunk_is_named(n_threads):
    images = np.random.default_rng(0).normal(size=(1200, 16, 16)).astype(np.float32)
    images[1100, 0, 0] = images[700, 5, 5] = np.nan
    with pytest.raises(ValueError, match=r"^image 701 has values that are not finite"):
        classify_particles(images, 3, n_threads=n_threads)


def test_one_image_too_few_and_just_enough_that_are_not_empty():
    assert classify_particles(empty(*range(9)), 3, max_iterations=1).labels[:9].tolist() == [-1] * 9
    with pytest.raises(ValueError, match="not empty, 3, got 4"):
        classify_particles(empty(*range(9)), 4)


# going on from a state


def states_of(found, **options):
    states = []
    classified(found, on_iteration=states.append, max_iterations=2, **options)
    return states


def test_the_state_of_other_images_is_refused():
    state = states_of(particles(4, 20, 1.0))[0]
    with pytest.raises(ValueError) as caught:
        classified(particles(4, 10, 1.0), resume=state)
    assert str(caught.value) == (
        "resume must be a state of 40 images that are not empty in 4 classes, got one of 80 in 4; "
        "start again"
    )


def test_the_state_of_more_classes_is_refused():
    found = particles(4, 20, 1.0)
    state = states_of(found, n_classes=6)[0]
    with pytest.raises(ValueError, match="in 4 classes, got one of 80 in 6; start again"):
        classified(found, 4, resume=state)


def test_a_state_from_before_images_were_emptied_is_refused():
    state = states_of(particles(4, 3, 1.0))[0]
    images = particles(4, 3, 1.0).images.copy()
    images[2] = 0
    with pytest.raises(ValueError, match="a state of 11 images that are not empty"):
        classify_particles(images, 4, resume=state)


# the checks themselves


@pytest.mark.parametrize("box", [16, 17, 24, 32, 64, 360])
def test_the_usual_sizes_fit_every_box(box):
    for pixel_size_angstrom in (0.3, 1.0, 8.0):
        sizes = particle_sizes(box, pixel_size_angstrom)
        assert 4 <= sizes.n_rings <= box // 2 - 2
        assert sizes.resolution_angstrom >= min(26, 3.4 * pixel_size_angstrom)
        assert 0 < sizes.mask_diameter_px < sizes.mask_diameter_px + 2 * sizes.edge_px <= box
        assert sizes.max_shift_px == box / 16


def test_true_is_no_number_of_rings():
    with pytest.raises(ValueError, match="n_rings"):
        particle_sizes(32, 8.0, n_rings=True)
