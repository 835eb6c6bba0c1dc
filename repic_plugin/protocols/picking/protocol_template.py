"""Template picking: particles that resemble templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from repic_plugin.consensus import Picks
from repic_plugin.constants import CORRELATION
from repic_plugin.convert import append_picks, micrograph_files, read_micrographs
from repic_plugin.formats import (
    PickedMicrograph,
    read_arrays,
    read_picked_micrographs,
    write_arrays,
    write_mrc,
    write_picked_micrographs,
)
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.micrograph_batches import (
    average_images,
    batches,
    on_each_micrograph,
)
from repic_plugin.protocols.common.params import identity
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.picking.template_form import define_pick_params
from repic_plugin.template_picking import (
    FoundParticles,
    TemplateMatcher,
    fitted_templates,
    reduction,
)


class ProtTemplatePick(FormProtocol, ProtParticlePicking):  # type: ignore[misc]
    """Pick particles that resemble templates, by normalised cross-correlation.

    Whitened micrographs are compared with each template at all in-plane rotations. Use it by itself
    or as one of several pickers for a consensus. It needs no GPU and no other plugin.

    *Inputs*: micrographs, and averages from template training or elsewhere; by default a dark blob
    of half the box size is searched for.
    *Output*: outputCoordinates, each with its correlation coefficient as score; the number of
    picks, minimum score and masked shares of each micrograph in extra/micrographs.csv.
    *Main parameters*: the box size; the particle diameter (0: measured from the templates); the
    minimum score (0: found on each micrograph, with noise as null); the number of particles to
    keep; whether to invert the templates, as averages of extracted particles, bright on dark,
    usually require.
    *Look at*: Analyze results, boxes by score: raise the minimum score if contamination is picked.
    """

    _label = "template picking"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {
        "box_size_px": "boxSize",
        "particle_diameter_px": "particleDiameter",
        "angular_step_deg": "angularStep",
    }
    _possibleOutputs: ClassVar = {"outputCoordinates": SetOfCoordinates}

    def _defineParams(self, form: params.Form) -> None:
        define_pick_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        settings = (
            identity(self.inputMicrographs),
            identity(self.inputAverages),
            self._box_size(),
            self.maxPerMicrograph.get(),
            self.minScore.get(),
            self.invert.get(),
            self.minDistance.get(),
            self.angularStep.get(),
            self.particleDiameter.get(),
            self.maskContamination.get(),
            self.keepMasks.get(),
        )
        for first, last in batches(self.inputMicrographs.get().getSize()):
            self._insertFunctionStep(self.pickStep, first, last, *settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, *settings, needsGPU=False)
        self._insertFunctionStep(self.cleanStep, *settings, needsGPU=False)

    def pickStep(self, first: int, last: int, *_settings: Any) -> None:
        """Pick the particles of some micrographs."""
        matcher = self._matcher()

        def pick(_place: int, micrograph: NDArray[np.float32]) -> FoundParticles:
            return matcher.pick(
                micrograph,
                min_score=self.minScore.get() or None,
                max_particles=self.maxPerMicrograph.get(),
                min_distance_boxes=self.minDistance.get() or None,
                mask_contamination=self.maskContamination.get(),
            )

        files = micrograph_files(self.inputMicrographs.get())[first:last]
        found = on_each_micrograph(pick, files, self.numberOfThreads.get(), self.warning)
        used = [(first + place, one) for place, one in enumerate(found) if one is not None]
        write_arrays(
            self._picks_file(first),
            {
                "micrograph": np.repeat(
                    [place for place, _ in used], [len(one) for _, one in used]
                ),
                "centers": np.concatenate([one.centers for _, one in used]),
                "scores": np.concatenate([one.scores for _, one in used]),
                "n_left_out": np.array(len(files) - len(used)),
                "used": np.array([place for place, _ in used]),
                "counts": np.array([_counts(one) for _, one in used]),
            },
        )
        if self.keepMasks.get():
            self._write_masks(used)
        n_found = sum(len(one) for _, one in used)
        levels = level_text([one.min_score for _, one in used])
        masked = masked_text([_counts(one)[2:] for _, one in used])
        self.info(
            f"micrographs {first + 1} to {last}: {n_found:,} particles with a minimum score of "
            f"{levels}; {masked}"
        )

    def createOutputStep(self, *_settings: Any) -> None:
        """Write the coordinates with their scores."""
        table = read_micrographs(self.inputMicrographs.get())
        files = [self._picks_file(first) for first, _ in batches(len(table.names))]
        found = [read_arrays(file) for file in files]
        coordinates = self._createSetOfCoordinates(self.inputMicrographs)
        coordinates.setBoxSize(self._box_size())
        picks = _picks(found, self.getObjLabel())
        append_picks(coordinates, picks, table, CORRELATION)
        n_left_out = sum(int(batch["n_left_out"]) for batch in found)
        if n_left_out:
            coordinates.setObjComment(f"{n_left_out} micrographs could not be used; see the log")
        write_picked_micrographs(self._table_file(), _rows(found, table.labels))
        self._defineOutputs(outputCoordinates=coordinates)
        self._defineSourceRelation(self.inputMicrographs, coordinates)

    def cleanStep(self, *_settings: Any) -> None:
        """Remove intermediate files: a separate step, as a killed step is repeated."""
        for first, _ in batches(self.inputMicrographs.get().getSize()):
            Path(self._picks_file(first)).unlink(missing_ok=True)

    def _write_masks(self, used: List[Tuple[int, FoundParticles]]) -> None:
        """Masks as MRC files, 1 where nothing was picked."""
        names = read_micrographs(self.inputMicrographs.get()).labels
        pixel_size = self.inputMicrographs.get().getSamplingRate()
        for place, one in used:
            path = Path(self._getExtraPath("masks", f"{names[place].replace('/', '_')}_mask.mrc"))
            path.parent.mkdir(exist_ok=True)
            write_mrc(path, one.mask.excluded.astype(np.int8), pixel_size * one.mask.reduction)

    def _table_file(self) -> str:
        return self._getExtraPath("micrographs.csv")

    def _matcher(self) -> TemplateMatcher:
        templates = self._templates()
        return TemplateMatcher(
            templates,
            box_size_px=self._box_size(),
            particle_diameter_px=self._given_diameter_px(),
            angular_step_deg=self.angularStep.get(),
            invert=self.invert.get(),
        )

    def _given_diameter_px(self) -> Optional[float]:
        given = self.particleDiameter.get()
        return given / self.inputMicrographs.get().getSamplingRate() if given else None

    def _templates(self) -> Optional[NDArray[np.float32]]:
        """Templates in px of the downscaled micrographs; None if no set is given."""
        averages = self.inputAverages.get()
        if averages is None:
            return None
        box_size_px = self._box_size()
        reduced = self.inputMicrographs.get().getSamplingRate() * reduction(box_size_px)
        scale = averages.getSamplingRate() / reduced
        return fitted_templates(average_images(averages), scale, box_size_px)

    def _box_size(self) -> int:
        if self.boxSize.get() or self.inputAverages.get() is None:
            return int(self.boxSize.get() or 0)
        return self.templates_box_size()

    def templates_box_size(self) -> int:
        """Box size of the templates, in px of the micrographs.

        Raises
        ------
        ValueError
            If the set is empty.
        """
        averages = self.inputAverages.get()
        if not averages.getSize():
            raise ValueError("the set of templates is empty; choose another, or none")
        ratio = averages.getSamplingRate() / self.inputMicrographs.get().getSamplingRate()
        return round(averages.getDim()[0] * ratio)

    def _picks_file(self, first: int) -> str:
        return self._getExtraPath(f"picks_{first:07d}.npz")

    def _check(self) -> List[str]:
        ranges = {"minScore": (-1, 1), "minDistance": (0, 2), "maxPerMicrograph": (0, np.inf)}
        values = {name: getattr(self, name).get() for name in ranges}
        problems = [
            f"{self.label(name)} must lie in {low:g} to {high:g}, got {values[name]:g}."
            for name, (low, high) in ranges.items()
            if not low <= values[name] <= high
        ]
        if not problems:
            self._matcher()
        return problems

    def _summary(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return [Message.TEXT_NO_OUTPUT_CO]
        lines = [f"*{coordinates.getSize():,} particles* found with {self._what()}."]
        lines += [f"{one}." for one in (coordinates.getObjComment(),) if one]
        rows = read_picked_micrographs(self._table_file())
        if rows:
            lines.append(f"{masked_text([row[3:] for row in rows]).capitalize()}.")
        return lines + self._valueLines()

    def _automatic(self) -> Dict[str, str]:
        matcher, rows = self._matcher(), read_picked_micrographs(self._table_file())
        pixel = self.inputMicrographs.get().getSamplingRate()
        return {
            "boxSize": str(self._box_size()),
            "particleDiameter": f"{matcher.particle_diameter_px * pixel:.0f} Å",
            "maxPerMicrograph": "all",
            "minScore": level_text([row.min_score for row in rows]) if rows else "",
            "minDistance": f"{self._distance_boxes():.2f}",
        }

    def _distance_boxes(self) -> float:
        """Minimum distance, as given or from the diameter of the particle."""
        given = float(self.minDistance.get())
        return given or self._matcher().min_distance_px / self._box_size()

    def _methods(self) -> List[str]:
        coordinates = getattr(self, "outputCoordinates", None)
        if coordinates is None:
            return []
        level = self.minScore.get()
        n_best = self.maxPerMicrograph.get()
        kept = [
            f"correlation of at least {level:g}"
            if level
            else "correlation above a level that noise reaches a fifth as often",
            f"at most {n_best:,} particles per micrograph" if n_best else "",
            f"picks at least {self._distance_boxes():.2g} boxes apart",
        ]
        box = with_angstrom(self._box_size(), self.inputMicrographs.get().getSamplingRate())
        return [
            f"{coordinates.getSize():,} particles were picked with {SOFTWARE} by normalised "
            f"cross-correlation of whitened micrographs with {self._what()} (box size {box}, "
            f"angular step {self.angularStep} degrees; {', '.join(filter(None, kept))})."
        ]

    def _what(self) -> str:
        averages = self.inputAverages.get()
        what = "a round blob" if averages is None else f"{averages.getSize()} templates"
        return f"{what}, inverted" if self.invert.get() else what


def _picks(batches_found: List[Any], picker: str) -> Picks:
    """The picks of all steps."""
    micrograph, centers, scores = (
        np.concatenate([batch[name] for batch in batches_found])
        for name in ("micrograph", "centers", "scores")
    )
    nobody = np.zeros(len(scores), dtype=np.int64)
    micrograph = micrograph.astype(np.int64)
    return Picks.from_columns(micrograph, nobody, *centers.T, scores, picker_names=[picker])


def _counts(found: FoundParticles) -> List[float]:
    """The numbers of a `PickedMicrograph`."""
    mask = found.mask
    return [len(found), found.min_score, mask.blank_share, mask.contamination_share]


def _rows(batches_found: List[Any], names: Sequence[str]) -> List[PickedMicrograph]:
    """The rows of all steps."""
    return [
        PickedMicrograph(names[place], int(counts[0]), *counts[1:].tolist())
        for batch in batches_found
        for place, counts in zip(batch["used"].tolist(), batch["counts"])
    ]


def level_text(levels: Sequence[float]) -> str:
    """The minimum score, or the range and the median of several."""
    low, middle, high = np.quantile(levels, [0, 0.5, 1])
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f} (median {middle:.3f})"


def masked_text(shares: Sequence[Sequence[float]]) -> str:
    """Shares of the micrographs that are blank and contaminated, and the most on one of them."""
    table = np.array(shares)
    blank, dirt = 100 * table.mean(axis=0)
    most = 100 * table.sum(axis=1).max()
    return f"masked: {blank:.1f} % blank, {dirt:.1f} % contamination (at most {most:.0f} % of one)"
