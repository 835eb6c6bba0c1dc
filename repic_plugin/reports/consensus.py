"""Report of a consensus."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import (
    GOOD_CLASS,
    Agreement,
    SmallerGroups,
    agreement_line,
    agreement_warnings,
    fall_lines,
    falls_of,
    recommended_number,
    shares_in_good_classes,
)
from repic_plugin.formats import (
    ConsensusTables,
    JudgedMicrographs,
    PickerClasses,
    read_agreement,
    read_consensus_tables,
    read_ensemble,
    read_micrograph_quality,
    read_picker_classes,
    read_smaller_groups,
)
from repic_plugin.plots import (
    agreement_figure,
    chance_figure,
    micrographs_figure,
    overlap_figure,
    picker_classes_figure,
    weights_figure,
)
from repic_plugin.reports.document import Block, Table, Warnings
from repic_plugin.reports.ensemble import ensemble_blocks, judged_by
from repic_plugin.reports.pictures import Picture
from repic_plugin.wording import counted

MARKER, TITLE = "consensus.csv", "consensus picking"


def blocks(folder: Path) -> List[Block]:
    """Pickers in the consensus, their agreement, and the weights."""
    found = read_consensus_tables(folder)
    model = read_ensemble(folder)
    agreement = read_agreement(folder)
    doubts = [f"{line[0].upper()}{line[1:]}." for line in agreement_warnings(agreement)]
    judged = read_micrograph_quality(folder)
    warnings = [*doubts, *_falls(judged), *_warnings(found)]
    if model is None:
        head = [*_agreed(found), Warnings(warnings)]
    else:
        head = ensemble_blocks(found, model, warnings)
    if agreement is not None:
        head = [_said(agreement), *head]
    if model is not None:
        head = [*judged_by(model), *head]
    smaller = read_smaller_groups(folder, found.picker_names)
    pictures = _pictures(found, smaller, is_probability=model is not None)
    return [
        *head,
        *by_class(read_picker_classes(folder)),
        *pictures,
        *_beyond_chance(agreement),
        *_over_time(judged),
        *_extremes(found),
    ]


def by_class(found: Optional[PickerClasses]) -> List[Block]:
    """2D classes of a consensus with images, and the picks of each picker in them."""
    if found is None:
        return []
    figure = picker_classes_figure(
        found.averages,
        found.share,
        found.counts,
        found.picker_names,
        good_share=GOOD_CLASS,
        is_filtered=found.is_filtered,
    )
    caption = "2D classes of the candidates, and the picks of each picker in them."
    picture = Picture(figure, caption, is_photo=True)
    if found.is_filtered:  # shares mean little
        return [picture]
    n, share = shares_in_good_classes(found.counts, found.share >= GOOD_CLASS)
    told = np.where(n > 0, share.astype(object), "")
    columns = (n[:, 0], told[:, 0], n[:, 1], told[:, 1])
    rows = [list(row) for row in zip(found.picker_names, *(one.tolist() for one in columns))]
    header = ["picker", "found alone", "in classes of particles", "shared"]
    return [
        picture,
        Table([*header, "in classes of particles"], rows, "Picks that were looked at."),
    ]


def _said(agreement: Agreement) -> str:
    line = agreement_line(agreement)
    return f"{line[0].upper()}{line[1:]}."


def _beyond_chance(agreement: Optional[Agreement]) -> List[Block]:
    """Agreement of each pair of pickers, observed and by chance."""
    if agreement is None:
        return []
    columns = (agreement.pairs.tolist(), agreement.partners, agreement.chance_partners)
    names = agreement.picker_names
    rows: List[List[object]] = [
        [f"{names[low]}, {names[high]}", int(seen.sum()), round(float(by_chance.sum()))]
        for (low, high), seen, by_chance in zip(*columns)
    ]
    caption = (
        "Picks with a partner of another picker by overlap, those by chance filled; and the "
        "expected share of chance among the particles of at least some weight. Chance is measured "
        "with decoys, in which each picker has the picks of another micrograph."
    )
    header = ["pickers", "picks with a partner", "of these by chance"]
    about = f"On {counted(agreement.n_micrographs, 'micrograph')}."
    return [Picture(chance_figure(agreement), caption), Table(header, rows, about)]


def _falls(judged: Optional[JudgedMicrographs]) -> List[str]:
    if judged is None:
        return []
    lines = fall_lines(judged.quality, falls_of(judged.quality))
    return [f"{line[0].upper()}{line[1:]}." for line in lines]


def _over_time(judged: Optional[JudgedMicrographs]) -> List[Block]:
    """Quality of the micrographs in the order of acquisition."""
    if judged is None:
        return []
    caption = (
        "Quality of the micrographs in the order of acquisition: agreement is the share of the "
        "picks in particles found by two pickers or more. Lines are running medians."
    )
    return [Picture(micrographs_figure(judged.quality, judged.thresholds), caption)]


def _agreed(found: ConsensusTables) -> List[Block]:
    """Numbers of particles, and of picks of each picker in them."""
    n_used, n_agreed = found.n_picks.sum(axis=0), (found.members >= 0).sum(axis=0)
    share = np.divide(n_agreed, n_used, out=np.zeros(len(n_used)), where=n_used > 0)
    rows: List[List[object]] = [
        [name, int(used), int(agreed), float(part)]
        for name, used, agreed, part in zip(found.picker_names, n_used, n_agreed, share)
    ]
    best = recommended_number(found.ranking, found.micrograph)
    with_particles = len(np.unique(found.micrograph))
    about = (
        f"{counted(len(found), 'particle')} on {with_particles:,} of "
        f"{counted(len(found.micrograph_names), 'micrograph')}. REPIC would train pickers on the "
        f"best {best} per micrograph, ranked by {found.rank_by}."
    )
    return [about, Table(["picker", "picks", "in consensus", "share"], rows)]


def _pictures(
    found: ConsensusTables, smaller: Optional[SmallerGroups], *, is_probability: bool
) -> List[Block]:
    agreement = agreement_figure(
        found.members, found.picker_names, found.n_unmatched, smaller=smaller
    )
    weights = weights_figure(
        found.ranking,
        found.micrograph,
        n_members=found.n_members,
        is_probability=is_probability,
        rank_by=found.rank_by,
    )
    what = "Probabilities" if is_probability else f"{found.rank_by.capitalize()}s"
    pictures: List[Block] = [
        Picture(agreement, "Number of particles found by each combination of pickers."),
        Picture(weights, f"{what} of the particles, best first, and their distribution."),
    ]
    if np.isfinite(found.overlap).any():
        overlaps = overlap_figure(found.overlap, found.n_members)
        pictures.append(Picture(overlaps, "Overlap (Jaccard) of the boxes of each particle."))
    return pictures


def agreement_by_micrograph(found: ConsensusTables) -> NDArray[np.float64]:
    """Share of each micrograph's picks in the consensus, shape (m,); NaN without picks."""
    n_members = np.bincount(
        found.micrograph, weights=found.n_members, minlength=len(found.micrograph_names)
    )
    n_picks = found.n_picks.sum(axis=1)
    part = np.full(len(n_picks), np.nan)
    return np.divide(n_members, n_picks, out=part, where=n_picks > 0)


def telling_micrographs(found: ConsensusTables) -> Dict[str, int]:
    """Indices of the micrographs with the best, the median and the worst agreement; each once."""
    agreement = agreement_by_micrograph(found)
    order = np.argsort(agreement, kind="stable")
    order = order[np.isfinite(agreement[order])]
    if not len(order):
        return {}
    chosen = {"best": order[-1], "worst": order[0], "typical": order[len(order) // 2]}
    once = {int(place): word for word, place in reversed(list(chosen.items()))}
    found = {word: place for place, word in once.items()}
    return {word: found[word] for word in ("best", "typical", "worst") if word in found}


def _extremes(found: ConsensusTables) -> List[Block]:
    agreement = agreement_by_micrograph(found)
    rows = [
        [word, found.micrograph_names[m], int(found.n_picks[m].sum()),
         int(np.count_nonzero(found.micrograph == m)), float(agreement[m])]
        for word, m in telling_micrographs(found).items()
    ]  # fmt: skip
    if not rows:
        return []
    header = ["agreement", "micrograph", "picks", "particles", "share of picks in consensus"]
    return [Table(header, rows, "Micrographs to inspect.")]


def _warnings(found: ConsensusTables) -> List[str]:
    lines = []
    n_unproven = int(np.count_nonzero(~found.is_optimal))
    if n_unproven:
        lines.append(f"Micrographs whose selection is not proven optimal: {n_unproven:,}.")
    silent = [name for name, n in zip(found.picker_names, found.n_picks.sum(axis=0)) if not n]
    lines += [f"{name} has no picks." for name in silent]
    n_empty = len(found.micrograph_names) - len(np.unique(found.micrograph))
    if n_empty:
        lines.append(f"Micrographs without particles: {n_empty:,}.")
    return lines
