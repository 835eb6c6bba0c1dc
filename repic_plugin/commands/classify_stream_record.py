"""What a classification in a stream was begun with, and which particles are in it."""

from __future__ import annotations

import argparse
import json
from hashlib import blake2b
from typing import Any, Dict, Tuple

import numpy as np

from repic_plugin.classification import StreamSettings, check_classification_arguments
from repic_plugin.commands.classify_options import classify_parser, options_by_name
from repic_plugin.commands.classify_output import parameters_of
from repic_plugin.formats import ParticleTable, StreamFolder, read_arrays, write_arrays

# In the folder of the blocks: digests of the names of the particles.
PARTICLES, NAMES = "particles.npz", "names"
DIGEST_BYTES = 8
# Options that may be others in each call; the pixel size counts as it is used.
EACH_CALL = ("particles", "out", "stream", "overwrite", "threads", "checkpoint", "final")
EACH_CALL += ("full_pass", "into", "references", "pixel_size", "help")
AGAIN = "give another folder to begin again"
OTHERS = "give those of the first call, or another folder to begin again"


class StreamRecord:
    """Settings and particles of earlier calls beside those of this one.

    Parameters
    ----------
    args : argparse.Namespace
    table : ParticleTable
        All particles so far.
    kept : StreamFolder
    """

    def __init__(self, args: argparse.Namespace, table: ParticleTable, kept: StreamFolder) -> None:
        self.args, self.table, self.kept = args, table, kept
        self.parameters = parameters_of(args, table)

    def settings(self) -> StreamSettings:
        """Settings of the stream; the numbers that an earlier version chose stay."""
        rest = dict(self.parameters)
        own = ("n_classes", "pixel_size_angstrom", "phase_flipped", "random_state")
        settings: Dict[str, Any] = {name: rest.pop(name) for name in own}
        if self.args.first is not None:
            settings["n_first"] = self.args.first
        if self.args.block is not None:
            settings["n_per_block"] = self.args.block
        made = StreamSettings(**settings, classification=rest)
        if self.kept.settings is None:
            return made
        chosen = self._earlier()["chosen"]
        return StreamSettings(**{**settings, **chosen}, classification=rest)

    def check_or_begin(self) -> None:
        """Begin where there is nothing; else refuse other settings and other particles.

        Raises
        ------
        ValueError
            If a setting is invalid or another than before, or a particle is.
        """
        if self.kept.settings is None:
            self._check_settings()
            self.kept.begin(json.dumps(self._told(), indent=1) + "\n")
        else:
            self._check_same_settings()
        self._check_same_particles()

    def _told(self) -> Dict[str, Any]:
        """Settings of this call as they are kept."""
        made, table = self.settings(), self.table
        return {
            "options": {name: getattr(self.args, name) for name in _setting_names()},
            "particles": {
                "pixel size (Å)": table.pixel_size_angstrom,
                "box (px)": table.images.shape[-1],
                "CTF": table.ctf is not None,
                "phases flipped": table.phase_flipped,
                "multiplied by the CTF": table.ctf_premultiplied,
            },
            "chosen": {"n_first": made.n_to_start, "n_per_block": made.n_per_block},
        }

    def _earlier(self) -> Dict[str, Any]:
        """Settings of the first call."""
        try:
            return dict(json.loads(self.kept.settings or ""))
        except ValueError as error:
            raise ValueError(
                f"{self.args.stream}: its settings are damaged ({error}); {AGAIN}"
            ) from error

    def _check_settings(self) -> None:
        """Refuse invalid settings before there are enough particles."""
        parameters = {k: v for k, v in self.parameters.items() if k != "phase_flipped"}
        n_to_start = max(self.settings().n_to_start, len(self.table) if self.args.final else 0)
        box = self.table.images.shape[-1]
        check_classification_arguments(
            n_to_start, box, n_threads=self.args.threads or 1, n_processes=1, **parameters
        )

    def _check_same_settings(self) -> None:
        before, now = self._earlier(), self._told()
        options, parser = options_by_name(), classify_parser()
        for name, value in now["options"].items():
            default = parser.get_default(name)
            earlier = before["options"].get(name, default)
            if value != earlier:
                then, this = (_shown(one, default) for one in (earlier, value))
                raise ValueError(
                    f"{options[name]} was {then} in the first call for {self.args.stream}, and is "
                    f"{this} now; {OTHERS}"
                )
        for what, value in now["particles"].items():
            if value != before["particles"][what]:
                raise ValueError(
                    f"{self.args.particles}: {what} was {before['particles'][what]} in the first "
                    f"call for {self.args.stream}, and is {value} now; {OTHERS}"
                )

    def _check_same_particles(self) -> None:
        """Refuse particles other than those that were processed; record these and all others."""
        names = self.table.names
        digests = np.array([_digest(name) for name in names], np.uint64)
        path, state = self.kept.folder / PARTICLES, self.kept.state
        if state is not None:
            place = f"{self.args.particles}: "
            if len(names) < state.n_seen:
                raise ValueError(
                    f"{place}has {len(names):,} particles, but {state.n_seen:,} were classified "
                    f"in {self.args.stream}; give all particles so far, the earlier ones first"
                )
            before = read_arrays(path, remedy=AGAIN)[NAMES][: state.n_seen]
            others = np.flatnonzero(before != digests[: state.n_seen])
            if len(others):
                row = int(others[0])
                raise ValueError(
                    f"{place}particle {row + 1:,}, {names[row]}, is another than when it was "
                    f"classified in {self.args.stream}; earlier particles must stay, in the same "
                    "order: append new ones, or give another folder to begin again"
                )
        write_arrays(path, {NAMES: digests})


def _setting_names() -> Tuple[str, ...]:
    """Options that must be the same in all calls."""
    return tuple(sorted(name for name in options_by_name() if name not in EACH_CALL))


def _shown(value: Any, default: Any) -> str:
    """Value of an option; flags are given or not."""
    if value is None or isinstance(value, bool):
        return "not given" if value == default else "given"
    return str(value)


def _digest(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=DIGEST_BYTES).digest(), "little")
