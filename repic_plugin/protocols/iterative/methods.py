"""The method of an iterative run as a paragraph of a paper, and the values that were automatic."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Sequence, Tuple

from repic_plugin.consensus import default_quorum
from repic_plugin.iteration import IterationRow
from repic_plugin.protocols.common.consensus_mode import (
    consensus_mode,
    looks_at_images,
    target_precision,
)
from repic_plugin.protocols.common.form_values import SOFTWARE, with_angstrom
from repic_plugin.protocols.consensus.methods import cited_solver, score_treatment
from repic_plugin.protocols.iterative.settings import Line, find_box_size, picker_lines


def methods_text(
    protocol: Any,
    rows: Sequence[IterationRow],
    n_particles: int,
    treatment: Tuple[str, Sequence[str]],
    dropped: Collection[str],
) -> str:
    """The whole paragraph.

    Parameters
    ----------
    protocol : ProtRepicIterative
    rows : sequence of IterationRow
    n_particles : int
        Number of particles of the last consensus.
    treatment : (str, list of str)
        Its solver and the transform of each picker's scores; empty if unknown.
    dropped : collection of str
        Labels of pickers that it excludes.
    """
    solver, transforms = treatment
    lines = picker_lines(protocol, gpus="")
    box = with_angstrom(find_box_size(protocol), protocol.inputMicrographs.get().getSamplingRate())
    last = max((row.iteration for row in rows), default=0)
    thirds = "by defocus" if protocol.inputCTFs.get() is not None else "at random"
    n_best = protocol.numParticles.get()
    best = f"the {n_best:,} best particles per micrograph" if n_best else _recommended(protocol)
    retrained = "; only the worst picker was retrained" if protocol.retrainWorst.get() else ""
    cited = f" with {cited_solver(solver)}" if solver else ""
    return (
        f"{len(lines)} pickers ({', '.join(line.label for line in lines)}) were trained on their "
        f"consensus for {last} iteration{'s' * (last != 1)} with {SOFTWARE} (iterative REPIC "
        f"[Cameron2024], box size {box}, start from "
        f"{protocol.getEnumText('initialisation')}), which yielded "
        f"{n_particles:,} particles. Training used {protocol.trainingPercent.get():g} per cent of "
        f"the micrographs other than {protocol.numValidation} for validation, drawn {thirds} "
        f"(random seed {protocol.seed}), and {best}{retrained}. The consensus was "
        f"{_mode(protocol, lines)} with a Jaccard index above {protocol.minOverlap.get():g}, "
        f"selected by integer programming{cited}."
        f"{_scores(lines, transforms, dropped)}"
    )


def automatic_values(protocol: Any) -> Dict[str, str]:
    """Value used for each parameter of the form that may be automatic."""
    lines = picker_lines(protocol, gpus="")
    thresholds = {f"threshold{line.place}": _threshold(line) for line in lines}
    return {
        "boxSize": str(find_box_size(protocol)),
        "numParticles": _recommended(protocol),
        "quorum": str(default_quorum(len(lines))),
        "imageClasses": "one per 45 candidates",
        "targetPrecision": "none, highest expected F1 score",
        **thresholds,
    }


def _threshold(line: Line) -> str:
    """The minimum score in use."""
    if line.threshold is None:
        return "none"
    if line.consensus_threshold is None:
        return f"{line.threshold:g} where the picker is scored, none before the consensus"
    return f"{line.threshold:g}"


def _recommended(protocol: Any) -> str:
    if consensus_mode(protocol) == "probabilistic":
        return "all particles of the consensus"
    return "the number of particles recommended by each consensus"


def _mode(protocol: Any, lines: List[Line]) -> str:
    """The consensus mode with its parameter."""
    mode, k = consensus_mode(protocol), len(lines)
    if mode == "all":
        return f"that of all {k} pickers"
    if mode == "quorum":
        quorum = min(protocol.quorum.get(), k) or default_quorum(k)
        return f"that of at least {quorum} of the {k} pickers"
    target = target_precision(protocol)
    aim = "highest expected F1 score" if target is None else f"target precision {target:g}"
    seen = ", candidates judged by their 2D classes [Xu2016]" * looks_at_images(protocol)
    return f"probabilistic [DawidSkene1979] ({aim}{seen})"


def _scores(lines: List[Line], transforms: Sequence[str], dropped: Collection[str]) -> str:
    """How scores were treated, as far as it is known."""
    names = [line.label for line in lines if line.label not in dropped]
    treated = ""
    if len(names) == len(transforms):
        treated = f" Scores were {score_treatment(transforms, names)}."
    least = [
        f"{one.consensus_threshold:g} ({one.label})"
        for one in lines
        if one.consensus_threshold is not None
    ]
    if least:
        treated += f" Picks with scores below {', '.join(least)} had been discarded."
    return treated
