"""Templates: averages of particles, or a round blob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from repic_plugin.arguments import check_in_range, check_whole_number
from repic_plugin.classification import Classification, classify_particles
from repic_plugin.template_picking.checks import check_images
from repic_plugin.template_picking.correlation import TemplateBank
from repic_plugin.template_picking.diameters import MASK_DIAMETERS, ring_means, rings_of
from repic_plugin.template_picking.half_sets import STEP_DEG, half_set_agreement
from repic_plugin.template_picking.reduced import MAD_TO_STD, reduced_box_px

PARTICLES_PER_TEMPLATE = 30
MIN_TEMPLATES, MAX_TEMPLATES = 2, 12
# Fewer cannot be classified and aligned.
MIN_ALIGNED = 4
# Labels are accurate to within this fraction of the box.
MAX_SHIFT_BOXES = 1 / 6
MAX_ITERATIONS = 30
MAX_PARTICLES = 3000
# Particles of a half at most, and of both at least, for the agreement of halves.
MAX_HALF, MIN_HALVES = 300, 16
# A class that is junk beside the others is left out below this score: of particles alone some
# classes are always worse than others.
MAX_POOR_SCORE = 0.55
# Noise rarely exceeds the highest of its copies by more than this.
NOISE_MARGIN = 0.05
# Limit of a box's variance, in standard deviations, if there are enough boxes to estimate it.
MAX_DEVIATIONS, ENOUGH_TO_TELL = 3.0, 20
# Radius of the compared disc, in sides of a template.
MASK_FRACTION = 0.45
# A template is round if rotation changes less than this fraction of its contrast.
MAX_UNROUND = 0.1
# The blob and its surroundings, in boxes.
BLOB_BOXES, SURROUNDINGS_BOXES = 0.5, 1.6
# The blob, in diameters of a particle of known size.
BLOB_DIAMETERS = 0.7

Images = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LearntTemplates:
    """Averages of aligned particles.

    Attributes
    ----------
    images : ndarray of float32, shape (k, box, box)
        The particle's centre is the pixel (box // 2, box // 2).
    sizes : ndarray of int64, shape (k,)
        Particles in each.
    n_left_out : int
        Particles left out: of much higher or lower variance than the others, or in a class that
        is clearly junk, or surplus.
    agreement : ndarray of float64, shape (k,)
        Correlation between templates learnt from two halves of the particles, of which each is
        aligned by itself; NaN for fewer than 16 particles.
    noise_agreement : ndarray of float64, shape (k,)
        What the agreement must exceed: that of templates of the same spectrum and random phases.
    """

    images: Images
    sizes: NDArray[np.int64]
    n_left_out: int
    agreement: NDArray[np.float64]
    noise_agreement: NDArray[np.float64]

    @property
    def is_noise(self) -> NDArray[np.bool_]:
        """Whether a template agrees between the halves no better than noise does, (k,)."""
        noise: NDArray[np.bool_] = self.agreement < self.noise_agreement + NOISE_MARGIN
        return noise


def n_templates_for(n_particles: int) -> int:
    """Number of templates supported by a number of particles."""
    if n_particles < MIN_ALIGNED:
        return 1
    return min(MAX_TEMPLATES, max(MIN_TEMPLATES, n_particles // PARTICLES_PER_TEMPLATE))


def learn_templates(
    boxes: ArrayLike, n_templates: int = 0, *, random_state: int = 0, n_threads: int = 1
) -> LearntTemplates:
    """Templates from class averages of particles, aligned by ACK-means (Xu et al. 2016).

    Parameters
    ----------
    boxes : array_like of float, shape (n, box, box)
        From prepared micrographs, see `cut_boxes`. At most 3,000, drawn at random, are used.
    n_templates : int
        0 takes one per 30 particles, 2 to 12. A single one is the larger of two. Fewer than 4
        particles give a round template, their mean at all rotations.
    random_state, n_threads : int
        As for `classify_particles`.

    Returns
    -------
    LearntTemplates
        The largest class first.

    Raises
    ------
    ValueError
        If there are no particles or more templates than particles.
    """
    every = check_images("boxes", boxes)
    if len(every) > MAX_PARTICLES:
        rng = np.random.default_rng(random_state)
        every = every[np.sort(rng.choice(len(every), MAX_PARTICLES, replace=False))]
    images = _usual(every - every.mean(axis=(1, 2), keepdims=True))
    n = check_whole_number("n_templates", n_templates, 0) or n_templates_for(len(images))
    if n > len(images):
        raise ValueError(
            f"n_templates must not exceed the number of usable particles, {len(images)} of "
            f"{len(every)}, got {n}; label more particles"
        )
    if len(images) < MIN_ALIGNED:
        averages, sizes = _round(images.mean(axis=0))[None], np.array([len(images)])
    else:
        n_classes = max(n, MIN_TEMPLATES)  # a classification has no fewer
        averages, sizes = _class_averages(images, n_classes, random_state, n_threads)
        averages, sizes = averages[:n], sizes[:n]
    agreement = _agreement(averages, images, random_state, n_threads)
    return LearntTemplates(averages, sizes, len(every) - int(sizes.sum()), *agreement)


def general_template(box_size_px: int, particle_diameter_px: Optional[float] = None) -> Images:
    """Dark blob with a bright rim, for particles of which only the size is known.

    The Laplacian of a Gaussian with maximum response to a disc of 0.7 particle diameters, or half
    the box (Lindeberg 1998, doi:10.1023/A:1008045108935): particles are larger, but defocus
    suppresses features of their width and retains slightly finer ones.

    Returns
    -------
    ndarray of float32, shape (1, side, side)
        In reduced px, and larger than the box, for the rim.
    """
    box_px = reduced_box_px(box_size_px)
    blob_boxes = BLOB_BOXES
    if particle_diameter_px is not None:
        blob_boxes = BLOB_DIAMETERS * particle_diameter_px / box_size_px
    middle = round(SURROUNDINGS_BOXES * box_px / 2)
    y, x = np.mgrid[-middle : middle + 1, -middle : middle + 1]
    # standard deviation r / sqrt(2) for a disc of radius r
    square = (x**2 + y**2) / (blob_boxes * box_px / 2) ** 2
    blob: Images = ((square - 1) * np.exp(-square)).astype(np.float32)
    return blob[None]


def fitted_templates(images: ArrayLike, scale: float, box_size_px: int) -> Images:
    """Averages of another program or box, rescaled to reduced px and to the box.

    Parameters
    ----------
    images : array_like of float, shape (k, side, side)
    scale : float
        The pixel size of the images divided by that of reduced micrographs.
    box_size_px : int
        In px of the original micrographs.

    Returns
    -------
    ndarray of float32, shape (k, box, box)

    Raises
    ------
    ValueError
        If the images are not finite squares, or a number is out of range.
    """
    sources = check_images("images", images)
    check_in_range("scale", scale, 1e-3, 1e3)
    box_px = reduced_box_px(box_size_px)
    if sources.shape[-1] == box_px and abs(scale - 1) < 1e-3:
        return sources
    if scale < 1:  # against aliasing
        sources = ndimage.gaussian_filter(sources, (0, 0.5 / scale, 0.5 / scale))
    return np.stack([_drawn(one, np.eye(2) / scale, box_px) for one in sources])


def template_mask(side_px: int, particle_diameter_px: float = np.inf) -> NDArray[np.bool_]:
    """Disc of 1.5 particle diameters about the pixel side // 2, within a template at any rotation.

    `particle_diameter_px` is in px of the template.
    """
    radius = min(MASK_FRACTION * side_px, MASK_DIAMETERS / 2 * particle_diameter_px)
    y, x = np.mgrid[:side_px, :side_px] - side_px // 2
    return np.asarray(np.hypot(y, x) <= radius)


def rotated_templates(images: ArrayLike, angular_step_deg: float) -> Images:
    """Templates at all rotations in the plane, also mirrored, as seen from behind.

    Parameters
    ----------
    images : array_like of float, shape (k, side, side)
    angular_step_deg : float
        Approximate step; a turn has a whole number of steps.

    Returns
    -------
    ndarray of float32, shape (m, side, side)
        One for each round template; for others all rotations, also mirrored.
    """
    step = check_in_range("angular_step_deg", angular_step_deg, 1, 360)
    angles = np.linspace(0, 2 * np.pi, round(360 / step), endpoint=False)
    turned = []
    for image in check_images("images", images):
        if _is_round(image):
            turned.append(image)
            continue
        for cosine, sine in zip(np.cos(angles), np.sin(angles)):
            turn = np.array([[cosine, -sine], [sine, cosine]])
            turned += [_drawn(image, turn @ np.diag([1, side]), len(image)) for side in (1, -1)]
    return np.stack(turned)


def _usual(images: Images) -> Images:
    """Images without outliers of variance, as a crystal would become a template."""
    strength = images.std(axis=(1, 2))
    images, strength = images[strength > 0], strength[strength > 0]
    if not len(images):
        raise ValueError("boxes must not all be constant; label other particles")
    if len(images) < ENOUGH_TO_TELL:
        return images
    far = np.abs(strength - np.median(strength))
    usual: Images = images[far <= MAX_DEVIATIONS * MAD_TO_STD * np.median(far)]
    return usual


def _class_averages(
    images: Images, n_classes: int, random_state: int, n_threads: int
) -> Tuple[Images, NDArray[np.int64]]:
    """Averages and sizes of the classes that are not clearly junk, the largest first."""
    found = classify_particles(
        images,
        n_classes,
        mirror=True,
        max_iterations=MAX_ITERATIONS,
        max_shift_px=MAX_SHIFT_BOXES * images.shape[-1],
        random_state=random_state,
        n_threads=n_threads,
    )
    order = np.argsort(-found.sizes, kind="stable")
    present = order[found.sizes[order] > 0]
    kept = present
    if found.quality is not None and len(images) >= MIN_HALVES:  # few cannot be judged
        good = present[~(found.is_junk & (found.quality.score < MAX_POOR_SCORE))[present]]
        kept = good if len(good) else present
    return np.stack([_centred(found, k) for k in kept.tolist()]), found.sizes[kept]


def _agreement(
    templates: Images, images: Images, random_state: int, n_threads: int
) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Half-set agreement of templates, and that of noise; NaN where there are too few images."""
    order = np.random.default_rng(random_state).permutation(len(images))[: 2 * MAX_HALF]
    if len(order) < MIN_HALVES:
        return np.full(len(templates), np.nan), np.full(len(templates), np.nan)
    first, second = (
        _class_averages(images[half], n_templates_for(len(half)), random_state, n_threads)[0]
        for half in (np.sort(order[::2]), np.sort(order[1::2]))
    )

    def bank_of(image: Images) -> TemplateBank:
        return TemplateBank(rotated_templates(image[None], STEP_DEG), template_mask(len(image)))

    return half_set_agreement(templates, (first, second), bank_of, random_state)


def _centred(found: Classification, k: int) -> Images:
    """Average shifted so that the mean label position of its members is at the centre.

    Classes drift while they are aligned to each other.
    """
    mine = found.labels == k
    angle, (x, y) = np.deg2rad(found.rotation_deg[mine]), found.shift_px[mine].T
    x = np.where(found.mirror[mine], -x, x)
    middle_x = np.mean(np.cos(angle) * x - np.sin(angle) * y)
    middle_y = np.mean(np.sin(angle) * x + np.cos(angle) * y)
    moved: Images = ndimage.shift(found.averages[k], (-middle_y, -middle_x), order=3)
    return moved


def _drawn(image: Images, matrix: NDArray[np.float64], side_px: int) -> Images:
    """Image rotated or scaled about its pixel side // 2; `matrix` maps new to old positions."""
    middle, new_middle = len(image) // 2, side_px // 2
    offset = np.full(2, middle) - matrix @ np.full(2, new_middle)
    drawn: Images = ndimage.affine_transform(
        image, matrix, offset, output_shape=(side_px, side_px), order=3, mode="nearest"
    )
    return drawn


def _round(image: Images) -> Images:
    """Mean of an image over all rotations about the pixel side // 2."""
    mean: Images = ring_means(image)[rings_of(len(image))].astype(np.float32)
    return mean


def _is_round(image: Images) -> bool:
    inside = template_mask(len(image))
    values, rest = image[inside], (image - _round(image))[inside]
    return bool(rest.std() <= MAX_UNROUND * values.std())
