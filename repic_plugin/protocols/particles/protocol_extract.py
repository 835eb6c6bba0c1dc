"""Extraction of particle images from micrographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray
from pwem.objects import CTFModel, Particle, SetOfMicrographs, SetOfParticles
from pwem.protocols import ProtParticles
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin.consensus import Picks
from repic_plugin.convert import (
    MicrographTable,
    PickerInput,
    box_size_on,
    find_micrographs,
    micrograph_files,
    read_micrographs,
    read_picks,
)
from repic_plugin.formats import read_arrays, write_arrays, write_stack
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol, with_angstrom
from repic_plugin.protocols.common.micrograph_batches import batches, on_each_micrograph
from repic_plugin.protocols.common.params import Fields, define_box_size, identity
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.template_picking import extract_particles

CTF_ATTRIBUTES = ("_defocusU", "_defocusV", "_defocusAngle", "_defocusRatio", "_psdFile")
CTF_ATTRIBUTES += ("_resolution", "_fitQuality")


HELP = {
    "inputMicrographs": "Micrographs to extract from, such as dose-weighted ones; matched by "
    "name, at any pixel size. By default those of the coordinates.",
    "inputCTFs": "Each particle is assigned the CTF of its micrograph; micrographs without one "
    "are skipped. Phases are not flipped.",
    "imageSize": "Even side of the images after Fourier cropping. 0: the box size.",
    "invert": "Particles are dark in micrographs but bright in images for RELION and cryoSPARC.",
    "normalise": "Subtract the slope of the background, outside a circle with a diameter of 75 "
    "per cent of the box, and scale it to mean 0 and standard deviation 1.",
}


class ProtRepicExtract(FormProtocol, ProtParticles):  # type: ignore[misc]
    """Extract particles from micrographs and normalise them as RELION does.

    There is one stack per micrograph. Boxes that extend beyond a micrograph are skipped.
    Use it to go from a consensus to 2D classes without another plugin.

    *Inputs*: coordinates; optionally other micrographs to extract from (such as dose-weighted ones,
    matched by name, at any pixel size) and CTFs, assigned to particles by micrograph.
    *Output*: outputParticles, with their coordinates. Phases are not flipped.
    *Main parameters*: the box size, the size after downscaling (by Fourier cropping), and whether
    the contrast is inverted and the background normalised (outside a circle with a diameter of 75
    per cent of the box: no slope, mean 0, standard deviation 1).
    *Look at*: the summary, which counts the skipped boxes, and the log for micrographs that could
    not be read.
    """

    _label = "extract particles"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = {"box_size_px": "boxSize", "side_px": "imageSize"}
    _possibleOutputs: ClassVar = {"outputParticles": SetOfParticles}

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        fields = Fields(form, HELP)
        form.addSection(label="Input")
        fields.input("inputCoordinates", "SetOfCoordinates", "Coordinates", important=True)
        fields.input("inputMicrographs", "SetOfMicrographs", "Other micrographs", allowsNull=True)
        fields.input("inputCTFs", "SetOfCTF", "CTF of the micrographs", allowsNull=True)
        define_box_size(
            form,
            "In px of the micrographs to extract from, rounded up to an even number. 0: that of "
            "the coordinates.",
        )
        fields.value("imageSize", 0, "Downscale to (px)")
        fields.value("invert", True, "Invert contrast")
        fields.value("normalise", True, "Normalise")
        form.addParallelSection(threads=2, mpi=0)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        settings = (
            identity(self.inputCoordinates),
            identity(self.inputMicrographs),
            self._box_size(),
            self._side(),
            self.invert.get(),
            self.normalise.get(),
        )
        ctfs = identity(self.inputCTFs)
        for first, last in batches(self._micrographs().getSize()):
            self._insertFunctionStep(self.extractStep, first, last, *settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, ctfs, *settings, needsGPU=False)
        self._insertFunctionStep(self.cleanStep, ctfs, *settings, needsGPU=False)

    def extractStep(self, first: int, last: int, *_settings: Any) -> None:
        """Extract the particles of some micrographs, one stack each."""
        table = read_micrographs(self._micrographs())
        picks, ids = self._picks(table)
        files = micrograph_files(self._micrographs())
        mine = {place: picks.micrograph == place for place in range(first, last)}
        places = [place for place, rows in mine.items() if rows.any()]
        centers = picks.centers

        def cut(at: int, micrograph: NDArray[np.float32]) -> NDArray[np.int64]:
            place = places[at]
            found = extract_particles(
                micrograph,
                centers[mine[place]],
                self._box_size(),
                side_px=self._side(),
                invert=self.invert.get(),
                normalise=self.normalise.get(),
            )
            if len(found):
                write_stack(self._stack(table, place), found.images, self._pixel_size())
            return ids[mine[place]][found.rows]

        used = [files[place] for place in places]
        done = on_each_micrograph(cut, used, self.numberOfThreads.get(), self.warning)
        kept = [(place, one) for place, one in zip(places, done) if one is not None and len(one)]
        write_arrays(
            self._record(first),
            {
                "id": np.concatenate([np.zeros(0, np.int64), *(one for _, one in kept)]),
                "place": np.repeat([p for p, _ in kept], [len(one) for _, one in kept]).astype(int),
                "index": np.concatenate(
                    [np.zeros(0, int), *(np.arange(1, len(one) + 1) for _, one in kept)]
                ),
            },
        )
        n_cut = sum(len(one) for _, one in kept)
        self.info(f"micrographs {first + 1} to {last} of {len(files)}: {n_cut:,} particles")

    def createOutputStep(self, *_settings: Any) -> None:
        """Write the set: images with their coordinates and their CTF."""
        table = read_micrographs(self._micrographs())
        files = [self._record(first) for first, _ in batches(len(table.names))]
        where = _joined(files)
        particles = self._createSetOfParticles()
        particles.setAcquisition(self._micrographs().getAcquisition())
        particles.setSamplingRate(self._pixel_size())
        particles.setCoordinates(self.inputCoordinates)
        particles.setHasCTF(self.inputCTFs.get() is not None)
        self._append(particles, where, table)
        if not particles.getSize():
            raise ValueError(
                f"no box of {self._box_size()} px around the coordinates lies within a micrograph"
                f"{' with a CTF' if particles.hasCTF() else ''}; decrease "
                f"{self.label('boxSize')}"
            )
        self._defineOutputs(outputParticles=particles)
        for pointer in (self.inputCoordinates, self.inputCTFs):
            if pointer.get() is not None:
                self._defineSourceRelation(pointer, particles)

    def cleanStep(self, *_settings: Any) -> None:
        """Remove intermediate files: a separate step, as a killed step is repeated."""
        for first, _ in batches(self._micrographs().getSize()):
            Path(self._record(first)).unlink(missing_ok=True)

    def _append(
        self, particles: SetOfParticles, where: Dict[int, Tuple[int, int]], table: MicrographTable
    ) -> None:
        """Append the particle of each coordinate, in one pass."""
        coordinates = self.inputCoordinates.get()
        ctfs = self._ctfs(table)
        item = Particle()
        item.setSamplingRate(self._pixel_size())
        item.setAcquisition(self._micrographs().getAcquisition())
        n_without = 0
        for coordinate in coordinates.iterItems(orderBy="id"):
            found = where.get(coordinate.getObjId())
            if found is None:
                continue
            place, index = found
            if particles.hasCTF():
                ctf = ctfs.get(place)
                if ctf is None:
                    n_without += 1
                    continue
                item.setCTF(ctf)
            item.setObjId(coordinate.getObjId())
            item.setLocation(index, self._stack(table, place))
            item.setCoordinate(coordinate)
            item.setMicId(coordinate.getMicId())
            particles.append(item)
        n_out = coordinates.getSize() - len(where)
        skipped = [f"{n_out:,} boxes extend beyond a readable micrograph"] if n_out else []
        skipped += [f"{n_without:,} particles have no CTF"] if n_without else []
        for line in skipped:
            self.warning(f"{line}; they are skipped")
        particles.setObjComment("; ".join(skipped))

    # --------------------------------------------------------------- helpers

    def _micrographs(self) -> SetOfMicrographs:
        other = self.inputMicrographs.get()
        return self.inputCoordinates.get().getMicrographs() if other is None else other

    def _picks(self, table: MicrographTable) -> Tuple[Picks, NDArray[np.int64]]:
        """Picks in px of the micrographs to extract from, and the ids of their coordinates."""
        coordinates = self.inputCoordinates.get()
        picks, ids, _ = read_picks([PickerInput("coordinates", coordinates, None)], table)
        return picks, ids

    def _ctfs(self, table: MicrographTable) -> Dict[int, CTFModel]:
        """CTFs by index of the micrograph, without references to it."""
        ctfs = self.inputCTFs.get()
        if ctfs is None:
            return {}
        names = [ctf.getMicrograph().getMicName() for ctf in ctfs]
        found = {}
        for ctf, place in zip(ctfs, find_micrographs(names, table, "the set of CTFs").tolist()):
            model = CTFModel()
            model.copyAttributes(ctf, *CTF_ATTRIBUTES)
            model.setPhaseShift(ctf.getPhaseShift() or 0.0)
            if place >= 0:
                found[place] = model
        if not any(model.getPhaseShift() for model in found.values()):
            for model in found.values():
                model._phaseShift = None  # without a phase plate there is no such column
        return found

    def _box_size(self) -> int:
        coordinates = self.inputCoordinates.get()
        box_px = box_size_on(self._micrographs(), coordinates, self.boxSize.get())
        return 2 * ((box_px + 1) // 2)

    def _side(self) -> int:
        return int(self.imageSize.get() or self._box_size())

    def _pixel_size(self) -> float:
        return float(self._micrographs().getSamplingRate() * self._box_size() / self._side())

    def _stack(self, table: MicrographTable, place: int) -> str:
        """Stack of a micrograph, named by id: names may hold any character, and repeat."""
        return self._getExtraPath(f"particles_{table.ids[place]:06d}.mrcs")

    def _record(self, first: int) -> str:
        return self._getExtraPath(f"particles_{first:07d}.npz")

    # ------------------------------------------------------------------ info

    def _check(self) -> None:
        box, side = self._box_size(), self._side()
        if not box:
            raise ValueError("box_size_px must be given: the coordinates have none")
        extract_particles(np.zeros((box, box)), np.zeros((0, 2)), box, side_px=side)

    def _summary(self) -> List[str]:
        particles = getattr(self, "outputParticles", None)
        if particles is None:
            return ["The particles are not ready yet."]
        lines = [
            f"*{particles.getSize():,} particles* of {self._side()} px, "
            f"{particles.getSamplingRate():.3f} Å/px."
        ]
        lines += [f"Skipped: {one}." for one in (particles.getObjComment(),) if one]
        return lines + self._valueLines()

    def _automatic(self) -> Dict[str, str]:
        return {"boxSize": str(self._box_size()), "imageSize": str(self._side())}

    def _methods(self) -> List[str]:
        particles = getattr(self, "outputParticles", None)
        if particles is None:
            return []
        box_px, side_px = self._box_size(), self._side()
        pixel_size = self._micrographs().getSamplingRate()
        scaled = f"downscaled to {side_px} px by Fourier cropping" if side_px < box_px else ""
        background = "outside 75 per cent of the box normalised to mean 0 and standard deviation 1"
        done = [
            scaled or "not downscaled",
            f"contrast {'' if self.invert.get() else 'not '}inverted",
            f"background {background}" if self.normalise.get() else "background not normalised",
            "CTFs assigned by micrograph" if particles.hasCTF() else "no CTFs assigned",
        ]
        return [
            f"{particles.getSize():,} particles were extracted in boxes of "
            f"{with_angstrom(box_px, pixel_size)} with {SOFTWARE} "
            f"({', '.join(done)}; {particles.getSamplingRate():.3f} Å/px, phases not flipped)."
        ]


def _joined(files: List[str]) -> Dict[int, Tuple[int, int]]:
    """Index of the micrograph and number in its stack, by id of the coordinate."""
    where: Dict[int, Tuple[int, int]] = {}
    for file in files:
        batch = read_arrays(file)
        columns = (batch[name].tolist() for name in ("id", "place", "index"))
        where.update((i, (place, index)) for i, place, index in zip(*columns))
    return where
