"""Summary and warnings at the end of `repic-plugin consensus`."""

from __future__ import annotations

import argparse
from typing import List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.commands.options import print_table
from repic_plugin.consensus import (
    ConsensusResult,
    EnsembleModel,
    MicrographQuality,
    agreement_line,
    expected_scores,
    fall_lines,
    falls_of,
    none_kept,
    smaller_line,
)
from repic_plugin.formats import PicksDir, why_ignored
from repic_plugin.wording import counted


def report(
    loaded: PicksDir,
    result: ConsensusResult,
    args: argparse.Namespace,
) -> None:
    """Print the agreement, the pickers, the particles, and the files that were not read."""
    if result.agreement is not None:
        print(f"{agreement_line(result.agreement)}\n")
    if result.ensemble is None:
        _print_result(loaded, result)
        if result.smaller is not None:
            line = smaller_line(result.smaller, result.quorum, len(result.picker_names))
            print(line[:1].lower() + line[1:].rstrip("."), end="\n" if line else "")
    else:
        kept_by = _kept_by(result.ensemble, args.target_precision, args.num_particles)
        _print_probable(loaded, result, result.ensemble, kept_by)
    if args.max_false_agreement is not None:
        why = none_kept(result.agreement)
        print(
            f"kept of {result.micrographs.n_selected.sum():,} selected: {len(result):,} whose "
            f"false-agreement rate is at most {args.max_false_agreement:g}{why and f' ({why})'}"
        )
    if args.min_weight is not None:
        print(
            f"kept of {result.micrographs.n_selected.sum():,} selected: {len(result):,} whose "
            f"weight is at least {args.min_weight:g}"
        )
    for path in loaded.ignored[:3]:
        print(f"not read: {path}: {why_ignored(path, args.picks_dir)}")
    if len(loaded.ignored) > 3:
        print(f"not read: {len(loaded.ignored) - 3} more files")


def print_falls(quality: MicrographQuality) -> None:
    """Print sudden falls in the order of the micrographs' names, one line each."""
    for line in fall_lines(quality, falls_of(quality)):
        print(line)


def doubts(result: ConsensusResult, target_precision: Optional[float]) -> List[str]:
    """Doubts about the estimates, and a target precision that cannot be reached."""
    told = [] if result.ensemble is None else list(result.ensemble.warnings)
    if target_precision is not None and not len(result):
        told.append(
            f"no particle is kept: no selection has an expected precision of {target_precision:g}; "
            f"lower --target-precision"
        )
    return told


def _kept_by(
    model: EnsembleModel, target_precision: Optional[float], num_particles: Optional[int]
) -> str:
    threshold = f"probability of at least {model.threshold:.3f} ({model.threshold_rule})"
    if num_particles is None:
        return threshold
    number = f"the best {num_particles} per micrograph"
    return number if target_precision is None else f"{threshold}, {number}"


def _print_probable(
    loaded: PicksDir, result: ConsensusResult, model: EnsembleModel, kept_by: str
) -> None:
    """Print the estimated quality of the pickers and of the particles."""
    columns = [
        _with_interval(model.precision, model.precision_interval),
        _with_interval(model.recall, model.recall_interval),
        [f"{value:.3f}" for value in model.f1.tolist()],
    ]
    rows = [
        [*row[:4], *cells, row[5]] for row, *cells in zip(_picker_rows(loaded, result), *columns)
    ]
    header = ["picker", "picks", "used", "in consensus", "precision (95 %)", "recall (95 %)", "F1"]
    print_table([*header, "scores"], rows)
    n_micrographs = len(result.micrographs.names)
    expected = expected_scores(result.weight, model, n_micrographs)
    low, high = expected.n_particles_interval
    n_with = len(np.unique(result.micrograph))
    print(
        f"\nconsensus: {counted(len(result), 'particle')} on {n_with:,} of "
        f"{counted(n_micrographs, 'micrograph')}, "
        f"expected precision {_ratio(expected.precision)} and recall {_ratio(expected.recall)}; "
        f"kept: {kept_by}"
    )
    print(
        f"estimated total: {expected.n_particles:,.0f} true particles ({low:,.0f} to {high:,.0f}), "
        f"including those that no picker found; of {len(result):,} kept, "
        f"about {expected.n_true:,.0f} are expected to be true"
    )


def _with_interval(values: NDArray[np.float64], intervals: NDArray[np.float64]) -> List[str]:
    return [
        f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(value) else "-"
        for value, (low, high) in zip(values.tolist(), intervals.tolist())
    ]


def _ratio(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _picker_rows(loaded: PicksDir, result: ConsensusResult) -> List[Sequence[str]]:
    """Name, picks, picks used, picks in the consensus and their share, score transform."""
    entered = result.micrographs.n_picks.sum(axis=0)
    given = np.bincount(loaded.picks.picker, minlength=loaded.picks.n_pickers)
    agreed = (result.members >= 0).sum(axis=0)
    return [
        [name, f"{n:,}", f"{used:,}", f"{k:,}", f"{k / max(used, 1):.1%}", transform]
        for name, n, used, k, transform in zip(
            result.picker_names, given, entered, agreed, result.score_transforms
        )
    ]


def _print_result(loaded: PicksDir, result: ConsensusResult) -> None:
    header = ["picker", "picks", "used", "in consensus", "share", "scores"]
    print_table(header, _picker_rows(loaded, result))
    counts = result.micrographs
    n_with = len(np.unique(result.micrograph))
    proof = "proven optimal" if result.is_optimal else "NOT proven optimal on all micrographs"
    print(
        f"\nconsensus: {counted(len(result), 'particle')} on {n_with:,} of "
        f"{counted(len(counts.names), 'micrograph')}, "
        f"objective {counts.objective.sum():.4f}, {proof}"
    )
