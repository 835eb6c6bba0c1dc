"""The step of a consensus by probability that takes classes or particles that the user chose."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfClasses2D

from repic_plugin.consensus import (
    GOOD_CLASS,
    ConsensusResult,
    GivenParticles,
    chosen_shares,
    find_again,
    fitting_scale,
    never_chosen,
    without_chosen,
)
from repic_plugin.convert import (
    MicrographTable,
    read_class_averages,
    read_given_particles,
    read_micrographs,
)
from repic_plugin.formats import CandidateClasses, classes_of_labels
from repic_plugin.protocols.consensus.chosen import CHOSEN, CLASSIFIED
from repic_plugin.protocols.consensus.image_summary import chosen_methods, picker_lines
from repic_plugin.protocols.consensus.stream_images import ConsensusImages
from repic_plugin.protocols.consensus.stream_inputs import BatchInput

OTHERS = 0  # class of what was not chosen; those of Scipion count from 1

Labels = NDArray[np.int64]


class _Found(NamedTuple):
    """Candidates of a set: class of each, -1 for others; its particles; notes and warnings."""

    label: Labels
    given: GivenParticles
    told: List[str]


class ConsensusChosen(ConsensusImages):
    """Judges the candidates by chosen classes or particles, as `ConsensusImages` does by its own.

    A candidate is one of them by its micrograph and position, see `find_again`.
    """

    def _classes(self, candidates: ConsensusResult, found: BatchInput) -> CandidateClasses:
        table = read_micrographs(self.protocol.getInputMicrographs())
        chosen = self._find(CHOSEN, candidates, found, table)
        label = chosen.label.copy()
        good = np.unique(chosen.given.label)
        self._lines = [*chosen.told]
        if self.protocol.classifiedParticles.get() is None:
            label[label < 0] = OTHERS
            doubts = without_chosen(candidates, chosen.given.micrograph)
            self._lines += _cautions([*doubts, *never_chosen(candidates, chosen.label >= 0)])
        else:
            rest = self._find(CLASSIFIED, candidates, found, table)
            is_rest = (label < 0) & (rest.label >= 0)
            label[is_rest] = np.where(np.isin(rest.label, good), OTHERS, rest.label)[is_rest]
            self._lines += [*rest.told, *self._check_same(chosen.label, rest.label)]
        n_labels = int(max(good.max(initial=0), label.max(initial=0))) + 1
        averages = self._averages(n_labels, good)
        return classes_of_labels(
            candidates, label, chosen_shares(good.tolist(), n_labels), averages
        )

    def _find(
        self, name: str, candidates: ConsensusResult, found: BatchInput, table: MicrographTable
    ) -> _Found:
        """Candidates that are particles of one of the two sets."""
        items, whose = getattr(self.protocol, name).get(), self.protocol.label(name)
        read = read_given_particles(items, table, whose)
        at = {one: place for place, one in enumerate(found.micrographs)}
        place_of = np.array([at.get(one, -1) for one in table.ids] + [-1])
        place = place_of[read.micrograph]
        known = place >= 0
        given = GivenParticles(place[known], read.centers[known], read.label[known])
        box_px = float(max(self.settings["options"]["box_size_px"]))
        pixel_size = table.pixel_size_angstrom
        own = (read.pixel_size_angstrom, pixel_size, items.getSamplingRate())
        scales = [*dict.fromkeys(round(one / pixel_size, 6) for one in own if one)]
        scale = fitting_scale(candidates, given, scales, box_px)
        given = given._replace(centers=given.centers * scale)
        again = find_again(candidates, found.picks, given, box_px, whose)
        n = int((again.label >= 0).sum())
        lines = [f"{n:,} of {len(candidates):,} candidates are among the {len(known):,} particles "
                 f"of {whose}."]  # fmt: skip
        if scale != 1:
            lines.append(f"The coordinates of {whose} were multiplied by {scale:g}, to px of the "
                         "first set's micrographs.")  # fmt: skip
        return _Found(again.label, given, lines + _cautions(again.warnings))

    def _check_same(self, chosen: Labels, classified: Labels) -> List[str]:
        """A warning where the chosen particles are not among those that were classified."""
        n, n_both = int((chosen >= 0).sum()), int(((chosen >= 0) & (classified >= 0)).sum())
        if 2 * n_both >= n:
            return []
        names = (self.protocol.label(one) for one in (CHOSEN, CLASSIFIED))
        both = "only {:,} of {:,} candidates in {} are in {}, too".format(n_both, n, *names)
        return _cautions([f"{both}; choose the classification that they were chosen from"])

    def _averages(self, n_labels: int, good: Labels) -> Optional[Tuple[NDArray[np.float32], float]]:
        """Averages of the classes; blank where there is none, or one of another size."""
        images: Dict[int, NDArray[np.float32]] = {}
        pixel_size = 0.0
        for name in (CLASSIFIED, CHOSEN):
            items = getattr(self.protocol, name).get()
            if not isinstance(items, SetOfClasses2D):
                continue
            try:
                read = read_class_averages(items)
            except ValueError as error:  # only for the picture
                self._warn(f"averages are left out: {error}")
                continue
            is_mine = np.isin(list(read), good) == (name == CHOSEN)
            images.update({one: read[one] for one, mine in zip(read, is_mine) if mine})
            pixel_size = items.getSamplingRate() or pixel_size
        images = {number: image for number, image in images.items() if number < n_labels}
        if not images:
            return None
        shape = images[max(images)].shape
        stack = np.zeros((n_labels, *shape), np.float32)
        for number, image in images.items():
            if image.shape == shape:
                stack[number] = image
        return stack, float(pixel_size)

    def _told(
        self, classes: CandidateClasses, counts: NDArray[np.int64], names: Sequence[str]
    ) -> Dict[str, Any]:
        is_good = classes.share >= GOOD_CLASS
        n_chosen = int(is_good[classes.label[classes.label >= 0]].sum())
        n_unseen = int((classes.label < 0).sum())
        n_others = len(classes.label) - n_chosen - n_unseen
        has_classified = self.protocol.classifiedParticles.get() is not None
        rest = f"; {n_unseen:,} were not looked at" if has_classified else ""
        why = "were classified, but not chosen" if has_classified else "were not chosen"
        count = f"Chosen: {n_chosen:,} candidates. {n_others:,} {why}, and count as junk{rest}."
        n_classes = int((is_good & (classes.size > 0)).sum())
        return {
            "lines": [count, *self._lines, *picker_lines(is_good, counts, names)],
            "methods": chosen_methods(n_chosen, n_classes, has_classified),
            "values": {},
        }


def _cautions(warnings: Sequence[str]) -> List[str]:
    return [f"! Caution: {one}." for one in warnings]
