"""A consensus that follows growing inputs."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Set

from repic_plugin.consensus import (
    ConsensusResult,
    Picks,
    choose_transforms,
    find_consensus,
    find_misfits,
    find_strangers,
    ranked_scores,
    required_pickers,
)
from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.convert import UnreadableSetError, mean_defocus
from repic_plugin.formats import (
    ENSEMBLE_NAMES,
    atomic_write,
    write_consensus_tables,
    write_ensemble,
)
from repic_plugin.protocols.common.consensus_mode import PROBABILISTIC
from repic_plugin.protocols.common.corrections import correction_text
from repic_plugin.protocols.consensus.fit_subset import MIN_FITTED, micrographs_to_fit
from repic_plugin.protocols.consensus.patterns import (
    find_patterns,
    pattern_lines,
    patterns_by_output,
)
from repic_plugin.protocols.consensus.settings import micrograph_size, transform_of
from repic_plugin.protocols.consensus.stream_inputs import BatchInput, StreamInputs
from repic_plugin.protocols.consensus.stream_notes import remarks, waiting_line
from repic_plugin.protocols.consensus.stream_outputs import PARTICLES, UNMATCHED, StreamOutput
from repic_plugin.protocols.consensus.stream_record import Batch, Scale, StreamRecord
from repic_plugin.protocols.consensus.summary import ConsensusTotals, consensus_facts, proof

MAX_BATCH = 200  # micrographs: held in memory, and the most work that a kill can cost
# Ranks among the scores of fewer micrographs would remain coarse.
MIN_RANKED = 10


def _suffix(output: str) -> str:
    """What the name of an output's file has after coordinates, such as _unmatched."""
    return "" if output == PARTICLES else f"_{output[len('output') :].lower()}"


class ConsensusStream:
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
        self.protocol, self.settings = protocol, settings
        names, options = settings["names"], settings["options"]
        self._is_probable = options["mode"] == PROBABILISTIC
        is_quorum = options["mode"] == "quorum"
        self.inputs = StreamInputs(
            names,
            list(protocol.inputCoordinates),
            required_pickers(options["mode"], len(names), options["quorum"]),
            (protocol.lateAfter.get() or None) if is_quorum else None,
        )
        self.record = StreamRecord(
            protocol._getExtraPath("stream"), json.dumps(settings, sort_keys=True), inputs
        )
        self._may_grow = None in json.loads(inputs)
        self.patterns = patterns_by_output(settings)
        self.totals = ConsensusTotals()
        self._done = set(self.record.micrographs)
        self._warned: List[str] = []
        self._ended_idle = False

    # -------------------------------------------------------------------- run

    def run(self) -> None:
        """Process until no more data can arrive, then close the outputs and write the tables."""
        if self.record.is_finished:
            self.protocol.info("nothing has changed since the last run")
            return
        self._resume()
        last_news = time.monotonic()
        while True:
            problems = self.inputs.problems()
            has_news = self.inputs.look()
            if has_news:
                last_news = time.monotonic()
            has_news |= self.inputs.problems() != problems
            is_last = self.inputs.are_closed or self._is_idle(last_news)
            waiting = [one for one in self.inputs.micrographs.names if one not in self._done]
            ready = waiting if is_last else self.inputs.ready(waiting)
            worked = self._work_on(ready)
            if is_last and worked == len(waiting):
                break
            if has_news or worked:
                self._write_facts()
            if not worked:
                time.sleep(self.protocol.streamingSleepOnWait.get())
        self._close()

    def _is_idle(self, last_news: float) -> bool:
        """Whether no new data arrived for the time that the user has set."""
        limit_s = self.protocol.endAfterIdle.get()
        self._ended_idle = bool(limit_s) and time.monotonic() - last_news >= limit_s
        return self._ended_idle

    def _work_on(self, ready: List[int]) -> int:
        """Number of micrographs that could be processed, in batches."""
        n_worked = 0
        for first in range(0, len(ready), MAX_BATCH):
            micrographs = ready[first : first + MAX_BATCH]
            try:
                if not (self._model_is_known(ready) and self._scales_are_known(micrographs)):
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
        given = {"ensemble": self.record.model} if self._is_probable else {}
        result = self._consensus(found.picks, **given)
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
        batch = self.record.append(
            found.micrographs, found.n_read, result, found.ids, unmatched, patterns
        )
        self._done.update(found.micrographs)
        return batch

    def _consensus(self, picks: Picks, **given: Any) -> ConsensusResult:
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
                **self.settings["options"],
                **given,
            )
        for warning in caught:
            self._warn(str(warning.message))
        return result

    def _model_is_known(self, ready: List[int]) -> bool:
        """Whether the model of a probabilistic consensus is fitted, which precedes any batch."""
        if not self._is_probable or self.record.model is not None:
            return True
        is_last = self.inputs.are_closed or self._ended_idle
        chosen = micrographs_to_fit(ready, is_last)
        if not (chosen and self._scales_are_known(chosen)):
            return False
        picks = self.inputs.read(chosen, self._attributes()).picks
        defocus = self._defocus(chosen)
        model = self._consensus(picks, micrograph_quality=defocus).ensemble
        if model is None:  # there are no picks
            return is_last
        self.record.keep_model(model)
        self.protocol.info(f"the model was fitted to {len(chosen):,} micrographs")
        return True

    def _defocus(self, chosen: List[int]) -> Optional[NDArray[np.float64]]:
        """Mean defocus of some micrographs, angstrom; None without CTFs."""
        ctfs = self.protocol.inputCTFs.get()
        if ctfs is None:
            return None
        table = self.inputs.micrographs.table
        known = dict(zip(table.ids, mean_defocus(ctfs, table)))
        return np.array([known[one] for one in chosen])

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
        picker = self.inputs.pickers[number]
        present, options = picker.picks.attributes, self.settings["options"]
        asked = self.settings["score_attributes"][number]
        attribute = asked or next((one for one in SCORE_ATTRIBUTES if one in present), None)
        asked_transform = self.settings["score_transforms"][number]
        transform = transform_of(asked_transform, attribute, picker.name)
        ends = np.array(picker.picks.score_range(attribute) or (), dtype=np.float64)
        nobody = np.zeros(len(ends), dtype=np.int64)
        scored = Picks.from_columns(
            nobody, nobody, nobody, nobody, ends, picker_names=[picker.name]
        )
        (transform,) = choose_transforms(scored, [transform])
        is_enough = picker.is_closed or len(picker.picks.spans) >= MIN_RANKED
        if transform == "rank" and not (is_enough or self._ended_idle):
            return False
        among = np.zeros(0)
        if transform == "rank":
            every = self.inputs.read_one(number, attribute)
            among = ranked_scores(
                every,
                options["box_size_px"][number],
                score_transform="rank",
                min_score=[options["min_score"][number]],
                micrograph_size_px=micrograph_size(self.protocol),
            )[picker.name]
        self.record.decide(picker.name, Scale(attribute, transform), among)
        return True

    # ---------------------------------------------------------------- outputs

    def _outputs(self) -> List[StreamOutput]:
        names = [PARTICLES, UNMATCHED] if self.settings["unmatched"] else [PARTICLES]
        box_size_px = self.settings["box_size_px"]
        found = [StreamOutput(self.protocol, name, box_size_px) for name in names]
        return found + [
            StreamOutput(self.protocol, name, box_size_px, number, pattern.sentence)
            for number, (name, pattern) in enumerate(self.patterns.items())
        ]

    def _write(self, batch: Batch) -> None:
        """Append a batch to the outputs."""
        self.totals.add(batch.result)
        for output in self._outputs():
            output.append(batch, self.inputs.micrographs.names)
        n_done = len(self._done)
        self.protocol.info(
            f"micrographs {n_done - len(batch.micrographs) + 1:,} to {n_done:,}: "
            f"{len(batch.result):,} particles"
        )

    def _resume(self) -> None:
        """Bring the outputs up to date with the record; they may be a batch behind."""
        if self.record.is_new:
            self._forget()
            return
        self.protocol.info(f"continuing after {len(self._done):,} micrographs")
        self.inputs.look()  # the names of the micrographs of batches that are written again
        written = [(output, output.n_written(self.record)) for output in self._outputs()]
        for number, batch in enumerate(self.record.batches()):
            self.totals.add(batch.result)
            for output, n_written in written:
                if number >= n_written:
                    output.append(batch, self.inputs.micrographs.names)
        for output, _ in written:
            if output.is_registered:  # Scipion closes it when the run stops
                output.update(Set.STREAM_OPEN)

    def _forget(self) -> None:
        """Remove the results of a run with other values or inputs."""
        for file in ("consensus.csv", "summary.csv", "summary.json", *ENSEMBLE_NAMES):
            Path(self.protocol._getExtraPath(file)).unlink(missing_ok=True)
        wanted = [output.name for output in self._outputs()]
        present = [name for name, _ in self.protocol.iterOutputAttributes()]
        for name in {PARTICLES, UNMATCHED, *present, *wanted}:
            output = StreamOutput(self.protocol, name, self.settings["box_size_px"])
            output.remove(keep_name=name in wanted)

    def _close(self) -> None:
        """Close the outputs; write tables and summary."""
        extra = self.protocol._getExtraPath
        if len(self.record):
            results = (batch.result for batch in self.record.batches())
            write_consensus_tables(extra("consensus.csv"), extra("summary.csv"), results)
        if self.record.model is not None:
            write_ensemble(extra(), self.record.model)
        for output in self._outputs():
            output.update(Set.STREAM_CLOSED, proof(self.totals.n_unproven))
        self._write_facts(is_closed=True)
        at_rest = [picker.picks.n_picks for picker in self.inputs.pickers]
        self.record.finish(json.dumps(at_rest), keep=self._may_grow)

    # -------------------------------------------------------------- messages

    def _warn(self, message: str) -> None:
        """Log a warning once."""
        if message not in self._warned:
            self._warned.append(message)
            self.protocol.warning(message)

    def _write_facts(self, is_closed: bool = False) -> None:
        """Update the summary, the methods and the values."""
        settings = {
            **self.settings,
            "discards_edges": bool(self.protocol.dropOutside),
            "pixel_size_angstrom": self.protocol.getInputMicrographs().getSamplingRate(),
            "attributes": self._attributes(),
        }
        facts = consensus_facts(self.totals, self.record.n_picks, settings)
        lines = facts["summary"] + pattern_lines(self.settings, self.record.n_in_patterns)
        if not is_closed:
            waiting = [one for one in self.inputs.micrographs.names if one not in self._done]
            is_fitted = not self._is_probable or self.record.model is not None
            lines.append(waiting_line(self.inputs, waiting, 0 if is_fitted else MIN_FITTED))
        idle_s = self.protocol.endAfterIdle.get() if self._ended_idle else None
        lines += remarks(
            self.inputs,
            self.record,
            is_closed=is_closed,
            may_grow=self._may_grow,
            idle_s=idle_s,
            has_ctfs=bool(self.settings.get("ctfs")),
        )
        for line in lines:
            if line.startswith("!"):
                self._warn(line[1:].strip())
        text = json.dumps({**facts, "summary": [line.lstrip("! ") for line in lines]})
        file = Path(self.protocol._summaryFile())
        if not file.is_file() or file.read_text("utf-8") != text:
            atomic_write(file, text)
