"""Particle images out of micrographs, so that a pipeline needs no other plugin for it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, Dict, List, Tuple

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
from repic_plugin.protocols.common.micrograph_batches import batches, on_each_micrograph
from repic_plugin.protocols.common.params import define_box_size, identity
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.template_picking import extract_particles

CTF_ATTRIBUTES = ("_defocusU", "_defocusV", "_defocusAngle", "_defocusRatio", "_psdFile")
CTF_ATTRIBUTES += ("_resolution", "_fitQuality")


class ExtractOutput(Enum):
    """What the protocol leaves."""

    outputParticles = SetOfParticles


class ProtRepicExtract(ProtParticles):  # type: ignore[misc]
    """Cut particles out of micrographs and normalise them as RELION does.

    Each micrograph becomes one stack. Boxes that are not wholly on it are left out.
    Use it to go from a consensus to 2D classes without another plugin.

    *Inputs*: coordinates; optionally other micrographs to cut from (dose-weighted ones, matched by
    name, at any pixel size) and CTFs, which each particle takes from its micrograph.
    *Output*: outputParticles, with their coordinates. Phases are not flipped.
    *Main parameters*: the box size, the size to reduce images to (cropped in Fourier space), and
    whether the contrast is inverted and the background normalised (outside of a circle of 75 per
    cent of the box: no slope, mean 0, standard deviation 1).
    *Look at*: the summary, which counts the boxes that were left out, and the log for micrographs
    that could not be read.
    """

    _label = "extract particles"
    _devStatus = NEW
    _possibleOutputs = ExtractOutput

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        form.addParam(
            "inputCoordinates",
            params.PointerParam,
            pointerClass="SetOfCoordinates",
            label="Coordinates",
            important=True,
        )
        form.addParam(
            "inputMicrographs",
            params.PointerParam,
            pointerClass="SetOfMicrographs",
            allowsNull=True,
            label="Other micrographs",
            help="To cut from, for instance dose-weighted ones; matched by name, pixel sizes may "
            "differ. Without them, those of the coordinates.",
        )
        form.addParam(
            "inputCTFs",
            params.PointerParam,
            pointerClass="SetOfCTF",
            allowsNull=True,
            label="CTF of the micrographs",
            help="Each particle takes that of its micrograph; micrographs without one are left "
            "out. Phases are not flipped.",
        )
        define_box_size(
            form,
            "In px of the micrographs that are cut from, made even; 0 takes that of the "
            "coordinates.",
        )
        form.addParam(
            "imageSize",
            params.IntParam,
            default=0,
            label="Reduce to (px)",
            help="Even side of the images, cropped in Fourier space; 0 keeps the box.",
        )
        form.addParam(
            "invert",
            params.BooleanParam,
            default=True,
            label="Invert the contrast",
            help="Particles are dark in micrographs and light in RELION's and cryoSPARC's images.",
        )
        form.addParam(
            "normalise",
            params.BooleanParam,
            default=True,
            label="Normalise",
            help="The background, outside of a circle of 75 per cent of the box, without a slope, "
            "with mean 0 and standard deviation 1.",
        )
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
        """Cut the particles out of some micrographs, a stack for each."""
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
                f"{' that has a CTF' if particles.hasCTF() else ''}; give a smaller box"
            )
        self._defineOutputs(outputParticles=particles)
        for pointer in (self.inputCoordinates, self.inputCTFs):
            if pointer.get() is not None:
                self._defineSourceRelation(pointer, particles)

    def cleanStep(self, *_settings: Any) -> None:
        """Remove what no step needs any more: a step of its own, for what is killed runs again."""
        for first, _ in batches(self._micrographs().getSize()):
            Path(self._record(first)).unlink(missing_ok=True)

    def _append(
        self,
        particles: SetOfParticles,
        where: Dict[int, Tuple[int, int]],
        table: MicrographTable,
    ) -> None:
        """One pass through the coordinates, each with the image that was cut there."""
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
        told = [f"{n_out:,} boxes are not wholly on a micrograph that can be read"] if n_out else []
        told += [f"{n_without:,} particles have no CTF"] if n_without else []
        for line in told:
            self.warning(f"{line}; they are left out")
        particles.setObjComment("; ".join(told))

    # --------------------------------------------------------------- helpers

    def _micrographs(self) -> SetOfMicrographs:
        other = self.inputMicrographs.get()
        return self.inputCoordinates.get().getMicrographs() if other is None else other

    def _picks(self, table: MicrographTable) -> Tuple[Picks, NDArray[np.int64]]:
        """Picks in px of the micrographs that are cut from, and the ids of their coordinates."""
        coordinates = self.inputCoordinates.get()
        picks, ids, _ = read_picks([PickerInput("coordinates", coordinates, None)], table)
        return picks, ids

    def _ctfs(self, table: MicrographTable) -> Dict[int, CTFModel]:
        """CTF by the place of the micrograph, without what it knows of the micrograph."""
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
                model._phaseShift = None  # no phase plate: no column for it
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
        """By id: a name may hold anything, and occur twice."""
        return self._getExtraPath(f"particles_{table.ids[place]:06d}.mrcs")

    def _record(self, first: int) -> str:
        return self._getExtraPath(f"particles_{first:07d}.npz")

    # ------------------------------------------------------------------ info

    def _validate(self) -> List[str]:
        if self.inputCoordinates.get() is None:
            return []  # scheduled before its input is there, or Scipion says that it is missing
        if self.inputMicrographs.hasValue() and self.inputMicrographs.get() is None:
            return []
        box, side = self._box_size(), self._side()
        if not box:
            return ["The coordinates have no box size; give one in the form."]
        try:
            extract_particles(np.zeros((box, box)), np.zeros((0, 2)), box, side_px=side)
        except ValueError as error:
            words = str(error).replace("side_px", "the reduced size")
            return [words.replace("box_size_px", "the box size")]
        return []

    def _summary(self) -> List[str]:
        particles = getattr(self, "outputParticles", None)
        if particles is None:
            return ["The particles are not ready yet."]
        lines = [
            f"*{particles.getSize():,} particles* of {self._side()} px, "
            f"{particles.getSamplingRate():.3f} A/px."
        ]
        return lines + [f"{one}." for one in (particles.getObjComment(),) if one]

    def _methods(self) -> List[str]:
        particles = getattr(self, "outputParticles", None)
        if particles is None:
            return []
        return [
            f"{particles.getSize():,} particles were extracted in boxes of {self._box_size()} px, "
            f"at {particles.getSamplingRate():.3f} A/px."
        ]


def _joined(files: List[str]) -> Dict[int, Tuple[int, int]]:
    """From coordinate ids to the place of the micrograph and the number in its stack."""
    where: Dict[int, Tuple[int, int]] = {}
    for file in files:
        batch = read_arrays(file)
        columns = (batch[name].tolist() for name in ("id", "place", "index"))
        where.update((i, (place, index)) for i, place, index in zip(*columns))
    return where
