"""Assignment of particle images to given, fixed classes: the public function."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Callable, List, Optional

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
)
from repic_plugin.classification.assignment.search import PoseSearch
from repic_plugin.classification.checks import check_images, check_optics
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.final_poses import turns_back
from repic_plugin.classification.normalisation import GreyScale, Normaliser, background
from repic_plugin.classification.preparation import PolarImages, prepare_images
from repic_plugin.classification.references import References
from repic_plugin.classification.sizes import Sizes
from repic_plugin.classification.threads import one_blas_thread

# Images processed at a time, unless others are asked for; a multiple of the block, within which no
# result depends on what else is in the batch.
IMAGES_PER_BATCH, IMAGES_PER_BLOCK = 4096, 512
# Images that fit their class less are explained by none: noise fits by about 1.
LEAST_FIT = 1.0

Single = NDArray[np.float32]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Assignment:
    """Images in given classes.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Class of each image, numbered as the references; -1 for empty images.
    rotation_deg, shift_px, mirror : ndarray
        Pose of each image, as in `Classification`.
    dissimilarity : ndarray of float64, shape (n,)
        Squared distance on the rings used to the average multiplied by the image's CTF and
        contrast; nan for empty images.
    posterior : ndarray of float64, shape (n,)
        Of the class of each image among all classes, see `posteriors`; 0 for empty images.
    correlation : ndarray of float64, shape (n,)
        Normalised, of image and average; 0 for empty images.
    fit : ndarray of float64, shape (n,)
        Inner product of image and average over that of noise, see `fits`: about 1, or less, for
        images that no class explains.
    contrast : ndarray of float64, shape (n,)
        How strongly each image shows its class; 1 for all where contrasts do not vary.
    sizes : ndarray of int64, shape (k,)
    explained : ndarray of float64, shape (k,)
        Reduction of a member's sum of squares, as in `Classification`.
    measured : Measured
        Noise and grey scale that were used.
    used : Sizes
        Sizes in the box of the images.
    grey_scale : GreyScale
        Background of each image and its damaged pixels, which were removed.
    posteriors : ndarray of float32, shape (n, k), or None
        Of all classes, if asked for.
    """

    labels: Labels
    rotation_deg: Floats
    shift_px: Floats
    mirror: NDArray[np.bool_]
    dissimilarity: Floats
    posterior: Floats
    correlation: Floats
    fit: Floats
    contrast: Floats
    sizes: Labels
    explained: Floats
    measured: Measured
    used: Sizes
    grey_scale: GreyScale
    posteriors: Optional[Single] = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_explained(self) -> NDArray[np.bool_]:
        """Whether each image fits its class better than noise would, shape (n,)."""
        return np.asarray(self.fit > LEAST_FIT)


@dataclass(eq=False)
class _Columns:
    """Columns of the images that are filled batch by batch."""

    labels: Labels
    rotation_deg: Floats
    shift_px: Floats
    mirror: NDArray[np.bool_]
    dissimilarity: Floats
    posterior: Floats
    correlation: Floats
    fit: Floats
    contrast: Floats
    explained: Floats

    @classmethod
    def empty(cls, n: int) -> _Columns:
        """Columns of n empty images."""
        return cls(
            np.full(n, -1),
            np.zeros(n),
            np.zeros((n, 2)),
            np.zeros(n, np.bool_),
            np.full(n, np.nan),
            *(np.zeros(n) for _ in range(3)),
            np.ones(n),
            np.zeros(n),
        )

    def columns(self) -> List[NDArray[Any]]:
        """The columns in the order of the attributes."""
        return [getattr(self, field.name) for field in fields(self)]


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
        found = self._prepared(_Rows(self.images, rows), ctf, slice(0, len(rows)), None)
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


class _Rows:
    """Some of the images, read when they are sliced."""

    def __init__(self, images: Any, rows: Labels) -> None:
        self._images, self._rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __getitem__(self, rows: slice) -> Any:
        return self._images[self._rows[rows]]


def assign_particles(
    images: Any,
    references: References,
    *,
    pixel_size_angstrom: Optional[float] = None,
    ctf: Optional[CtfParameters] = None,
    phase_flipped: bool = False,
    measured_before: Optional[Measured] = None,
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
                some, polar, references.has_grey_scale, references.max_energy, n_threads
            )
        search = polar.scaled_search(measured_before)
        columns, grey_scale = _Columns.empty(n), GreyScale.empty(n)
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
    return _assignment(columns, references, measured_before, grey_scale, every)


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
    columns: _Columns,
    every: Optional[Single],
    n_threads: int,
) -> None:
    """Fill the columns of one batch, whose first image is number `first`."""
    own = np.flatnonzero(~prepared.is_empty)
    kept, _ = prepared.take(own).capped(known.max_energy)
    placed = search(kept, n_threads)
    found = products(kept, search.averages, placed, n_threads)
    shares = posteriors(placed.compared, known.prior.noise_variance)
    contrast = known.prior.contrast(found.score, found.norm)
    explained = contrast * (2 * found.score - contrast * found.norm)
    sizes = polar.sizes
    n_poses = independent_poses(polar.grid, len(polar.names), sizes.max_shift_px, polar.mirror)
    of_batch = (
        polar.names[placed.labels],
        turns_back(placed.alignment.angle),
        placed.alignment.shift_px,
        placed.alignment.mirror,
        kept.energy - explained,
        shares[np.arange(len(own)), placed.labels],
        correlations(found, kept.energy),
        fits(found, known.noise, n_poses),
        contrast,
        explained,
    )
    rows = first + own
    for column, values in zip(columns.columns(), of_batch):
        column[rows] = values
    if every is not None:
        every[rows[:, None], polar.names] = shares


def _assignment(
    columns: _Columns,
    references: References,
    known: Measured,
    grey_scale: GreyScale,
    every: Optional[Single],
) -> Assignment:
    kept, k = columns.labels >= 0, len(references)
    sizes = np.bincount(columns.labels[kept], minlength=k)
    total = np.bincount(columns.labels[kept], columns.explained[kept], k).astype(np.float64)
    *of_images, _ = columns.columns()
    return Assignment(
        *of_images,
        sizes=sizes,
        explained=total / np.maximum(sizes, 1),
        measured=known,
        used=references.sizes,
        grey_scale=grey_scale,
        posteriors=every,
    )
