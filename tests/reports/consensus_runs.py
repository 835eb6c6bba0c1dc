"""Folders of consensus runs, as the command leaves them."""

import warnings

import numpy as np

from repic_plugin.consensus import find_consensus
from repic_plugin.consensus.ensemble import fit
from repic_plugin.formats import (
    RunRecord,
    write_consensus_table,
    write_ensemble,
    write_run_record,
    write_summary_table,
)
from repic_plugin.simulation import simulate_picks

BOX_PX = 100
MODES = ("probabilistic", "quorum", "all")


def consensus_runs(folder, names, *, recorded=True):
    """A run in each mode in turn; the results by name."""
    picks = simulate_picks(
        6, n_particles=40, micrograph_size_px=(1500, 1500), box_size_px=BOX_PX, n_pickers=3,
        recall=0.8, precision=0.7,
    ).picks  # fmt: skip
    found, before = {}, fit.N_REPLICATES
    fit.N_REPLICATES = 5
    try:
        for i, name in enumerate(names):
            mode = MODES[i % len(MODES)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[name] = find_consensus(picks, BOX_PX, mode=mode)
            write_run(folder / name, found[name], mode if recorded else None, len(picks))
    finally:
        fit.N_REPLICATES = before
    return found


def write_run(folder, result, mode, n_picks):
    """The tables of one; without its record where there is no mode."""
    folder.mkdir()
    write_consensus_table(folder / "consensus.csv", result, np.arange(1, n_picks + 1))
    write_summary_table(folder / "summary.csv", result)
    if result.ensemble is not None:
        write_ensemble(folder, result.ensemble)
    if mode is not None:
        write_run_record(folder, RunRecord(mode, result.quorum, False, 1.5, "9.8.7"))
