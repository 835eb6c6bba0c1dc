"""Classes of candidates that were found or chosen before: `repic-plugin consensus --classes`."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import (
    ConsensusResult,
    GivenParticles,
    Picks,
    chosen_shares,
    find_again,
    never_chosen,
    without_chosen,
)
from repic_plugin.formats import (
    CANDIDATE_FILES,
    CandidateClasses,
    ClassifiedParticles,
    addition_note,
    averages_beside,
    classes_of_labels,
    listed,
    match_names,
    read_candidate_labels,
    read_classified_particles,
)

ALL, STAR = "all", ".star"
OTHERS, CHOSEN = 0, 1  # classes where the file has none
CLASSIFICATION = "classes.star"  # of `repic-plugin classify`


class Chosen(NamedTuple):
    """Classes that were given, what was taken as what, and what is doubtful."""

    classes: CandidateClasses
    taken: str
    warnings: List[str]


class _Numbered(NamedTuple):
    """Class of each particle of a file, the share of each class, and the class of the others."""

    label: NDArray[np.int64]
    share: NDArray[np.float64]
    others: int
    taken: str


def is_star(classes: str) -> bool:
    """Whether `--classes` names a STAR file and not a folder."""
    return Path(classes).suffix.lower() == STAR or Path(classes).is_file()


def check_chosen(classes: str, good: Optional[str]) -> None:
    """Check that `--classes` and `--good` go together."""
    if is_star(classes):
        if good is None:
            raise ValueError(
                f"--classes {classes}: add --good with the numbers of the classes that hold "
                f"particles, or --good {ALL} if the file has nothing but chosen particles"
            )
    elif good == ALL:
        raise ValueError(
            f"--good {ALL} is for a STAR file of chosen particles, got the folder {classes}; give "
            "numbers of classes, or such a file"
        )
    elif (Path(classes) / CLASSIFICATION).is_file() and not _has_candidates(classes):
        raise ValueError(
            f"--classes {classes}: is a 2D classification; give {Path(classes) / CLASSIFICATION}, "
            "in which classes count from 1"
        )


def known_classes(classes: str, good: Optional[str], candidates: ConsensusResult) -> Chosen:
    """Classes of an earlier run, with the shares of the chosen ones."""
    names = np.array(candidates.micrograph_names, dtype=object)[candidates.micrograph]
    centers = np.column_stack([candidates.x, candidates.y])
    found = read_candidate_labels(classes, names.astype(str), centers)
    if good is None:
        return Chosen(found, "", [])
    last = len(found.share) - 1
    numbers = _numbers(good, 0, last, "numbers of classes")
    taken = f"classes taken as particles: {listed(map(str, numbers))} of 0 to {last}"
    return Chosen(found.with_shares(chosen_shares(numbers, last + 1)), taken, [])


def classes_from_star(
    path: str,
    good: str,
    candidates: ConsensusResult,
    picks: Picks,
    paths: Dict[str, str],
    box_size_px: float,
) -> Chosen:
    """Classes of a STAR file of particles, in which `good` ones were chosen.

    Parameters
    ----------
    path, good : str
        `good` are numbers of classes as the file has them, or ``all``.
    candidates : ConsensusResult
        All of them, see `judge_by_images`.
    picks : Picks
    paths : dict of str to str
        Path of each micrograph by its name.
    box_size_px : float
    """
    particles = read_classified_particles(path)
    numbered = _selection(particles) if good == ALL else _classified(path, particles, good)
    place, notes = _micrographs(path, particles, candidates, paths)
    known = place >= 0
    given = GivenParticles(place[known], particles.centers[known], numbered.label[known])
    found = find_again(candidates, picks, given, box_size_px, f"--classes {path}")
    label = np.where(found.label >= 0, found.label, numbered.others)
    n_found = int((found.label >= 0).sum())
    taken = (
        f"{path}: {numbered.taken}; {n_found:,} of {len(candidates):,} candidates are among its "
        f"{len(known):,} particles"
    )
    warnings = [*notes, *found.warnings]
    if numbered.others >= 0:
        warnings += without_chosen(candidates, place)
        warnings += never_chosen(candidates, label != OTHERS)
    averages = _averages(path, len(numbered.share)) if particles.number is not None else None
    return Chosen(classes_of_labels(candidates, label, numbered.share, averages), taken, warnings)


def _has_candidates(folder: str) -> bool:
    return (Path(folder) / CANDIDATE_FILES[0]).is_file()


def _selection(particles: ClassifiedParticles) -> _Numbered:
    """All particles of a file as chosen, in their classes if it has these."""
    number = particles.number
    if number is None or not number.all():
        number = np.full(len(particles.centers), CHOSEN)
    chosen = np.unique(number)
    share = chosen_shares(chosen.tolist(), int(chosen.max()) + 1)
    taken = "all its particles are taken as chosen, and what is not among them as junk"
    return _Numbered(number, share, OTHERS, taken)


def _classified(path: str, particles: ClassifiedParticles, good: str) -> _Numbered:
    """Particles in classes, of which some are good; those without a class were not looked at."""
    number = particles.number
    if number is None:
        raise ValueError(
            f"--good {good}: {path} has no classes (_rlnClassNumber); give --good {ALL} if all its "
            "particles were chosen, or the file of the classification"
        )
    if not number.any():
        raise ValueError(f"--classes {path}: no particle has a class; give the classification")
    last, first = int(number.max()), int(number[number > 0].min())
    told = f"numbers of classes as {path} has them, which are {first} to {last} there,"
    numbers = _numbers(good, 1, last, told)
    taken = f"classes taken as particles: {listed(map(str, numbers))} of {first} to {last}"
    return _Numbered(np.where(number > 0, number, -1), chosen_shares(numbers, last + 1), -1, taken)


def _numbers(text: str, least: int, most: int, what: str) -> List[int]:
    """Numbers of classes, separated by commas."""
    entries = text.split(",")
    for entry in entries:
        if not (entry.strip().isdecimal() and least <= int(entry) <= most):
            raise ValueError(
                f"--good {text}: must be {what} from {least} to {most}, separated by commas, got "
                f"{entry!r}"
            )
    return sorted({int(entry) for entry in entries})


def _micrographs(
    path: str, particles: ClassifiedParticles, candidates: ConsensusResult, paths: Dict[str, str]
) -> Tuple[NDArray[np.int64], List[str]]:
    """Micrograph of each particle among those of the candidates, and what was cut from names."""
    written, of_particle = np.unique(particles.micrograph.astype(str), return_inverse=True)
    names = [paths.get(name, name) for name in candidates.micrograph_names]
    try:
        matched = match_names(written.tolist(), names)
    except ValueError as error:
        raise ValueError(f"--classes {path}: {error}") from None
    if not (matched.place >= 0).any():
        raise ValueError(
            f"--classes {path}: none of its {len(written):,} micrographs, such as {written[0]}, is "
            f"one of the picks', such as {names[0]}; give the particles of these micrographs"
        )
    notes = [addition_note(cut, "the particles", "the picks") for cut in matched.additions]
    return matched.place[of_particle.ravel()], notes


def _averages(path: str, n_labels: int) -> Optional[Tuple[NDArray[np.float32], float]]:
    """Averages beside a file, with a blank one for class 0."""
    found = averages_beside(path, n_labels - 1)
    if found is None:
        return None
    images, pixel_size = found
    return np.concatenate([np.zeros_like(images[:1]), images]), pixel_size
