"""Settings of a classification in a stream, from the values of its form."""

from __future__ import annotations

from typing import Any, Dict

from pwem.objects import SetOfParticles

from repic_plugin.arguments import check_whole_number
from repic_plugin.classification import (
    StreamSettings,
    check_classification_arguments,
    first_particles,
)
from repic_plugin.convert import GrowingParticles, count_items
from repic_plugin.protocols.classification.output_format import shift_order
from repic_plugin.protocols.classification.settings import FORM_PARAMS as OF_CLASSES
from repic_plugin.protocols.classification.settings import (
    check_particles,
    ctf_mode,
    rings_of,
    selection_settings,
)
from repic_plugin.protocols.common.following.form import size_at_rest

FORM_PARAMS = {
    **{name: OF_CLASSES[name] for name in OF_CLASSES if name not in ("method", "alignment")},
    "n_first": "firstParticles",
    "n_per_block": "particlesPerBatch",
}
# What the classification itself has no choice of in a stream.
COURSE = {"method": "ack", "alignment": "mra", "beta": 0.5, "tolerance": 0.01}
COURSE["max_iterations"] = 60
RESOLUTION = "resolution_angstrom"


def n_to_start(protocol: Any) -> int:
    """Particles that classes are made of."""
    return int(protocol.firstParticles.get() or first_particles(protocol.numberOfClasses.get()))


def stream_values(protocol: Any) -> Dict[str, Any]:
    """Settings on which the classes depend, besides the particles and their order."""
    particles = protocol.inputParticles.get()
    return {
        "input": particles.getFileName(),
        "n_classes": protocol.numberOfClasses.get(),
        "n_first": n_to_start(protocol),
        "n_per_block": protocol.particlesPerBatch.get(),
        "new_views": protocol.newViews.get(),
        "random_state": protocol.seed.get(),
        "phase_flipped": bool(particles.isPhaseFlipped()),
        "pixel_size_angstrom": particles.getSamplingRate(),
        RESOLUTION: protocol.resolution.get() or None,
        "classification": {
            "ctf_mode": ctf_mode(protocol, particles),
            "mirror": protocol.mirror.get(),
            "particle_diameter_angstrom": protocol.particleDiameter.get() or None,
            "max_shift_px": protocol.maxShift.get() or None,
            "mask_diameter_px": protocol.maskDiameter.get() or None,
            "own_contrast": protocol.ownContrast.get(),
        },
    }


def output_values(protocol: Any) -> Dict[str, Any]:
    """Settings on which the outputs depend, given the classes."""
    return {
        "selection": selection_settings(protocol),
        "shift_order": shift_order(protocol),
        "full_pass": protocol.fullPass.get(),
    }


def sizes_at_rest(particles: SetOfParticles) -> Dict[str, Any]:
    """Number of particles, and of enabled ones, of a set that is closed; else None."""
    n_items = size_at_rest(particles)
    n_enabled = len(GrowingParticles(particles.getFileName()).ids()) if n_items else n_items
    return {"n_items": n_items, "n_enabled": n_enabled}


def stream_settings(values: Dict[str, Any], box_px: int) -> StreamSettings:
    """The settings of `stream_values`, for particles in boxes of some px."""
    given = {name: one for name, one in values.items() if name not in ("input", RESOLUTION)}
    rings = rings_of(values[RESOLUTION], box_px, values["pixel_size_angstrom"])
    classification = {**values["classification"], "n_rings": rings}
    return StreamSettings(**{**given, "classification": classification})


def check_form(protocol: Any) -> None:
    """Check the values of the form as the classification does.

    Raises
    ------
    ValueError
        If a value is invalid.
    """
    particles = protocol.inputParticles.get()
    n_classes, n_first = protocol.numberOfClasses.get(), n_to_start(protocol)
    if n_first < n_classes:
        raise ValueError(f"n_first must be {n_classes}, the number of classes, or more")
    check_whole_number("n_per_block", protocol.particlesPerBatch.get(), 1)
    selection_settings(protocol)
    if not count_items(particles.getFileName()):
        return  # its first particles are still to come
    check_particles(particles)
    box_px = int(particles.getDim()[0])
    settings = stream_settings(stream_values(protocol), box_px)
    apart = ("mirror", "own_contrast")
    options = {n: one for n, one in settings.classification.items() if n not in apart}
    check_classification_arguments(
        n_first,
        box_px,
        n_classes=n_classes,
        pixel_size_angstrom=settings.pixel_size_angstrom,
        random_state=settings.random_state,
        n_threads=max(protocol.numberOfThreads.get(), 1),
        n_processes=1,
        **COURSE,
        **options,
    )
