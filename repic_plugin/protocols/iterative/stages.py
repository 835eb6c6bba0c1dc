"""Stages of iterative picking."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from pwem.objects import EMObject, SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer, Set
from pyworkflow.protocol import Protocol

from repic_plugin.consensus import EnsembleModel, Picks, shows_no_particles
from repic_plugin.formats import read_ensemble, read_iterations, write_ensemble, write_iterations
from repic_plugin.iteration import SUBSETS, agreement, iteration_rows, least_agreeing, lowest_f1
from repic_plugin.pickers import PickerFailed
from repic_plugin.protocols.common.consensus_mode import is_probabilistic, looks_at_images
from repic_plugin.protocols.iterative.child_runs import Children
from repic_plugin.protocols.iterative.cleaning import clean_older
from repic_plugin.protocols.iterative.form import PROCEED, STOP
from repic_plugin.protocols.iterative.sets import (
    consensus_picks,
    consensus_values,
    picker_picks,
    recommended,
    reference_picks,
    renamed,
    subset_of,
)
from repic_plugin.protocols.iterative.settings import Line, picker_lines
from repic_plugin.protocols.iterative.state import RunState
from repic_plugin.protocols.iterative.summary import iteration_lines
from repic_plugin.workflow import RunFailed

PARTICLES = "outputCoordinates"
MIN_PICKERS = 2
CONSENSUS, LABELS, MODEL, PICKS = "consensus", "labels", "model", "picks"


class Stages:
    """The stages of one run, for one of its steps.

    Parameters
    ----------
    protocol : ProtParticlePicking
    """

    def __init__(self, protocol: ProtParticlePicking) -> None:
        self._protocol = protocol
        self._state: RunState = protocol._state

    def __enter__(self) -> Stages:
        self._children = Children(self._protocol, self._state.token)
        return self

    def __exit__(self, *_error: object) -> None:
        self._children.close()

    # ------------------------------------------------------------------- start

    def draw_subsets(self) -> None:
        """Draw micrographs for training, validation and testing."""
        form = self._protocol
        child = self._children.new(
            "ProtRepicSubsets",
            numValidation=form.numValidation.get(),
            trainingPercent=form.trainingPercent.get(),
            seed=form.seed.get(),
        )
        child.inputMicrographs.copy(self._children.pointer(form.inputMicrographs))
        if form.inputCTFs.hasValue():
            child.inputCTFs.copy(self._children.pointer(form.inputCTFs))
        # the label is part of the tag by which runs of version 0.2.0 are found
        about = "micrographs for training, validation and testing, drawn once"
        done = self._children.run(child, "micrographs to train and test on", about=about)
        for subset in SUBSETS:
            output = f"output{subset.capitalize()}"
            if hasattr(done, output):
                self._state.put(subset, 0, "", done.getObjId(), output)

    def take_manual_labels(self) -> None:
        """Use the manual picks on training micrographs."""
        form = self._protocol
        manual = self._children.pointer(form.manualCoordinates)
        self._make_labels(0, manual, 0, form.manualProbability.get())

    def start(self, place: int) -> None:
        """Use the given coordinates of a picker, or pick with it pre-trained."""
        line = self._line(place)
        if line.coordinates is not None:
            self._remember(PICKS, 0, line.label, self._children.pointer(line.coordinates))
            return
        model = None if line.model is None else self._children.pointer(line.model)
        self._pick(0, line, model)

    # --------------------------------------------------------- every iteration

    def train(self, iteration: int, place: int) -> None:
        """Train a picker on the labels of the previous iteration."""
        line = self._line(place, iteration)
        if not self._trains(iteration, line):
            return
        try:
            child = line.picker.training(
                self._children.new, self._recall("training", 0), self._recall(LABELS, iteration - 1)
            )
            label = f"iter {iteration} - {line.label} train"
            about = f"iteration {iteration}, training of {line.label} on the labels before it"
            done = self._children.run(child, label, line.picker.model, about)
            self._remember(MODEL, iteration, line.label, line.picker.model(done))
        except (RunFailed, PickerFailed) as error:
            self._drop(line, f"iteration {iteration}, training: {error}")

    def pick(self, iteration: int, place: int) -> None:
        """Pick with the new model of a picker; one without training picks only once."""
        line = self._line(place, iteration)
        trains = self._trains(iteration, line)
        has_picked = self._state.latest(PICKS, iteration, line.label) is not None
        if self._is_over(iteration, line) or (has_picked and not trains):
            return
        self._pick(iteration, line, self._recall(MODEL, iteration, line.label) if trains else None)

    def agree(self, iteration: int) -> None:
        """Find the consensus of the pickers on all micrographs."""
        if self._state.is_over(iteration):
            return
        form, lines = self._protocol, self._active()
        picks = [self._latest_picks(iteration, line) for line in lines]
        child = self._children.new(
            "ProtRepicConsensus",
            mode=form.mode.get(),
            quorum=min(form.quorum.get(), len(lines)),
            targetPrecision=form.targetPrecision.get(),
            minOverlap=form.minOverlap.get(),
            numParticles=form.numParticles.get(),
            boxSize=lines[0].picker.settings.box_size_px,
            **consensus_values(lines, [one.get() for one in picks]),
        )
        for one in picks:
            child.inputCoordinates.append(one)
        if self._is_probable and form.inputCTFs.hasValue():
            child.inputCTFs.copy(self._children.pointer(form.inputCTFs))
        if looks_at_images(form):
            child.lookAtImages.set(True)
            child.imageClasses.set(form.imageClasses.get())
            child.numberOfThreads.set(form.getBinThreads())
        about = f"iteration {iteration}, consensus of {', '.join(one.label for one in lines)}"
        done = self._children.run(child, f"iter {iteration} - consensus", _has_particles, about)
        self._state.put(CONSENSUS, iteration, "", done.getObjId(), PARTICLES)

    def label(self, iteration: int) -> None:
        """Use the best of the consensus as labels."""
        if self._state.is_over(iteration):
            return
        self._check_images(iteration)
        agreed = self._recall(CONSENSUS, iteration)
        n_best = self._protocol.numParticles.get()
        if not (n_best or self._is_probable):  # which keeps only probable particles
            n_best = recommended(agreed.get())
        self._make_labels(iteration, agreed, n_best, 1.0)

    def score(self, iteration: int) -> None:
        """Write the rows of the table, check for convergence, remove older files."""
        if self._state.is_over(iteration):
            return
        form, lines = self._protocol, self._active()
        box_px = lines[0].picker.settings.box_size_px
        agreed = self._agreed(iteration)
        picks = [self._latest_picks(iteration, line).get() for line in lines]
        found = picker_picks(lines, picks, form.inputMicrographs.get())
        reference = reference_picks(form.referenceCoordinates.get(), form.inputMicrographs.get())
        rows = iteration_rows(iteration, found, agreed, self._subset_of(), box_px, reference)
        before = [row for row in read_iterations(form.table_file()) if row.iteration < iteration]
        write_iterations(form.table_file(), [*before, *rows])
        for text in iteration_lines(rows):
            form.info(text)
        model = self._model(iteration, [line.label for line in lines])
        if model is not None:
            write_ensemble(form._getExtraPath(), model)
        clean_older(form.clean.get(), self._children, self._state, iteration)
        if form.stopWhenStable and self._state.get(CONSENSUS, iteration - 1) is not None:
            same = agreement(self._agreed(iteration - 1), agreed, box_px)[0]
            form.info(f"agreement with the previous consensus: {same:.3f}")
            if same >= form.stableAgreement.get():
                form.info("the consensus has converged: stopping")
                self._state.end_after(iteration)

    # --------------------------------------------------------------------- end

    def outputs(self, last: int) -> Dict[str, Any]:
        """The last consensus, and the last coordinates and models of the pickers, by name."""
        agreed = self._children.target(*self._known(self._state.latest(CONSENSUS, last)))
        made = {PARTICLES: self._copied(agreed, "")}
        for line in self._active():
            suffix = "".join(c for c in line.label if c.isalnum())
            picks = self._latest_picks(last, line).get()
            made[f"{PARTICLES}_{suffix}"] = self._copied(picks, f"_{suffix}")
            model = self._state.latest(MODEL, last, line.label)
            if model is not None:
                target = self._children.target(*model)
                made[f"outputModel_{suffix}"] = self._model_copy(target, suffix)
        return made

    def _copied(self, source: SetOfCoordinates, suffix: str) -> SetOfCoordinates:
        """A copy of a set in this protocol, which outlives the run that wrote it."""
        copy = self._protocol._createSetOfCoordinates(self._protocol.inputMicrographs, suffix)
        copy.setBoxSize(source.getBoxSize())
        copy.copyItems(source)
        return copy

    def _model_copy(self, model: EMObject, suffix: str) -> EMObject:
        """A copy of a model, or of a set that serves as one; its files remain with training."""
        if isinstance(model, Set):
            copy = type(model).create(self._protocol._getPath(), suffix=f"_{suffix}")
            copy.copyInfo(model)
            copy.copyItems(model)
            return copy
        copy = type(model)()
        copy.copy(model, copyId=False)
        return copy

    # ----------------------------------------------------------------- helpers

    def _line(self, place: int, iteration: int = 0) -> Line:
        """A picker with the expected number of particles."""
        lines = picker_lines(self._protocol, self._expected(iteration))
        return next(line for line in lines if line.place == place)

    def _expected(self, iteration: int) -> int:
        """Expected particles per micrograph, from the form or the labels; 0 if unknown."""
        if self._protocol.numParticles.get() or iteration == 0:
            return int(self._protocol.numParticles.get())
        labels = self._recall(LABELS, iteration - 1).get()
        return max(1, round(labels.getSize() / self._recall("training", 0).get().getSize()))

    def _active(self) -> List[Line]:
        dropped = self._state.dropped
        return [line for line in picker_lines(self._protocol) if line.label not in dropped]

    def _is_over(self, iteration: int, line: Line) -> bool:
        return self._state.is_over(iteration) or line.label in self._state.dropped

    def _trains(self, iteration: int, line: Line) -> bool:
        """Whether a picker is trained in an iteration."""
        if self._is_over(iteration, line) or not line.picker.trainable:
            return False
        if not self._protocol.retrainWorst or iteration == 1:
            return True
        return line.label == self._worst(iteration - 1)

    def _worst(self, iteration: int) -> str:
        """The worst trainable picker of an iteration."""
        rows = read_iterations(self._protocol.table_file())
        last = [row for row in rows if row.iteration == iteration and row.name != CONSENSUS]
        able = {one.label for one in self._active() if one.picker.trainable}
        model = self._model(iteration, list(dict.fromkeys(row.name for row in last)))
        if model is not None:
            return lowest_f1(model, able)
        return least_agreeing([row for row in last if row.name in able])

    def _model(self, iteration: int, names: Sequence[str]) -> Optional[EnsembleModel]:
        """The model of the pickers from the consensus of an iteration, with their names."""
        found = self._state.get(CONSENSUS, iteration)
        if found is None or not self._is_probable:
            return None
        run = self._children.project.getObject(found[0])
        model = None if run is None else read_ensemble(run._getExtraPath())
        return None if model is None else renamed(model, names)

    def _check_images(self, iteration: int) -> None:
        """Stop if no 2D class looks like particles, unless the user chose to proceed."""
        form = self._protocol
        model = self._model(iteration, [line.label for line in self._active()])
        if model is None or not (looks_at_images(form) and shows_no_particles(model)):
            return
        problem = f"iteration {iteration}: no 2D class of the candidates looks like particles"
        if form.ifNoParticles.get() != PROCEED:
            raise RuntimeError(
                f"{problem}, and pickers trained on them would learn junk; look at the averages of "
                f"'iter {iteration} - consensus', correct the micrographs, box size or picks, or "
                f"set {form.label('ifNoParticles')} to proceed"
            )
        form.warning(f"{problem}: training on the least improbable ones, as the form says")

    @property
    def _is_probable(self) -> bool:
        return is_probabilistic(self._protocol)

    def _pick(self, iteration: int, line: Line, model: Optional[Pointer]) -> None:
        try:
            micrographs = self._children.pointer(self._protocol.inputMicrographs)
            child = line.picker.picking(self._children.new, micrographs, model)
            label = f"iter {iteration} - {line.label} pick"
            how = "as it is" if model is None else "with its model"
            about = f"iteration {iteration}, {line.label} {how} picks on all micrographs"
            done = self._children.run(child, label, line.picker.picks, about)
            self._remember(PICKS, iteration, line.label, line.picker.picks(done))
        except (RunFailed, PickerFailed) as error:
            self._drop(line, f"iteration {iteration}, picking: {error}")

    def _drop(self, line: Line, reason: str) -> None:
        """Stop, or proceed without a picker, as the user chose."""
        if self._protocol.ifPickerFails.get() == STOP:
            raise RuntimeError(f"{line.label} failed in {reason}")
        self._state.drop(line.label, reason)
        left = [one.label for one in self._active()]
        if len(left) < MIN_PICKERS:
            raise RuntimeError(
                f"{line.label} failed in {reason}; only {' and '.join(left) or 'none'} is left, "
                "but a consensus needs two: correct the cause and press Continue"
            )
        self._protocol.warning(f"proceeding without {line.label}: failed in {reason}")

    def _make_labels(
        self, iteration: int, coordinates: Pointer, n_best: int, probability: float
    ) -> None:
        child = self._children.new(
            "ProtRepicLabels",
            numParticles=n_best,
            probability=probability,
            seed=self._protocol.seed.get(),
        )
        child.inputCoordinates.copy(coordinates)
        child.inputMicrographs.copy(self._recall("training", 0))
        about = f"iteration {iteration}, labels to train the pickers on in the next iteration"
        done = self._children.run(child, f"iter {iteration} - labels", _has_particles, about)
        self._state.put(LABELS, iteration, "", done.getObjId(), PARTICLES)

    def _remember(self, kind: str, iteration: int, name: str, pointer: Pointer) -> None:
        run = pointer.getObjValue()
        self._state.put(kind, iteration, name, run.getObjId(), pointer.getExtended())

    def _recall(self, kind: str, iteration: int, name: str = "") -> Pointer:
        return self._children.output(*self._known(self._state.get(kind, iteration, name)))

    def _latest_picks(self, iteration: int, line: Line) -> Pointer:
        found = self._state.latest(PICKS, iteration, line.label)
        return self._children.output(*self._known(found))

    @staticmethod
    def _known(found: Optional[Tuple[int, str]]) -> Tuple[int, str]:
        if found is None:
            raise RuntimeError("an earlier stage has no output: use Restart instead of Continue")
        return found

    def _agreed(self, iteration: int) -> Picks:
        agreed = self._recall(CONSENSUS, iteration).get()
        return consensus_picks(agreed, self._protocol.inputMicrographs.get())

    def _subset_of(self) -> List[str]:
        """Subset of each micrograph."""
        drawn = [name for name in SUBSETS if self._state.get(name, 0) is not None]
        sets = {name: self._recall(name, 0).get() for name in drawn}
        return subset_of(self._protocol.inputMicrographs.get(), sets)


def _has_particles(run: Protocol) -> None:
    """Raise an error if a run has no particles."""
    if not getattr(run, PARTICLES).getSize():
        raise RunFailed(
            f"{run.getObjLabel()}: no particles, as the pickers do not agree on any; check their "
            "coordinates and the box size, or decrease the minimum overlap or number of pickers"
        )
