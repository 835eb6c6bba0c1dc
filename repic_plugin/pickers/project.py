"""Any picker whose training and picking the user has run in the same project."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from pwem import Domain
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pyworkflow.object import Pointer, Set
from pyworkflow.protocol import MODE_RESTART

from repic_plugin.pickers.base import (
    PICK,
    TRAIN,
    NewProtocol,
    Picker,
    PickerFailed,
    PickerSettings,
)

WORDS = {TRAIN: "training", PICK: "picking"}


class ProjectPicker(Picker):
    """Copies of two finished runs, a training and a picking, with other inputs.

    In a copy, what pointed to a set of micrographs, to the coordinates that were learned from, or
    to an output of the training points to the new one; all other values stay as they were.
    """

    name = "project"
    title = "Runs of this project"

    def __init__(self, settings: PickerSettings) -> None:
        super().__init__(settings)
        runs = {TRAIN: settings.train_run, PICK: settings.pick_run}
        self._runs = {role: run for role, run in runs.items() if run is not None}
        self.protocols = {role: run.getClassName() for role, run in self._runs.items()}
        self.trainable = TRAIN in self._runs
        self.uses_gpu = any(run.usesGpu() for run in self._runs.values())

    # ----------------------------------------------------- what the loop calls

    def problems(self) -> List[str]:
        """Why the runs cannot be copied, each with its remedy."""
        if PICK not in self._runs:
            return [f"{self.settings.label}: there is no picking run; choose a finished one"]
        problems = [
            f"{self.settings.label}: {WORDS[role]} run {run.getObjLabel()} {problem}"
            for role, run in self._runs.items()
            for problem in (_run_problems(run) or self._input_problems(role))
        ]
        return problems or super().problems()

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """A copy of the training run that learns from other labels."""
        protocol = self._copy(new, TRAIN)
        _point(protocol, _holders(self._runs[TRAIN], SetOfMicrographs), micrographs)
        _point(protocol, _holders(self._runs[TRAIN], SetOfCoordinates), labels)
        return protocol

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A copy of the picking run on other micrographs; without a model, with the one it had."""
        protocol = self._copy(new, PICK)
        _point(protocol, _holders(self._runs[PICK], SetOfMicrographs), micrographs)
        if model is not None and self.trainable:
            # a picking may take more of a training than its model
            for name, output in self._links().items():
                of_training = Pointer(model.getObjValue(), extended=output)
                _point(protocol, [name], model if output == self._model_name() else of_training)
        return protocol

    def model(self, training: Any) -> Pointer:
        """What the picking takes of a finished training.

        Raises
        ------
        PickerFailed
            If it is not there, or is empty.
        """
        for name in self._links().values():
            output = getattr(training, name.split(".")[0], None) if name else training
            if output is None or not _has_content(output):
                raise PickerFailed(
                    f"{training.getObjLabel()} ended without {name or 'an output'}; its log says "
                    f"why: {training.getStderrLog()}"
                )
        return Pointer(training, extended=self._model_name())

    # ----------------------------------------------------------------- helpers

    def _copy(self, new: NewProtocol, role: str) -> Any:
        """A new protocol with the values of a run, and the user's options over them."""

        def copied(class_name: str) -> Any:
            protocol = new(class_name)
            # as the new protocol's project has it: other objects of the same run may be closed
            run = protocol.getProject().getProtocol(self._runs[role].getObjId())
            protocol.copyDefinitionAttributes(run)
            protocol.copyAttributes(run, "hostName")
            protocol.runMode.set(MODE_RESTART)
            return protocol

        return self._protocol(copied, role)

    def _links(self) -> Dict[str, str]:
        """Parameters of the picking run that pointed to the training, and to which output of it.

        The output is empty where the whole run was pointed to.
        """
        run_id = self._runs[TRAIN].getObjId()
        micrographs = _holders(self._runs[PICK], SetOfMicrographs)
        return {
            name: pointer.getExtended()
            for name, pointer in _pointers(self._runs[PICK])
            if pointer.getObjValue().getObjId() == run_id and name not in micrographs
        }

    def _model_name(self) -> str:
        """Which output of a training is the model; empty where the whole run stands for it."""
        return next(iter(self._links().values()))

    def _input_problems(self, role: str) -> Iterator[str]:
        """What keeps a run from getting new inputs."""
        run = self._runs[role]
        wanted = {TRAIN: SetOfCoordinates, PICK: SetOfMicrographs}[role]
        if not _holders(run, wanted):
            yield f"has no {wanted.__name__} as an input that could be replaced; choose another"
        kinds = (SetOfMicrographs, SetOfCoordinates) if role == TRAIN else (SetOfMicrographs,)
        for kind in kinds:
            names = _holders(run, kind)
            if len({getattr(run, name).getUniqueId() for name in names}) > 1:
                yield (
                    f"is ambiguous: {' and '.join(names)} are each another {kind.__name__}; choose "
                    "one with the same in both, or with one of them"
                )
        if role == PICK and self.trainable and not self._links():
            yield (
                f"takes nothing from training run {self._runs[TRAIN].getObjLabel()}; choose one "
                "that picked with its model"
            )


def _run_problems(run: Any) -> List[str]:
    """Why a run cannot be copied at all."""
    if run.getClassName() not in Domain.getProtocols():
        return ["is of a protocol that is not installed; install its plugin, or choose another"]
    if run.isInteractive():
        return ["asks a person; choose one that runs by itself"]
    if not run.isFinished():
        return [f"is {run.getStatus()}, not finished; run it, or choose another"]
    return []


def _pointers(run: Any) -> Iterator[Tuple[str, Pointer]]:
    """The parameters of a run that point to one object."""
    for name, _ in run.getDefinition().iterPointerParams():
        pointer = getattr(run, name)
        if isinstance(pointer, Pointer) and pointer.hasValue():
            yield name, pointer


def _holders(run: Any, kind: type) -> List[str]:
    """The parameters of a run that hold such a set."""
    return [name for name, pointer in _pointers(run) if isinstance(pointer.get(), kind)]


def _point(protocol: Any, names: List[str], target: Pointer) -> None:
    for name in names:
        getattr(protocol, name).copy(target)


def _has_content(output: Any) -> bool:
    """Whether a set has items, a run has outputs, or an object's file is there."""
    if isinstance(output, Set):
        return bool(output.getSize())
    if hasattr(output, "iterOutputAttributes"):
        return any(True for _ in output.iterOutputAttributes())
    files = output.getFiles() if hasattr(output, "getFiles") else None
    for getter in ("getPath", "getFileName"):
        if not files and hasattr(output, getter):
            files = [getattr(output, getter)()]
    # an object without a file says all itself
    return not files or any(Path(one).is_file() and Path(one).stat().st_size for one in files)
