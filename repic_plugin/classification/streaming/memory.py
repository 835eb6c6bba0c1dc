"""Memory of a classification in a stream, which does not grow with its particles."""

from __future__ import annotations

import numpy as np

from repic_plugin.classification.assignment.assign import IMAGES_PER_BATCH
from repic_plugin.classification.assignment.search import fine_shifts
from repic_plugin.classification.correlation import ORDERS_PER_STEP
from repic_plugin.classification.preparation import IMAGES_PER_CHUNK, PIXELS_PER_CHUNK
from repic_plugin.classification.sizes import Sizes

# Bytes of a pixel of the sums and the average of a class, of more while averages are made, and
# of one that is being read; of a factor of the Fourier transform while these are computed.
CLASS_PIXEL, RENEWED_PIXEL, READ_PIXEL, FACTOR = 12, 32, 24, 48
# Bytes of a complex number of single precision; of an image for each class in a classification, and
# in an assignment; of what is known of an image afterwards.
COMPLEX, IN_CLASSES, IN_ASSIGNMENT, COLUMNS = 8, 13, 30, 150


def stream_memory_bytes(
    n_classes: int,
    sizes: Sizes,
    n_classified: int,
    *,
    mirror: bool = False,
    n_threads: int = 1,
) -> int:
    """Largest memory besides the images.

    With K classes in a box of b px, R rings of a angles, c coefficients, m orders, f shifts and t
    threads, q pixels in the mask where the box is cropped to the rings, n particles that are
    classified together and B = 4,096:

        12 K b^2 + 150 n + max( 32 K b^2, max( 24 t min(128 b^2, 2^23), 24 q R a )
          + max( n (8 (R a + 2 c) + 13 K), 8 K f (c + R m) + min(n, B) (8 (R a + c) + 30 K) ) )

    Parameters
    ----------
    n_classes : int
    sizes : Sizes
        Of the comparison, such as `StreamState.references.sizes`.
    n_classified : int
        The first particles, or all for a full pass.
    mirror : bool
        Whether mirrored images are compared, too, which doubles the shifts.
    n_threads : int

    Returns
    -------
    int
    """
    grid, k, n = sizes.grid(), n_classes, n_classified
    samples, c = len(grid.rings) * grid.n_angles, grid.n_coefficients
    orders = int(np.ceil(grid.n_orders / ORDERS_PER_STEP)) * ORDERS_PER_STEP
    n_shifts = len(fine_shifts(grid, sizes.max_shift_px)) * (1 + mirror)
    pixels = sizes.box_px**2
    classification = n * (COMPLEX * (samples + 2 * c) + IN_CLASSES * k)
    averages = COMPLEX * k * n_shifts * (c + len(grid.rings) * orders)
    batch = min(n, IMAGES_PER_BATCH) * (COMPLEX * (samples + c) + IN_ASSIGNMENT * k)
    cropped = min(1.0, 2 * (int(grid.rings[-1]) + 2) / sizes.box_px)
    masked = np.pi * ((sizes.mask_diameter_px / 2 + sizes.edge_px) * cropped) ** 2
    chunk = READ_PIXEL * n_threads * min(IMAGES_PER_CHUNK * pixels, PIXELS_PER_CHUNK)
    reading = max(chunk, FACTOR * masked * samples / 2)
    comparison = reading + max(classification, averages + batch)
    kept = CLASS_PIXEL * k * pixels + COLUMNS * n
    return int(kept + max(RENEWED_PIXEL * k * pixels, comparison))
