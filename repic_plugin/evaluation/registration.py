"""Rigid registration of a map to a reference, starting from an approximate pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage, optimize
from scipy.spatial.transform import Rotation

from repic_plugin.arguments import check_in_range, check_varied
from repic_plugin.evaluation.checks import check_volume

DEFAULT_MAX_ANGLE_DEG = 25.0
DEFAULT_MAX_SHIFT = 1 / 3  # of the box
# The pose is searched on maps Fourier-cropped to this box: finer details are not needed, and the
# position is accurate to some hundredths of its voxels.
SEARCH_BOX_PX = 44
# Edges of the low-pass filter, as fractions of the Nyquist frequency of that box, so that splines
# interpolate the maps well.
FILTER_EDGE = (0.5, 0.9)
ANGULAR_STEP_DEG = 10.0
# Number of poses of the coarse search that are refined.
N_CANDIDATES = 3
# Simplexes: first step in px, evaluations. A simplex that shrank too early is restarted.
CANDIDATE_STAGE = (1.0, 60)
STAGES = ((0.7, 250), (0.2, 150))
# The correlation uses every second voxel along each axis: as good, and eight times as fast.
EVERY = 2
TOLERANCE_PX = 0.004
SPLINE_ORDER = 3
FINAL_SPLINE_ORDER = 5  # applied only once; it weakens fine details least
# Minimum common fraction of the two boxes for a valid pose.
MIN_COMMON_PART = 0.2

Floats = NDArray[np.float64]
Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Rigid transform of the points of a map: p to rotation @ p + shift, from voxel box // 2.

    Attributes
    ----------
    rotation : ndarray of float64, shape (3, 3)
        Rows and columns z, y, x, as the axes of the array.
    shift_px : ndarray of float64, shape (3,)
        z, y, x.
    correlation : float
        Correlation of the filtered maps after the transform, where both are known.
    """

    rotation: Floats
    shift_px: Floats
    correlation: float

    @property
    def angle_deg(self) -> float:
        """Rotation angle, about whatever axis."""
        return float(np.rad2deg(Rotation.from_matrix(self.rotation).magnitude()))


def register_rigid(
    volume: ArrayLike,
    reference: ArrayLike,
    *,
    max_angle_deg: float = DEFAULT_MAX_ANGLE_DEG,
    max_shift_px: Optional[float] = None,
) -> Tuple[Volume, RigidTransform]:
    """Map rotated and shifted to match a reference, and the transform.

    Rotations near the identity are searched on a grid, each with the shift of maximum
    cross-correlation; the best poses are refined by the simplex of Nelder and Mead 1965
    (doi:10.1093/comjnl/7.4.308).

    Parameters
    ----------
    volume, reference : array_like of float, shape (box, box, box)
        z, y, x; with the same grid and handedness.
    max_angle_deg : float
        Range of the grid of rotations, up to 60; beyond 25 the time grows with its cube.
    max_shift_px : float, optional
        Maximum shift along each axis in the coarse search, up to half the box; a third of the box
        by default.

    Returns
    -------
    registered : ndarray of float32, shape (box, box, box)
        Beyond the original map it holds the median of the map's faces.
    transform : RigidTransform

    Raises
    ------
    ValueError
        If the maps are not cubes of one size, are constant, or an argument is out of range.

    Notes
    -----
    The registered map is interpolated once, by a quintic spline, which slightly lowers the
    correlation close to the Nyquist frequency.
    """
    moving = check_volume("volume", volume)
    fixed = check_volume("reference", reference, len(moving))
    box_px = len(moving)
    max_shift = box_px * DEFAULT_MAX_SHIFT if max_shift_px is None else max_shift_px
    _check_limits(max_angle_deg, max_shift, box_px)
    search_px = min(box_px, SEARCH_BOX_PX)
    scale = search_px / box_px
    small = [
        _cut_in_fourier_space(name, one, search_px)
        for name, one in (("volume", moving), ("reference", fixed))
    ]
    candidates = _coarse_poses(small[0], small[1], max_angle_deg, max_shift * scale)
    transform = _refined(small[0], small[1], candidates, scale)
    background = _background(moving)
    registered = _moved(
        moving, transform.rotation, transform.shift_px, FINAL_SPLINE_ORDER, background
    )
    return registered, transform


def _check_limits(max_angle_deg: float, max_shift_px: float, box_px: int) -> None:
    check_in_range("max_angle_deg", max_angle_deg, 0, 60, remedy="25 is usual")
    if not 0 <= max_shift_px <= box_px / 2:
        raise ValueError(
            f"max_shift_px must lie in [0, {box_px / 2:g}], half of the box, got {max_shift_px}; "
            "centre the map first"
        )


def _background(volume: Volume) -> float:
    """Median of the six faces."""
    faces = [volume[[0, -1]], volume[:, [0, -1]], volume[:, :, [0, -1]]]
    return float(np.median(np.concatenate([face.ravel() for face in faces])))


def _cut_in_fourier_space(name: str, volume: Volume, box_px: int) -> Floats:
    """Low-pass filtered map of background 0 on a coarser grid, its origin at voxel box // 2."""
    check_varied(name, volume)
    transform = fft.rfftn(fft.ifftshift(volume - np.float32(_background(volume))))
    half = box_px // 2
    kept = np.r_[0 : box_px - half, -half:0]
    cut = transform[np.ix_(kept, kept, np.arange(half + 1))]
    squares = np.rint(fft.fftfreq(box_px) * box_px) ** 2
    radius = np.sqrt(squares[:, None, None] + squares[:, None] + np.arange(half + 1) ** 2)
    low, high = FILTER_EDGE
    part = np.clip((radius / (box_px / 2) - low) / (high - low), 0.0, 1.0)
    filtered = cut * (0.5 + 0.5 * np.cos(np.pi * part)) * (box_px / len(volume)) ** 3
    small: Floats = fft.fftshift(fft.irfftn(filtered, s=(box_px,) * 3)).astype(np.float64)
    return small


def _moved(
    volume: NDArray[np.floating[Any]],
    rotation: Floats,
    shift_px: Floats,
    order: int,
    outside: float,
    *,
    is_prefiltered: bool = False,
    every: int = 1,
) -> Volume:
    """Map after a pose, interpolated at the origin of each voxel, or of some."""
    center = len(volume) // 2
    back = rotation.T
    offset = center - back @ (center + shift_px)
    moved: Volume = ndimage.affine_transform(
        volume,
        back * every,
        offset,
        output_shape=(-(-len(volume) // every),) * 3,
        order=order,
        cval=outside,
        output=np.float32,
        prefilter=not is_prefiltered,
    )
    return moved


def _rotation_grid(max_angle_deg: float) -> Floats:
    """Rotation vectors within a ball around 0, radians, shape (n, 3)."""
    n = int(np.ceil(max_angle_deg / ANGULAR_STEP_DEG))
    steps = np.arange(-n, n + 1) * ANGULAR_STEP_DEG
    vectors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    reach = max_angle_deg + ANGULAR_STEP_DEG / 2
    inside: Floats = np.deg2rad(vectors[np.linalg.norm(vectors, axis=1) <= reach])
    return inside


def _coarse_poses(
    moving: Floats, fixed: Floats, max_angle_deg: float, max_shift_px: float
) -> Tuple[Floats, Floats]:
    """Best rotations (n, 3, 3) of the grid and their shifts (n, 3), best first."""
    box_px = len(moving)
    target = np.conj(fft.rfftn(fixed))
    distance = np.abs(np.rint(fft.fftfreq(box_px) * box_px))
    allowed = np.flatnonzero(distance <= max_shift_px)
    rotations = Rotation.from_rotvec(_rotation_grid(max_angle_deg)).as_matrix()
    scores, shifts = np.empty(len(rotations)), np.empty((len(rotations), 3))
    for i, rotation in enumerate(rotations):
        turned = _moved(moving, rotation, np.zeros(3), 1, 0.0)
        # offset of the rotated map from the reference, to be reversed
        products = fft.irfftn(fft.rfftn(turned) * target, s=fixed.shape)
        products = products[np.ix_(allowed, allowed, allowed)]
        best = np.unravel_index(int(np.argmax(products)), products.shape)
        scores[i] = products[best] / max(float(np.linalg.norm(turned)), 1e-30)
        far = allowed[list(best)]
        shifts[i] = -np.where(far > box_px // 2, far - box_px, far)
    order = np.argsort(-scores, kind="stable")[:N_CANDIDATES]
    return rotations[order], shifts[order]


def _refined(
    moving: Floats, fixed: Floats, candidates: Tuple[Floats, Floats], scale: float
) -> RigidTransform:
    """Best pose of all, on the full grid."""
    coefficients = ndimage.spline_filter(moving, SPLINE_ORDER)
    poses = [
        _climb(coefficients, fixed, rotation, shift, CANDIDATE_STAGE)
        for rotation, shift in zip(*candidates)
    ]
    best = max(poses, key=lambda pose: pose.correlation)
    for stage in STAGES:
        best = _climb(coefficients, fixed, best.rotation, best.shift_px, stage)
    return RigidTransform(best.rotation, best.shift_px / scale, best.correlation)


def _climb(
    coefficients: Floats,
    fixed: Floats,
    rotation: Floats,
    shift_px: Floats,
    stage: Tuple[float, int],
) -> RigidTransform:
    """Pose that maximises the correlation locally."""
    first_step_px, n_evaluations = stage
    seen = fixed[::EVERY, ::EVERY, ::EVERY]
    radius_px = len(fixed) / 4  # a rotation is measured by the path of a point at this radius

    def pose(x: Floats) -> Tuple[Floats, Floats]:
        turn = Rotation.from_rotvec(x[:3] / radius_px).as_matrix()
        return turn @ rotation, shift_px + x[3:]

    def loss(x: Floats) -> float:
        moved = _moved(
            coefficients, *pose(x), SPLINE_ORDER, np.nan, is_prefiltered=True, every=EVERY
        )
        return -_common_correlation(moved, seen)

    simplex = np.vstack([np.zeros(6), first_step_px * np.eye(6)])
    options = {
        "initial_simplex": simplex,
        "maxfev": n_evaluations,
        "xatol": TOLERANCE_PX,
        "fatol": 1e-7,
    }
    found = optimize.minimize(loss, np.zeros(6), method="Nelder-Mead", options=options)
    return RigidTransform(*pose(found.x), -float(found.fun))


def _common_correlation(moved: Volume, fixed: Floats) -> float:
    """Correlation in the region where the moved map is known."""
    known = np.isfinite(moved)
    if known.mean() < MIN_COMMON_PART:
        return -1.0
    first, second = moved[known].astype(np.float64), fixed[known]
    first -= first.mean()
    second = second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norm if norm > 0 else -1.0
