"""What is said of the classes of candidates."""

import numpy as np
import pytest

from repic_plugin.formats import CandidateClasses, told_classes


def classes(**options):
    """Two classes of particles, one of junk and an empty one."""
    n, share = 60, np.array([0.9, 0.6, 0.1, 0.0])
    return CandidateClasses(
        micrograph=np.full(n, "a"),
        centers=np.zeros((n, 2)),
        label=np.arange(n) % 3,
        size=np.array([20, 20, 20, 0]),
        score=share,
        share=share,
        resolution_angstrom=np.full(4, 20.0),
        averages=np.zeros((4, 8, 8), np.float32),
        pixel_size_angstrom=5.0,
        **options,
    )


@pytest.mark.parametrize(
    "options, told",
    [
        ({}, "3 classes, of which 2 hold particles"),
        ({"n_assigned": 45}, "3 classes found with 15 of them, of which 2 hold particles"),
        ({"is_filtered": True}, "3 classes"),
    ],
)
def test_classes_of_filtered_images_are_not_said_to_hold_particles(options, told):
    assert told_classes(classes(**options), "class") == told


def test_a_choice_by_eye_counts_on_filtered_images():
    chosen = classes(is_filtered=True).with_shares(np.array([0.05, 0.95, 0.05, 0.05]))
    assert told_classes(chosen, "class") == "3 classes, of which 1 holds particles"
