"""Any picker whose training and picking have been run in the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from pwem import Domain
from pwem.objects import SetOfCoordinates, SetOfMicrographs
from pyworkflow.object import Pointer, Set
from pyworkflow.protocol import MODE_RESTART

from repic_plugin.pickers.base import PICK, TRAIN, NewProtocol, Picker, PickerFailed, PickerSettings

ROLES = {TRAIN: "training", PICK: "picking"}


class ProjectPicker(Picker):
    """Copies of two finished runs, of training and picking, with other inputs.

    In a copy, pointers to the micrographs, the training coordinates or an output of training are
    redirected to the new ones; all other values are kept.
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

    # --------------------------------------------- called by iterative picking

    def problems(self) -> List[str]:
        """Reasons why the runs cannot be copied, with remedies."""
        if PICK not in self._runs:
            return [f"{self.settings.label}: there is no picking run; choose a finished one"]
        problems = [
            f"{self.settings.label}: {ROLES[role]} run {run.getObjLabel()} {problem}"
            for role, run in self._runs.items()
            for problem in (_run_problems(run) or self._input_problems(role))
        ]
        return problems or super().problems()

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """A copy of the training run with other labels."""
        protocol = self._copy(new, TRAIN)
        _point(protocol, _holders(self._runs[TRAIN], SetOfMicrographs), micrographs)
        _point(protocol, _holders(self._runs[TRAIN], SetOfCoordinates), labels)
        return protocol

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A copy of the picking run on other micrographs, by default with its original model."""
        protocol = self._copy(new, PICK)
        _point(protocol, _holders(self._runs[PICK], SetOfMicrographs), micrographs)
        if model is not None and self.trainable:
            # picking may use further outputs of training
            for name, output in self._links().items():
                of_training = Pointer(model.getObjValue(), extended=output)
                _point(protocol, [name], model if output == self._model_name() else of_training)
        return protocol

    def model(self, training: Any) -> Pointer:
        """The output of a finished training that picking uses.

        Raises
        ------
        PickerFailed
            If it is missing or empty.
        """
        for name in self._links().values():
            output = getattr(training, name.split(".")[0], None) if name else training
            if output is None or not _has_content(output):
                raise PickerFailed(
                    f"{training.getObjLabel()} ended without {name or 'an output'}; see its log: "
                    f"{training.getStderrLog()}"
                )
        return Pointer(training, extended=self._model_name())

    # ----------------------------------------------------------------- helpers

    def _copy(self, new: NewProtocol, role: str) -> Any:
        """A new protocol with the values of a run, overridden by the user's options."""

        def copied(class_name: str) -> Any:
            protocol = new(class_name)
            # from the new protocol's project, as other objects of the same run may be closed
            run = protocol.getProject().getProtocol(self._runs[role].getObjId())
            protocol.copyDefinitionAttributes(run)
            protocol.copyAttributes(run, "hostName")
            protocol.runMode.set(MODE_RESTART)
            return protocol

        return self._protocol(copied, role)

    def _links(self) -> Dict[str, str]:
        """Outputs of training by the parameters of the picking run that refer to them.

        The output is empty if the parameter refers to the whole run.
        """
        run_id = self._runs[TRAIN].getObjId()
        micrographs = _holders(self._runs[PICK], SetOfMicrographs)
        return {
            name: pointer.getExtended()
            for name, pointer in _pointers(self._runs[PICK])
            if pointer.getObjValue().getObjId() == run_id and name not in micrographs
        }

    def _model_name(self) -> str:
        """The output of training that is the model; empty if it is the whole run."""
        return next(iter(self._links().values()))

    def _input_problems(self, role: str) -> Iterator[str]:
        """Reasons why a run cannot be given new inputs."""
        run = self._runs[role]
        wanted = {TRAIN: SetOfCoordinates, PICK: SetOfMicrographs}[role]
        if not _holders(run, wanted):
            yield f"has no replaceable input of class {wanted.__name__}; choose another"
        kinds = (SetOfMicrographs, SetOfCoordinates) if role == TRAIN else (SetOfMicrographs,)
        for kind in kinds:
            names = _holders(run, kind)
            if len({getattr(run, name).getUniqueId() for name in names}) > 1:
                yield (
                    f"is ambiguous: {' and '.join(names)} are different inputs of class "
                    f"{kind.__name__}; choose a run with the same in both, or with only one"
                )
        if role == PICK and self.trainable and not self._links():
            yield (
                f"uses nothing from training run {self._runs[TRAIN].getObjLabel()}; choose one "
                "that picked with its model"
            )


def _run_problems(run: Any) -> List[str]:
    """Reasons why a run cannot be copied at all."""
    if run.getClassName() not in Domain.getProtocols():
        return ["is of a protocol that is not installed; install its plugin, or choose another"]
    if run.isInteractive():
        return ["is interactive; choose one that runs without a user"]
    if not run.isFinished():
        return [f"is {run.getStatus()}, not finished; run it, or choose another"]
    return []


def _pointers(run: Any) -> Iterator[Tuple[str, Pointer]]:
    """Names and values of the single-pointer parameters of a run."""
    for name, _ in run.getDefinition().iterPointerParams():
        pointer = getattr(run, name)
        if isinstance(pointer, Pointer) and pointer.hasValue():
            yield name, pointer


def _holders(run: Any, kind: type) -> List[str]:
    """Parameters of a run that hold a set of some class."""
    return [name for name, pointer in _pointers(run) if isinstance(pointer.get(), kind)]


def _point(protocol: Any, names: List[str], target: Pointer) -> None:
    for name in names:
        getattr(protocol, name).copy(target)


def _has_content(output: Any) -> bool:
    """Whether a set has items, a run has outputs, or the file of an object exists."""
    if isinstance(output, Set):
        return bool(output.getSize())
    if hasattr(output, "iterOutputAttributes"):
        return any(True for _ in output.iterOutputAttributes())
    files = output.getFiles() if hasattr(output, "getFiles") else None
    for getter in ("getPath", "getFileName"):
        if not files and hasattr(output, getter):
            files = [getattr(output, getter)()]
    # an object without a file is complete in itself
    return not files or any(Path(one).is_file() and Path(one).stat().st_size for one in files)
