"""Simulate a session at the microscope, and let the pipeline of a facility follow it."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Optional

import psutil

from repic_plugin.arguments import check_positive, check_whole_number
from repic_plugin.commands.maps import MAP_ARGUMENTS, add_map, add_microscope, load_map
from repic_plugin.commands.session.figures import CONSENSUS, Figures
from repic_plugin.commands.session.material import PICKS_LATE, Material, prepare
from repic_plugin.simulation import simulate_exposures
from repic_plugin.workflow import (
    check_new_name,
    project_folder,
    read_placeholders,
    set_user_environment,
)

ARGUMENTS = {"micrograph_size_px": "--size", **MAP_ARGUMENTS}
SIMULATED, REAL = "facility-picks", "facility"  # templates
LOOK_SECONDS = 0.5
# Protocols that are killed in turn.
VICTIMS = ((CONSENSUS,), ("TopazProtPicking", "ProtRelionAutopickLoG", "ProtRepicImportPicks"))
HOUR = 3600.0
# Values of the template for a session of a minute, in s. The micrographs arrive whole; where they
# come more slowly, the pipeline waits for the next ones, and for their pick files, as well.
IDLE, WAIT, LOOK, SETTLED = 20, 15, 1, 1
MIN_AGREEMENT = 0.2  # of an accepted micrograph
# Of pickers that are run: diameters as fractions of the box, see the adapter of LoG.
SMALLEST, LARGEST, TOPAZ_SCALE, REAL_BATCH = 0.5, 0.8, 4, 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add_map(parser)
    parser.add_argument(
        "--project", metavar="NAME", required=True, help="Scipion project to create"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for the files of the session (default: NAME-session)"
    )
    parser.add_argument("--hours", type=float, default=2.0, help="length of the session")
    parser.add_argument("--speed", type=float, default=100.0, help="how many times faster it is")
    parser.add_argument("--micrographs", type=int, default=120, metavar="N", help="number of them")
    parser.add_argument("--particles", type=int, default=14, metavar="N", help="per micrograph")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(512, 512), metavar=("W", "H"), help="in px"
    )
    parser.add_argument("--snr", type=float, default=0.2, help="signal-to-noise ratio, see "
                        "simulate-micrographs")  # fmt: skip
    parser.add_argument("--classes", type=int, default=8, metavar="N", help="2D classes; 0: none")
    parser.add_argument(
        "--kills",
        type=int,
        default=0,
        metavar="N",
        help="kill the pipeline so often, in turn with its consensus or its pickers, and go on",
    )
    parser.add_argument(
        "--values",
        nargs="*",
        default=[],
        metavar="name=value",
        help=f"further values of the template {SIMULATED}, or {REAL}, before those of this command",
    )
    parser.add_argument(
        "--real",
        action="store_true",
        help="pick with LoG (RELION) and Topaz, which must be installed with their plugins",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    add_microscope(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the session, let it happen, and print figures; return the pipeline's exit code."""
    n_kills = check_whole_number("--kills", args.kills, 0)
    for name in ("hours", "speed"):
        check_positive(f"--{name}", getattr(args, name))
    check_whole_number("--particles", args.particles, 1)
    check_whole_number("--classes", args.classes, 0)
    _check_names(args)
    set_user_environment()
    project = project_folder(args.project)
    if project.exists():
        raise ValueError(f"--project {args.project}: exists in {project.parent}; choose another")
    material = _drawn(args, Path(args.out or f"{args.project}-session").absolute())
    print(f"files of the session: {material.folder}", flush=True)
    words = [_template(args), *_values(args, material)]
    session = Session(material, args.project, words, project)
    code = session.run(_interval_s(args, material), n_kills)
    if code and not project.exists():  # a value was refused, and the next call draws again
        shutil.rmtree(material.folder)
        print(f"removed: {material.folder}", flush=True)
    return code


def _interval_s(args: argparse.Namespace, material: Material) -> float:
    """Time between two micrographs."""
    return float(HOUR * args.hours / args.speed / len(material.names))


def _template(args: argparse.Namespace) -> str:
    return REAL if args.real else SIMULATED


def _check_names(args: argparse.Namespace) -> None:
    """Refuse names that the pipeline would refuse once all micrographs are drawn."""
    check_new_name(args.project)
    known = {one.name for one in read_placeholders(_template(args))}
    for word in args.values:
        name, equals, _ = word.partition("=")
        if not equals or name.partition(".")[0] not in known:  # picks1.scale=2 is one
            raise ValueError(
                f"--values {word}: must be name=value with a name of the template "
                f"{_template(args)}; see repic-plugin run --list {_template(args)}"
            )


def _drawn(args: argparse.Namespace, folder: Path) -> Material:
    volume, voxel_size = load_map(args.map, args.pixel_size)
    exposures = simulate_exposures(
        volume,
        args.micrographs,
        pixel_size_angstrom=voxel_size,
        n_particles=args.particles,
        micrograph_size_px=args.size,
        snr=args.snr,
        defocus_range_angstrom=None if args.no_ctf else args.defocus,
        voltage_kv=args.voltage,
        spherical_aberration_mm=args.spherical_aberration,
        amplitude_contrast=args.amplitude_contrast,
        n_junk=1,
        random_state=args.seed,
    )
    return prepare(folder, exposures, args.size, args.seed)


def _values(args: argparse.Namespace, material: Material) -> List[str]:
    """Values of the template."""
    interval_s = _interval_s(args, material)
    values = {
        "micrographs": material.micrographs,
        **(_of_real(material) if args.real else _of_simulated(material)),
        "wait": WAIT + math.ceil(max(PICKS_LATE) * interval_s),
        "blobs": "true",
        "box": material.box_size_px,
        "classes": args.classes,
        "first": 25 * args.classes,  # few, so that there are classes within a minute
        "threads": 2,
        "images": "false",
        "agreement": MIN_AGREEMENT,
        "idle": IDLE + math.ceil(interval_s),
        "look": LOOK,
        "settled": SETTLED,
        "voltage": args.voltage,
        "aberration": args.spherical_aberration,
        "contrast": args.amplitude_contrast,
        **({} if args.no_ctf else {"ctfs": material.ctfs}),
    }
    given = {text.partition("=")[0] for text in args.values}
    return [f"{name}={one}" for name, one in values.items() if name not in given] + args.values


def _of_simulated(material: Material) -> Dict[str, Any]:
    """Values for the pick files of a session."""
    return {f"picks{n}": folder for n, folder in enumerate(material.picks, 1)}


def _of_real(material: Material) -> Dict[str, Any]:
    """Values for pickers that are run."""
    box_angstrom = material.box_size_px * material.pixel_size_angstrom
    return {
        "cryolo": "false",
        "ctf": "false",
        "smallest": round(SMALLEST * box_angstrom),
        "largest": round(LARGEST * box_angstrom),
        "radius": max(1, round(material.box_size_px / 2 / TOPAZ_SCALE)),
        "scale": TOPAZ_SCALE,
        "batch": REAL_BATCH,
    }


class Session:
    """A session that happens, and the pipeline that follows it.

    Parameters
    ----------
    material : Material
    name : str
        Of the project.
    words : list of str
        The template, and its values.
    project : Path
        Folder of the project.
    """

    def __init__(self, material: Material, name: str, words: List[str], project: Path) -> None:
        self.material, self.figures = material, Figures(project)
        program = [sys.executable, "-m", "repic_plugin.cli", "run"]
        self._command = [*program, *words, "--project", name]
        self._pipeline: Optional[subprocess.Popen[bytes]] = None

    def run(self, interval_s: float, n_kills: int) -> int:
        """Bring a micrograph after each interval until all are there; the exit code at the end.

        Whatever ends the session ends the pipeline.
        """
        begun = time.monotonic()
        try:
            code = self._follow(begun, interval_s, n_kills)
        except KeyboardInterrupt as interrupt:
            number = getattr(interrupt, "number", signal.SIGINT)
            self._stop(number)
            print("repic-plugin: interrupted; the session has ended", file=sys.stderr)
            code = 128 + number
        except BaseException:
            self._stop()
            raise
        if self.figures.project.exists():
            print("\n".join(self.figures.lines(time.monotonic() - begun)), flush=True)
        return code

    def _follow(self, begun: float, interval_s: float, n_kills: int) -> int:
        n = len(self.material.names)
        kill_at = [n * (one + 1) // (n_kills + 1) for one in range(n_kills)]
        tick = 0
        more = self.material.bring(tick)  # Scipion starts an import only if there is a file
        pipeline = self._start()
        while pipeline.poll() is None:
            now = time.monotonic()
            while more and now - begun >= (tick + 1) * interval_s:
                tick += 1
                more = self.material.bring(tick)
            self.figures.look(min(tick + 1, n))
            if kill_at and tick >= kill_at[0] and self._kill(pipeline):
                kill_at.pop(0)
                pipeline = self._start()
            with suppress(subprocess.TimeoutExpired):
                pipeline.wait(LOOK_SECONDS)
        code = int(pipeline.returncode)
        if more and not code:
            print("the pipeline ended before the session", file=sys.stderr)
            code = 1
        return code

    def _start(self) -> subprocess.Popen[bytes]:
        """The pipeline, started or continued; Ctrl-C reaches it through `_stop`, and once."""
        # Scipion looks for new micrographs every 10 s if it is not told otherwise
        environment = {"SCIPION_EM_NEW_FILE_CHECK_SEC": str(LOOK), **os.environ}
        self._pipeline = subprocess.Popen(self._command, env=environment, start_new_session=True)
        return self._pipeline

    def _stop(self, number: int = signal.SIGTERM) -> None:
        """Let the pipeline stop its protocols, and wait for it."""
        if self._pipeline is not None and self._pipeline.poll() is None:
            self._pipeline.send_signal(number if number == signal.SIGINT else signal.SIGTERM)
            self._pipeline.wait()

    def _kill(self, pipeline: subprocess.Popen[bytes]) -> bool:
        """Kill the pipeline, and in turn its consensus or its pickers with what they started.

        Returns whether they were at work, with something done.
        """
        names = VICTIMS[self.figures.n_kills % len(VICTIMS)]
        of_each = {name: self.figures.processes(name) for name in names}
        found = [one for some in of_each.values() for one in some]
        if not (found and self.figures.n_done(CONSENSUS)):
            return False
        for one in (*found, psutil.Process(pipeline.pid)):
            with suppress(psutil.NoSuchProcess):
                started = one.children(recursive=True) if one in found else []
                for each in (*started, one):
                    each.kill()
        pipeline.wait()
        self.figures.n_kills += 1
        print(f"killed: the pipeline and {', '.join(filter(of_each.get, names))}", flush=True)
        return True
