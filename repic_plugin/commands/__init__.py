"""The commands of `repic-plugin`, one module each, with ``add_arguments`` and ``run``."""

from __future__ import annotations

import importlib
from types import ModuleType

from repic_plugin.commands.mpi import n_started
from repic_plugin.commands.options import naming_options, option_names, with_options

__all__ = [
    "COMMANDS",
    "command_module",
    "n_started",
    "naming_options",
    "option_names",
    "with_options",
]

COMMANDS = {  # and their modules, loaded when needed
    "consensus": "consensus",
    "evaluate": "evaluate",
    "simulate": "simulate",
    "simulate-micrographs": "simulate_micrographs",
    "classify": "classify",
    "select-classes": "select_classes",
    "simulate-particles": "simulate_particles",
    "score-classes": "score_classes",
    "fsc": "fsc",
    "report": "report",
    "run": "run",
    "simulate-session": "session.command",
    "demo": "demos.consensus",
    "demo-iterative": "demos.iterative",
}


def command_module(name: str) -> ModuleType:
    """The module of a command."""
    return importlib.import_module(f"{__package__}.{COMMANDS[name]}")
