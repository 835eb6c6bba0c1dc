"""Assignment of particle images to given, fixed classes: the public function."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.arguments import check_whole_number
from repic_plugin.classification.agreement import independent_poses
from repic_plugin.classification.assignment.measured import (
    N_MEASURED,
    Measured,
    PolarReferences,
    measured,
)
from repic_plugin.classification.assignment.noise import (
    correlations,
    fits,
    posteriors,
    products,
    residuals,
    shortfalls,
    white_power,
)
from repic_plugin.classification.assignment.result import (
    Assignment,
    Columns,
    assignment,
    empty_columns,
)
from repic_plugin.classification.assignment.search import PoseSearch
from repic_plugin.classification.checks import check_images, check_optics
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.final_poses import turns_back
from repic_plugin.classification.image_rows import ImageRows
from repic_plugin.classification.normalisation import GreyScale, Normaliser, background
from repic_plugin.classification.preparation import PolarImages, prepare_images
from repic_plugin.classification.references import References
from repic_plugin.classification.threads import one_blas_thread

# Images processed at a time, unless others are asked for; a multiple of the block, within which no
# result depends on what else is in the batch.
IMAGES_PER_BATCH, IMAGES_PER_BLOCK = 4096, 512

Single = NDArray[np.float32]
Labels = NDArray[np.int64]


class _Images:
    """Images to be prepared as those of the classification were."""

    def __init__(
        self,
        images: Any,
        references: References,
        polar: PolarReferences,
        ctf: Optional[CtfParameters],
        phase_flipped: bool,
        n_threads: int,
    ) -> None:
        self.images, self.polar, self.n_threads = images, polar, n_threads
        self.ctf = None if references.ctf_mode == "none" else ctf
        self.flip, self.weight = not phase_flipped, references.ctf_mode == "weight"
        outside = background(references.sizes.box_px, sum(polar.mask))
        self.normaliser = Normaliser(outside, references.dust_deviations)

    def prepared(self, rows: slice, grey_scale: Optional[GreyScale] = None) -> PolarImages:
        """Some of the images, empty ones included."""
        return self._prepared(self.images, self.ctf, rows, grey_scale)

    def some(self, most: int) -> PolarImages:
        """At most so many images that are not empty, evenly spread."""
        n = self.images.shape[0]
        rows = np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
        ctf = None if self.ctf is None else self.ctf.take(rows)
        found = self._prepared(ImageRows(self.images, rows), ctf, slice(0, len(rows)), None)
        return found.take(np.flatnonzero(~found.is_empty))

    def _prepared(
        self,
        images: Any,
        ctf: Optional[CtfParameters],
        rows: slice,
        grey_scale: Optional[GreyScale],
    ) -> PolarImages:
        return prepare_images(
            images,
            self.polar.grid,
            mask_radius_px=self.polar.mask[0],
            mask_edge_px=self.polar.mask[1],
            pixel_size_angstrom=self.polar.sizes.pixel_size_angstrom,
            ctf=ctf,
            flip=self.flip,
            weight=self.weight,
            normaliser=self.normaliser,
            grey_scale=grey_scale,
            part=rows,
            n_threads=self.n_threads,
        )


def assign_particles(
    images: Any,
    references: References,
    *,
    pixel_size_angstrom: Optional[float] = None,
    ctf: Optional[CtfParameters] = None,
    phase_flipped: bool = False,
    measured_before: Optional[Measured] = None,
    check_contrast: bool = True,
    keep_posteriors: bool = False,
    images_per_batch: int = IMAGES_PER_BATCH,
    n_threads: int = 1,
    progress: Optional[Callable[[int, int], None]] = None,
) -> Assignment:
    """Assignment of particle images to classes that stay as they are.

    Images are prepared as those that the classes were made of, see `classify_particles`, and
    compared with all averages at all rotations and shifts, see `PoseSearch`. Each goes to the class
    of smallest dissimilarity, which is also that of the largest posterior: sizes of classes do
    not matter, and no image depends on another, but for the noise, which is measured in up to
    1,024 images, evenly spread.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        As for `classify_particles`. References are rescaled where box or pixel size are others.
    references : References
        From `Classification.references`, for instance.
    pixel_size_angstrom : float, optional
        Of the images; by default that of the references.
    ctf : CtfParameters, optional
        CTFs of the n images, which are needed if the references were made with them.
    phase_flipped : bool
        Whether the images are already phase-flipped.
    measured_before : Measured, optional
        `Assignment.measured` of earlier images of the same kind, to use again.
    check_contrast : bool
        Whether images that resemble the inverted averages more are refused. Junk may do so.
    keep_posteriors : bool
        Whether to keep the posteriors of all classes, 4 n k bytes.
    images_per_batch : int
        Images in memory at a time, rounded up to a multiple of 512. The result is the same.
    n_threads : int
        Does not change the result.
    progress : callable, optional
        Called with the number of images assigned so far and the total.

    Returns
    -------
    Assignment

    Raises
    ------
    ValueError
        If an argument is invalid, an image has a value that is not finite or beyond 10^15, a CTF
        is missing, the mask or the resolution does not fit the images, all images or references
        are empty, or the images have the opposite contrast.

    Examples
    --------
    >>> import numpy as np
    >>> from repic_plugin.classification import assign_particles, classify_particles
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[-16:16, -16:16]
    >>> bar, ring = abs(y) < 3, abs(np.hypot(x, y) - 9) < 2
    >>> images = np.stack([bar] * 20 + [ring] * 20) + rng.normal(size=(40, 32, 32))
    >>> found = classify_particles(images, 2)
    >>> turned = np.stack([bar.T] * 20) + rng.normal(size=(20, 32, 32))
    >>> again = assign_particles(turned, found.references())
    >>> set(again.labels) == set(found.labels[:20])
    True
    """
    n = check_images(images)
    pixel_size = pixel_size_angstrom or references.sizes.pixel_size_angstrom
    check_optics(pixel_size, ctf, n)
    check_whole_number("images_per_batch", images_per_batch, 1)
    check_whole_number("n_threads", n_threads, 1)
    _check_ctf(references, ctf)
    references = references.rescaled(images.shape[-1], pixel_size)
    with one_blas_thread():
        polar = PolarReferences(references)
        if not len(polar.names):
            raise ValueError("references must have an average that is not empty; give others")
        given = _Images(images, references, polar, ctf, phase_flipped, n_threads)
        if measured_before is None:
            some = given.some(N_MEASURED)
            if not len(some):
                raise ValueError(f"all {n:,} images are empty; check how they were extracted")
            measured_before = measured(
                some,
                polar,
                references.has_grey_scale,
                references.max_energy,
                n_threads,
                check_contrast=check_contrast,
            )
        search = polar.scaled_search(measured_before)
        columns, grey_scale = empty_columns(n), GreyScale.empty(n)
        every = np.zeros((n, len(references)), np.float32) if keep_posteriors else None
        batch = -(-images_per_batch // IMAGES_PER_BLOCK) * IMAGES_PER_BLOCK
        for first in range(0, n, batch):
            rows = slice(first, min(first + batch, n))
            part = GreyScale.empty(rows.stop - first)
            prepared = given.prepared(rows, part)
            grey_scale.put(rows, part)
            _assign(prepared, first, polar, search, measured_before, columns, every, n_threads)
            if progress is not None:
                progress(rows.stop, n)
    return assignment(columns, references, measured_before, grey_scale, every)


def _check_ctf(references: References, ctf: Optional[CtfParameters]) -> None:
    if references.ctf_mode != "none" and ctf is None:
        raise ValueError(
            f"ctf must be given: the classes were made with the CTF of their images (ctf_mode "
            f"{references.ctf_mode}), so that it is needed for others; estimate it"
        )


def _assign(
    prepared: PolarImages,
    first: int,
    polar: PolarReferences,
    search: PoseSearch,
    known: Measured,
    columns: Columns,
    every: Optional[Single],
    n_threads: int,
) -> None:
    """Fill the columns of one batch, whose first image is number `first`."""
    own = np.flatnonzero(~prepared.is_empty)
    kept, factor = prepared.take(own).capped(known.max_energy)
    placed = search(kept, n_threads)
    found = products(kept, search.averages, placed, n_threads)
    shares = posteriors(placed.compared, known.prior.noise_variance)
    contrast = known.prior.contrast(found.score, found.norm)
    explained = contrast * (2 * found.score - contrast * found.norm)
    sizes = polar.sizes
    n_poses = independent_poses(polar.grid, len(polar.names), sizes.max_shift_px, polar.mirror)
    of_batch = {
        "labels": polar.names[placed.labels],
        "rotation_deg": turns_back(placed.alignment.angle),
        "shift_px": placed.alignment.shift_px,
        "mirror": placed.alignment.mirror,
        "dissimilarity": kept.energy - explained,
        "posterior": shares[np.arange(len(own)), placed.labels],
        "correlation": correlations(found, kept.energy),
        "fit": fits(found, known.noise, n_poses),
        "shortfall": shortfalls(found, known.noise, known.prior.spread_variance),
        "residual": residuals(found, known.noise, white_power(polar.grid, *polar.mask)),
        "contrast": contrast,
        "factor": factor,
        "explained": explained,
    }
    rows = first + own
    for name, values in of_batch.items():
        columns[name][rows] = values
    if every is not None:
        every[rows[:, None], polar.names] = shares
