"""2D classification of particles."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any, ClassVar, Dict, List, Optional

import psutil
from pwem.objects import SetOfAverages, SetOfClasses2D, SetOfParticles
from pwem.protocols import ProtClassify2D
from pyworkflow import NEW
from pyworkflow.protocol import params
from pyworkflow.utils import Environ

from repic_plugin import __version__
from repic_plugin.classification import few_members
from repic_plugin.convert import (
    ClassMembers,
    ClassSummary,
    append_averages,
    append_classes,
    append_members,
    as_mrc_stacks,
    read_particle_rows,
    transform_matrices,
)
from repic_plugin.formats import (
    FormatError,
    atomic_write,
    read_arrays,
    read_class_tables,
    write_arrays,
    write_particles_star,
)
from repic_plugin.protocols.classification.form import (
    define_alignment_params,
    define_clustering_params,
    define_main_params,
    define_output_params,
)
from repic_plugin.protocols.classification.output_format import ChoosesFormat, format_text
from repic_plugin.protocols.classification.settings import (
    FORM_PARAMS,
    changed_settings,
    check_form,
    classify_arguments,
    classify_settings,
    good_classes,
    input_settings,
    selection_settings,
)
from repic_plugin.protocols.classification.subsets import CLASSES, MakesClassSubsets
from repic_plugin.protocols.classification.summary import (
    classification_facts,
    progress_lines,
    selection_line,
)
from repic_plugin.protocols.common.form_values import FormProtocol
from repic_plugin.protocols.common.report_step import WritesReport, define_report_param
from repic_plugin.protocols.common.unfinished_files import remove_unfinished

AVERAGES = "outputAverages"
GOOD, REJECTED = "outputParticles", "outputRejected"
ERROR_MARK = "repic-plugin: error: "
# Of Open MPI to version 4, and from version 5 on; other MPIs leave threads alone.
UNBINDING = ("OMPI_MCA_hwloc_base_binding_policy", "PRTE_MCA_hwloc_default_binding_policy")
NOT_YET = "The classes are not ready yet."
NO_ITERATION = "Particles are read and aligned; no iteration is complete so far."


class ProtAckMeans2D(ChoosesFormat, FormProtocol, WritesReport, MakesClassSubsets, ProtClassify2D):
    """Classify particles into balanced 2D classes (ACK-means).

    K-means with an adaptive constraint on class sizes, so that few classes are lost at a low
    signal-to-noise ratio. Particles carry their 2D transforms and a probability
    (_repicProbability); classes and averages carry a score (_rlnPredictedClassScore), an estimated
    resolution (_rlnEstimatedResolution) and a flag for junk (_repicIsJunk).
    Use it to clean a set of extracted particles or to inspect its views.

    *Input*: extracted particles, with CTFs if available; disabled ones are ignored.
    *Outputs*: outputClasses and outputAverages; outputParticles, the particles of good classes,
    and outputRejected, the others. The files of the command (classes.star, ...) are
    in extra/classes.
    *Main parameters*: the number of classes (50 to 200 particles per class are typical); the
    clustering method (ACK-means, K-means, equal sizes, SPIDER's size factor); the alignment, of
    which MRA is the most accurate and the slowest; CTF correction; resolution and maximum shift;
    which classes are good (automatic, or by a minimum score);
    threads and MPI processes, which do not change the classes.
    *Look at*: averages, sizes and convergence in Analyze results, where a click marks a class as
    good or bad, a double click shows its members, and a button makes a set of the particles of the
    classes chosen. A stopped run continues from its last iteration.

    *Reference*: Xu et al. 2016, doi:10.1371/journal.pone.0167765.
    """

    _label = "2D classification (ACK-means)"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = FORM_PARAMS
    _possibleOutputs: ClassVar = {
        CLASSES: SetOfClasses2D,
        AVERAGES: SetOfAverages,
        GOOD: SetOfParticles,
        REJECTED: SetOfParticles,
    }

    # ------------------------------------------------------------------ form

    def _defineParams(self, form: params.Form) -> None:
        form.addSection(label="Input")
        define_main_params(form)
        define_alignment_params(form)
        define_clustering_params(form)
        define_output_params(form)
        define_report_param(form)
        form.addParallelSection(threads=4, mpi=1)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        particles = json.dumps(input_settings(self), sort_keys=True)
        settings = classify_settings(self)
        shift_order = settings.pop("shift_order")
        classification = json.dumps(changed_settings(settings), sort_keys=True)
        selection = selection_settings(self)
        self._insertFunctionStep(self.convertInputStep, particles, needsGPU=False)
        self._insertFunctionStep(self.classifyStep, particles, classification, needsGPU=False)
        self._insertFunctionStep(
            self.createOutputStep,
            particles,
            classification,
            shift_order,
            *([selection] if selection else []),
            needsGPU=False,
        )
        self._insertReportStep(classification)

    def convertInputStep(self, particles: str) -> None:
        """Write the particles in RELION's format, for the command."""
        self._forget(self._getExtraPath("checkpoint-*"))
        asked = json.loads(particles)
        source = self._particles()
        rows = read_particle_rows(source, asked["with_ctf"])
        pixel_size = source.getSamplingRate()
        converted = as_mrc_stacks(rows.files, self._getExtraPath("stacks"), pixel_size)
        write_particles_star(
            self._starFile(),
            rows.names(converted),
            pixel_size,
            int(source.getDim()[0]),
            rows.ctf,
            asked["phase_flipped"],
        )
        write_arrays(self._idsFile(), {"ids": rows.ids})
        self.info(
            f"{len(rows):,} particles {'with' if rows.ctf else 'without'} CTF, "
            f"{len(converted):,} stacks converted"
        )

    def classifyStep(self, particles: str, settings: str) -> None:
        """Run the command, from the checkpoint of an earlier run if there is one."""
        checkpoint = self._checkpointFile(particles, settings)
        self._forget(self._getExtraPath("checkpoint-*"), but=checkpoint)
        _end_orphans(checkpoint)
        for unfinished in Path(self._getExtraPath()).glob(".classes-*"):
            shutil.rmtree(unfinished)  # of a run that was killed
        arguments = ["-m", "repic_plugin.cli", "classify", self._starFile()]
        arguments += classify_arguments(json.loads(settings))
        arguments += ["--out", self.classes_folder(), "--overwrite"]
        arguments += ["--checkpoint", checkpoint, "--threads", str(self.getBinThreads())]
        arguments += ["--progress", "stdout"]  # the log that Scipion shows first
        before = _written_at(self.classes_folder())
        try:
            self.runJob(
                shlex.quote(sys.executable),
                " ".join(map(shlex.quote, arguments)),
                numberOfMpi=self.numberOfMpi.get(),
                env=self._unboundEnviron(),
            )
        except CalledProcessError as error:
            raise RuntimeError(self._jobError() or str(error)) from error
        if (
            _written_at(self.classes_folder()) == before
        ):  # the exit status of a queued job is unknown
            raise RuntimeError(self._jobError() or "the job wrote no classes; see its log")

    def createOutputStep(
        self, particles: str, settings: str, shift_order: str, selection: str = ""
    ) -> None:
        """Write the classes, their averages, good and rejected particles and the summary."""
        self._forget()
        source = self._particles()
        ids = read_arrays(self._idsFile())["ids"]
        found = read_class_tables(self.classes_folder())
        kept = found.labels >= 0
        members = ClassMembers(
            ids[kept],
            found.labels[kept] + 1,
            transform_matrices(
                found.rotation_deg[kept], found.shift_px[kept], found.mirror[kept], shift_order
            ),
            found.dissimilarity[kept],
            None if found.scores is None else found.scores.particle_probability[kept],
        )
        summary = ClassSummary(
            f"{self.classes_folder()}/class_averages.mrcs",
            found.sizes,
            found.explained,
            found.is_junk,
            found.scores,
        )
        self.info(f"writing {len(members.ids):,} particles of {len(found.sizes)} classes")
        classes = self._createSetOfClasses2D(self.inputParticles)
        append_classes(classes, source, members, summary)
        averages = self._createSetOfAverages()
        averages.setSamplingRate(source.getSamplingRate())
        averages.getAcquisition().copyInfo(source.getAcquisition())
        append_averages(averages, source, summary)
        facts = classification_facts(found, json.loads(settings), source.getSamplingRate())
        good = good_classes(found, selection)
        facts["summary"].append(selection_line(found, good, selection))
        few = self._few_members(len(members.ids), len(found.sizes))
        if few:
            facts["summary"].append(few)
        atomic_write(self._summaryFile(), json.dumps(facts))
        is_good = good[members.number - 1]
        outputs = {CLASSES: classes, AVERAGES: averages}
        for name, chosen in ((GOOD, is_good), (REJECTED, ~is_good)):
            # the project would go on showing an output of an earlier selection that is deleted
            if chosen.any() or hasattr(self, name):
                outputs[name] = self._selected(name, members.take(chosen))
        self._defineOutputs(**outputs)
        for output in outputs.values():
            self._defineSourceRelation(self.inputParticles, output)

    def _selected(self, name: str, members: ClassMembers) -> SetOfParticles:
        """A new set of some of the particles, with their classes and 2D transforms."""
        chosen = self._createSetOfParticles("" if name == GOOD else "_rejected")
        chosen.copyInfo(self._particles())
        chosen.setAlignment2D()
        append_members(chosen, self._particles(), members)
        return chosen

    # ------------------------------------------------------------------ info

    def _check(self) -> None:
        check_form(self)

    def _warnings(self) -> List[str]:
        particles = self.inputParticles.get()
        if particles is None:
            return []
        found = []
        if particles.isStreamOpen():
            found.append(
                "The set of particles is still growing: particles that arrive after the start will "
                "not be classified."
            )
        few = self._few_members(particles.getSize(), self.numberOfClasses.get())
        return found + ([few] if few else [])

    def _few_members(self, n_particles: int, n_classes: int) -> str:
        """What is to be said where there are few particles for each class, else nothing."""
        few = few_members(n_particles, n_classes, self.label("numberOfClasses"))
        return few and f"{few}."

    def _summary(self) -> List[str]:
        facts = self._facts().get("summary")
        lines = facts or self._progress()
        return lines + self._valueLines()

    def _methods(self) -> List[str]:
        return self._facts().get("methods", [])

    def _citations(self) -> List[str]:
        return ["Xu2016"]

    def _automatic(self) -> Dict[str, str]:
        values: Dict[str, str] = self._facts().get("values", {})
        return {**values, "shiftOrder": format_text(self)} if values else {}

    # --------------------------------------------------------------- helpers

    def _particles(self) -> SetOfParticles:
        return self.inputParticles.get()

    def _unboundEnviron(self) -> Environ:
        """Environment of the job, in which Open MPI does not bind all threads to one core."""
        environ = Environ(self._getEnviron() or os.environ)
        for name in UNBINDING:
            environ.setdefault(name, "none")
        return environ

    def _starFile(self) -> str:
        return self._getExtraPath("particles.star")

    def _idsFile(self) -> str:
        return self._getExtraPath("particle_ids.npz")

    def classes_folder(self) -> str:
        """Folder with the results of the command."""
        return self._getExtraPath("classes")

    def _summaryFile(self) -> str:
        return self._getExtraPath("summary.json")

    def _checkpointFile(self, particles: str, settings: str) -> str:
        """Checkpoint of these particles and settings; the command rejects that of others."""
        owner = hashlib.sha256(f"{__version__} {particles} {settings}".encode()).hexdigest()[:16]
        return self._getExtraPath(f"checkpoint-{owner}.npz")

    def _forget(self, pattern: str = "", but: str = "") -> None:
        """Remove the summary, and the files of an earlier run with other values."""
        stale = Path(pattern).parent.glob(Path(pattern).name) if pattern else []
        for file in (*stale, Path(self._summaryFile())):
            if file.is_file() and file != Path(but):
                file.unlink()

    def _jobError(self) -> Optional[str]:
        """The last error message of the command."""
        log = Path(self.getStderrLog())
        lines = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
        errors = [line for line in lines if line.startswith(ERROR_MARK)]
        return errors[-1][len(ERROR_MARK) :] if errors else None

    def _progress(self) -> List[str]:
        """Progress of an unfinished run."""
        for file in Path(self._getExtraPath()).glob("checkpoint-*.npz"):
            try:
                arrays = read_arrays(file, ("records", "stages"))
                return progress_lines(arrays, self.maxIterations.get(), self.tolerance.get())
            except (FormatError, KeyError):
                pass  # it has just been removed
        return [NOT_YET, NO_ITERATION] if self.isActive() else [NOT_YET]

    def _facts(self) -> Dict[str, Any]:
        """Summary, methods and values, once they hold for the output."""
        file = Path(self._summaryFile())
        if not (hasattr(self, CLASSES) and file.is_file()):
            return {}
        facts: Dict[str, Any] = json.loads(file.read_text("utf-8"))
        return facts


def _written_at(folder: str) -> Optional[int]:
    """Modification time of a folder of classes in ns; None if there is none."""
    return os.stat(folder).st_mtime_ns if os.path.isdir(folder) else None


def _end_orphans(checkpoint: str) -> None:
    """End jobs that survived their protocol, before a second one writes the same files."""
    for process in psutil.process_iter():
        try:
            if checkpoint in process.cmdline() and process.cwd() == os.getcwd():
                process.kill()
                process.wait()
        except psutil.Error:
            pass  # it has ended, or belongs to another user
