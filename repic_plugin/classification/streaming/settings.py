"""Settings of a classification in a stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

from repic_plugin.arguments import check_whole_number
from repic_plugin.classification.references import References

# Particles per class that the classes are made of, unless the memory is too small: with more the
# averages gain little. Bytes of a particle in a classification of 12 rings, and for each class.
PER_CLASS, MEMORY_BYTES = 250, 2 << 30
PARTICLE_BYTES, CLASS_BYTES = 6_700, 13
PARTICLES_PER_BLOCK, UNEXPLAINED_KEPT = 4096, 16_384


def first_particles(n_classes: int, memory_bytes: float = MEMORY_BYTES) -> int:
    """Number of particles that classes are made of: 250 for each, or what the memory holds."""
    fit = int(memory_bytes / (PARTICLE_BYTES + CLASS_BYTES * n_classes))
    return max(min(PER_CLASS * n_classes, fit), n_classes)


@dataclass(frozen=True)
class StreamSettings:
    """Settings of a `ClassStream`.

    Attributes
    ----------
    n_classes : int
    n_first : int, optional
        Particles that the classes are made of; by default `first_particles`, 25,000 for 100
        classes.
    n_per_block : int
        Averages are refreshed after so many particles, however these arrive.
    pixel_size_angstrom : float
    phase_flipped : bool
        Whether the images are already phase-flipped.
    n_kept : int
        Unexplained particles that are remembered, by their numbers.
    new_views : bool
        Whether classes are appended for views that the first particles did not show.
    random_state : int
    classification : mapping
        Other arguments of `classify_particles` for the first particles, such as `ctf_mode`.
    """

    n_classes: int
    n_first: Optional[int] = None
    n_per_block: int = PARTICLES_PER_BLOCK
    pixel_size_angstrom: float = 1.0
    phase_flipped: bool = False
    n_kept: int = UNEXPLAINED_KEPT
    new_views: bool = True
    random_state: int = 0
    classification: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_whole_number("n_classes", self.n_classes, 2)
        check_whole_number("n_per_block", self.n_per_block, 1)
        check_whole_number("n_kept", self.n_kept, 1)
        if self.n_first is not None:
            check_whole_number("n_first", self.n_first, self.n_classes)

    @property
    def n_to_start(self) -> int:
        """Particles that are waited for."""
        return self.n_first or first_particles(self.n_classes)

    def of_first(self) -> Dict[str, Any]:
        """Arguments of `classify_particles` for the first particles."""
        return {
            **self.classification,
            "pixel_size_angstrom": self.pixel_size_angstrom,
            "phase_flipped": self.phase_flipped,
            "random_state": self.random_state,
        }

    def of_others(self, references: References) -> Dict[str, Any]:
        """The same for some of the others, which are compared as the first ones were."""
        sizes = references.sizes
        return {
            **self.of_first(),
            "particle_diameter_angstrom": sizes.particle_diameter_angstrom,
            "mask_diameter_px": sizes.mask_diameter_px,
            "n_rings": sizes.n_rings,
            "max_shift_px": sizes.max_shift_px,
            "ctf_mode": references.ctf_mode,
            "mirror": references.mirror,
        }

    def of_all_again(self, references: References) -> Dict[str, Any]:
        """The same for all, from the poses in their classes: these have no common alignment."""
        options = self.of_others(references)
        return {**options, "alignment": "mra"} if options.get("alignment") == "rfa" else options
