"""Iterations of a classification, from the initial partition to the final classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple, Union, cast

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import (
    Alignment,
    ClassSums,
    aligned_coefficients,
    class_sums,
)
from repic_plugin.classification.candidates import search_shifts
from repic_plugin.classification.contrast import contrasts
from repic_plugin.classification.exact_sums import steady_sum
from repic_plugin.classification.fixed import Fixed, FixedComparison
from repic_plugin.classification.multi_reference import Comparison, MultiReference
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.ranks import ALONE, Ranks
from repic_plugin.classification.rules import RULES
from repic_plugin.classification.split_merge import trade_classes
from repic_plugin.classification.state import IterationRecord, State
from repic_plugin.classification.subspace import Subspace

ALIGNMENTS = ("mra", "msa", "rfa")
# Global searches end when a smaller fraction changes class: the classes have formed ...
FORMED = 0.01
# ... or after this many iterations, as do local ones between rounds of split and merge.
MAX_GLOBAL, MAX_LOCAL = 24, 10
# Alignments to the common mean.
N_COMMON = 8
# Iterations before contrasts are estimated: classes mean little at first.
FIRST_CONTRASTS = 3
# While classes form, the constraint keeps all populated. Then it is relaxed to this fraction ...
LOOSENED = 0.75
# ... and to this one if so many classes are worth trading that the views must be unequally
# populated.
UNEVEN_TRADES, UNEVEN = 0.05, 0.1
MAX_ROUNDS = 3

Labels = NDArray[np.int64]
Samples = NDArray[np.complex64]
Setting = Union[MultiReference, Fixed]
Summed = Tuple[Samples, ClassSums]  # aligned images, and their sums


@dataclass(frozen=True)
class CourseSettings:
    """Settings of a course besides the images; see `classify_particles`."""

    n_classes: int
    method: str = "ack"
    alignment: str = "mra"
    beta: float = 0.5
    tolerance: float = 0.01
    max_iterations: int = 60
    max_shift_px: float = 4.0
    mirror: bool = False
    trade: bool = True
    own_contrast: bool = True
    leave_one_out: bool = True
    random_state: int = 0

    @property
    def leaves_out(self) -> bool:
        """Whether images are excluded from their class averages; SPIDER's factor does so itself."""
        return self.leave_one_out and self.method != "spider"

    @property
    def has_contrasts(self) -> bool:
        """Whether the contrast of each image is estimated."""
        return self.own_contrast and self.leaves_out and self.alignment == "mra"

    @property
    def trades(self) -> bool:
        """Whether classes are split and merged, with a relaxed constraint."""
        return self.trade and self.method == "ack" and self.alignment == "mra"


class Course:
    """A classification that can be stopped and resumed between any two iterations.

    Parameters
    ----------
    images : PolarImages
        Non-empty images.
    settings : CourseSettings
    n_threads : int
    ranks : Ranks
        Processes that hold the other images. The states of each rank are those of its own images.
    """

    def __init__(
        self,
        images: PolarImages,
        settings: CourseSettings,
        n_threads: int = 1,
        ranks: Ranks = ALONE,
    ) -> None:
        self.images = images
        self.settings = settings
        self.n_threads = n_threads
        self.ranks = ranks
        self.n_images = ranks.count(len(images))
        self.first_row = ranks.first_row(len(images))
        shifts = search_shifts(images.grid, settings.max_shift_px)
        self.global_shifts, self.local_shifts, self.finest_step_px = shifts
        self._setting: Optional[Tuple[str, Setting]] = None
        self._is_recentred = False

    def start(self) -> State:
        """Initial state: averages of random subsets at random angles."""
        n, mine = len(self.images), slice(self.first_row, self.first_row + len(self.images))
        rng = np.random.default_rng([self.settings.random_state, 0])
        labels = rng.permutation(self.n_images)[mine] % self.settings.n_classes
        angle = rng.uniform(0, 2 * np.pi, self.n_images)[mine].copy()
        alignment = Alignment(angle, np.zeros((n, 2)), np.zeros(n, dtype=np.bool_))
        stage = "common" if self.settings.alignment == "rfa" else "global"
        return State(labels, alignment, np.zeros((n, 2)), stage, np.ones(n))

    def advance(self, state: State) -> State:
        """State after one more iteration.

        Parameters
        ----------
        state : State
            With a stage other than 'done'.
        """
        rng = np.random.default_rng([self.settings.random_state, state.iteration + 1])
        summed: Optional[Summed] = None
        if self._sees_contrasts(state):
            state, summed = self._with_contrasts(state)
        setting = self.setting(state)
        if state.stage == "common":
            state = self._align_to_common(state, setting)
        else:
            found = self._compare(state, setting, state.labels, self.settings.n_classes, summed)
            if state.stage == "trade":
                state = self._trade(
                    state, cast(MultiReference, setting), cast(Comparison, found), rng
                )
            else:
                state = self._assign(state, found, rng)
        if state.stage != "done" and state.iteration >= self.settings.max_iterations:
            return state.enter("done", converged=False)
        return state

    def setting(self, state: State) -> Setting:
        """Comparison of a stage; images are recentred once."""
        phase = _phase(state)
        if self._setting is not None and self._setting[0] == phase:
            return self._setting[1]
        mirror, n_threads = self.settings.mirror, self.n_threads
        setting: Setting
        self._recentre(state)
        shifts = self.local_shifts if phase == "local" else self.global_shifts
        if phase == "local" and self.settings.alignment == "rfa":
            setting = Fixed(self.images, state.alignment, n_threads)
        elif phase != "common" and self.settings.alignment == "msa":
            setting = Subspace(
                self.images, shifts, mirror=mirror, n_threads=n_threads, ranks=self.ranks
            )
        else:
            images = self.images.weighted_by(state.contrast)
            setting = MultiReference(images, shifts, mirror=mirror, n_threads=n_threads)
        self._setting = (phase, setting)
        return setting

    def _recentre(self, state: State) -> None:
        """Shift the images once, when the local searches begin."""
        if _phase(state) == "local" and not self._is_recentred:
            self._setting = None
            self.images = self.images.recentred(state.offset_px)
            self._is_recentred = True

    def _sees_contrasts(self, state: State) -> bool:
        """Whether contrasts are estimated: while classes form, and once when they have."""
        if not self.settings.has_contrasts:
            return False
        if state.stage == "global":
            return state.stage_iteration >= FIRST_CONTRASTS
        return state.stage == "local" and state.stage_iteration == 0 and state.n_rounds == 0

    def _with_contrasts(self, state: State) -> Tuple[State, Optional[Summed]]:
        """State with contrasts from its classes, and its sums if all were and are 1."""
        self._recentre(state)
        n_classes = self.settings.n_classes
        members = aligned_coefficients(self.images, state.alignment, self.n_threads)
        sums = class_sums(self.images, members, state.labels, n_classes, self.ranks)
        found = contrasts(
            self.images,
            sums,
            members,
            state.labels,
            n_threads=self.n_threads,
            ranks=self.ranks,
        )
        if self.ranks.count(int(((found != 1) | (state.contrast != 1)).any())) == 0:
            return state, (members, sums)
        self._setting = None  # it holds images weighted by the contrasts before
        return replace(state, contrast=found), None

    def _compare(
        self,
        state: State,
        setting: Setting,
        labels: Labels,
        n_classes: int,
        summed: Optional[Summed] = None,
    ) -> Union[Comparison, FixedComparison]:
        """Comparison of the images with the class averages in the current alignment."""
        if summed is None:
            members = setting.aligned(state.alignment)
            summed = members, class_sums(setting.images, members, labels, n_classes, self.ranks)
        members, sums = summed
        if state.iteration == 0 and _phase(state) != "local":  # nothing is aligned yet
            return setting.compare(sums)
        return setting.compare(sums, members, labels if self.settings.leaves_out else None)

    def _align_to_common(self, state: State, setting: Setting) -> State:
        """State after alignment to the common average; images are recentred after the last time."""
        n_images = self.n_images
        one_class = np.zeros_like(state.labels)
        found = self._compare(state, setting, one_class, 1)
        record = IterationRecord(state.iteration + 1, "common", 0.0, 0.0, n_images, n_images)
        state = replace(
            state,
            alignment=found.alignment(one_class),
            stage_iteration=state.stage_iteration + 1,
            records=(*state.records, record),
        )
        return self._recentred(state) if state.stage_iteration >= N_COMMON else state

    def _assign(
        self, state: State, found: Union[Comparison, FixedComparison], rng: np.random.Generator
    ) -> State:
        """State after reassigning the images, in the next stage if this one has converged."""
        rule = RULES[self.settings.method](state.constraint * self.settings.beta)
        labels, penalty = rule.assign(found.dissimilarity, state.labels, rng, self.ranks)
        inertia = self._inertia(found, labels)
        state = self._recorded(state, labels, inertia + penalty)
        state = replace(state, alignment=found.alignment(labels))
        changed = state.records[-1].fraction_changed
        settled = changed <= self.settings.tolerance
        if state.stage == "global":
            formed = settled or changed <= FORMED or state.stage_iteration >= MAX_GLOBAL
            return self._recentred(state) if formed else state
        if self.settings.trades and (settled or state.stage_iteration >= MAX_LOCAL):
            return state.enter("trade")
        return state.enter("done") if settled else state

    def _inertia(self, found: Union[Comparison, FixedComparison], labels: Labels) -> float:
        """Sum of the dissimilarities of the images to their classes."""
        return steady_sum(found.dissimilarity[np.arange(len(labels)), labels], self.ranks)

    def _recentred(self, state: State) -> State:
        """State at the beginning of the local searches, with the images recentred."""
        still = replace(state.alignment, shift_px=np.zeros_like(state.offset_px))
        return state.enter(
            "local",
            alignment=still,
            offset_px=state.alignment.shift_px,
            constraint=LOOSENED if self.settings.trades else 1.0,
        )

    def _trade(
        self, state: State, setting: MultiReference, found: Comparison, rng: np.random.Generator
    ) -> State:
        """State after a round of split and merge, or before it if the last round did not pay."""
        total = self._inertia(found, state.labels)
        if state.before_trade is not None and total >= state.before_trade[0]:
            total, labels, alignment = state.before_trade
            state = self._recorded(state, labels, total)
            return state.enter("done", alignment=alignment, before_trade=None)
        before = (total, state.labels, state.alignment)
        labels, alignment, n_trades = state.labels, state.alignment, 0
        if state.n_rounds < MAX_ROUNDS:
            labels, alignment, n_trades = trade_classes(
                setting, found, *before[1:], rng, self.ranks
            )
        state = self._recorded(state, labels, total)
        if n_trades == 0:
            return state.enter("done", before_trade=None)
        is_uneven = n_trades >= max(2, UNEVEN_TRADES * self.settings.n_classes)
        return state.enter(
            "local",
            alignment=alignment,
            before_trade=before,
            n_rounds=state.n_rounds + 1,
            constraint=UNEVEN if is_uneven else state.constraint,
        )

    def _recorded(self, state: State, labels: Labels, objective: float) -> State:
        """State with new labels, one iteration later."""
        sizes = self.ranks.sum(np.bincount(labels, minlength=self.settings.n_classes))
        n_changed = self.ranks.count(int(np.count_nonzero(labels != state.labels)))
        record = IterationRecord(
            iteration=state.iteration + 1,
            stage=state.stage,
            fraction_changed=n_changed / self.n_images,
            objective=objective,
            smallest=int(sizes.min()),
            largest=int(sizes.max()),
        )
        return replace(
            state,
            labels=labels,
            stage_iteration=state.stage_iteration + 1,
            records=(*state.records, record),
        )


def _phase(state: State) -> str:
    """Stages that share a setting: 'common', 'global' or 'local'."""
    return "local" if state.stage in ("local", "trade", "done") else state.stage
