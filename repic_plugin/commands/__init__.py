"""The commands of `repic-plugin`, one module each, with ``add_arguments`` and ``run``."""

from repic_plugin.commands import (
    classify,
    consensus,
    evaluate,
    fsc,
    report,
    run,
    score_classes,
    simulate,
    simulate_micrographs,
    simulate_particles,
)
from repic_plugin.commands.demos import consensus as demo
from repic_plugin.commands.demos import iterative as demo_iterative
from repic_plugin.commands.mpi import n_started
from repic_plugin.commands.options import naming_options, option_names, with_options

__all__ = ["COMMANDS", "n_started", "naming_options", "option_names", "with_options"]

COMMANDS = {
    "consensus": consensus,
    "evaluate": evaluate,
    "simulate": simulate,
    "simulate-micrographs": simulate_micrographs,
    "classify": classify,
    "simulate-particles": simulate_particles,
    "score-classes": score_classes,
    "fsc": fsc,
    "report": report,
    "run": run,
    "demo": demo,
    "demo-iterative": demo_iterative,
}
