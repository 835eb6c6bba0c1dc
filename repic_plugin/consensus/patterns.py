"""Sets of particles found by some pickers and not by others."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus.arguments import check_settings, check_unseen
from repic_plugin.consensus.assembly import assembled, batches, prepared, references_of
from repic_plugin.consensus.batch import solve_batch
from repic_plugin.consensus.boxes import BoxSize
from repic_plugin.consensus.fates import AT_THE_EDGE, COPY, LOW_SCORE
from repic_plugin.consensus.find import MIN_JACCARD
from repic_plugin.consensus.graph import overlap_graph
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.records import BatchConsensus, BatchPicks, Settings
from repic_plugin.consensus.result import RANKINGS, ConsensusResult
from repic_plugin.consensus.spacing import too_close


@dataclass(frozen=True)
class Pattern:
    """Pickers that found a particle, and pickers that did not; others do not matter.

    Attributes
    ----------
    found_by, not_by : tuple of str
        In the order of the pickers.
    """

    found_by: Tuple[str, ...]
    not_by: Tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join([*self.found_by, *(f"not {name}" for name in self.not_by)])

    @property
    def sentence(self) -> str:
        """The pattern as a phrase, such as ``found by A and B, not by C``."""
        without = f", not by {_listed(self.not_by, 'or')}" if self.not_by else ""
        return f"found by {_listed(self.found_by, 'and')}{without}"


def _listed(names: Sequence[str], word: str) -> str:
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def parse_patterns(text: str, picker_names: Sequence[str]) -> List[Pattern]:
    """Patterns of pickers as users write them: ``topaz, not cryolo; topaz, cryolo, not log``.

    Names are those of the pickers, with their spaces and hyphens; commas separate the pickers of
    a pattern, semicolons the patterns. Names may hold both, as the longest name that fits counts.

    Parameters
    ----------
    text : str
    picker_names : sequence of str

    Returns
    -------
    list of Pattern

    Raises
    ------
    ValueError
        If a name is unknown or there twice, a pattern names no picker that found the particles, or
        a pattern is there twice.
    """
    known = "|".join(re.escape(name) for name in sorted(picker_names, key=len, reverse=True))
    entry = re.compile(rf"\s*(?P<excluded>not\s+)?(?P<name>{known})\s*(?P<end>[,;]|$)")
    patterns: List[Pattern] = []
    begin = at = 0
    found: List[str] = []
    excluded: List[str] = []
    while True:
        match = entry.match(text, at)
        if match is None:
            wrong = re.sub(r"^\s*(not\s+)?|\s*([,;].*)?$", "", text[at:], flags=re.DOTALL)
            raise _unknown(text[begin:].strip(), wrong, picker_names)
        (excluded if match["excluded"] else found).append(match["name"])
        at = match.end()
        if match["end"] == ",":
            continue
        patterns.append(_pattern(found, excluded, picker_names))
        if patterns[-1] in patterns[:-1]:
            raise ValueError(f"pattern '{patterns[-1]}' is given twice; give it once")
        if not match["end"]:
            return patterns
        begin, found, excluded = at, [], []


def _pattern(found: List[str], excluded: List[str], picker_names: Sequence[str]) -> Pattern:
    """Pattern with its names in the order of the pickers.

    Raises
    ------
    ValueError
        If a name is unknown or there twice, or there is none that found the particles.
    """
    order = {name: place for place, name in enumerate(picker_names)}
    unknown = [name for name in (*found, *excluded) if name not in order]
    if unknown:
        raise _unknown(str(Pattern((*found,), (*excluded,))), unknown[0], picker_names)
    pattern = Pattern(
        tuple(sorted(found, key=order.__getitem__)), tuple(sorted(excluded, key=order.__getitem__))
    )
    twice = [name for name in order if [*found, *excluded].count(name) > 1]
    if twice:
        raise ValueError(f"pattern '{pattern}' names picker {twice[0]} twice; name it once")
    if not found:
        raise ValueError(
            f"pattern '{pattern}' must name a picker that found the particles, as 'topaz, not "
            f"cryolo' does; add one of {', '.join(name for name in order if name not in excluded)}"
        )
    return pattern


def _unknown(pattern: str, name: str, picker_names: Sequence[str]) -> ValueError:
    return ValueError(
        f"pattern {pattern!r} names picker {name!r}, but the pickers are "
        f"{', '.join(picker_names)}; correct it"
    )


def find_pattern(
    picks: Picks,
    result: ConsensusResult,
    pattern: Union[str, Pattern],
    box_size_px: BoxSize,
    *,
    min_overlap: float = MIN_JACCARD,
    position: str = "member",
    min_distance_px: Optional[float] = None,
    ranked_among: Optional[Mapping[str, ArrayLike]] = None,
    time_limit_s: Optional[float] = None,
    unseen: Optional[ArrayLike] = None,
) -> ConsensusResult:
    """Particles found by some pickers and not by others, in the consensus or not.

    A pick counts as found by an excluded picker if its box overlaps one of that picker's. A
    particle is a group with one pick of each named picker, all of which overlap each other and
    none of which an excluded picker has found; the disjoint groups with the largest total weight
    are selected as in mode ``all`` of these pickers (docs/understand/method.md).

    Parameters
    ----------
    picks : Picks
    result : ConsensusResult
        From `find_consensus` of these picks: its thresholds, copies and transforms of scores hold.
    pattern : str or Pattern
        One pattern, written as in `parse_patterns`.
    box_size_px, min_overlap, position, min_distance_px, ranked_among, time_limit_s
        As for `find_consensus`.
    unseen : array_like of bool, shape (n_micrographs, n_pickers), optional
        Micrographs that a picker has not looked at: there is no particle where it is excluded.

    Returns
    -------
    ConsensusResult
        By micrograph and decreasing weight, which is that of mode ``all``; the score where there is
        one named picker. Counts of picks are those of the named pickers that no excluded picker
        has found.

    Raises
    ------
    ValueError
        If the pattern is invalid, the result lacks the outcome of each pick, or an argument is
        outside its range.
    """
    if result.fate is None:
        raise ValueError("result must be as from find_consensus, with the outcome of each pick")
    one = _one_pattern(pattern, picks.picker_names)
    settings = check_settings(
        picks,
        box_size_px,
        "quorum",
        2,
        min_overlap,
        position,
        None,
        time_limit_s,
        min_distance_px,
        RANKINGS[0],
    )._replace(quorum=len(one.found_by), solver=result.solver)
    index = {name: place for place, name in enumerate(picks.micrograph_names)}
    wanted = np.array([index[name] for name in result.micrographs.names], dtype=np.int64)
    entered = ~np.isin(result.fate, (COPY, LOW_SCORE, AT_THE_EDGE))
    transforms = result.score_transforms
    references = references_of(picks, transforms, entered, ranked_among)
    # a copy, or a pick at the edge, is no particle but found nevertheless
    rivals = _is_of(picks, one.not_by) & (result.fate != LOW_SCORE)
    unknown = check_unseen(picks, unseen)[:, [picks.picker_names.index(n) for n in one.not_by]]
    free = entered & _is_of(picks, one.found_by) & ~unknown.any(axis=1)[picks.micrograph]
    found = []
    for rows in batches(picks, wanted, 1):
        part = prepared(picks, rows, free | rivals, transforms, references)
        part = _not_found(part, rivals, settings)
        solve = solve_batch if settings.quorum > 1 else _single_picks
        found.append(solve(part, settings))
    copies = np.full(len(picks), -1) if result.copy_of is None else result.copy_of
    whole = assembled(picks, settings, transforms, wanted, found, result.fate, copies)
    return replace(whole, fate=None, copy_of=None)


def _one_pattern(pattern: Union[str, Pattern], picker_names: Sequence[str]) -> Pattern:
    if isinstance(pattern, Pattern):
        return _pattern([*pattern.found_by], [*pattern.not_by], picker_names)
    patterns = parse_patterns(pattern, picker_names)
    if len(patterns) > 1:
        raise ValueError(f"pattern must be one, got {len(patterns)}; call it for each")
    return patterns[0]


def _is_of(picks: Picks, names: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of the picks of some pickers."""
    return np.isin(picks.picker, [picks.picker_names.index(name) for name in names])


def _not_found(picks: BatchPicks, rivals: NDArray[np.bool_], settings: Settings) -> BatchPicks:
    """The picks that are no rivals, and overlap none enough."""
    is_rival = rivals[picks.pick]
    sizes_px = settings.sizes_px[picks.picker]
    boxes = (picks.x, picks.y, picks.picker, sizes_px, picks.starts)
    graph = overlap_graph(*boxes, settings.min_overlap, settings.reach_px)
    ends = np.array([graph.rows, graph.neighbours])
    is_left = ~is_rival
    is_left[ends[:, is_rival[ends].any(axis=0)]] = False
    columns = {name: getattr(picks, name)[is_left] for name in BatchPicks._fields[1:]}
    n_left = np.append(0, np.cumsum(is_left))
    return BatchPicks(starts=n_left[picks.starts], **columns)


def _single_picks(picks: BatchPicks, settings: Settings) -> BatchConsensus:
    """The picks of one picker as particles, of those too close to each other the best."""
    n, k = len(picks.starts) - 1, len(settings.sizes_px)
    place = (picks.micrograph, picks.x, picks.y)
    is_close = too_close(*place, picks.score, settings.min_distance_px)
    order = np.lexsort((picks.y, picks.x, -picks.score, picks.micrograph))
    kept = order[~is_close[order]]
    members = np.full((len(kept), k), -1, dtype=np.int64)
    members[np.arange(len(kept)), picks.picker[kept]] = picks.pick[kept]
    micrograph, score = picks.micrograph[kept], picks.score[kept]
    n_selected = np.bincount(micrograph, minlength=n)
    return BatchConsensus(
        micrograph=micrograph,
        x=picks.x[kept],
        y=picks.y[kept],
        weight=score,
        overlap=np.zeros(len(kept)),
        score=score,
        members=members,
        unmatched=picks.pick[is_close],
        in_clique=picks.pick[is_close],
        n_picks=np.bincount(picks.micrograph * k + picks.picker, minlength=n * k).reshape(n, k),
        n_edges=np.zeros(n, dtype=np.int64),
        n_cliques=np.diff(picks.starts),
        n_selected=n_selected,
        objective=np.bincount(micrograph, score, n).astype(np.float64),
        is_optimal=np.ones(n, dtype=bool),
        seconds=np.zeros(n),
    )
