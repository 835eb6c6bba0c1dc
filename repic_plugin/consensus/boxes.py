"""Square boxes, and the distance up to which two of them can overlap enough."""

from __future__ import annotations

from itertools import combinations
from typing import Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_fraction
from repic_plugin.consensus.picks import Picks, numbers_for_each_picker

BoxSize = Union[float, Sequence[float], Mapping[str, float]]


def largest_reach(
    sizes_px: NDArray[np.float64],
    min_overlap: float,
    picker_names: Tuple[str, ...],
    *,
    all_pairs: bool,
) -> float:
    """Distance along one axis beyond which no two boxes of different pickers overlap enough.

    J > t requires an intersection I > t (a^2 + b^2) / (1 + t), and I is at most the shorter side
    times the overlap along one axis.

    Parameters
    ----------
    sizes_px : ndarray of float64, shape (n_pickers,)
    min_overlap : float
        The bound t.
    picker_names : tuple of str
    all_pairs : bool
        Whether every pair of pickers must be able to agree; otherwise one pair is enough.

    Returns
    -------
    float
        px, rounded up slightly so that no pair is lost to rounding.

    Raises
    ------
    ValueError
        If there are fewer than two pickers, the bound is outside [0, 1), or sizes differ so much
        that boxes cannot overlap enough in any position.
    """
    if len(sizes_px) < 2:
        raise ValueError(f"a consensus needs at least two pickers, got {len(sizes_px)}")
    check_fraction("min_overlap", min_overlap)
    reach, n_possible = 0.0, 0
    for i, j in combinations(range(len(sizes_px)), 2):
        shorter, longer = sorted((sizes_px[i], sizes_px[j]))
        possible = (shorter / longer) ** 2 > min_overlap
        if all_pairs and not possible:
            raise _never_overlap(i, j, sizes_px, min_overlap, picker_names)
        if possible:
            n_possible += 1
            area = min_overlap * (shorter**2 + longer**2) / (1 + min_overlap)
            reach = max(reach, (shorter + longer) / 2 - area / shorter)
    if n_possible == 0:
        raise _never_overlap(0, 1, sizes_px, min_overlap, picker_names)
    return float(reach * (1 + 1e-9))


def _never_overlap(
    i: int, j: int, sizes_px: NDArray[np.float64], min_overlap: float, names: Tuple[str, ...]
) -> ValueError:
    return ValueError(
        f"boxes of {names[i]} ({sizes_px[i]:g} px) and {names[j]} ({sizes_px[j]:g} px) can never "
        f"overlap by more than {min_overlap:g}; lower min_overlap or give them similar sizes"
    )


def box_sizes(box_size_px: BoxSize, picker_names: Tuple[str, ...]) -> NDArray[np.float64]:
    """Checked box size of each picker, px.

    Parameters
    ----------
    box_size_px : float, sequence of float or mapping of picker name to float
        Side of the boxes, px.
    picker_names : tuple of str

    Returns
    -------
    ndarray of float64, shape (n_pickers,)

    Raises
    ------
    ValueError
        If a size is missing, or is not a positive finite number.
    """
    values = numbers_for_each_picker("box_size_px", box_size_px, picker_names)
    for name, value in zip(picker_names, values):
        if value is None:
            raise ValueError(f"box_size_px has no size for picker {name}; give one for each")
    sizes = np.array(values, dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(sizes) & (sizes > 0)))
    if len(bad):
        raise ValueError(
            f"box_size_px must be a positive number of px, got {sizes[bad[0]]:g} "
            f"for picker {picker_names[bad[0]]}"
        )
    return sizes


def inside_micrograph(
    picks: Picks, sizes_px: NDArray[np.float64], micrograph_size_px: Optional[ArrayLike]
) -> NDArray[np.bool_]:
    """Mask of the picks whose boxes lie entirely within their micrograph.

    Parameters
    ----------
    picks : Picks
    sizes_px : ndarray of float64, shape (n_pickers,)
    micrograph_size_px : array_like of float, shape (2,) or (n_micrographs, 2), or None
        Width and height; None counts every box as inside.

    Returns
    -------
    ndarray of bool, shape (n_picks,)

    Raises
    ------
    ValueError
        If a size is not positive, or there is not one for each micrograph.
    """
    if micrograph_size_px is None:
        return np.ones(len(picks), dtype=bool)
    extent = np.asarray(micrograph_size_px, dtype=np.float64)
    if extent.shape not in ((2,), (picks.n_micrographs, 2)):
        raise ValueError(
            f"micrograph_size_px must be a width and a height, or one such pair for each of the "
            f"{picks.n_micrographs} micrographs, got shape {extent.shape}"
        )
    extent = np.broadcast_to(extent, (picks.n_micrographs, 2))
    bad = extent[~(np.isfinite(extent) & (extent > 0)).all(axis=1)]
    if len(bad):
        raise ValueError(
            f"micrograph_size_px must hold positive numbers of px, "
            f"got {bad[0, 0]:g} x {bad[0, 1]:g}"
        )
    half = sizes_px[picks.picker] / 2
    inside = np.ones(len(picks), dtype=bool)
    for axis, centre in enumerate((picks.x, picks.y)):
        inside &= (centre >= half) & (centre + half <= extent[picks.micrograph, axis])
    return inside
