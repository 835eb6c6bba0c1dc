"""The interface between iterative picking and a picker."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Tuple

from pwem import Domain
from pwem.objects import SetOfCoordinates
from pyworkflow.object import Pointer

from repic_plugin.pickers.options import Option, offered_options, option_value

TRAIN, PICK = "train", "pick"

# new(class name, **values): a protocol of the project, not launched yet
NewProtocol = Callable[..., Any]


class PickerFailed(ValueError):
    """A picker ended without its results, whatever its status."""


@dataclass(frozen=True)
class PickerSettings:
    """Settings of one picker of the form, and settings that all pickers share.

    Attributes
    ----------
    label : str
        Unique in a run.
    box_size_px : int
    pixel_size_angstrom : float
        Of the micrographs.
    n_expected : int
        Expected particles per micrograph.
    options : mapping of str to str
        Values of the picker's own parameters as text, see `option_value`.
    n_threads : int
    gpus : str
        Numbers of GPUs, separated by spaces.
    train_run, pick_run : Protocol, optional
        Finished runs, for the picker "from the project".
    """

    label: str
    box_size_px: int
    pixel_size_angstrom: float
    n_expected: int
    options: Mapping[str, str] = field(default_factory=dict)
    n_threads: int = 1
    gpus: str = "0"
    train_run: Any = None
    pick_run: Any = None


class Picker(abc.ABC):
    """One picker: creates the protocols that train and run it, and checks their results.

    Attributes
    ----------
    name, title : str
        Names in files, and in the form.
    trainable : bool
    score_attribute : str or None
        Attribute of its coordinates that holds the score.
    former_score_attributes : tuple of str
        Those in which earlier versions of its protocols wrote the score.
    score_transform : str
        Transform that makes scores comparable, as in `find_consensus`. Consensus picking uses it
        too for coordinates with `score_attribute`.
    suggested_threshold : float or None
        Minimum score, on the picker's own scale; None keeps all.
    protocols : mapping of str to str
        Class names of the protocols that ``train`` and ``pick``.
    model_class : str or None
        Class of the output of training and input of picking.
    plugin : str or None
        The Scipion plugin with these protocols; None if it is this one.
    uses_gpu : bool
        Whether it benefits from a GPU.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    trainable: ClassVar[bool] = True
    score_attribute: ClassVar[Optional[str]] = None
    former_score_attributes: ClassVar[Tuple[str, ...]] = ()
    score_transform: ClassVar[str] = "auto"
    suggested_threshold: ClassVar[Optional[float]] = None
    protocols: ClassVar[Mapping[str, str]] = {}
    model_class: ClassVar[Optional[str]] = None
    plugin: ClassVar[Optional[str]] = None
    uses_gpu: ClassVar[bool] = False

    def __init__(self, settings: PickerSettings) -> None:
        self.settings = settings

    # --------------------------------------------- called by iterative picking

    def gives(self, score_attribute: Optional[str]) -> bool:
        """Whether an attribute holds scores of this picker, on its own scale."""
        own = (self.score_attribute, *self.former_score_attributes)
        return score_attribute is not None and score_attribute in own

    def problems(self) -> List[str]:
        """Reasons why the picker cannot run here, with remedies; empty if it can."""
        known = Domain.getProtocols()
        missing = [name for name in self.protocols.values() if name not in known]
        if missing:
            return [
                f"{self.settings.label}: {self.title} needs the Scipion plugin {self.plugin}, "
                f"which is not installed; run: scipion installp -p {self.plugin}"
            ]
        return [f"{self.settings.label}: {one}" for one in self._option_problems()]

    @classmethod
    def options(cls) -> List[Option]:
        """The options that the picker offers, with their defaults; none if it is not installed."""
        known = Domain.getProtocols()
        samples = {role: known[name]() for role, name in cls.protocols.items() if name in known}
        return offered_options(samples)

    def start_problems(self) -> List[str]:
        """Reasons why it cannot pick without training; empty if it can."""
        return []

    @abc.abstractmethod
    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """A protocol that trains the picker ab initio.

        Parameters
        ----------
        new : callable
        micrographs : Pointer
            To the micrographs of the labels.
        labels : Pointer
            To the SetOfCoordinates for training.

        Returns
        -------
        Protocol
            Not launched yet.
        """

    @abc.abstractmethod
    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A protocol that picks.

        Parameters
        ----------
        new : callable
        micrographs : Pointer
        model : Pointer or None
            None: the pre-trained or general picker.

        Returns
        -------
        Protocol
            Not launched yet.
        """

    def model(self, training: Any) -> Pointer:
        """The model of a finished training.

        Raises
        ------
        PickerFailed
            If there is none.
        """
        model = getattr(training, self._model_output, None)
        path = None if model is None else self._model_path(model)
        if path is None or not path.is_file() or path.stat().st_size == 0:
            raise PickerFailed(
                f"{training.getObjLabel()} ended without a model; see its log: "
                f"{training.getStderrLog()}"
            )
        return Pointer(training, extended=self._model_output)

    def picks(self, picking: Any) -> Pointer:
        """The coordinates of a finished picking.

        Raises
        ------
        PickerFailed
            If there are none.
        """
        for name, output in picking.iterOutputAttributes(SetOfCoordinates):
            if output.getSize():
                return Pointer(picking, extended=name)
        raise PickerFailed(
            f"{picking.getObjLabel()} ended without a single coordinate; see its log: "
            f"{picking.getStderrLog()}"
        )

    # ------------------------------------------------------------- to override

    _model_output: ClassVar[str] = "outputModel"

    def _model_path(self, model: Any) -> Optional[Path]:
        """File of a model."""
        return Path(model.getPath())

    # ----------------------------------------------------------------- helpers

    def _protocol(self, new: NewProtocol, role: str, **values: Any) -> Any:
        """A new protocol with the adapter's values, overridden by the user's options."""
        protocol = new(self.protocols[role], **values)
        for (where, name), value in self._options().items():
            if where in (role, "") and protocol.hasAttribute(name):
                protocol.setAttributeValue(name, option_value(protocol, name, value))
        return protocol

    def _options(self) -> Dict[Tuple[str, str], str]:
        """Values by role ('' is both) and parameter."""
        found = {}
        for key, value in self.settings.options.items():
            role, dot, name = key.rpartition(".")
            found[role if dot else "", name] = value
        return found

    def _option_problems(self) -> List[str]:
        known = Domain.getProtocols()
        samples = {role: known[name]() for role, name in self.protocols.items()}
        problems = []
        for (role, name), value in self._options().items():
            if role and role not in samples:
                problems.append(
                    f"option {role}.{name}: the prefix must be train. or pick., or absent"
                )
                continue
            asked = [one for where, one in samples.items() if role in ("", where)]
            having = [one for one in asked if one.hasAttribute(name)]
            if not having:
                names = " or ".join(self.protocols.values())
                problems.append(f"option {name}: no parameter of {names} has this name")
            try:
                for one in having:
                    option_value(one, name, value)
            except ValueError as error:
                problems.append(str(error))
        return problems
