"""Wizards: values of forms from a preview, or from the inputs."""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from typing import Any, ClassVar, Dict

import numpy as np
from pyworkflow.wizard import Wizard

from repic_plugin.consensus import EnsembleModel, Picks, find_consensus, required_pickers
from repic_plugin.convert import box_size_on, open_micrograph
from repic_plugin.pickers import NONE, PICKERS, options_text, read_options
from repic_plugin.plots import (
    FittedPreview,
    PreviewSettings,
    draw_precision_curve,
    fit_preview,
    prepare_preview,
    preview_consensus,
    preview_probable,
    probable_text,
    spread_micrographs,
)
from repic_plugin.protocols import (
    N_LINES,
    ProtRepicConsensus,
    ProtRepicIterative,
    ProtTemplatePick,
    ProtTemplateTrain,
    consensus_mode,
    is_probabilistic,
    looks_at_images,
    of_pickers,
)
from repic_plugin.viewers import sentence

__all__ = [
    "RepicBoxSizeWizard",
    "RepicExpectedNumberWizard",
    "RepicOptionsWizard",
    "RepicPreviewWizard",
    "expected_text",
    "input_box_size",
]

NO_BOX_SIZE = "no input has a box size; give one in px"
# Where so many agreements are chance, the picks cover the micrographs, and whatever fits between
# them counts as a particle: 0.43 where 123 were estimated instead of 45 (docs/use/raw-picks.md).
MOST_CHANCE = 0.4
MOST_ESTIMATED = 20  # micrographs: some seconds
FITTED_WITH = ("box_size_px", "min_overlap", "min_score", "score_transform")
PREVIEWED = ("micrograph_size_px", "position", "solver", "copy_distance_px", "min_distance_px")
MAX_SHARE = 0.99
FITS_KEPT = 8  # of a preview: one for each minimum overlap
NO_IMAGES = "The images are not looked at here; they change what is kept."
NO_OPTIONS = "Choose a picker first."
NO_OPTION_LIST = "has no list of options here: its plugin is missing, or its own runs hold them."
NO_INPUT = "the inputs are missing; choose them first"


class RepicBoxSizeWizard(Wizard):  # type: ignore[misc]
    """The box size of the inputs, in px of the input micrographs."""

    _targets: ClassVar = [
        (ProtRepicConsensus, ["boxSize"]),
        (ProtRepicIterative, ["boxSize"]),
        (ProtTemplatePick, ["boxSize"]),
        (ProtTemplateTrain, ["boxSize"]),
    ]

    def show(self, form: Any, *params: Any) -> None:
        """Write the box size to the form, or report that there is none."""
        try:
            form.setVar("boxSize", input_box_size(form.protocol))
        except ValueError as error:
            form.showInfo(sentence(error), "Box size")


class RepicPreviewWizard(Wizard):  # type: ignore[misc]
    """Preview of the chosen mode on one micrograph, with sliders for its parameters."""

    _targets: ClassVar = [(ProtRepicConsensus, ["mode", "quorum", "targetPrecision", "minOverlap"])]

    def show(self, form: Any, *params: Any) -> None:
        """Open the preview, or report what is missing."""
        # windows need a screen, without which Scipion loads this file too
        from repic_plugin.viewers import PreviewWindow  # noqa: PLC0415

        protocol = form.protocol
        try:
            with protocol.labelled_errors():
                model, picks = of_pickers(protocol)
                options = protocol.run_settings()["options"]
                ways = previewed(protocol, picks, options)
        except ValueError as error:
            form.showInfo(sentence(error), "Preview")
            return
        self.view = PreviewWindow(
            form.root,
            model,
            form_settings(protocol, picks.n_pickers),
            use=lambda settings: write_settings(form, settings, picks.n_pickers),
            box_size_px=max(options["box_size_px"]),
            open_image=open_micrograph,
            **{name: protocol.labelled_errors()(way) for name, way in ways.items()},
        )
        self.view.show()


def previewed(protocol: ProtRepicConsensus, picks: Picks, options: Dict[str, Any]) -> Any:
    """What a preview of the chosen mode computes, describes and draws, by argument."""
    if is_probabilistic(protocol):
        return _previewed_by_probability(protocol, picks, options)
    given = ("box_size_px", "score_transform", "min_score")
    prepared = prepare_preview(picks, **{name: options[name] for name in given})
    sizes_px = options["box_size_px"]
    more = _kept(options)
    return {"compute": partial(preview_consensus, prepared, box_size_px=sizes_px, options=more)}


def _previewed_by_probability(
    protocol: ProtRepicConsensus, picks: Picks, options: Dict[str, Any]
) -> Any:
    """The same for mode probabilistic; the model is fitted for each minimum overlap."""
    names = [name for name in (*FITTED_WITH, *PREVIEWED) if name in options]
    given = {name: options[name] for name in names}
    chosen = spread_micrographs(picks.n_micrographs, MOST_ESTIMATED)
    note = f"\n{NO_IMAGES}" if looks_at_images(protocol) else ""

    @lru_cache(maxsize=FITS_KEPT)
    def fitted(min_overlap: float) -> FittedPreview:
        return fit_preview(picks, chosen, {**given, "min_overlap": min_overlap})

    return {
        "compute": lambda place, now: preview_probable(fitted(now.min_overlap), place, now),
        "describe": lambda found, now: probable_text(fitted(now.min_overlap), found, now) + note,
        "draw_curve": lambda figure, now: draw_precision_curve(
            figure, fitted(now.min_overlap), now
        ),
    }


class RepicOptionsWizard(Wizard):  # type: ignore[misc]
    """The options of a picker of iterative picking as a list with their defaults."""

    _targets: ClassVar = [
        (ProtRepicIterative, [f"options{line}" for line in range(1, N_LINES + 1)])
    ]

    def show(self, form: Any, *params: Any) -> None:
        """Open the list, or report that there is none."""
        # windows need a screen, without which Scipion loads this file too
        from repic_plugin.viewers import OptionsWindow  # noqa: PLC0415

        param = form.wizParamName
        name = getattr(form.protocol, f"picker{param[len('options') :]}").get().name
        title = PICKERS[name].title if name in PICKERS else name
        offered = PICKERS[name].options() if name in PICKERS else []
        if not offered:
            form.showInfo(NO_OPTIONS if name == NONE else f"{title} {NO_OPTION_LIST}", "Options")
            return
        try:
            given = read_options(getattr(form.protocol, param).get())
        except ValueError as error:
            form.showInfo(sentence(error), "Options")
            return
        self.view = OptionsWindow(
            form.root,
            f"Options of {title}",
            offered,
            given,
            use=lambda values: form.setVar(param, options_text(values)),
        )
        self.view.show()


class RepicExpectedNumberWizard(Wizard):  # type: ignore[misc]
    """The expected number of particles per micrograph, estimated without labels."""

    _targets: ClassVar = [(ProtRepicConsensus, ["numParticles"])]

    def show(self, form: Any, *params: Any) -> None:
        """Write the number to the form and report how it was estimated, or why it was not."""
        label = form.protocol.label("numParticles")
        try:
            model = estimated_model(form.protocol)
        except ValueError as error:
            form.showInfo(sentence(error), label)
            return
        form.setVar("numParticles", model.n_particles_expected)
        form.showInfo(expected_text(model), label)


def estimated_model(protocol: ProtRepicConsensus) -> EnsembleModel:
    """The model of mode probabilistic, fitted to some micrographs of the inputs.

    Raises
    ------
    ValueError
        If an input is missing, a value in the form is wrong, or nothing can be estimated.
    """
    with protocol.labelled_errors():
        _, picks = of_pickers(protocol)
        options = protocol.run_settings()["options"]
        chosen = spread_micrographs(picks.n_micrographs, MOST_ESTIMATED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the picks; the run reports them
            result = find_consensus(
                picks.take(np.isin(picks.micrograph, chosen)),
                **{name: options[name] for name in FITTED_WITH},
                mode="probabilistic",
                micrographs=chosen,
            )
    found = result.agreement
    if result.ensemble is None:
        raise ValueError("the inputs have no picks; choose others")
    if found is not None and found.n_chance > MOST_CHANCE * found.n_groups:
        raise ValueError(
            f"of {found.n_groups:,} agreements of the pickers about {found.n_chance:,.0f} are "
            "chance, so that the number cannot be estimated: their picks nearly cover the "
            f"micrographs; give {protocol.label('minScores')}, or the number by hand"
        )
    return result.ensemble


def expected_text(model: EnsembleModel) -> str:
    """How the number was estimated, and why it may be wrong."""
    low, high = (model.n_particles_interval / max(model.n_micrographs, 1)).tolist()
    lines = [
        f"About {model.n_particles_expected:,} particles per micrograph are expected ({low:,.0f} "
        f"to {high:,.0f}), including those that no picker found. Estimated from the agreement of "
        f"the pickers on {model.n_micrographs:,} micrographs.",
        *(f"Caution: {one}." for one in model.warnings),
    ]
    return "\n".join(lines)


def input_box_size(protocol: Any) -> int:
    """The largest box size of the inputs of a protocol, in px of its micrographs.

    Raises
    ------
    ValueError
        If inputs are missing or have no box size.
    """
    if isinstance(protocol, ProtTemplatePick):
        if protocol.inputAverages.get() is None or protocol.inputMicrographs.get() is None:
            raise ValueError(NO_INPUT)
        return protocol.templates_box_size()
    sets = [one for one in _coordinates(protocol) if one is not None]
    if isinstance(protocol, ProtRepicConsensus):
        micrographs = protocol.getInputMicrographs()
    else:
        micrographs = protocol.inputMicrographs.get()
    if micrographs is None or not sets:
        raise ValueError(NO_INPUT)
    size_px = max(box_size_on(micrographs, one) for one in sets)
    if not size_px:
        raise ValueError(NO_BOX_SIZE)
    return size_px


def form_settings(protocol: ProtRepicConsensus, n_pickers: int) -> PreviewSettings:
    """Settings of the form; what is beyond its limits is at them."""
    quorum = required_pickers(consensus_mode(protocol), n_pickers, protocol.quorum.get() or None)
    return PreviewSettings(
        quorum=min(max(2, quorum), n_pickers),
        min_overlap=_share(protocol.minOverlap.get()),
        num_particles=max(0, protocol.numParticles.get() or 0),
        target_precision=_share(protocol.targetPrecision.get()),
    )


def _share(value: Any) -> float:
    """A number from 0 and below 1."""
    return max(0.0, value or 0.0) if (value or 0.0) < 1 else MAX_SHARE


def write_settings(form: Any, settings: PreviewSettings, n_pickers: int) -> None:
    """Write the values of the sliders to the form of a consensus protocol.

    The mode of a probabilistic consensus is kept; it has a target precision and no minimum number
    of pickers.
    """
    if is_probabilistic(form.protocol):
        form.setVar("targetPrecision", settings.target_precision)
    else:
        is_quorum = settings.quorum < n_pickers
        form.setVar("mode", int(is_quorum))
        form.setVar("quorum", settings.quorum if is_quorum else 0)
    form.setVar("minOverlap", settings.min_overlap)
    form.setVar("numParticles", settings.num_particles)


def _coordinates(protocol: Any) -> Any:
    """Sets of coordinates whose box size applies to a protocol, None for missing ones."""
    if isinstance(protocol, ProtRepicConsensus):
        return [pointer.get() for pointer in protocol.inputCoordinates]
    if isinstance(protocol, ProtTemplateTrain):
        return [protocol.inputCoordinates.get()]
    names = ["manualCoordinates", *(f"coordinates{line}" for line in range(1, N_LINES + 1))]
    given = [getattr(protocol, name).get() for name in names]
    return given if any(one is not None for one in given) else [protocol.referenceCoordinates.get()]


def _kept(options: Any) -> Any:
    """Options of the form that apply to a preview."""
    names = ("micrograph_size_px", "largest_component", "position", "solver")
    return {name: options[name] for name in names}
