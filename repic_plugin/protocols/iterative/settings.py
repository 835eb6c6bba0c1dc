"""Pickers and settings from the form of iterative picking, and its validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Pointer

from repic_plugin.arguments import check_seed, check_whole_number
from repic_plugin.convert import box_size_on, pixel_ratio
from repic_plugin.formats import LEAST_SIDE_PX
from repic_plugin.iteration import draw_subsets
from repic_plugin.pickers import NONE, PICKERS, Picker, PickerSettings, read_options
from repic_plugin.protocols.common.consensus_mode import (
    check_image_classes,
    is_probabilistic,
    looks_at_images,
    target_precision,
)
from repic_plugin.protocols.common.form_values import in_form_terms
from repic_plugin.protocols.iterative.form import AUTOMATIC, MANUAL, N_LINES, TRANSFER
from repic_plugin.protocols.iterative.protocol_subsets import training_fraction

SAME_PIXEL_SIZE = 1e-3
# Parameters of the form by the arguments that messages name.
FORM_PARAMS = {
    "target_precision": "targetPrecision",
    "box_size_px": "boxSize",
    "n_validation": "numValidation",
    "random_state": "seed",
    "num_iterations": "numIterations",
}


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
        Minimum score of what counts as picked.
    consensus_threshold : float or None
        Minimum score of what enters the consensus: none of the picker's own where the expected
        number of particles decides, in modes all and quorum, only one that the user gave
        (docs/use/raw-picks.md).
    coordinates, model : Pointer or None
        Its start.
    """

    place: int
    label: str
    picker: Picker
    threshold: Optional[float]
    consensus_threshold: Optional[float]
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
        Expected particles per micrograph.
    gpus : str, optional
        By default those of the form.

    Raises
    ------
    ValueError
        If a line is invalid, or its picker is not installed.
    """
    chosen = _chosen(protocol)
    for place, name in chosen:
        if name not in PICKERS:
            raise ValueError(
                f"Picker {place}: {name!r} is not installed, available are {', '.join(PICKERS)}; "
                "install its package, or choose another"
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
    """Settings on which the result depends, except the number of iterations, for JSON.

    They are arguments of all steps: when a value has changed, all steps are repeated, and reuse
    those child runs that are unaffected.
    """
    initialisation = protocol.initialisation.get()
    names = ("numParticles", "mode", "quorum", "targetPrecision", "minOverlap", "retrainWorst",
             "stopWhenStable", "stableAgreement", "ifPickerFails", "numValidation",
             "trainingPercent", "seed")  # fmt: skip
    settings = {name: protocol.getAttributeValue(name) for name in names}
    settings["initialisation"] = initialisation
    if looks_at_images(protocol):  # runs of earlier versions, without, can be continued
        settings["images"] = [protocol.imageClasses.get(), protocol.ifNoParticles.get()]
    settings["box_size_px"] = find_box_size(protocol)
    settings["inputs"] = [
        _target(getattr(protocol, name))
        for name in ("inputMicrographs", "inputCTFs", "referenceCoordinates")
    ]
    if initialisation == MANUAL:
        settings["manual"] = [_target(protocol.manualCoordinates), protocol.manualProbability.get()]
    settings["pickers"] = [
        [
            line.label,
            line.threshold,
            *([] if line.consensus_threshold == line.threshold else [line.consensus_threshold]),
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
    """Whether a picker of the form uses a GPU, and is allowed to."""
    for place, name in _chosen(protocol) if protocol.usesGpu() else ():
        runs = [getattr(protocol, f"{role}{place}").get() for role in ("trainRun", "pickRun")]
        copied = name == "project" and any(run.usesGpu() for run in runs if run)
        if copied or (name in PICKERS and PICKERS[name].uses_gpu):
            return True
    return False


def check_form(protocol: ProtParticlePicking) -> List[str]:
    """Errors in the values of the form, one line each.

    Raises
    ------
    ValueError
        If a value is invalid.
    """
    lines = picker_lines(protocol)
    problems = [problem for line in lines for problem in line.picker.problems()]
    if is_probabilistic(protocol):
        target_precision(protocol)
    check_image_classes(protocol)
    check_whole_number("num_iterations", protocol.numIterations.get(), 1)
    draw_subsets(
        protocol.inputMicrographs.get().getSize(),
        n_validation=protocol.numValidation.get(),
        training_fraction=training_fraction(protocol),
        random_state=check_seed(protocol.seed.get()),
    )
    if len(lines) < 2:
        problems.append(f"A consensus needs at least two pickers, got {len(lines)}.")
    if looks_at_images(protocol) and find_box_size(protocol) < LEAST_SIDE_PX:
        problems.append(
            f"Boxes must be {LEAST_SIDE_PX} px or more for their images to be looked at, got "
            f"{find_box_size(protocol)}; correct {protocol.label('boxSize')}, or do not look."
        )
    if lines and not any(line.picker.trainable for line in lines):
        problems.append("None of the pickers can be trained; use the consensus protocol.")
    return problems + _start_problems(protocol, lines)


def _start_problems(protocol: ProtParticlePicking, lines: List[Line]) -> List[str]:
    """What is missing for the chosen start."""
    start = protocol.initialisation.get()
    if start == MANUAL and protocol.manualCoordinates.get() is None:
        label = protocol.label("manualCoordinates")
        return [f"{label} are missing: give them, or choose another start."]
    if start == AUTOMATIC:
        return [problem for line in lines for problem in _automatic_problems(protocol, line)]
    if start == TRANSFER:
        return [
            f"{line.label}: its model is missing; give one, or choose another start."
            for line in lines
            if line.picker.trainable and line.model is None
        ]
    return []


def _automatic_problems(protocol: ProtParticlePicking, line: Line) -> List[str]:
    """Reasons why a picker cannot start with its coordinates, or pre-trained."""
    if line.coordinates is None:
        return line.picker.start_problems()
    coordinates, micrographs = line.coordinates.get(), protocol.inputMicrographs.get()
    if coordinates is None or abs(pixel_ratio(coordinates, micrographs) - 1) < SAME_PIXEL_SIZE:
        return []
    return [
        f"{line.label}: its coordinates are on micrographs of "
        f"{coordinates.getMicrographs().getSamplingRate():g} Å/px, the inputs have "
        f"{micrographs.getSamplingRate():g} Å/px; use the protocol 'training labels' to transfer "
        "coordinates to other micrographs."
    ]


def find_box_size(protocol: ProtParticlePicking) -> int:
    """The box size in the form, or that of the coordinates that are given.

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
        raise ValueError("box_size_px must be given: no coordinates have one")
    return next(size for size in sizes if size)


def _line(
    protocol: ProtParticlePicking, place: int, label: str, adapter: Any, shared: Dict[str, Any]
) -> Line:
    def pointer(name: str, start: int) -> Optional[Pointer]:
        found = getattr(protocol, f"{name}{place}")
        return found if protocol.initialisation.get() == start and found.hasValue() else None

    try:
        options = read_options(protocol.getAttributeValue(f"options{place}"))
        given = _given_threshold(protocol.getAttributeValue(f"threshold{place}"))
    except ValueError as error:
        terms = {"min_score": f"threshold{place}", "options": f"options{place}"}
        raise ValueError(f"{label}: {in_form_terms(protocol, error, terms)}") from None
    threshold = adapter.suggested_threshold if given is None else given
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
        given if protocol.numParticles.get() and not is_probabilistic(protocol) else threshold,
        pointer("coordinates", AUTOMATIC),
        pointer("model", TRANSFER),
    )


def _given_threshold(text: Optional[str]) -> Optional[float]:
    """The user's minimum score; None if there is none."""
    if not (text or "").strip():
        return None
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"min_score must be a number, got {text!r}") from None


def _target(pointer: Optional[Pointer]) -> Optional[List[Any]]:
    """The target of a pointer, for JSON."""
    target = None if pointer is None else pointer.getObjValue()
    return None if target is None else [target.getObjId(), pointer.getExtended()]
