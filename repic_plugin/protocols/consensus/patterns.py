"""Outputs of a consensus for patterns of pickers: what some found and others did not."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from numpy.typing import ArrayLike, NDArray

from repic_plugin.consensus import ConsensusResult, Pattern, Picks, find_pattern, parse_patterns

PATTERN = "outputPattern"  # and its number, from 1
OPTIONS = ("box_size_px", "min_overlap", "position", "min_distance_px", "time_limit_s")


def pattern_texts(text: Optional[str], names: Sequence[str]) -> List[str]:
    """Patterns in the form's field, each as `Pattern` writes it; none if it is empty.

    Raises
    ------
    ValueError
        If one is invalid.
    """
    return [str(one) for one in parse_patterns(text, names)] if (text or "").strip() else []


def patterns_by_output(settings: Mapping[str, Any]) -> Dict[str, Pattern]:
    """Patterns in the settings of a run, by the names of their outputs."""
    texts, names = settings.get("patterns", ()), settings["names"]
    parsed = (parse_patterns(text, names)[0] for text in texts)
    return {f"{PATTERN}{number}": one for number, one in enumerate(parsed, 1)}


def find_patterns(
    picks: Picks,
    result: ConsensusResult,
    settings: Mapping[str, Any],
    *,
    ranked_among: Mapping[str, ArrayLike],
    unseen: NDArray[Any],
) -> List[ConsensusResult]:
    """Particles of each pattern in the settings of a run.

    Parameters
    ----------
    picks, result, ranked_among, unseen
        As for `find_pattern`.
    settings : mapping
        As of `stream_settings`.
    """
    given = settings["options"]
    options = {name: given[name] for name in OPTIONS if name in given}
    return [
        find_pattern(picks, result, one, ranked_among=ranked_among, unseen=unseen, **options)
        for one in patterns_by_output(settings).values()
    ]


def pattern_lines(settings: Mapping[str, Any], n_found: Sequence[NDArray[Any]]) -> List[str]:
    """A line of the summary for each pattern, from the numbers of particles by batch."""
    lines = []
    for number, (output, one) in enumerate(patterns_by_output(settings).items()):
        n = int(sum(counts[number] for counts in n_found))
        many = f"{n:,} particles ({output})" if n else "no particle"
        lines.append(f"{one.sentence[0].upper()}{one.sentence[1:]}: {many}.")
    return lines
