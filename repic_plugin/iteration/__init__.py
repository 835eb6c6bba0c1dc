"""Decisions of iterative picking: subsets of micrographs, labels and scores."""

from repic_plugin.iteration.labels import best_of_each, sampled
from repic_plugin.iteration.scores import (
    ITERATION_COLUMNS,
    IterationRow,
    agreement,
    iteration_rows,
    least_agreeing,
    lowest_f1,
)
from repic_plugin.iteration.subsets import (
    N_VALIDATION,
    SUBSETS,
    TRAINING_FRACTION,
    Subsets,
    draw_subsets,
)

__all__ = [
    "ITERATION_COLUMNS",
    "N_VALIDATION",
    "SUBSETS",
    "TRAINING_FRACTION",
    "IterationRow",
    "Subsets",
    "agreement",
    "best_of_each",
    "draw_subsets",
    "iteration_rows",
    "least_agreeing",
    "lowest_f1",
    "sampled",
]
