"""The picks of one picker's files on a set of micrographs, and remarks on them."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from repic_plugin.consensus import Picks, choose_transforms, corrected, stated_transform
from repic_plugin.constants import CORRELATION, PICK_SCORE, TOPAZ_SCORE
from repic_plugin.convert import MicrographTable, name_notes, picks_on_micrographs
from repic_plugin.formats import PicksDir, low_scores
from repic_plugin.protocols.common.corrections import LABELS, correction_of
from repic_plugin.wording import counted

MOST_OUTSIDE = 0.5
# attributes that say of the scores what their files do
SCORED_AS = {"logistic": TOPAZ_SCORE, "rank": CORRELATION}


class Imported(NamedTuple):
    """What the files of one picker hold.

    Attributes
    ----------
    picks : Picks
        Corrected, indexed by the micrographs of the set.
    score_attribute : str
        Attribute of the coordinates that takes the scores.
    notes : list of str
        What a user should know.
    """

    picks: Picks
    score_attribute: str
    notes: List[str]


def imported_picks(
    label: str,
    loaded: PicksDir,
    table: MicrographTable,
    size_px: Tuple[int, int],
    correction: Sequence[Any],
) -> Imported:
    """What the files of one picker hold, on the micrographs of a set.

    Parameters
    ----------
    label : str
        Of the run.
    loaded : PicksDir
        Of one picker.
    table : MicrographTable
    size_px : tuple of int
        Width and height of the micrographs.
    correction : sequence
        Of `correction_values`.

    Raises
    ------
    ValueError
        If the table lacks all micrographs, or most picks are outside them.
    """
    picks, unknown = picks_on_micrographs(loaded.picks, table)
    picks = in_place(picks, correction, size_px)
    notes = [*loaded.notes, *name_notes(loaded.picks, table), *_outside(picks, size_px)]
    notes += [
        f"{low}; give the consensus the expected number of particles per micrograph, or "
        f"minimum scores of {low.threshold:g}, which discard them"
        for low in low_scores(loaded)
    ]
    if unknown:
        notes.append(
            f"{counted(len(unknown), 'micrograph')} of the files not in the input, such as "
            f"{unknown[0]}: their picks are ignored"
        )
    known = loaded.score_transforms[0]
    stated = stated_scores(label, loaded.picks, known)
    if stated == "logistic" and known != stated:
        notes.append(
            "the scores are taken as Topaz's, log-likelihood ratios, by the name of the run or "
            "of the folder"
        )
    return Imported(picks, SCORED_AS.get(stated, PICK_SCORE), notes)


def in_place(picks: Picks, correction: Sequence[Any], size_px: Tuple[int, int]) -> Picks:
    """Picks of one picker with their coordinates corrected."""
    return corrected(picks, {picks.picker_names[0]: correction_of(correction, size_px)})


def stated_scores(label: str, picks: Picks, known: Optional[str]) -> str:
    """How the scores of one picker are to be taken: by its files, and the names of run and folder.

    Parameters
    ----------
    label : str
        Of the run.
    picks : Picks
    known : str or None
        What the files say.
    """
    stated = stated_transform(f"{label} {picks.picker_names[0]}", known)
    is_ratio = stated == "auto" and choose_transforms(picks)[0] == "logistic"
    return "logistic" if is_ratio else stated


def n_outside(picks: Picks, size_px: Tuple[int, int]) -> int:
    """Number of picks outside the micrographs."""
    width, height = size_px
    is_inside = (picks.x >= 0) & (picks.x <= width) & (picks.y >= 0) & (picks.y <= height)
    return int(np.count_nonzero(~is_inside))


def _outside(picks: Picks, size_px: Tuple[int, int]) -> List[str]:
    """Picks outside the micrographs, as a note.

    Raises
    ------
    ValueError
        If most are: then they are of other micrographs, or in another unit.
    """
    n = n_outside(picks, size_px)
    if not n:
        return []
    text = (
        f"{n:,} of {len(picks):,} picks lie outside the micrographs of {size_px[0]} x "
        f"{size_px[1]} px, up to {picks.x.max():.0f}, {picks.y.max():.0f}"
    )
    if n > MOST_OUTSIDE * len(picks):
        raise ValueError(f'{text}; correct them, for instance by "{LABELS["scale"]}"')
    return [text]


def common_box_size(loaded: PicksDir, folder: str) -> int:
    """Box size in the files of one picker, px.

    Raises
    ------
    ValueError
        If they have none.
    """
    size = loaded.box_size_px[0]
    if size is None:
        raise no_box_size(folder)
    return round(size)


def no_box_size(folder: str) -> ValueError:
    """That the files of a folder do not have the box size."""
    return ValueError(f"box_size_px must be given: the files in {folder} have none")
