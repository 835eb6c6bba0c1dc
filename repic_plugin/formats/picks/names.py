"""Names of micrographs: what a file calls them, and which of two lists are the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from os.path import splitext
from typing import Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import listed

# Only these are cut from a micrograph's name: what follows a dot may also belong to it, as in
# "2020-01-31_10.25_mic7".
MICROGRAPH_EXTENSIONS = (".mrc", ".mrcs", ".map", ".rec", ".st", ".stk", ".tif", ".tiff", ".eer")
OTHER_EXTENSIONS = (".dm3", ".dm4", ".em", ".hdf", ".spi", ".png", ".jpg", ".jpeg")
IMAGE_EXTENSIONS = frozenset({*MICROGRAPH_EXTENSIONS, *OTHER_EXTENSIONS})
# What programs add behind the name of a micrograph, word by word: MotionCor2, Scipion, cryoSPARC,
# RELION, Gautomatch, Topaz, crYOLO, Warp. cryoSPARC puts a unique number of 21 digits before it.
ADDED_WORD = re.compile(
    r"(no)?dws?|aligned|mic|patch|rigid|non|dose|(dose|non)?weighted|autopicks?|automatch|"
    r"topaz(picks)?|cryolo|manualpick|picks|coord(inate)?s|box(es)?|particles|denoised|lp|lowpass",
    re.IGNORECASE,
)
UNIQUE_NUMBER = re.compile(r"\d{15,}_")
WORDS = re.compile(r"(?<=[_.-])[^_.-]+")
# An ending that no list knows is cut where so many names have it.
MIN_SAME_ADDITIONS = 3

Path = Tuple[str, ...]
Name = Union[str, Sequence[str]]


class Addition(NamedTuple):
    """What one list adds to names of another.

    Attributes
    ----------
    text : str
        As ``_DW``, or ``a unique number``.
    n : int
        Names that have it.
    example, known : str
        A name, and the known one that it was taken for.
    is_ours : bool
        Whether the names that are looked for have it, not those that are known.
    """

    text: str
    n: int
    example: str
    known: str
    is_ours: bool


@dataclass(frozen=True)
class NameMatch:
    """Which of the known names each name is.

    Attributes
    ----------
    place : ndarray of int64, shape (n_names,)
        Index among the known names, -1 where it is none of them.
    additions : tuple of Addition
        What had to be cut for names to meet.
    """

    place: NDArray[np.int64]
    additions: Tuple[Addition, ...]


def micrograph_name(text: str) -> str:
    """A micrograph's name from what a file calls it: no ``NNN@``, folder or image extension.

    Parameters
    ----------
    text : str
        As in ``000012@Extract/job007/mic3.mrcs`` or ``Movies/mic3.tif``.

    Returns
    -------
    str
        As ``mic3``. Other endings stay, for they may be part of the name.
    """
    name = _path_of(text).rsplit("/", 1)[-1]
    stem, suffix = splitext(name)
    return stem if suffix.lower() in IMAGE_EXTENSIONS else name


def micrograph_path(text: str) -> str:
    """As `micrograph_name`, with the folders, which may tell micrographs of one name apart."""
    path = _path_of(text)
    stem, suffix = splitext(path)
    return stem if suffix.lower() in IMAGE_EXTENSIONS else path


def match_names(names: Sequence[Name], known: Sequence[Name]) -> NameMatch:
    """Find each micrograph of one list in another.

    Two names are the same if what `micrograph_name` leaves of them is, spaces apart (Scipion drops
    them). Where several micrographs have one name, folders tell them apart: those that agree in
    more folders from the end belong together. Names that then have no partner are compared once
    more without what programs add to names, ``_DW`` or a unique number before them; such an
    addition is cut where it makes names meet, and nowhere else.

    Parameters
    ----------
    names, known : sequence of str, or of sequence of str
        Names or paths; of several for one micrograph any may match.

    Raises
    ------
    ValueError
        If a name stands for several micrographs, and folders do not tell which.
    """
    ours, theirs = [_paths(one) for one in names], [_paths(one) for one in known]
    place = _matched(ours, theirs)
    additions = _cut_additions(ours, theirs, place)
    return NameMatch(np.array(place, dtype=np.int64), tuple(additions))


def addition_note(cut: Addition, ours: str, theirs: str = "others") -> str:
    """What was cut from names, as text.

    Parameters
    ----------
    cut : Addition
    ours, theirs : str
        Whose names were looked for, and whose were known.
    """
    whose, other = (ours, theirs) if cut.is_ours else (theirs, ours)
    verb = "is" if cut.n == 1 else "are"
    return (
        f"names of {whose} have {cut.text} that {other} lack: {cut.n:,} of them {verb} matched "
        f"without it, {cut.example} to {cut.known}"
    )


def distinct_names(paths: Sequence[str]) -> List[str]:
    """Names with as many of their folders as it takes to tell them apart.

    Returns
    -------
    list of str
        As ``mic1``, or ``grid2/mic1`` where there are several.

    Raises
    ------
    ValueError
        If a path is there twice.
    """
    split = [_parts(path) for path in paths]
    if len(set(split)) < len(split):
        twice = Counter(split).most_common(1)[0][0]
        raise ValueError(f"micrograph {'/'.join(twice)} occurs twice; remove one of the two")
    depth = dict.fromkeys(split, 1)
    while True:
        tails = Counter(path[-depth[path] :] for path in split)
        same = [path for path in split if tails[path[-depth[path] :]] > 1]
        deeper = [path for path in same if depth[path] < len(path)]
        if not deeper:
            return ["/".join(path[-depth[path] :]) for path in split]
        for path in deeper:
            depth[path] += 1


@dataclass(frozen=True)
class UnifiedNames:
    """One list of names for those of several pickers.

    Attributes
    ----------
    names : list of str
        Sorted; with folders where it takes them, without additions.
    places : list of ndarray of int64
        Of each picker's names the index among them.
    additions : list of tuple of Addition
        What was cut from each picker's names.
    """

    names: List[str]
    places: List[NDArray[np.int64]]
    additions: List[Tuple[Addition, ...]]


def unify_names(lists: Sequence[Sequence[str]]) -> UnifiedNames:
    """Find which names of several lists are the same micrograph, see `match_names`.

    Parameters
    ----------
    lists : sequence of sequence of str
        Names or paths, none twice in a list.

    Raises
    ------
    ValueError
        If a name stands for several micrographs, and folders do not tell which.
    """
    known: List[List[str]] = []
    places: List[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)] * len(lists)
    additions: List[Tuple[Addition, ...]] = [()] * len(lists)
    # the longest list first: where folders matter, it has most of them
    for number in sorted(range(len(lists)), key=lambda i: -len(lists[i])):
        found = match_names(lists[number], known)
        place = found.place.copy()
        for i, name in enumerate(lists[number]):
            if place[i] < 0:
                place[i] = len(known)
                known.append([])
            known[place[i]].append(name)
        places[number], additions[number] = place, found.additions
    names = distinct_names([min(one, key=lambda name: len(_split(name)[-1])) for one in known])
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return UnifiedNames([names[i] for i in order], [rank[one] for one in places], additions)


def _path_of(text: str) -> str:
    """A path without the number of an image in it, nor the mark that cryoSPARC puts before it."""
    return text.strip().lstrip(">").rsplit("@", 1)[-1].rstrip("/")


@lru_cache(maxsize=1 << 16)
def _parts(text: str) -> Path:
    """Folders and name."""
    folders = [one for one in _path_of(text).split("/")[:-1] if one not in ("", ".")]
    return (*folders, micrograph_name(text))


def _split(text: str) -> Path:
    """Folders and name, the name without spaces: Scipion drops them on import."""
    *folders, name = _parts(text)
    return (*folders, "".join(name.split()))


def _paths(name: Name) -> List[Path]:
    return [_split(one) for one in ([name] if isinstance(name, str) else name)]


def _matched(ours: Sequence[List[Path]], theirs: Sequence[List[Path]]) -> List[int]:
    """The known place of each name, by the longest common end of their paths."""
    holders: Dict[str, Set[int]] = defaultdict(set)
    for i, paths in enumerate(theirs):
        for path in paths:
            holders[path[-1]].add(i)
    candidates = [{i for path in paths for i in holders.get(path[-1], ())} for paths in ours]
    rivals: Dict[int, Set[int]] = defaultdict(set)
    for mine, found in enumerate(candidates):
        for i in found:
            rivals[i].add(mine)
    place = [-1] * len(ours)
    for mine, found in enumerate(candidates):
        if found:
            best = _closest(ours[mine], found, theirs)
            is_mutual = _closest(theirs[best], rivals[best], ours) == mine
            place[mine] = best if is_mutual else -1
    return place


def _closest(paths: List[Path], found: Set[int], others: Sequence[List[Path]]) -> int:
    """Which of several micrographs of one name has the most folders in common."""
    if len(found) == 1:
        return next(iter(found))
    # Of two that know both a name and a file, the name decides where the folders do not.
    rank = {
        i: (
            max(_common(a, b) for a in paths for b in others[i]),
            len(paths) > 1 and len(others[i]) > 1 and paths[0][-1] == others[i][0][-1],
        )
        for i in found
    }
    best = [i for i in found if rank[i] == max(rank.values())]
    if len(best) > 1:
        ways = listed("/".join(others[i][-1]) for i in sorted(best))
        raise ValueError(
            f"micrograph {'/'.join(paths[0])} may be any of {len(best)} of this name ({ways}); "
            "name them with the folders that tell them apart"
        )
    return best[0]


def _common(one: Path, other: Path) -> int:
    """How many parts two paths have in common, from the end."""
    n = 0
    for a, b in zip(reversed(one), reversed(other)):
        if a != b:
            break
        n += 1
    return n


def _cut_additions(
    ours: Sequence[List[Path]], theirs: Sequence[List[Path]], place: List[int]
) -> List[Addition]:
    """Match what is free on both sides without its additions; `place` takes it."""
    taken = set(place)
    mine = {paths[0][-1]: i for i, paths in enumerate(ours) if place[i] < 0}
    yours = {paths[0][-1]: i for i, paths in enumerate(theirs) if i not in taken}
    our_forms, their_forms = _forms(mine, yours), _forms(yours, mine)
    owners: Dict[str, List[str]] = defaultdict(list)
    for known, forms in their_forms.items():
        for form in forms:
            owners[form].append(known)
    pairs = {
        (name, known): form
        for name, forms in our_forms.items()
        for form in sorted(forms, key=len)  # the longest that both have stays
        for known in owners[form]
    }
    partners = [Counter(pair[side] for pair in pairs) for side in (0, 1)]
    examples: Dict[Tuple[str, bool], List[Tuple[str, str]]] = defaultdict(list)
    for (name, known), form in pairs.items():
        if partners[0][name] == partners[1][known] == 1:
            place[mine[name]] = yours[known]
            for text, is_ours in ((our_forms[name][form], True), (their_forms[known][form], False)):
                if text:
                    examples[text, is_ours].append((name, known))
    return [
        Addition(text, len(found), *found[0], is_ours)
        for (text, is_ours), found in examples.items()
    ]


def _forms(names: Iterable[str], others: Iterable[str]) -> Dict[str, Dict[str, str]]:
    """What may be left of each name without an addition, and the addition."""
    plain = set(others)
    forms: Dict[str, Dict[str, str]] = {}
    unknown: Dict[str, List[Tuple[str, str]]] = defaultdict(list)
    for name in names:
        number = UNIQUE_NUMBER.match(name)
        rest = name[number.end() :] if number else name
        prefix = "a unique number" if number else ""
        forms[name] = {name: "", **({rest: prefix} if number else {})}
        is_known = True
        for word in reversed([*WORDS.finditer(rest)]):
            bare, ending = rest[: word.start() - 1], rest[word.start() - 1 :]
            is_known = is_known and ADDED_WORD.fullmatch(word.group()) is not None
            if is_known:
                forms[name][bare] = " and ".join(filter(None, (prefix, ending)))
            elif bare in plain and any(c.isalpha() for c in ending):
                unknown[ending].append((name, bare))
    for ending, found in unknown.items():
        if len(found) >= MIN_SAME_ADDITIONS:
            for name, bare in found:
                forms[name].setdefault(bare, ending)
    return forms
