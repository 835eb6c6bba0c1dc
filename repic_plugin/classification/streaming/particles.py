"""Particles of a stream, and what is done with them: classes, assignment, sums of averages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment import Assignment, Measured, assign_particles
from repic_plugin.classification.classify import classify_particles
from repic_plugin.classification.ctf import CtfParameters
from repic_plugin.classification.full_averages import AverageSums, average_sums
from repic_plugin.classification.image_rows import ImageRows
from repic_plugin.classification.normalisation import Normaliser, background
from repic_plugin.classification.references import References
from repic_plugin.classification.result import Classification
from repic_plugin.classification.state import State
from repic_plugin.classification.streaming.settings import StreamSettings

Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Particles:
    """Some particles of the stream.

    Attributes
    ----------
    images : array_like of float, shape (n, box, box)
        All so far.
    ctf : CtfParameters or None
        Of all.
    rows : ndarray of int64, shape (m,)
        Those in question.
    settings : StreamSettings
    n_threads : int
    """

    images: Any
    ctf: Optional[CtfParameters]
    rows: Labels
    settings: StreamSettings
    n_threads: int

    def at(self, rows: Labels) -> Particles:
        """Others of the stream."""
        return Particles(self.images, self.ctf, rows, self.settings, self.n_threads)

    def classified(
        self,
        n_classes: int,
        references: Optional[References] = None,
        start: Optional[State] = None,
        progress: Optional[Progress] = None,
    ) -> Classification:
        """Classes of these particles alone, compared as those of the references were.

        Parameters
        ----------
        n_classes : int
        references : References, optional
            None for the first particles.
        start : State, optional
            Classes and poses to go on from.
        progress : callable, optional
            Called with the number of images read so far and the total.
        """
        settings = self.settings
        if references is None:
            options = settings.of_first()
        else:
            of_more = settings.of_others if start is None else settings.of_all_again
            options = of_more(references)
        own, ctf = self._own()
        return classify_particles(
            own,
            n_classes,
            ctf=ctf,
            n_threads=self.n_threads,
            resume=start,
            progress=progress,
            **options,
        )

    def assigned(
        self,
        references: References,
        known: Optional[Measured] = None,
        progress: Optional[Progress] = None,
    ) -> Assignment:
        """Class and pose of these particles."""
        own, ctf = self._own()
        return assign_particles(
            own,
            references,
            ctf=ctf,
            phase_flipped=self.settings.phase_flipped,
            measured_before=known,
            n_threads=self.n_threads,
            progress=progress,
        )

    def sums(self, found: Assignment, is_member: Flags, references: References) -> AverageSums:
        """Sums over those that are members of averages, in the poses of their assignment.

        Parameters
        ----------
        found : Assignment
            Of these particles to the references.
        is_member : ndarray of bool, shape (m,)
        references : References
        """
        sizes, mode = references.sizes, references.ctf_mode
        outside = background(sizes.box_px, sizes.mask_diameter_px / 2 + sizes.edge_px)
        some = np.flatnonzero(is_member)
        poses = (found.labels, found.rotation_deg, found.shift_px, found.mirror, found.factor)
        own, ctf = self._own()
        sums, _ = average_sums(
            own,
            (some, *(column[some] for column in poses)),
            (0, len(references)),
            pixel_size_angstrom=sizes.pixel_size_angstrom,
            ctf=None if mode == "none" else ctf,
            flip=not self.settings.phase_flipped,
            weight=mode == "weight",
            normaliser=Normaliser(outside, references.dust_deviations),
            n_threads=self.n_threads,
        )
        return sums

    def _own(self) -> Any:
        ctf = None if self.ctf is None else self.ctf.take(self.rows)
        return ImageRows(self.images, self.rows), ctf
