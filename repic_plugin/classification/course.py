"""The way from a first partition to the final classes, one iteration at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.averages import Alignment, class_sums
from repic_plugin.classification.correlation import shift_grid
from repic_plugin.classification.fixed import Fixed, FixedComparison
from repic_plugin.classification.multi_reference import Comparison, MultiReference
from repic_plugin.classification.preparation import PolarImages
from repic_plugin.classification.rules import RULES, Rule
from repic_plugin.classification.split_merge import trade_classes
from repic_plugin.classification.state import IterationRecord, State
from repic_plugin.classification.subspace import Subspace

__all__ = ["ALIGNMENTS", "Course", "CourseSettings"]

ALIGNMENTS = ("mra", "msa", "rfa")
# Global searches end when fewer images change class, for by then the classes have formed ...
FORMED = 0.03
# ... or after as many iterations.
MAX_GLOBAL, MAX_LOCAL, N_COMMON = 15, 10, 8
# Shifts: steps as parts of the finest wavelength, and the local search in global steps.
GLOBAL_STEP, LOCAL_RADIUS = 0.375, 0.75
# While classes form, the constraint keeps all of them alive. Then it is loosened to this part ...
LOOSENED = 0.5
# ... and where so many of the classes are worth trading that the views must be of unequal
# population, to this one.
UNEVEN_TRADES, UNEVEN = 0.05, 0.1
MAX_ROUNDS = 3

Labels = NDArray[np.int64]
Setting = Union[MultiReference, Fixed]


@dataclass(frozen=True)
class CourseSettings:
    """What a course depends on beside the images; see `classify_particles`."""

    n_classes: int
    method: str = "ack"
    alignment: str = "mra"
    beta: float = 0.5
    tolerance: float = 0.01
    max_iterations: int = 60
    max_shift_px: float = 4.0
    mirror: bool = False
    trade: bool = True
    leave_one_out: bool = True
    random_state: int = 0

    @property
    def trades(self) -> bool:
        """Whether classes are split and merged, and the constraint loosened for it."""
        return self.trade and self.method == "ack" and self.alignment == "mra"


class Course:
    """A classification that can be stopped and resumed between any two iterations.

    Parameters
    ----------
    images : PolarImages
        None of them empty.
    settings : CourseSettings
    n_threads : int
    """

    def __init__(self, images: PolarImages, settings: CourseSettings, n_threads: int = 1) -> None:
        self.images = images
        self.settings = settings
        self.n_threads = n_threads
        wavelength = images.grid.box_size_px / float(images.grid.rings[-1])
        step = max(1.0, float(np.rint(GLOBAL_STEP * wavelength)))
        self.global_shifts = shift_grid(settings.max_shift_px, step)
        self.local_step_px = step / 2
        self.local_shifts = shift_grid(LOCAL_RADIUS * step, self.local_step_px)
        self._setting: Optional[Tuple[str, Setting]] = None

    def start(self) -> State:
        """Averages of random subsets at random angles."""
        n = len(self.images)
        rng = np.random.default_rng([self.settings.random_state, 0])
        labels = rng.permutation(n) % self.settings.n_classes
        alignment = Alignment(
            rng.uniform(0, 2 * np.pi, n), np.zeros((n, 2)), np.zeros(n, dtype=np.bool_)
        )
        stage = "common" if self.settings.alignment == "rfa" else "global"
        return State(labels, alignment, np.zeros((n, 2)), stage)

    def advance(self, state: State) -> State:
        """Make one iteration.

        Parameters
        ----------
        state : State
            Whose stage is not 'done'.

        Returns
        -------
        State
        """
        rng = np.random.default_rng([self.settings.random_state, state.iteration + 1])
        setting = self.setting(state)
        common = state.stage == "common"
        labels = np.zeros_like(state.labels) if common else state.labels
        members = setting.aligned(state.alignment)
        n_classes = 1 if common else self.settings.n_classes
        sums = class_sums(setting.images, members, labels, n_classes)
        known = state.iteration > 0 and self.settings.leave_one_out
        found = setting.compare(sums, members if known else None, labels)
        if (
            state.stage == "trade"
            and isinstance(found, Comparison)
            and isinstance(setting, MultiReference)
        ):
            next_state = self._trade(state, setting, found, rng)
        elif common:
            next_state = self._after_common(state, found.alignment(labels))
        else:
            next_state = self._assign(state, found, rng)
        if next_state.stage != "done" and next_state.iteration >= self.settings.max_iterations:
            next_state = next_state.enter("done", converged=False)
        return next_state

    def setting(self, state: State) -> Setting:
        """The comparison that a stage makes; images are recentred once."""
        phase = "local" if state.stage in ("local", "trade", "done") else state.stage
        if self._setting is not None and self._setting[0] == phase:
            return self._setting[1]
        mirror, n_threads = self.settings.mirror, self.n_threads
        setting: Setting
        if phase == "local":
            self._setting = None
            self.images = self.images.recentred(state.offset_px)
        shifts = self.local_shifts if phase == "local" else self.global_shifts
        if phase == "local" and self.settings.alignment == "rfa":
            setting = Fixed(self.images, state.alignment, n_threads)
        elif phase != "common" and self.settings.alignment == "msa":
            setting = Subspace(self.images, shifts, mirror=mirror, n_threads=n_threads)
        else:
            setting = MultiReference(self.images, shifts, mirror=mirror, n_threads=n_threads)
        self._setting = (phase, setting)
        return setting

    def _rule(self, state: State) -> Rule:
        return RULES[self.settings.method](state.constraint * self.settings.beta)

    def _assign(
        self,
        state: State,
        found: Union[Comparison, FixedComparison],
        rng: np.random.Generator,
    ) -> State:
        """Reassign the images, then go to the next stage if this one has converged."""
        labels, penalty = self._rule(state).assign(found.dissimilarity, state.labels, rng)
        inertia = float(found.dissimilarity[np.arange(len(labels)), labels].sum(dtype=np.float64))
        changed = float(np.mean(labels != state.labels))
        state = self._recorded(state, labels, changed, inertia + penalty)
        state = replace(state, alignment=found.alignment(labels))
        if state.stage == "global":
            if changed <= max(FORMED, self.settings.tolerance) or (
                state.stage_iteration >= MAX_GLOBAL
            ):
                return self._recentred(state)
        elif changed <= self.settings.tolerance or state.stage_iteration >= MAX_LOCAL:
            return state.enter("trade" if self.settings.trades else "done")
        return state

    def _after_common(self, state: State, alignment: Alignment) -> State:
        n_images = len(state.labels)
        record = IterationRecord(state.iteration + 1, "common", 0.0, 0.0, n_images, n_images)
        state = replace(
            state,
            alignment=alignment,
            stage_iteration=state.stage_iteration + 1,
            records=(*state.records, record),
        )
        return self._recentred(state) if state.stage_iteration >= N_COMMON else state

    def _recentred(self, state: State) -> State:
        still = replace(state.alignment, shift_px=np.zeros_like(state.offset_px))
        return state.enter(
            "local",
            alignment=still,
            offset_px=state.alignment.shift_px,
            constraint=LOOSENED if self.settings.trades else 1.0,
        )

    def _trade(
        self,
        state: State,
        setting: MultiReference,
        found: Comparison,
        rng: np.random.Generator,
    ) -> State:
        """Trade classes; go back if the round before did not lower the loss."""
        loss = found.dissimilarity[np.arange(len(state.labels)), state.labels].astype(np.float64)
        total = float(loss.sum())
        if state.before_trade is not None and total >= state.before_trade[0]:
            _, labels, alignment = state.before_trade
            changed = float(np.mean(labels != state.labels))
            state = self._recorded(state, labels, changed, state.before_trade[0])
            return state.enter("done", alignment=alignment, before_trade=None)
        if state.n_rounds >= MAX_ROUNDS:
            return state.enter("done", before_trade=None)
        before = (total, state.labels, state.alignment)
        labels, alignment, n_trades = trade_classes(
            setting, found, state.labels, state.alignment, rng
        )
        state = self._recorded(state, labels, float(np.mean(labels != state.labels)), total)
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

    def _recorded(self, state: State, labels: Labels, changed: float, objective: float) -> State:
        sizes = np.bincount(labels, minlength=self.settings.n_classes)
        record = IterationRecord(
            iteration=state.iteration + 1,
            stage=state.stage,
            fraction_changed=changed,
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
