"""Particle images with known views for the tests of classification, and what to ask of classes."""

from functools import lru_cache

import numpy as np

from repic_plugin.classification import classify_particles, particle_sizes
from repic_plugin.simulation import phantom_map, simulate_particles

BOX_PX = 32
PIXEL_SIZE_ANGSTROM = 8.0
QUALITY = ("score", "probability", "threshold", "resolution_angstrom", "is_off_centre")
QUALITY += ("member_probability", "agreement")


@lru_cache(maxsize=None)
def particles(n_views=4, n_per_view=20, snr=None, **options):
    """Simulated particles of a phantom in small boxes; do not change the images."""
    usual = {"max_shift_px": 2.0, "spread_deg": 2.0, "random_state": 0}
    found = simulate_particles(
        _volume(),
        n_views,
        n_per_view,
        pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
        snr=snr,
        **{**usual, **options},
    )
    found.images.flags.writeable = False
    return found


def layout(box_px, n_rings=None, mask_diameter_px=None):
    """Polar grid, radius of the mask and width of its edge; 12 rings where they fit."""
    rings = min(12, box_px // 2 - 2) if n_rings is None else n_rings
    sizes = particle_sizes(
        box_px, PIXEL_SIZE_ANGSTROM, n_rings=rings, mask_diameter_px=mask_diameter_px
    )
    return sizes.grid(), sizes.mask_diameter_px / 2, sizes.edge_px


def classified(found, n_classes=None, **options):
    """Simulated particles in as many classes as there are views, or in `n_classes`."""
    n_views = int(found.view.max()) + 1
    return classify_particles(
        found.images, n_classes or n_views, ctf=found.ctf, **{**usual_sizes(found), **options}
    )


def usual_sizes(found):
    """The sizes of these particles as options, so that nothing is measured."""
    box_px = found.images.shape[-1]
    return {
        "pixel_size_angstrom": found.pixel_size_angstrom,
        "max_shift_px": 3.0,
        "n_rings": min(12, box_px // 2 - 2),
        "mask_diameter_px": 0.84 * box_px,
    }


def same_class(labels):
    """Which pairs of images are in one class, shape (n, n): labels without their names."""
    labels = np.asarray(labels)
    return labels[:, None] == labels


def agreement(labels, view):
    """Adjusted Rand index: 1 for equal partitions, about 0 for unrelated ones."""
    labels, view = np.asarray(labels), np.asarray(view)
    table = np.zeros((labels.max() + 1, view.max() + 1))
    np.add.at(table, (labels, view), 1)
    pairs, rows, columns, every = (
        (counts * (counts - 1) / 2).sum()
        for counts in (table, table.sum(axis=1), table.sum(axis=0), np.array(len(labels)))
    )
    expected = rows * columns / every
    return (pairs - expected) / ((rows + columns) / 2 - expected)


def same_result(a, b):
    """Whether two classifications are equal to the last bit."""
    arrays = ("labels", "rotation_deg", "shift_px", "mirror", "dissimilarity", "averages")
    arrays += ("sizes", "explained", "is_junk")
    return (
        all(
            np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "dissimilarity")
            for name in arrays
        )
        and all(
            np.array_equal(getattr(a.quality, name), getattr(b.quality, name), equal_nan=True)
            for name in QUALITY
        )
        and a.records == b.records
        and a.converged == b.converged
    )


@lru_cache(maxsize=None)
def _volume():
    return phantom_map(BOX_PX)
