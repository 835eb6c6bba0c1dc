"""Checks of the arguments of `find_consensus`."""

from __future__ import annotations

from typing import Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import check_choice, check_in_range, check_whole_number
from repic_plugin.consensus.batch import POSITIONS
from repic_plugin.consensus.boxes import BoxSize, box_sizes, largest_reach
from repic_plugin.consensus.chance.record import Agreement, agreement_warnings
from repic_plugin.consensus.ensemble.model import EnsembleModel
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.records import Settings
from repic_plugin.consensus.result import RANKINGS
from repic_plugin.consensus.spacing import spacing_px

MODES = ("all", "quorum", "probabilistic")


def default_quorum(n_pickers: int) -> int:
    """Smallest majority of `n_pickers` (int, 2 or more): 2 of 2, 2 of 3, 3 of 4, 3 of 5."""
    return n_pickers // 2 + 1


def required_pickers(mode: str, n_pickers: int, quorum: Optional[int] = None) -> int:
    """Minimum number of pickers in a group of the graph.

    Parameters
    ----------
    mode : {"all", "quorum", "probabilistic"}
    n_pickers : int
    quorum : int, optional
        For mode quorum; `default_quorum` by default.

    Returns
    -------
    int
        2 in mode probabilistic, where a single pick is in no group.
    """
    if mode == "quorum":
        return default_quorum(n_pickers) if quorum is None else quorum
    return n_pickers if mode == "all" else 2


def check_settings(
    picks: Picks,
    box_size_px: BoxSize,
    mode: str,
    quorum: Optional[int],
    min_overlap: float,
    position: str,
    num_particles: Optional[int],
    time_limit_s: Optional[float],
    min_distance_px: Optional[float],
    rank_by: str,
) -> Settings:
    """Settings that hold for every micrograph.

    Raises
    ------
    ValueError
        If there are fewer than two pickers, or an argument is outside its range.
    """
    k = picks.n_pickers
    if k < 2:
        raise ValueError(f"a consensus needs the picks of at least two pickers, got {k}")
    check_choice("mode", mode, MODES)
    if mode != "quorum" and quorum not in (None, k if mode == "all" else None):
        raise ValueError(f"quorum {quorum} has no meaning in mode {mode}; choose mode quorum")
    least = required_pickers(mode, k, quorum)
    if least not in range(2, k + 1):
        raise ValueError(f"quorum must lie in 2 to {k}, the number of pickers, got {least}")
    check_choice("position", position, POSITIONS)
    check_choice("rank_by", rank_by, RANKINGS)
    if mode == "probabilistic" and rank_by != RANKINGS[0]:
        raise ValueError(
            f"rank_by {rank_by} has no meaning in mode probabilistic, which ranks by probability; "
            f"leave it at {RANKINGS[0]}"
        )
    if num_particles is not None:
        check_whole_number("num_particles", num_particles, 1, "leave it out to keep all")
    if time_limit_s is not None and not time_limit_s > 0:
        raise ValueError(f"time_limit_s must be more than 0 s, got {time_limit_s}")
    sizes_px = box_sizes(box_size_px, picks.picker_names)
    reach_px = largest_reach(sizes_px, min_overlap, picks.picker_names, all_pairs=least == k)
    cut = None if mode == "probabilistic" else num_particles  # a single pick may be kept, too
    closest_px = float(spacing_px("min_distance_px", min_distance_px, sizes_px).min())
    return Settings(
        int(least),
        float(min_overlap),
        sizes_px,
        reach_px,
        position,
        cut,
        time_limit_s,
        min_distance_px=closest_px,
        rank_by=rank_by,
    )


def check_micrographs(picks: Picks, micrographs: Optional[ArrayLike]) -> NDArray[np.int64]:
    """Indices of the micrographs to process.

    Raises
    ------
    ValueError
        If they are not indices, or one is repeated.
    """
    if micrographs is None:
        return np.arange(picks.n_micrographs)
    wanted = np.asarray(micrographs).reshape(-1)
    if len(wanted) and wanted.dtype.kind not in "iu":
        raise ValueError(f"micrographs must be integer indices, got dtype {wanted.dtype}")
    wanted = wanted.astype(np.int64)
    if len(np.unique(wanted)) < len(wanted):
        raise ValueError("micrographs must differ from each other, got one twice")
    bad = wanted[(wanted < 0) | (wanted >= picks.n_micrographs)]
    if len(bad):
        raise ValueError(f"micrographs must be below {picks.n_micrographs}, got {bad[0]}")
    return wanted


def check_probabilistic(
    picks: Picks,
    mode: str,
    target_precision: Optional[float],
    quality: Optional[ArrayLike],
    model: Optional[EnsembleModel],
    largest_component: bool,
) -> None:
    """Settings of mode probabilistic, which other modes refuse.

    Raises
    ------
    ValueError
        If a value is outside its range, belongs to another mode, or the model to other pickers.
    """
    asked = {
        "target_precision": target_precision,
        "micrograph_quality": quality,
        "ensemble": model,
    }
    for name, value in asked.items():
        if value is not None and mode != "probabilistic":
            raise ValueError(f"{name} has no meaning in mode {mode}; choose mode probabilistic")
    if largest_component and mode == "probabilistic":
        raise ValueError(
            "largest_component has no meaning in mode probabilistic, where a pick may stand alone"
        )
    if target_precision is not None:
        check_in_range("target_precision", target_precision, 0, 1, "()")
    if model is not None and model.picker_names != picks.picker_names:
        raise ValueError(
            f"the ensemble was fitted to the pickers {', '.join(model.picker_names)}, "
            f"but the pickers are {', '.join(picks.picker_names)}; fit it to these"
        )
    if quality is not None and np.shape(quality) != (picks.n_micrographs,):
        raise ValueError(
            f"micrograph_quality must have one value for each of the {picks.n_micrographs} "
            f"micrographs, got shape {np.shape(quality)}"
        )


def check_agreement(
    picks: Picks, max_rate: Optional[float], agreement: Optional[Agreement], decoys: bool
) -> None:
    """Largest false-agreement rate, and an agreement of an earlier consensus.

    Raises
    ------
    ValueError
        If the rate is out of range or nothing says the rates, or the pickers are others.
    """
    if max_rate is not None:
        check_in_range("max_false_agreement", max_rate, 0, 1, "(]", "give a fraction, as 0.05")
        if agreement is None and not decoys:
            raise ValueError(
                "max_false_agreement needs rates, which are measured with decoys; leave decoys at "
                "True or give an agreement"
            )
    if agreement is not None and agreement.picker_names != picks.picker_names:
        raise ValueError(
            f"the agreement was measured between the pickers {', '.join(agreement.picker_names)}, "
            f"but the pickers are {', '.join(picks.picker_names)}; measure it for these"
        )


def refuse_coincidences(agreement: Optional[Agreement]) -> None:
    """Refuse an agreement no better than chance, from which no quality can be estimated.

    Raises
    ------
    ValueError
        With the numbers and what to check.
    """
    for line in agreement_warnings(agreement, "mode probabilistic would take them for particles"):
        raise ValueError(line)


def check_unseen(picks: Picks, unseen: Optional[ArrayLike]) -> NDArray[np.bool_]:
    """Which pickers have not seen a micrograph, shape (n_micrographs, n_pickers).

    Raises
    ------
    ValueError
        If the shape is another, or a picker has picks where it has not looked.
    """
    shape = (picks.n_micrographs, picks.n_pickers)
    if unseen is None:
        return np.zeros(shape, dtype=bool)
    found = np.asarray(unseen, dtype=bool)
    if found.shape != shape:
        raise ValueError(f"unseen must have shape {shape}, got {found.shape}")
    if found[picks.micrograph, picks.picker].any():
        raise ValueError("unseen must be False where a picker has picks")
    return found


def check_min_weight(min_weight: Optional[float], n_above: int = 0) -> None:
    """Smallest weight of a particle; a ValueError if no particle can have it.

    Parameters
    ----------
    min_weight : float, optional
    n_above : int
        Number of pickers above the quorum; each adds 1 to the weight, which otherwise is at most 1.
    """
    if min_weight is not None:
        remedy = "with this mode and these pickers all weights lie there; 0 keeps all"
        check_in_range("min_weight", min_weight, 0, 1 + n_above, "[]", remedy)
