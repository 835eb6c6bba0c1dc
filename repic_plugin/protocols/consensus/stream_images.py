"""The step of a consensus by probability that looks at the images, once its inputs are closed."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Set

from repic_plugin.classification import CtfParameters
from repic_plugin.consensus import (
    ALL_CANDIDATES,
    ConsensusResult,
    Judged,
    judge_by_images,
    median_scores,
    picker_classes,
    rows_of_kept,
    shares_of_junk,
)
from repic_plugin.convert import (
    MicrographTable,
    ParticleClasses,
    UnreadableSetError,
    micrograph_ctfs,
    micrograph_files,
    micrograph_pixels,
    read_micrographs,
)
from repic_plugin.formats import (
    CandidateClasses,
    classify_candidates,
    write_candidate_classes,
    write_consensus_tables,
    write_ensemble,
)
from repic_plugin.protocols.consensus.image_summary import (
    image_lines,
    image_methods,
    without_ctf,
)
from repic_plugin.protocols.consensus.judging import write_judged
from repic_plugin.protocols.consensus.methods import PRECISE
from repic_plugin.protocols.consensus.patterns import find_patterns
from repic_plugin.protocols.consensus.stream import ConsensusStream
from repic_plugin.protocols.consensus.stream_inputs import BatchInput
from repic_plugin.protocols.consensus.stream_outputs import PARTICLES
from repic_plugin.protocols.consensus.stream_record import Batch, batch_of, inputs_when_finished
from repic_plugin.protocols.consensus.summary import ConsensusTotals, proof

# Options of `find_consensus` with which no candidate is left out.
ALL = {
    "num_particles": ALL_CANDIDATES,
    "target_precision": None,
    "max_false_agreement": None,
    "min_weight": None,
}
PROGRESS_EVERY = 50  # micrographs
MOST_UNREADABLE = 0.1  # of the micrographs: the others are looked at all the same


class ConsensusImages(ConsensusStream):
    """Judges the candidates of a complete consensus by their images, and writes all its results.

    Nothing is left of the consensus by agreement but its model and the scales of the scores: the
    candidates are found again from the inputs, so that this can be repeated at any time.

    Parameters
    ----------
    protocol : ProtParticlePicking
    settings : dict
        From `stream_settings`.
    classes_from : int or str
        Number of classes, 0 for one per 45 images; identity of chosen classes. The step is repeated
        for another one.

    Raises
    ------
    ValueError
        If the consensus by agreement is not complete.
    """

    def __init__(
        self,
        protocol: ProtParticlePicking,
        settings: Dict[str, Any],
        classes_from: Union[int, str],
    ) -> None:
        inputs = inputs_when_finished(protocol._getExtraPath("stream"))
        if inputs is None:
            raise ValueError("the record of the candidates is missing; choose Restart in the form")
        super().__init__(protocol, settings, inputs)
        self._may_grow = bool(len(self.record))
        self._from, self._at = classes_from, json.dumps([classes_from, inputs])
        self._agreement = self.record.agreement
        self._about: Dict[str, Any] = {}

    def run(self) -> None:
        """Cut out, classify, judge, and write the outputs, the tables and the summary."""
        if self.record.has_looked(self._at) and hasattr(self.protocol, PARTICLES):
            self.protocol.info("the images have been looked at")
            return
        found = self._read()
        self._ended_idle = not self.inputs.are_closed
        candidates = self._consensus(
            found.picks,
            ensemble=self.record.model,
            agreement=self.record.agreement,
            decoys=False,
            **ALL,
        )
        classes = self._classes(candidates, found)
        shares = classes.for_consensus()
        options = self.settings["options"]
        judged = judge_by_images(
            candidates,
            found.picks,
            shares,
            target_precision=options["target_precision"],
            num_particles=options["num_particles"],
            max_false_agreement=options.get("max_false_agreement"),
            min_weight=options.get("min_weight"),
        )
        counts = picker_classes(candidates, shares)
        label = classes.label[rows_of_kept(judged.result, candidates)]
        junk = shares_of_junk(candidates, shares)
        batch = self._batch(found, judged, ParticleClasses(label, classes.score), junk)
        names = candidates.picker_names
        self._about = {
            **self._told(classes, counts, names),
            "options": {} if classes.is_filtered else {"position": PRECISE},
        }
        write_candidate_classes(
            self.protocol._getExtraPath(), classes, judged.probability, names, counts
        )
        self._write_results(batch)
        self.record.finish_looking(self._at)

    def _read(self) -> BatchInput:
        """Picks of all micrographs that the consensus by agreement was found on."""
        while True:
            self.inputs.look()
            if self.inputs.is_read:
                every = self.inputs.micrographs.names
                micrographs = [one for one in every if one in self._done or not self._may_grow]
                try:
                    return self.inputs.read(micrographs, self._attributes())
                except UnreadableSetError as error:
                    self._warn(str(error))
            time.sleep(self.protocol.streamingSleepOnWait.get())

    def _classes(self, candidates: ConsensusResult, found: BatchInput) -> CandidateClasses:
        """2D classes of the candidates."""
        every = self.protocol.getInputMicrographs()
        table = read_micrographs(every)
        at = {one: place for place, one in enumerate(table.ids)}
        place = [at[one] for one in found.micrographs]
        paths, ctf, has_ctf = micrograph_files(every), *self._ctfs(table)
        files = [paths[one] if has_ctf[one] else "" for one in place]
        self._ctf_notes = without_ctf([name for name, one in zip(table.labels, has_ctf) if not one])
        self.protocol.info(f"looking at {len(candidates):,} candidates")
        return classify_candidates(
            candidates,
            files,
            max(self.settings["options"]["box_size_px"]),
            pixel_size_angstrom=every.getSamplingRate(),
            ctf=None if ctf is None else ctf.take(place),
            n_classes=int(self._from) or None,
            most_unreadable=MOST_UNREADABLE,
            source=every.getFileName(),
            n_threads=self.protocol.numberOfThreads.get(),
            read=micrograph_pixels,
            progress=self._tell_progress,
        )

    def _ctfs(self, table: MicrographTable) -> Tuple[Optional[CtfParameters], NDArray[np.bool_]]:
        """CTF of each micrograph, and which have what they need of it; all without CTFs."""
        ctfs = self.protocol.inputCTFs.get()
        if ctfs is None:
            return None, np.ones(len(table.names), bool)
        return micrograph_ctfs(ctfs, self.protocol.getInputMicrographs(), table)

    def _told(
        self, classes: CandidateClasses, counts: NDArray[np.int64], names: Sequence[str]
    ) -> Dict[str, Any]:
        """Lines of the summary, a sentence of the methods, and values that were automatic."""
        return {
            "lines": [*self._ctf_notes, *image_lines(classes, counts, names)],
            "methods": image_methods(classes, self.protocol.inputCTFs.get() is not None),
            "values": {"imageClasses": str(len(classes.share))},
        }

    def _tell_progress(self, n_done: int, n_files: int) -> None:
        if n_done % PROGRESS_EVERY == 0 or n_done == n_files:
            self.protocol.info(f"cut out the candidates of {n_done:,} of {n_files:,} micrographs")

    def _batch(
        self,
        found: BatchInput,
        judged: Judged,
        classes: ParticleClasses,
        junk: NDArray[np.float64],
    ) -> Batch:
        """All micrographs as one batch, with the patterns and the unmatched picks."""
        picks, result = found.picks, judged.result
        patterns = find_patterns(
            picks,
            result,
            self.settings,
            ranked_among=self.record.ranked_among,
            unseen=self.inputs.unseen(found.micrographs),
        )
        unmatched = picks.take(result.is_unmatched) if self.settings["unmatched"] else None
        given = (found.micrographs, found.n_read, result, found.ids, unmatched, patterns)
        self.record.n_picks = int(found.n_read.sum())
        self.record.n_in_patterns = [np.array([len(one) for one in patterns], np.int64)]
        return batch_of(*given, classes, scores=median_scores(picks), junk=junk)

    def _write_results(self, batch: Batch) -> None:
        """Replace what the consensus by agreement, or an earlier run of this step, has written."""
        extra, result = self.protocol._getExtraPath, batch.result
        write_consensus_tables(extra("consensus.csv"), extra("summary.csv"), [result])
        if result.ensemble is not None:
            write_ensemble(extra(), result.ensemble)
        self.totals = ConsensusTotals()
        self.totals.add(batch)
        write_judged(extra(), self.totals.quality, self.settings)
        self._write_record(images=True)
        for output in self._all_outputs():
            output.remove(keep_name=True)
            output.append(batch, self.inputs.micrographs.names)
            output.update(Set.STREAM_CLOSED, proof(self.totals.n_unproven))
        self._write_facts(is_closed=True)

    def _facts(self, settings: Dict[str, Any]) -> Dict[str, Any]:
        """Facts on the totals, and what the images showed."""
        options = {**settings["options"], **self._about["options"]}
        facts = super()._facts({**settings, "images": False, "options": options})
        return {
            **facts,
            "summary": facts["summary"] + self._about["lines"],
            "methods": [f"{facts['methods'][0]} {self._about['methods']}"],
            "values": {**facts["values"], **self._about["values"]},
        }
