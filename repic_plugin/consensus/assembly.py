"""Picks of a data set in batches of micrographs, and their results together again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus.batch import solve_batch
from repic_plugin.consensus.fates import NOT_CHOSEN
from repic_plugin.consensus.picks import Picks
from repic_plugin.consensus.records import BatchConsensus, BatchPicks, Settings
from repic_plugin.consensus.result import ConsensusResult, MicrographCounts
from repic_plugin.consensus.scores import References, comparable_scores, rank_references

BATCH_SIZE = 64  # micrographs; enough to make the overhead of a call negligible


class Rows(NamedTuple):
    """Ranges of the picks of some micrographs.

    Those of micrograph m are entries ``begin[m]`` to ``end[m]`` of the picks, or of `order`.
    """

    order: Optional[NDArray[np.intp]]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]


def references_of(
    picks: Picks,
    transforms: Sequence[str],
    entered: NDArray[np.bool_],
    ranked_among: Optional[Mapping[str, ArrayLike]],
) -> Dict[int, NDArray[np.float64]]:
    """Scores to rank among, by picker: those given, else those of the picks that enter."""
    references = dict(rank_references(picks, transforms, entered))
    for name, scores in (ranked_among or {}).items():
        references[picks.picker_names.index(name)] = np.sort(np.asarray(scores, dtype=np.float64))
    return references


def batches(picks: Picks, wanted: NDArray[np.int64], n_threads: int) -> List[Rows]:
    """Ranges of the picks of each batch of micrographs, by micrograph and picker."""
    order, starts, ends = rows_of(picks, np.arange(picks.n_micrographs))
    size = min(BATCH_SIZE, max(1, len(wanted) // max(n_threads, 1)))
    chunks = (wanted[i : i + size] for i in range(0, len(wanted), size))
    return [Rows(order, starts[chunk], ends[chunk]) for chunk in chunks]


def rows_of(picks: Picks, wanted: NDArray[np.int64]) -> Rows:
    """Ranges of the picks of some micrographs as one batch, by micrograph and picker."""
    micrograph, picker = picks.micrograph, picks.picker
    same = micrograph[1:] == micrograph[:-1]
    ascending = np.where(same, picker[1:] >= picker[:-1], micrograph[1:] > micrograph[:-1])
    order = None
    if not ascending.all():
        order = np.lexsort((picker, micrograph))
        micrograph = micrograph[order]
    starts = np.searchsorted(micrograph, np.arange(picks.n_micrographs + 1))
    return Rows(order, starts[wanted], starts[wanted + 1])


def prepared(
    picks: Picks,
    rows: Rows,
    entered: NDArray[np.bool_],
    transforms: Sequence[str],
    references: References,
) -> BatchPicks:
    """Picks of a batch that enter the graph, with comparable scores."""
    where: Any = slice(rows.begin[0], rows.end[-1])
    if np.any(rows.begin[1:] != rows.end[:-1]):
        where = np.concatenate([np.arange(i, j) for i, j in zip(rows.begin, rows.end)])
    if rows.order is not None:
        where = rows.order[where]
    micrograph = np.repeat(np.arange(len(rows.begin)), rows.end - rows.begin)
    pick = np.arange(where.start, where.stop) if isinstance(where, slice) else where
    kept = entered[where]
    part = picks.take(where)
    if not kept.all():
        pick, micrograph, part = pick[kept], micrograph[kept], part.take(kept)
    return BatchPicks(
        starts=np.searchsorted(micrograph, np.arange(len(rows.begin) + 1)),
        pick=pick,
        micrograph=micrograph,
        picker=part.picker,
        x=part.x,
        y=part.y,
        score=comparable_scores(part, transforms, references),
    )


def solved(
    parts: Sequence[Rows],
    solve: Callable[[Rows], BatchConsensus],
    n_threads: int,
    progress: Optional[Callable[[int, int], None]],
) -> List[BatchConsensus]:
    """Consensus of each batch; `progress` gets the numbers of micrographs done and in all."""
    n_done, n_micrographs = 0, sum(len(rows.begin) for rows in parts)
    found = []
    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        for consensus in (pool.map if n_threads > 1 else map)(solve, parts):
            found.append(consensus)
            n_done += len(consensus.n_edges)
            if progress is not None:
                progress(n_done, n_micrographs)
    return found


def assembled(
    picks: Picks,
    settings: Settings,
    transforms: Sequence[str],
    wanted: NDArray[np.int64],
    found: Sequence[BatchConsensus],
    fate: NDArray[np.int8],
    copy_of: NDArray[np.int64],
) -> ConsensusResult:
    """Consensus of the data set, assembled from its batches; `fate` is that before the graph."""
    if not found:
        none, nowhere = np.zeros(0, np.int64), np.zeros(0)
        nothing = BatchPicks(np.zeros(1, np.int64), none, none, none, nowhere, nowhere, nowhere)
        found = [solve_batch(nothing, settings)]
    column = {
        name: np.concatenate([getattr(batch, name) for batch in found])
        for name in BatchConsensus._fields
    }
    first = np.cumsum([0, *(len(batch.n_edges) for batch in found)])
    in_wanted = np.concatenate([batch.micrograph + i for batch, i in zip(found, first)])
    is_unmatched = np.zeros(len(picks), dtype=bool)
    is_unmatched[column["unmatched"]] = True
    fate = fate.copy()
    fate[column["in_clique"]] = NOT_CHOSEN
    counts = {name: column[name] for name in MicrographCounts.__annotations__ if name in column}
    group = (picks.micrograph * picks.n_pickers + picks.picker)[copy_of >= 0]
    shape = (picks.n_micrographs, picks.n_pickers)
    n_copies = np.bincount(group, minlength=shape[0] * shape[1]).reshape(shape)
    names = tuple(picks.micrograph_names[m] for m in wanted.tolist())
    particles = {name: column[name] for name in ("x", "y", "weight", "overlap", "score", "members")}
    return ConsensusResult(
        micrograph=wanted[in_wanted],
        is_unmatched=is_unmatched,
        micrographs=MicrographCounts(names=names, n_copies=n_copies[wanted], **counts),
        micrograph_names=picks.micrograph_names,
        picker_names=picks.picker_names,
        score_transforms=tuple(transforms),
        solver=settings.solver,
        quorum=settings.quorum,
        rank_by=settings.rank_by,
        fate=fate,
        copy_of=copy_of,
        **particles,
    )
