"""Final poses of the images, and how well the members of each class agree in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.agreement import Agreement, class_agreement, independent_poses
from repic_plugin.classification.averages import Alignment, class_sums
from repic_plugin.classification.course import Course, Setting
from repic_plugin.classification.fixed import Fixed
from repic_plugin.classification.ranks import Ranks
from repic_plugin.classification.refinement import class_offsets, refine_poses
from repic_plugin.classification.state import State

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FinalPoses:
    """Poses of the images, see `Classification`."""

    labels: Labels
    rotation_deg: Floats
    shift_px: Floats
    mirror: NDArray[np.bool_]
    dissimilarity: Floats
    explained: Floats  # part explained of each image's sum of squares
    member: Floats  # see `Agreement`


def final_poses(course: Course, state: State, mask_fraction: float) -> Tuple[FinalPoses, Agreement]:
    """Final poses of the images of this rank, and the agreement of the classes in their masks."""
    setting = course.setting(state)
    members = setting.aligned(state.alignment)
    n_classes = course.settings.n_classes
    sums = class_sums(setting.images, members, state.labels, n_classes, course.ranks)
    if isinstance(setting, Fixed):
        alignment = state.alignment
        compared = setting.compare(sums, members, state.labels).dissimilarity
        dissimilarity = compared[np.arange(len(state.labels)), state.labels]
    else:
        alignment, dissimilarity = refine_poses(
            setting, sums, members, state.labels, state.alignment, course.finest_step_px
        )
    agreement = _agreement(course, setting, state.labels, alignment, mask_fraction)
    shift = state.offset_px + alignment.shift_px
    poses = FinalPoses(
        labels=state.labels,
        rotation_deg=turns_back(alignment.angle),
        shift_px=shift - class_offsets(shift, alignment, state.labels, n_classes, course.ranks),
        mirror=alignment.mirror,
        dissimilarity=dissimilarity.astype(np.float64),
        explained=(setting.images.energy - dissimilarity).astype(np.float64),
        member=agreement.member,
    )
    return poses, agreement


def _agreement(
    course: Course, setting: Setting, labels: Labels, alignment: Alignment, mask_fraction: float
) -> Agreement:
    """Agreement of the members of the classes in their final poses."""
    settings, grid = course.settings, setting.images.grid
    members = setting.aligned(alignment)
    sums = class_sums(setting.images, members, labels, settings.n_classes, course.ranks)
    n_poses = independent_poses(grid, settings.n_classes, settings.max_shift_px, settings.mirror)
    return class_agreement(
        setting.images,
        members,
        sums,
        labels,
        n_poses=n_poses,
        mask_fraction=mask_fraction,
        n_threads=course.n_threads,
        ranks=course.ranks,
    )


def of_all_ranks(found: FinalPoses, rows: Labels, n_images: int, ranks: Ranks) -> FinalPoses:
    """Poses of all images of all ranks, including empty ones; on the first rank only."""
    rows = ranks.collect(rows)
    n_images = n_images if ranks.is_first else 0

    def every(column: NDArray[Any], empty: Any) -> NDArray[Any]:
        of_kept = ranks.collect(column)
        of_all = np.full((n_images, *column.shape[1:]), empty)
        of_all[rows] = of_kept
        return of_all

    return FinalPoses(
        labels=every(found.labels, -1),
        rotation_deg=every(found.rotation_deg, 0.0),
        shift_px=every(found.shift_px, 0.0),
        mirror=every(found.mirror, False),
        dissimilarity=every(found.dissimilarity, np.nan),
        explained=every(found.explained, 0.0),
        member=every(found.member, 0.0),
    )


def turns_back(angle: Floats) -> Floats:
    """Rotation of the content in degrees, in [-180, 180), from `Alignment.angle`."""
    # the first remainder of a tiny negative number rounds to 360
    return np.asarray((180 - np.rad2deg(angle)) % 360 % 360 - 180, dtype=np.float64)
