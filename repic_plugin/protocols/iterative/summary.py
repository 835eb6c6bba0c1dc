"""Summary of an iterative run."""

from __future__ import annotations

import math
from typing import Dict, List, Optional, Sequence, Tuple

from repic_plugin.consensus import NOTHING, EnsembleModel, shows_no_particles
from repic_plugin.iteration import IterationRow, lowest_f1

CONSENSUS, ALL = "consensus", "all"
# what a run is called after the kind of its output, of which the pickers' are named before it
STAGES = {"model": "train", "picks": "pick", "consensus": "consensus", "labels": "labels"}


def iteration_lines(rows: Sequence[IterationRow], subset: str = ALL) -> List[str]:
    """Lines for the pickers and the consensus of an iteration."""
    return [_line(row) for row in rows if row.subset == subset]


def summary_lines(
    rows: Sequence[IterationRow],
    dropped: Dict[str, str],
    is_finished: bool,
    model: Optional[EnsembleModel] = None,
) -> List[str]:
    """Lines of the summary: the last iteration in full, the earlier ones in short.

    `model` is that of the last consensus, if it is probabilistic.
    """
    if not rows:
        return ["No iteration has been completed yet."]
    last = max(row.iteration for row in rows)
    state = "after" if is_finished else "running; after"
    lines = [f"*{state.capitalize()} iteration {last}*, all micrographs:"]
    lines += iteration_lines([row for row in rows if row.iteration == last])
    agreed = [row for row in rows if row.name == CONSENSUS and row.subset == ALL]
    lines.append("Consensus by iteration: " + ", ".join(_short(row) for row in agreed) + ".")
    tests = [row for row in agreed if not math.isnan(row.f1)]
    if tests:
        best = max(tests, key=lambda row: row.f1)
        lines.append(f"Best consensus against the reference: iteration {best.iteration}.")
    if model is not None:
        if shows_no_particles(model):
            lines.insert(0, f"Caution: {NOTHING}.")
        worst = lowest_f1(model, model.picker_names)
        f1 = model.f1[model.picker_names.index(worst)]
        lines.append(f"Worst picker: {worst}, estimated F1 {f1:.3f}.")
        told = [warning for warning in model.warnings if warning != NOTHING]
        lines += [f"Caution: {warning}." for warning in told]
    lines += [f"Excluded: {name}, which failed in {reason}" for name, reason in dropped.items()]
    return lines


def stage_lines(outputs: Sequence[Tuple[str, int, str, int, str]]) -> List[str]:
    """Lines with links to the runs of each iteration, which Scipion's window opens.

    Scipion joins runs by a line only where one is an input of the other, and then resets or deletes
    the second with the first; these runs have to survive.

    Parameters
    ----------
    outputs : sequence of tuple
        Kind, iteration, picker, run and output, as of `RunState.outputs`.
    """
    stages: Dict[int, Dict[int, str]] = {}
    for kind, iteration, name, run_id, _ in outputs:
        label = f"{name} {STAGES[kind]}".strip() if kind in STAGES else "subsets"
        stages.setdefault(iteration, {}).setdefault(run_id, label)
    return [
        f"Runs of iteration {iteration}: "
        + ", ".join(f"[[sci-open:{run_id}][{label}]]" for run_id, label in sorted(runs.items()))
        for iteration, runs in sorted(stages.items())
    ]


def _line(row: IterationRow) -> str:
    text = f"iteration {row.iteration}, {row.name}: {row.n_particles:,} particles"
    if not math.isnan(row.agreement):
        text += f", agreement with the consensus {row.agreement:.3f}"
    if not math.isnan(row.f1):
        text += f", precision {row.precision:.3f}, recall {row.recall:.3f}, F1 {row.f1:.3f}"
    return text


def _short(row: IterationRow) -> str:
    score = "" if math.isnan(row.f1) else f" (F1 {row.f1:.3f})"
    return f"{row.n_particles:,}{score}"
