"""2D alignment of particles in Scipion's format."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Order of shift and rotation in a matrix: Scipion's own convention, and that of two plugins.
SHIFT_ORDERS = ("after", "before")


def transform_matrices(
    rotation_deg: ArrayLike, shift_px: ArrayLike, mirror: ArrayLike, shift_order: str = "after"
) -> NDArray[np.float64]:
    """Matrices of Scipion's `Transform`, for particles with 2D alignment (ALIGN_2D).

    The matrix takes a point of the particle to its place in the class average: (x', y', 0, 1) =
    matrix (x, y, 0, 1), in px from the pixel (box // 2, box // 2), x along the columns and y along
    the rows of the array. A particle whose content has to be moved by the shift s, then mirrored
    (x to -x, M), then turned by the angle r has the 2 x 2 part R(r) M, R(r) = [[cos r, -sin r],
    [sin r, cos r]], and the last column R(r) M s. Mirrored particles have a 2 x 2 part of
    determinant -1 and -1 as their third diagonal element. This is what the EMX data of Scipion's
    tests say ("T -> ref", "rot matrix + rot*shift"), and what the plugins of Xmipp, EMAN2 and
    SPIDER write and read: psi = -r and, for mirrored particles, the first row negative.

    The plugins of RELION and cryoSPARC (and pwem's "extract coordinates" with shifts) take the
    rotation the same way, but copy the last column from and to ``_rlnOriginX`` and
    ``_rlnOriginY``, although RELION shifts before it turns. For these the last column has to be
    s itself: `shift_order` 'before'. No matrix suits both unless shift or rotation is zero.

    Parameters
    ----------
    rotation_deg : array_like of float, shape (n,)
    shift_px : array_like of float, shape (n, 2)
    mirror : array_like of bool, shape (n,)
    shift_order : {'after', 'before'}
        Whether the last column is the shift after the rotation (the matrix as it stands) or
        before it (RELION's).

    Returns
    -------
    ndarray of float64, shape (n, 4, 4)

    Raises
    ------
    ValueError
        If `shift_order` is unknown.
    """
    if shift_order not in SHIFT_ORDERS:
        raise ValueError(f"shift_order must be one of {SHIFT_ORDERS}, got {shift_order!r}")
    angle = np.deg2rad(np.asarray(rotation_deg, dtype=np.float64))
    shift = np.asarray(shift_px, dtype=np.float64)
    sign = np.where(mirror, -1.0, 1.0)
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine * sign, -sine], [sine * sign, cosine]]).transpose(2, 0, 1)
    matrices: NDArray[Any] = np.zeros((len(angle), 4, 4))
    matrices[:, :2, :2] = linear
    matrices[:, 2, 2] = sign
    matrices[:, 3, 3] = 1.0
    after = np.einsum("nij,nj->ni", linear, shift)
    matrices[:, :2, 3] = after if shift_order == "after" else shift
    return matrices
