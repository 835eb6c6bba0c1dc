"""From the values of the form of iterative picking to what its steps need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer

from repic_plugin.convert import box_size_on, pixel_ratio
from repic_plugin.iteration import draw_subsets
from repic_plugin.pickers import NONE, PICKERS, Picker, PickerSettings, read_options
from repic_plugin.protocols.common.consensus_mode import is_probabilistic, target_precision
from repic_plugin.protocols.iterative.form import AUTOMATIC, MANUAL, N_LINES, TRANSFER

SAME_PIXEL_SIZE = 1e-3


@dataclass(frozen=True)
class Line:
    """One picker of the form.

    Attributes
    ----------
    place : int
        Number of the line, from 1.
    label : str
        Unique in the run.
    picker : Picker
    threshold : float or None
        Least score.
    coordinates, model : Pointer or None
        Where it starts from.
    """

    place: int
    label: str
    picker: Picker
    threshold: Optional[float]
    coordinates: Optional[Pointer]
    model: Optional[Pointer]


def picker_lines(
    protocol: ProtParticlePicking, n_expected: int = 0, gpus: Optional[str] = None
) -> List[Line]:
    """The pickers of the form.

    Parameters
    ----------
    protocol : ProtParticlePicking
    n_expected : int
        Particles expected in a micrograph.
    gpus : str, optional
        By default those of the form.

    Raises
    ------
    ValueError
        If a line is malformed, or its picker is not installed.
    """
    chosen = _chosen(protocol)
    for place, name in chosen:
        if name not in PICKERS:
            raise ValueError(
                f"Picker {place}: no picker {name!r} is installed, there are {', '.join(PICKERS)}; "
                "install the package that brings it, or choose another"
            )
    adapters = [PICKERS[name] for _, name in chosen]
    titles = [adapter.title for adapter in adapters]
    labels = [
        title if titles.count(title) == 1 else f"{title} ({titles[: i + 1].count(title)})"
        for i, title in enumerate(titles)
    ]
    shared = {
        "box_size_px": find_box_size(protocol),
        "pixel_size_angstrom": float(protocol.inputMicrographs.get().getSamplingRate()),
        "n_expected": n_expected,
        "n_threads": protocol.getBinThreads(),
        "gpus": protocol.getGpuText() if gpus is None else gpus,
    }
    return [
        _line(protocol, place, label, adapter, shared)
        for (place, _), adapter, label in zip(chosen, adapters, labels)
    ]


def _chosen(protocol: ProtParticlePicking) -> List[Tuple[int, str]]:
    """Line and name of each picker of the form, installed or not."""
    names = ((place, str(getattr(protocol, f"picker{place}"))) for place in range(1, N_LINES + 1))
    return [(place, name) for place, name in names if name != NONE]


def iterative_settings(protocol: ProtParticlePicking) -> Dict[str, Any]:
    """All that the result depends on but the number of iterations, as JSON can hold it.

    Every step gets it: when a value has changed, all are run again, and find what stays as it was
    already done.
    """
    initialisation = protocol.initialisation.get()
    names = ("numParticles", "mode", "quorum", "targetPrecision", "minOverlap", "retrainWorst",
             "stopWhenStable", "stableAgreement", "ifPickerFails", "numValidation",
             "trainingPercent", "seed")  # fmt: skip
    settings = {name: protocol.getAttributeValue(name) for name in names}
    settings["initialisation"] = initialisation
    settings["box_size_px"] = find_box_size(protocol)
    settings["inputs"] = [
        _target(getattr(protocol, name))
        for name in ("inputMicrographs", "inputCTFs", "referenceCoordinates")
    ]
    if initialisation == MANUAL:
        settings["manual"] = [
            _target(protocol.manualCoordinates),
            protocol.manualProbability.get(),
        ]
    settings["pickers"] = [
        [
            line.label,
            line.threshold,
            sorted(line.picker.settings.options.items()),
            _target(line.coordinates),
            _target(line.model),
            *(
                _target(getattr(protocol, f"{role}{line.place}"))
                for role in ("trainRun", "pickRun")
            ),
        ]
        for line in picker_lines(protocol)
    ]
    return settings


def needs_gpu(protocol: ProtParticlePicking) -> bool:
    """Whether a picker of the form computes on a GPU, and may."""
    for place, name in _chosen(protocol) if protocol.usesGpu() else ():
        runs = [getattr(protocol, f"{role}{place}").get() for role in ("trainRun", "pickRun")]
        copied = name == "project" and any(run.usesGpu() for run in runs if run)
        if copied or (name in PICKERS and PICKERS[name].uses_gpu):
            return True
    return False


def check_form(protocol: ProtParticlePicking) -> List[str]:
    """What is wrong with the values of the form, a line each."""
    try:
        lines = picker_lines(protocol)
        problems = [problem for line in lines for problem in line.picker.problems()]
        if is_probabilistic(protocol):
            target_precision(protocol)
        n_micrographs = protocol.inputMicrographs.get().getSize()
        draw_subsets(
            n_micrographs,
            n_validation=protocol.numValidation.get(),
            training_fraction=protocol.trainingPercent.get() / 100,
        )
    except ValueError as error:
        return [str(error)]
    if len(lines) < 2:
        problems.append(f"A consensus needs two pickers or more, got {len(lines)}.")
    if protocol.numIterations.get() < 1:
        problems.append(f"Iterations must be 1 or more, got {protocol.numIterations.get()}.")
    if not any(line.picker.trainable for line in lines):
        problems.append("None of the pickers can be trained; the consensus protocol is enough.")
    return problems + _start_problems(protocol, lines)


def _start_problems(protocol: ProtParticlePicking, lines: List[Line]) -> List[str]:
    """What the chosen start lacks."""
    start = protocol.initialisation.get()
    if start == MANUAL and protocol.manualCoordinates.get() is None:
        return ["Manual picks are missing: give them, or choose another start."]
    if start == AUTOMATIC:
        return [problem for line in lines for problem in _automatic_problems(protocol, line)]
    if start == TRANSFER:
        return [
            f"{line.label}: the model of other data is missing; give it, or choose another start."
            for line in lines
            if line.picker.trainable and line.model is None
        ]
    return []


def _automatic_problems(protocol: ProtParticlePicking, line: Line) -> List[str]:
    """Why a picker cannot start with what it has found, or as it comes."""
    if line.coordinates is None:
        return line.picker.start_problems()
    coordinates, micrographs = line.coordinates.get(), protocol.inputMicrographs.get()
    if coordinates is None or abs(pixel_ratio(coordinates, micrographs) - 1) < SAME_PIXEL_SIZE:
        return []
    return [
        f"{line.label}: its coordinates are on micrographs of "
        f"{coordinates.getMicrographs().getSamplingRate():g} A/px, these have "
        f"{micrographs.getSamplingRate():g}; the protocol 'labels to train on' brings coordinates "
        "to other micrographs."
    ]


def find_box_size(protocol: ProtParticlePicking) -> int:
    """The form's, or that of the coordinates that are given.

    Raises
    ------
    ValueError
        If there is none.
    """
    if protocol.boxSize.get():
        return int(protocol.boxSize.get())
    names = ["manualCoordinates", *(f"coordinates{i}" for i in range(1, N_LINES + 1))]
    given = (getattr(protocol, name).get() for name in (*names, "referenceCoordinates"))
    micrographs = protocol.inputMicrographs.get()
    sizes = [box_size_on(micrographs, one) for one in given if one is not None]
    if not any(sizes):
        raise ValueError("The box size is not known: give one in the form.")
    return next(size for size in sizes if size)


def _line(
    protocol: ProtParticlePicking, place: int, label: str, adapter: Any, shared: Dict[str, Any]
) -> Line:
    def pointer(name: str, start: int) -> Optional[Pointer]:
        found = getattr(protocol, f"{name}{place}")
        return found if protocol.initialisation.get() == start and found.hasValue() else None

    try:
        options = read_options(protocol.getAttributeValue(f"options{place}"))
        threshold = _threshold(protocol.getAttributeValue(f"threshold{place}"), adapter)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from None
    settings = PickerSettings(
        label=label,
        options=options,
        train_run=getattr(protocol, f"trainRun{place}").get(),
        pick_run=getattr(protocol, f"pickRun{place}").get(),
        **shared,
    )
    return Line(
        place,
        label,
        adapter(settings),
        threshold,
        pointer("coordinates", AUTOMATIC),
        pointer("model", TRANSFER),
    )


def _threshold(text: Optional[str], adapter: Any) -> Optional[float]:
    if not (text or "").strip():
        suggested: Optional[float] = adapter.suggested_threshold
        return suggested
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"the least score must be a number, got {text!r}") from None


def _target(pointer: Optional[Pointer]) -> Optional[List[Any]]:
    """What a pointer points to, as JSON can hold it."""
    target = None if pointer is None else pointer.getObjValue()
    return None if target is None else [target.getObjId(), pointer.getExtended()]
