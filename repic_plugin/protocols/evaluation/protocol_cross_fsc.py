"""Fourier shell correlation of maps with a reference, or of two half maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray
from pwem.objects import FSC, SetOfFSCs, SetOfVolumes, Volume
from pwem.protocols import EMProtocol
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin.evaluation import (
    HALF_MAP_THRESHOLD,
    REFERENCE_THRESHOLD,
    ShellCorrelation,
    check_same_grid,
    fourier_shell_correlation,
    register_rigid,
    resolution_text,
    soft_mask,
    spherical_mask,
)
from repic_plugin.formats import read_fsc_table, read_map, stack_file, write_fsc_table
from repic_plugin.protocols.common.form_values import SOFTWARE, FormProtocol
from repic_plugin.protocols.common.unfinished_files import remove_unfinished
from repic_plugin.protocols.evaluation.cross_fsc_form import (
    AUTO_MASK,
    FILE_MASK,
    HALF_MAPS,
    NO_MASK,
    SPHERE_MASK,
    define_cross_fsc_params,
)

REFERENCE = "the reference"
Density = NDArray[np.float32]


class ProtRepicCrossFsc(FormProtocol, EMProtocol):  # type: ignore[misc]
    """Compare maps with a reference by Fourier shell correlation.

    Use it to find the particle set that yields the best map, or to compare two half maps.

    *Inputs*: one or more volumes, and the reference or the other half map, of the same box size and
    sampling rate; optionally a mask.
    *Output*: outputFSCs, a curve for each volume; extra/fsc.csv has the same numbers.
    *Main parameters*: the comparison, which determines the threshold (0.5 against a reference,
    0.143 between half maps); the mask; whether volumes are registered first, by up to about 25
    degrees and a third of the box, without a change of handedness.
    *Look at*: the resolution of each map in the summary, and the curves. The effect of the mask is
    not corrected by phase randomisation: a tight mask correlates the maps by itself.

    *References*: Harauz and van Heel 1986; Rosenthal and Henderson 2003,
    doi:10.1016/j.jmb.2003.07.013.
    """

    _label = "cross FSC"
    _devStatus = NEW
    _possibleOutputs: ClassVar = {"outputFSCs": SetOfFSCs}

    def _defineParams(self, form: params.Form) -> None:
        define_cross_fsc_params(form)

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        mask = self._volume_mask()
        files = [
            volume.getFileName() for volume in (*self._volumes().values(), self._reference(), mask)
            if volume is not None
        ]  # fmt: skip
        settings = (self.maskKind.get(), self.doRegister.get())
        self._insertFunctionStep(self.compareStep, files, *settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, files, *settings, needsGPU=False)

    def compareStep(self, _files: List[str], mask_kind: int, is_registered: bool) -> None:
        """Compute and write the curves."""
        reference = _density(self._reference())
        mask = self._mask(mask_kind, reference)
        curves = {}
        for name, volume in self._volumes().items():
            density = _density(volume)
            if is_registered:
                density = self._registered(name, density, reference)
            curves[name] = fourier_shell_correlation(
                density,
                reference,
                pixel_size_angstrom=self._reference().getSamplingRate(),
                mask=mask,
                n_threads=self.numberOfThreads.get(),
            )
            self.info(f"{name}: {self._resolutions(curves[name])}")
        write_fsc_table(self.table_file(), curves)

    def createOutputStep(self, *_settings: Any) -> None:
        """Write the curves as a Scipion set."""
        fscs = self._createSetOfFSCs()
        for name, curve in read_fsc_table(self.table_file()).items():
            fsc = FSC(objLabel=name)
            fsc.setData(curve.frequency.tolist(), curve.correlation.tolist())
            fscs.append(fsc)
        self._defineOutputs(outputFSCs=fscs)
        for pointer in (*self.inputVolumes, self.referenceVolume):
            self._defineSourceRelation(pointer, fscs)

    def table_file(self) -> str:
        """Table of the curves, with a row for each volume and shell."""
        return str(self._getExtraPath("fsc.csv"))

    def thresholds(self) -> List[float]:
        """FSC thresholds, the relevant one first."""
        is_half = self.kind.get() == HALF_MAPS
        both = [REFERENCE_THRESHOLD, HALF_MAP_THRESHOLD]
        return both[::-1] if is_half else both

    def _reference(self) -> Volume:
        return self.referenceVolume.get()

    def _volume_mask(self) -> Optional[Volume]:
        return self.inputMask.get() if self.maskKind.get() == FILE_MASK else None

    def _volumes(self) -> Dict[str, Volume]:
        """Volumes by the labels of their runs, numbered where labels repeat."""
        found = []
        for place, pointer in enumerate(self.inputVolumes, 1):
            label = " ".join(pointer.getObjValue().getObjLabel().split()) or f"map {place}"
            item = pointer.get()
            if isinstance(item, SetOfVolumes):
                members = [(f"{label} #{one.getObjId()}", one.clone()) for one in item]
                found += members if len(members) > 1 else [(label, members[0][1])]
            elif item is not None:
                found.append((label, item))
        names = [name for name, _ in found]
        return {
            name if names.count(name) == 1 else f"{name} ({place})": volume
            for place, (name, volume) in enumerate(found, 1)
        }

    def _mask(self, kind: int, reference: Density) -> Optional[Density]:
        if kind == NO_MASK:
            return None
        if kind == SPHERE_MASK:
            return spherical_mask(len(reference))
        if kind == AUTO_MASK:
            return soft_mask(reference)
        return _density(self._volume_mask())

    def _registered(self, name: str, density: Density, reference: Density) -> Density:
        registered, pose = register_rigid(density, reference)
        shift = " ".join(f"{value:.2f}" for value in pose.shift_px[::-1])
        self.info(
            f"{name}: rotated by {pose.angle_deg:.2f} degrees, shifted by {shift} px in x, y, z"
        )
        return registered

    def _resolutions(self, curve: ShellCorrelation) -> str:
        return ", ".join(
            f"{resolution_text(curve, one, unit=' Å')} at {one:g}" for one in self.thresholds()
        )

    def _check(self) -> List[str]:
        reference = self._reference()
        errors = []
        mask = self._volume_mask()
        if self.maskKind.get() == FILE_MASK and mask is None:
            errors.append(
                f"{self.label('inputMask')} is missing; give one, or choose another mask."
            )
        others = {**self._volumes(), **({} if mask is None else {"the mask": mask})}
        for name, volume in others.items():
            try:
                check_same_grid(
                    (name, REFERENCE),
                    (_box_px(name, volume), _box_px(REFERENCE, reference)),
                    (volume.getSamplingRate(), reference.getSamplingRate()),
                )
            except ValueError as error:
                errors.append(str(error))
        return errors

    def _curves(self) -> Dict[str, ShellCorrelation]:
        file = self.table_file()
        return read_fsc_table(file) if Path(file).is_file() else {}

    def _summary(self) -> List[str]:
        curves = self._curves()
        if not curves:
            return ["The curves are not ready yet."]
        kind = "half maps" if self.kind.get() == HALF_MAPS else "maps against a reference"
        return [
            f"Resolution of {kind}; the relevant threshold is {self.thresholds()[0]:g}:",
            *(f"{name}: {self._resolutions(curve)}" for name, curve in curves.items()),
        ]

    def _methods(self) -> List[str]:
        curves = self._curves()
        if not curves:
            return []
        threshold = self.thresholds()[0]
        found = "; ".join(
            f"{name} {resolution_text(curve, threshold, unit=' Å')}"
            for name, curve in curves.items()
        )
        kind = "of half maps" if self.kind.get() == HALF_MAPS else "with a reference map"
        registered = "after rigid registration" if self.doRegister.get() else "not registered"
        return [
            f"Fourier shell correlation {kind} [Harauz1986] was computed with {SOFTWARE} (mask: "
            f"{self.getEnumText('maskKind')}; {registered}). Resolution at a threshold of "
            f"{threshold:g} [Rosenthal2003]: {found}."
        ]

    def _citations(self) -> List[str]:
        return ["Harauz1986", "Rosenthal2003"]


def _density(volume: Volume) -> Density:
    density, _ = read_map(stack_file(volume.getFileName()))
    return density


def _box_px(name: str, volume: Volume) -> int:
    """Side of a volume, px."""
    size = volume.getDim()
    if size is None:
        raise ValueError(
            f"{name}: the file {volume.getFileName()} is missing; import the volume again"
        )
    if len(set(size)) != 1:
        shown = " x ".join(map(str, size))
        raise ValueError(f"{name}: must be a cube, got {shown} voxels; cut or pad it")
    return int(size[0])
