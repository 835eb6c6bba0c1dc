"""2D classification of particle images: the public function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.agreement import (
    Agreement,
)
from repic_plugin.classification.checks import (
    check_images,
    check_kept,
    check_optics,
    check_settings,
)
from repic_plugin.classification.course import Course, CourseSettings
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.final_poses import FinalPoses, final_poses, of_all_ranks
from repic_plugin.classification.full_averages import FullAverages, full_averages
from repic_plugin.classification.normalisation import (
    GreyScale,
    Normaliser,
    background,
    energy_limit,
    particle_extent,
)
from repic_plugin.classification.preparation import PolarImages, prepare_images
from repic_plugin.classification.quality import JUNK_PROBABILITY, class_quality
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.resolution import estimated_resolution
from repic_plugin.classification.result import Classification, Preparation
from repic_plugin.classification.sizes import measured_sizes, particle_sizes
from repic_plugin.classification.state import State
from repic_plugin.classification.threads import one_blas_thread

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


def classify_particles(
    images: Any,
    n_classes: int,
    *,
    pixel_size_angstrom: float = 1.0,
    ctf: Optional[CtfParameters] = None,
    phase_flipped: bool = False,
    ctf_mode: str = "weight",
    method: str = "ack",
    alignment: str = "mra",
    beta: float = 0.5,
    tolerance: float = 0.01,
    max_iterations: int = 60,
    particle_diameter_angstrom: Optional[float] = None,
    max_shift_px: Optional[float] = None,
    n_rings: Optional[int] = None,
    mask_diameter_px: Optional[float] = None,
    mirror: bool = False,
    trade: bool = True,
    own_contrast: bool = True,
    random_state: int = 0,
    n_threads: int = 1,
    resume: Optional[State] = None,
    on_iteration: Optional[Callable[[State], None]] = None,
    progress: Optional[Callable[[int, int], None]] = None,
    ranks: Ranks = ALONE,
) -> Classification:
    """2D classification of particle images by ACK-means (Xu et al. 2016) and related rules.

    Damaged pixels are removed, and images normalised by their background, see `normalised`; an
    image counts for at most two median images. Sizes that are not given follow the particle and
    the box, see `particle_sizes`; `Classification.preparation` holds what was used.

    Parameters
    ----------
    images : array_like of float, shape (n, box, box)
        An array, or an object with a shape that returns arrays when sliced or indexed: stacks on
        disk are read in chunks.
    n_classes : int
        From 2 to n.
    pixel_size_angstrom : float
    ctf : CtfParameters, optional
        CTFs of the n images.
    phase_flipped : bool
        Whether the images are already phase-flipped.
    ctf_mode : {'weight', 'flip', 'none'}
        Phase flip and weighting of averages and dissimilarities by abs(CTF), phase flip only, or
        no CTF correction. Always 'none' without `ctf`.
    method : {'ack', 'kmeans', 'eqk', 'spider'}
        ACK-means, traditional K-means, equal sizes, or SPIDER's size factor; see `RULES`.
    alignment : {'mra', 'msa', 'rfa'}
        Multi-reference alignment in every iteration; the same with dissimilarities in the subspace
        of the main variations; or one alignment to the common mean, followed by clustering.
    beta : float
        Weight of the constraint on class sizes, 0 or more.
    tolerance : float
        Iterations end when at most this fraction of the images changes class. Between two rounds
        of split and merge more may change: there are at most 10 iterations.
    max_iterations : int
    particle_diameter_angstrom : float, optional
        The longest diameter. Without it, and without `mask_diameter_px`, it is measured in the
        mean image, see `particle_extent`; a diameter below 0.45 of the box is not believed.
    max_shift_px : float, optional
        At most half of the box; a sixteenth by default. Limits the initial, global search; images
        are then recentred, and only shifts of little more than 1 px are searched, depending on the
        rings.
    n_rings : int, optional
        The resolution is box * pixel size / n_rings. By default 27 Å, or a tenth of the mask where
        that is finer, but no finer than 4 px.
    mask_diameter_px : float, optional
        1.1 particle diameters by default, at most 0.84 of the box; plus a soft edge of 0.05 of the
        box on either side.
    mirror : bool
        Whether an image and its mirror image may be in one class.
    trade : bool
        Whether to split and merge classes and relax the constraint once they have formed, so that
        unequally populated views get classes of unequal size. Only for ACK-means with MRA. False
        is the paper's algorithm.
    own_contrast : bool
        Whether the contrast of each image is estimated, where contrasts vary by more than noise
        explains; see `contrasts`. Only with MRA.
    random_state : int
        Seed of the initial partition and all other random choices.
    n_threads : int
        Does not change the result.
    resume : State, optional
        State of an earlier call with the same arguments; the number of ranks may differ.
    on_iteration : callable, optional
        Called with the state after every iteration, on the first rank.
    progress : callable, optional
        Called with the number of images read so far and the total, for this rank.
    ranks : Ranks
        Processes that share the images, which does not change the result. All of them call this
        function with the same arguments.

    Returns
    -------
    Classification
        Without images and classes on ranks other than the first.

    Raises
    ------
    ValueError
        If an argument is invalid, an image has a value that is not finite or beyond 10^15, fewer
        than `n_classes` images are not empty, or `resume` is the state of a different
        classification.

    References
    ----------
    .. [1] Xu, Wu, Yin and Mao (2016), Unsupervised cryo-EM data clustering through adaptively
       constrained K-means algorithm, PLoS ONE 11:e0167765.

    Examples
    --------
    >>> import numpy as np
    >>> from repic_plugin.classification import classify_particles
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[-16:16, -16:16]
    >>> bar, ring = abs(y) < 3, abs(np.hypot(x, y) - 9) < 2
    >>> images = np.stack([bar] * 20 + [ring] * 20) + rng.normal(size=(40, 32, 32))
    >>> found = classify_particles(images, 2)
    >>> sorted(set(found.labels[:20])) != sorted(set(found.labels[20:]))
    True
    >>> found.sizes.tolist()
    [20, 20]
    """
    n_images = check_images(images)
    check_optics(pixel_size_angstrom, ctf, n_images)
    given: Dict[str, Any] = {
        "particle_diameter_angstrom": particle_diameter_angstrom,
        "mask_diameter_px": mask_diameter_px,
        "n_rings": n_rings,
        "max_shift_px": max_shift_px,
    }
    sizes = particle_sizes(images.shape[-1], pixel_size_angstrom, **given)
    settings = CourseSettings(
        n_classes=n_classes,
        method=method,
        alignment=alignment,
        beta=beta,
        tolerance=tolerance,
        max_iterations=max_iterations,
        max_shift_px=sizes.max_shift_px,
        mirror=mirror,
        trade=trade,
        own_contrast=own_contrast,
        random_state=random_state,
    )
    check_settings(settings, n_images, ctf_mode, n_threads, ranks.size)
    optics: Dict[str, Any] = {
        "pixel_size_angstrom": pixel_size_angstrom,
        "ctf": ctf if ctf_mode != "none" else None,
        "flip": not phase_flipped,
        "weight": ctf_mode == "weight",
        "n_threads": n_threads,
    }
    with one_blas_thread():
        part = ranks.part(n_images)
        with ranks.agreement():
            extent = particle_extent(images, n_threads)
            sizes = measured_sizes(sizes, given, extent.diameter_px)
            mask = (sizes.mask_diameter_px / 2, sizes.edge_px)
            normaliser = Normaliser(background(sizes.box_px, sum(mask)), extent.dust_deviations)
            grey_scale = GreyScale.empty(part.stop - part.start)
            prepared = prepare_images(
                images,
                sizes.grid(),
                mask_radius_px=mask[0],
                mask_edge_px=mask[1],
                normaliser=normaliser,
                grey_scale=grey_scale,
                part=part,
                progress=progress,
                **optics,
            )
        kept, rows = _kept(prepared, n_images, ranks)
        max_energy = energy_limit(kept.energy, ranks)
        kept, factor = kept.capped(max_energy)
        n_kept = ranks.count(len(rows))
        check_kept(n_kept, n_classes, resume)
        course = Course(kept, settings, n_threads, ranks)
        del prepared, kept  # replaced when the course recentres the images
        state = _last_state(course, resume, on_iteration, ranks.part(n_kept))
        found, agreement = final_poses(course, state, sizes.mask_diameter_px / sizes.box_px)
        averages = full_averages(
            images,
            found.labels,
            found.rotation_deg,
            found.shift_px,
            found.mirror,
            n_classes,
            mask=mask,
            normaliser=normaliser,
            factor=factor,
            rows=rows,
            ranks=ranks,
            **optics,
        )
    whole = of_all_ranks(found, rows, n_images, ranks)
    grey_scale = grey_scale.carried(ranks.collect)
    preparation = Preparation(
        sizes,
        extent.is_dark,
        grey_scale,
        extent.is_filtered,
        dust_deviations=extent.dust_deviations,
        max_energy=max_energy,
        ctf_mode=ctf_mode if ctf is not None else "none",
        mirror=mirror,
    )
    result = _classification(state, whole, averages.averages, preparation)
    if not ranks.is_first:
        return result
    agreement = replace(agreement, member=whole.member)
    return _judged(result, agreement, averages, sizes.box_px * pixel_size_angstrom)


def _kept(prepared: PolarImages, n_images: int, ranks: Ranks) -> Tuple[PolarImages, Labels]:
    """Non-empty images of this rank and their indices among all, evened out over the ranks."""
    own = np.flatnonzero(~prepared.is_empty)
    rows = ranks.part(n_images).start + own
    kept = prepared.take(own) if len(own) < len(prepared) else prepared
    if ranks.size == 1 or ranks.count(len(rows)) == n_images:
        return kept, rows
    columns = (kept.samples, kept.weight, kept.energy, kept.is_empty, rows)
    *moved, rows = ranks.evened(columns)
    return PolarImages(kept.grid, *moved), rows


def _last_state(
    course: Course,
    resume: Optional[State],
    on_iteration: Optional[Callable[[State], None]],
    mine: slice,
) -> State:
    """State after the last iteration; `mine` are the images of this rank, among those kept."""
    state = course.start() if resume is None else resume.carried(lambda all_: all_[mine].copy())
    while state.stage != "done":
        state = course.advance(state)
        if on_iteration is not None:
            whole = state.carried(course.ranks.collect)
            with course.ranks.agreement():
                if course.ranks.is_first:
                    on_iteration(whole)
    return state


def _classification(
    state: State, found: FinalPoses, averages: NDArray[np.float32], preparation: Preparation
) -> Classification:
    kept = found.labels >= 0
    classes, n_classes = found.labels[kept], len(averages)
    sizes = np.bincount(classes, minlength=n_classes)
    total: Floats = np.bincount(classes, found.explained[kept], n_classes).astype(np.float64)
    explained = total / np.maximum(sizes, 1)
    return Classification(
        labels=found.labels,
        rotation_deg=found.rotation_deg,
        shift_px=found.shift_px,
        mirror=found.mirror,
        dissimilarity=found.dissimilarity,
        averages=averages,
        sizes=sizes,
        explained=explained,
        is_junk=np.zeros(n_classes, dtype=np.bool_),
        converged=state.converged,
        records=state.records,
        preparation=preparation,
    )


def _judged(
    found: Classification, agreement: Agreement, averages: FullAverages, box_angstrom: float
) -> Classification:
    """Classification with the quality of its classes."""
    resolution = estimated_resolution(
        averages.ring_correlation, agreement, found.sizes, box_angstrom
    )
    quality = class_quality(agreement, found.averages, found.labels, resolution)
    is_junk = (found.sizes > 0) & (quality.probability < JUNK_PROBABILITY)
    return replace(found, quality=quality, is_junk=is_junk)
