"""Arguments of `repic-plugin classify` from the values of the classification form."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Dict, List, Optional, Union

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfParticles
from pwem.protocols import ProtClassify2D

from repic_plugin.arguments import check_in_range
from repic_plugin.classification import (
    ALIGNMENTS,
    CTF_MODES,
    RULES,
    StreamState,
    check_classification_arguments,
)
from repic_plugin.convert import unreadable_stacks
from repic_plugin.formats import ClassTables
from repic_plugin.protocols.classification.output_format import shift_order

NO_CTF = "none"
AUTOMATIC, BY_SCORE = range(2)  # the choices of selection
# Settings that version 0.2.0 did not have, and their defaults.
ADDED = {"particle_diameter": None, "own_contrast": True}
# Parameters of the form by the arguments that messages name.
FORM_PARAMS = {
    "n_classes": "numberOfClasses",
    "method": "method",
    "alignment": "alignment",
    "ctf_mode": "ctf",
    "resolution_angstrom": "resolution",
    "particle_diameter_angstrom": "particleDiameter",
    "n_rings": "the box size in Å divided by resolution",
    "max_shift_px": "maxShift",
    "mask_diameter_px": "maskDiameter",
    "beta": "beta",
    "tolerance": "tolerance",
    "max_iterations": "maxIterations",
    "random_state": "seed",
    "n_threads": "numberOfThreads",
    "min_score": "minScore",
}


def input_settings(protocol: ProtClassify2D) -> Dict[str, Any]:
    """Settings on which the file of particles depends."""
    particles = protocol.inputParticles.get()
    return {
        "input": particles.getFileName(),
        "size": particles.getSize(),
        "phase_flipped": bool(particles.isPhaseFlipped()),
        "with_ctf": ctf_mode(protocol, particles) != NO_CTF,
    }


def classify_settings(protocol: ProtClassify2D) -> Dict[str, Any]:
    """Settings on which the classes depend, besides the particles."""
    return {
        "classes": protocol.numberOfClasses.get(),
        "method": tuple(RULES)[protocol.method.get()],
        "alignment": ALIGNMENTS[protocol.alignment.get()],
        "ctf": ctf_mode(protocol, protocol.inputParticles.get()),
        "mirror": protocol.mirror.get(),
        "resolution_angstrom": protocol.resolution.get() or None,
        "particle_diameter": protocol.particleDiameter.get() or None,
        "max_shift_px": protocol.maxShift.get() or None,
        "mask_diameter_px": protocol.maskDiameter.get() or None,
        "beta": protocol.beta.get(),
        "trade": protocol.trade.get(),
        "own_contrast": protocol.ownContrast.get(),
        "tolerance": protocol.tolerance.get(),
        "max_iterations": protocol.maxIterations.get(),
        "seed": protocol.seed.get(),
        "shift_order": shift_order(protocol),
    }


def changed_settings(settings: Dict[str, Any]) -> Dict[str, Any]:
    """Settings without those that version 0.2.0 did not have, where they are at their default.

    Steps are repeated when their settings change: finished runs of that version are not.
    """
    return {name: one for name, one in settings.items() if ADDED.get(name, ...) != one}


def selection_settings(protocol: ProtClassify2D) -> str:
    """The rule for good classes as text: a minimum score, or nothing for the automatic one."""
    if protocol.selection.get() != BY_SCORE:
        return ""
    return repr(check_in_range("min_score", protocol.minScore.get(), 0, 1))


def good_classes(found: Union[ClassTables, StreamState], selection: str) -> NDArray[np.bool_]:
    """Which classes are good, by a rule of `selection_settings`.

    Raises
    ------
    ValueError
        If there are no scores, since the classes are of an earlier version.
    """
    present: NDArray[np.bool_] = found.sizes > 0
    if not selection:
        return present & ~found.is_junk
    if found.scores is None:
        raise ValueError(
            "the classes have no scores, since an earlier version wrote them; restart the "
            "protocol, or select automatically"
        )
    return present & (found.scores.score >= float(selection))


def classify_arguments(settings: Dict[str, Any]) -> List[str]:
    """Options of the command, except files and threads."""
    arguments = []
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if name == "shift_order" or value is None:
            continue
        if name in ("trade", "own_contrast"):
            arguments += [] if value else [f"--no-{option[2:]}"]
        elif isinstance(value, bool):
            arguments += [option] if value else []
        else:
            arguments += [option, str(value)]
    return arguments


def check_form(protocol: ProtClassify2D) -> None:
    """Check the values of the form as the classification does.

    Raises
    ------
    ValueError
        If a value is invalid.
    """
    particles = protocol.inputParticles.get()
    if not particles.getSize():
        raise ValueError("the set of particles is empty; choose another, or wait for particles")
    if protocol.numberOfMpi.get() > 1 and find_spec("mpi4py") is None:
        raise ValueError(
            f"{protocol.numberOfMpi.get()} MPI processes require mpi4py, which is missing in "
            "Scipion's Python; use 1 process (threads do not need it), or pip install "
            "'scipion-em-repic-plugin[mpi]'"
        )
    selection_settings(protocol)
    _check_values(protocol, classify_settings(protocol), particles)


def _check_values(
    protocol: ProtClassify2D, settings: Dict[str, Any], particles: SetOfParticles
) -> None:
    check_particles(particles)
    pixel_size, width = particles.getSamplingRate(), int(particles.getDim()[0])
    check_classification_arguments(
        particles.getSize(),
        width,
        n_classes=settings["classes"],
        method=settings["method"],
        alignment=settings["alignment"],
        ctf_mode=settings["ctf"],
        n_rings=rings_of(settings["resolution_angstrom"], width, pixel_size),
        pixel_size_angstrom=pixel_size,
        particle_diameter_angstrom=settings["particle_diameter"],
        max_shift_px=settings["max_shift_px"],
        mask_diameter_px=settings["mask_diameter_px"],
        beta=settings["beta"],
        tolerance=settings["tolerance"],
        max_iterations=settings["max_iterations"],
        random_state=settings["seed"],
        n_threads=protocol.numberOfThreads.get(),
        n_processes=protocol.numberOfMpi.get(),
    )


def check_particles(particles: SetOfParticles) -> None:
    """Refuse particles in other formats, without a pixel size, or that are not square."""
    unknown = unreadable_stacks(sorted(particles.getFiles()))
    if unknown:
        raise ValueError(
            f"{unknown[0]}: images must be in MRC or SPIDER stacks (.mrcs, .mrc, .st, .stk); "
            "convert them"
        )
    pixel_size = particles.getSamplingRate()
    if not pixel_size or pixel_size <= 0:
        raise ValueError(
            f"the particles' pixel size must be positive, got {pixel_size}; import them again"
        )
    width, height, *_ = particles.getDim()
    if width != height:
        raise ValueError(f"particles must be square, got {width} x {height} px; extract them again")


def rings_of(
    resolution_angstrom: Optional[float], box_px: int, pixel_size_angstrom: float
) -> Optional[int]:
    """Rings up to a resolution, if there is one.

    Raises
    ------
    ValueError
        If it is negative.
    """
    if resolution_angstrom is None:
        return None
    if not resolution_angstrom > 0:
        raise ValueError(f"resolution_angstrom must be positive, or 0, got {resolution_angstrom}")
    return int(np.rint(min(box_px * pixel_size_angstrom / resolution_angstrom, box_px)))


def ctf_mode(protocol: ProtClassify2D, particles: SetOfParticles) -> str:
    """The CTF correction; none where there is nothing to correct."""
    if not particles.hasCTF() or particles.isAmplitudeCorrected():
        return NO_CTF
    return CTF_MODES[protocol.ctf.get()]
