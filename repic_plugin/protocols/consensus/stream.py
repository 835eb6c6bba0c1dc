"""A consensus that follows growing inputs."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any, Dict, List, Optional

import numpy as np
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Set

from repic_plugin.consensus import (
    MOST_MICROGRAPHS,
    Agreement,
    ConsensusResult,
    Picks,
    find_consensus,
    find_misfits,
    find_strangers,
    median_scores,
    required_pickers,
)
from repic_plugin.convert import UnreadableSetError
from repic_plugin.formats import (
    RunRecord,
    write_agreement,
    write_consensus_tables,
    write_ensemble,
    write_run_record,
    write_smaller_groups,
)
from repic_plugin.protocols.common.consensus_mode import PROBABILISTIC
from repic_plugin.protocols.common.corrections import correction_text
from repic_plugin.protocols.common.following.follower import Follower
from repic_plugin.protocols.common.following.notes import waiting_line
from repic_plugin.protocols.consensus.fit_subset import MIN_FITTED, defocus_of, micrographs_to_fit
from repic_plugin.protocols.consensus.judging import write_judged
from repic_plugin.protocols.consensus.patterns import (
    find_patterns,
    pattern_lines,
    patterns_by_output,
)
from repic_plugin.protocols.consensus.settings import micrograph_size
from repic_plugin.protocols.consensus.stream_inputs import BatchInput, StreamInputs
from repic_plugin.protocols.consensus.stream_notes import remarks
from repic_plugin.protocols.consensus.stream_outputs import (
    PARTICLES,
    UNMATCHED,
    StreamOutput,
    forget_results,
    micrograph_outputs,
)
from repic_plugin.protocols.consensus.stream_record import Batch, StreamRecord, rated
from repic_plugin.protocols.consensus.stream_scales import scale_of
from repic_plugin.protocols.consensus.summary import (
    ConsensusTotals,
    consensus_facts,
    proof,
    with_agreement,
)

MAX_BATCH = 200  # micrographs: held in memory, and the most work that a kill can cost
BY_AGREEMENT = (
    "By agreement alone so far: 2D classes decide, and the outputs are written, once all inputs "
    "are closed."
)
UNFITTED = f"The model is fitted once all pickers have picked {MIN_FITTED} of them."


class ConsensusStream(Follower):
    """Checks the inputs, processes micrographs that are ready and writes them, until all close.

    Parameters
    ----------
    protocol : ProtParticlePicking
    settings : dict
        From `stream_settings`.
    inputs : str
        The number of picks of each input as JSON, null for one that is still growing.
    """

    def __init__(
        self, protocol: ProtParticlePicking, settings: Dict[str, Any], inputs: str
    ) -> None:
        self.settings = settings
        names, options = settings["names"], settings["options"]
        self._is_probable = options["mode"] == PROBABILISTIC
        self._drops = "max_false_agreement" in options
        is_quorum = options["mode"] == "quorum"
        followed = StreamInputs(
            names,
            list(protocol.inputCoordinates),
            required_pickers(options["mode"], len(names), options["quorum"]),
            (protocol.lateAfter.get() or None) if is_quorum else None,
        )
        record = StreamRecord(
            protocol._getExtraPath("stream"), json.dumps(settings, sort_keys=True), inputs
        )
        super().__init__(protocol, followed, record)
        self._may_grow = None in json.loads(inputs)
        self.patterns = patterns_by_output(settings)
        self.totals = ConsensusTotals()
        self._agreement: Optional[Agreement] = None

    # ------------------------------------------------------------------- work

    def _conclude(self) -> bool:
        return self._measure()

    def _interim(self) -> None:
        if self._agreement is None and len(self._done) >= MIN_FITTED:
            self._measure()  # early on, for the summary

    def _work_on(self, ready: List[int]) -> int:
        n_worked = 0
        for first in range(0, len(ready), MAX_BATCH):
            micrographs = ready[first : first + MAX_BATCH]
            try:
                if not (self._is_learnt(ready) and self._scales_are_known(micrographs)):
                    break
                found = self.inputs.read(micrographs, self._attributes())
                self._check_coordinates(found.picks)
            except UnreadableSetError as error:
                self._warn(str(error))
                break
            self._write(self._solved(found))
            n_worked += len(micrographs)
        return n_worked

    def _check_coordinates(self, picks: Picks) -> None:
        """Refuse pickers whose coordinates do not fit, by the first batch.

        Raises
        ------
        ValueError
            With what corrects them.
        """
        if self._done or not self.protocol.checkCoordinates:
            return
        dimensions = self.protocol.getInputMicrographs().getDim()
        sizes_px = np.array(self.settings["options"]["box_size_px"])
        for misfit in find_misfits(picks, sizes_px, dimensions and dimensions[:2]):
            raise ValueError(
                f"{misfit}; import them again with {correction_text(misfit.correction)}, or set "
                f"{self.protocol.label('checkCoordinates')} to No if they are right"
            )
        for stranger in find_strangers(picks, sizes_px):
            self._warn(str(stranger))

    def _solved(self, found: BatchInput) -> Batch:
        """The consensus of a batch, after it has been recorded."""
        model: Dict[str, Any] = {"ensemble": self.record.model} if self._is_probable else {}
        known = self.record.agreement
        is_needed = known is None and self._drops
        model["count_smaller"] = not self._is_probable
        result = self._consensus(found.picks, agreement=known, decoys=is_needed, **model)
        if result.ensemble is not None and self.record.model is None:
            self.record.keep_model(result.ensemble)  # there was no pick to fit the model to
        unmatched = found.picks.take(result.is_unmatched) if self.settings["unmatched"] else None
        patterns = find_patterns(
            found.picks,
            result,
            self.settings,
            ranked_among=self.record.ranked_among,
            unseen=self.inputs.unseen(found.micrographs),
        )
        given = (found.micrographs, found.n_read, result, found.ids, unmatched, patterns)
        batch = self.record.append(*given, scores=median_scores(found.picks))
        self._done.update(found.micrographs)
        return batch

    def _consensus(self, picks: Picks, is_logged: bool = True, **given: Any) -> ConsensusResult:
        """The consensus of some picks; warnings about them are logged."""
        protocol, names = self.protocol, self.settings["names"]
        scales = self.record.scales
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = find_consensus(
                picks,
                score_transform=[
                    scales[name].transform if name in scales else "identity" for name in names
                ],
                ranked_among=self.record.ranked_among,
                micrograph_size_px=micrograph_size(protocol),
                n_threads=protocol.numberOfThreads.get(),
                **{**self.settings["options"], **given},
            )
        for warning in caught if is_logged else ():
            self._warn(str(warning.message))
        return result

    def _is_learnt(self, ready: List[int]) -> bool:
        """Whether what precedes any batch is known: the model, and the rates to drop by."""
        record = self.record
        is_known = record.model is not None if self._is_probable else record.agreement is not None
        if is_known or not (self._is_probable or self._drops):
            return True
        is_last = self.inputs.are_closed or self._ended_idle
        most = {} if self._is_probable else {"most": MOST_MICROGRAPHS}
        chosen = micrographs_to_fit(ready, is_last, **most)
        if not (chosen and self._scales_are_known(chosen)):
            return False
        picks = self.inputs.read(chosen, self._attributes()).picks
        given = {}
        if self._is_probable:
            defocus = defocus_of(self.protocol.inputCTFs.get(), self.inputs, chosen)
            given = {"micrograph_quality": defocus}
        found = self._consensus(picks, **given)
        if found.agreement is None and found.ensemble is None:  # there are no picks
            return is_last
        if found.agreement is not None:
            record.keep_agreement(found.agreement)
        if found.ensemble is not None:
            record.keep_model(found.ensemble)
            self.protocol.info(f"the model was fitted to {len(chosen):,} micrographs")
        return True

    def _measure(self) -> bool:
        """Whether the agreement beyond chance could be measured, unless it was learnt before.

        It is that of micrographs spread over all processed so far, in whatever order they came.
        """
        self._agreement = self.record.agreement
        done = sorted(self._done & self.inputs.micrographs.names.keys())
        if self._agreement is not None or self._is_probable or not done:
            return True
        chosen = micrographs_to_fit(done, True, MOST_MICROGRAPHS)
        try:
            picks = self.inputs.read(chosen, self._attributes()).picks
        except UnreadableSetError as error:
            self._warn(str(error))
            return False
        self._agreement = self._consensus(picks, is_logged=False).agreement  # as the batches were
        return True

    # ----------------------------------------------------------------- scores

    def _attributes(self) -> List[Optional[str]]:
        scales = self.record.scales
        return [
            scales[name].attribute if name in scales else None for name in self.settings["names"]
        ]

    def _scales_are_known(self, micrographs: List[int]) -> bool:
        """Whether the treatment of scores is decided for all pickers with picks so far."""
        for number, picker in enumerate(self.inputs.pickers):
            is_new = picker.name not in self.record.scales
            has_come = is_new and any(picker.n_picks(one) for one in micrographs)
            if has_come and not self._decide(number):
                return False
        return True

    def _decide(self, number: int) -> bool:
        """Whether the treatment of a picker's scores could be decided from those present."""
        found = scale_of(self.protocol, self.settings, self.inputs, number, self._ended_idle)
        if found is None:
            return False
        self.record.decide(self.inputs.pickers[number].name, *found)
        return True

    # ---------------------------------------------------------------- outputs

    def _outputs(self) -> List[StreamOutput]:
        """Outputs that are written batch by batch: none where the images decide at the end."""
        return [] if self.settings.get("images") else self._all_outputs()

    def _all_outputs(self) -> List[StreamOutput]:
        names = [PARTICLES, UNMATCHED] if self.settings["unmatched"] else [PARTICLES]
        box_size_px = self.settings["box_size_px"]
        found = [StreamOutput(self.protocol, name, box_size_px) for name in names]
        found += [
            StreamOutput(self.protocol, name, box_size_px, number, pattern.sentence)
            for number, (name, pattern) in enumerate(self.patterns.items())
        ]
        return found + micrograph_outputs(self.protocol, self.settings)

    def _write(self, batch: Batch) -> None:
        """Append a batch to the outputs."""
        self.totals.add(batch)
        for output in self._outputs():
            output.append(batch, self.inputs.micrographs.names)
        n_done = len(self._done)
        self.protocol.info(
            f"micrographs {n_done - len(batch.micrographs) + 1:,} to {n_done:,}: "
            f"{len(batch.result):,} particles"
        )

    def _resume(self) -> None:
        self.inputs.look()  # the names of the micrographs of batches that are written again
        written = [(output, output.n_written(self.record)) for output in self._outputs()]
        for number, batch in enumerate(self.record.batches()):
            self.totals.add(batch)
            for output, n_written in written:
                if number >= n_written:
                    output.append(batch, self.inputs.micrographs.names)
        for output, _ in written:
            if output.is_registered:  # Scipion closes it when the run stops
                output.update(Set.STREAM_OPEN)

    def _forget(self) -> None:
        forget_results(self.protocol, [output.name for output in self._all_outputs()])

    def _close(self) -> None:
        extra, agreement = self.protocol._getExtraPath, self._agreement
        if agreement is not None:
            write_agreement(extra(), agreement)
        if len(self.record):
            results = (rated(batch.result, agreement) for batch in self.record.batches())
            write_consensus_tables(extra("consensus.csv"), extra("summary.csv"), results)
            write_judged(extra(), self.totals.quality, self.settings)
            self._write_record()
        if self.totals.smaller is not None:
            write_smaller_groups(extra(), self.totals.smaller, self.settings["names"])
        if self.record.model is not None:
            write_ensemble(extra(), self.record.model)
        for output in self._outputs():
            output.rate(None if self._is_probable else agreement)
            output.update(Set.STREAM_CLOSED, proof(self.totals.n_unproven))
        self._write_facts(is_closed=True)
        at_rest = [picker.picks.n_picks for picker in self.inputs.pickers]
        self.record.finish(json.dumps(at_rest), keep=self._may_grow)

    def _write_record(self, *, images: bool = False) -> None:
        """Write how the consensus was found."""
        if self.totals.last is None:
            return
        mode, quorum = self.settings["options"]["mode"], self.totals.last.quorum
        pixel_size = self.protocol.getInputMicrographs().getSamplingRate() or math.nan
        record = RunRecord(mode, quorum, images, float(pixel_size))
        write_run_record(self.protocol._getExtraPath(), record)

    # -------------------------------------------------------------- messages

    def _facts(self, settings: Dict[str, Any]) -> Dict[str, Any]:
        """Facts on the totals."""
        facts = consensus_facts(self.totals, self.record.n_picks, settings)
        first = [BY_AGREEMENT] if settings.get("images") else []
        return {**facts, "summary": first + facts["summary"]}

    def _write_facts(self, is_closed: bool = False) -> None:
        settings = {
            **self.settings,
            "discards_edges": bool(self.protocol.dropOutside),
            "pixel_size_angstrom": self.protocol.getInputMicrographs().getSamplingRate(),
            "attributes": self._attributes(),
            "agreement": self._agreement,
        }
        facts = self._facts(settings)
        lines = with_agreement(facts["summary"], self._agreement)
        lines += pattern_lines(self.settings, self.record.n_in_patterns)
        if not is_closed:
            waiting = self.inputs.waiting(self._done)
            line = waiting_line(self.inputs, waiting, "to pick")
            is_fitted = not self._is_probable or self.record.model is not None
            lines.append(line if is_fitted else f"{line} {UNFITTED}")
        idle_s = self.protocol.endAfterIdle.get() if self._ended_idle else None
        lines += remarks(
            self.inputs,
            self.record,
            is_closed=is_closed,
            may_grow=self._may_grow,
            idle_s=idle_s,
            has_ctfs=bool(self.settings.get("ctfs")),
        )
        text = json.dumps({**facts, "summary": [line.lstrip("! ") for line in lines]})
        self._say(self.protocol._summaryFile(), text, lines)
