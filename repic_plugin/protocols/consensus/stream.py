"""A consensus that follows its inputs while they grow."""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray
from pwem.objects import SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow.object import Set

from repic_plugin.consensus import (
    ConsensusResult,
    Picks,
    choose_transforms,
    find_consensus,
    ranked_scores,
    required_pickers,
)
from repic_plugin.constants import SCORE_ATTRIBUTES
from repic_plugin.convert import (
    MicrographTable,
    UnreadableSetError,
    append_particles,
    append_picks,
    count_items,
    mean_defocus,
)
from repic_plugin.formats import (
    ENSEMBLE_NAMES,
    atomic_write,
    write_consensus_tables,
    write_ensemble,
)
from repic_plugin.protocols.common.consensus_mode import PROBABILISTIC
from repic_plugin.protocols.consensus.fit_subset import (
    LEAST_FITTED,
    micrographs_to_fit,
)
from repic_plugin.protocols.consensus.settings import micrograph_size, transform_of
from repic_plugin.protocols.consensus.stream_inputs import BatchInput, StreamInputs
from repic_plugin.protocols.consensus.stream_notes import remarks, what_waits
from repic_plugin.protocols.consensus.stream_record import Batch, Scale, StreamRecord
from repic_plugin.protocols.consensus.summary import ConsensusTotals, consensus_facts, proof

PARTICLES, UNMATCHED = "outputCoordinates", "outputUnmatched"
SUFFIXES = {PARTICLES: "", UNMATCHED: "_unmatched"}
LARGEST_BATCH = 200  # micrographs: what a kill costs at most, and what is held in memory
# Ranks among the scores of fewer micrographs would be coarse, and stay so.
LEAST_RANKED = 10


class ConsensusStream:
    """Looks at the inputs, works on what is ready, writes it out; until the inputs are closed.

    Parameters
    ----------
    protocol : ProtParticlePicking
    settings : dict
        As `stream_settings` gives them.
    inputs : str
        The number of picks of each input as JSON, null for one that still grows.
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
        self.totals = ConsensusTotals()
        self._done = set(self.record.micrographs)
        self._told: Counter[str] = Counter()
        self._ended_idle = False

    # -------------------------------------------------------------------- run

    def run(self) -> None:
        """Work until nothing more can come, then close the outputs and write the tables."""
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
                self._tell()
            if not worked:
                time.sleep(self.protocol.streamingSleepOnWait.get())
        self._close()

    def _is_idle(self, last_news: float) -> bool:
        """Whether the user has waited enough for inputs that nobody closes."""
        limit_s = self.protocol.endAfterIdle.get()
        self._ended_idle = bool(limit_s) and time.monotonic() - last_news >= limit_s
        return self._ended_idle

    def _work_on(self, ready: List[int]) -> int:
        """Work on micrographs, some at a time; how many could be."""
        n_worked = 0
        for first in range(0, len(ready), LARGEST_BATCH):
            micrographs = ready[first : first + LARGEST_BATCH]
            try:
                if not (self._model_is_known(ready) and self._scales_are_known(micrographs)):
                    break
                found = self.inputs.read(micrographs, self._attributes())
            except UnreadableSetError as error:
                self._say(str(error))
                break
            self._write(self._solved(found))
            n_worked += len(micrographs)
        return n_worked

    def _solved(self, found: BatchInput) -> Batch:
        """Find the consensus of a batch and put it on record."""
        given = {"ensemble": self.record.model} if self._is_probable else {}
        result = self._consensus(found.picks, **given)
        if result.ensemble is not None and self.record.model is None:
            self.record.keep_model(result.ensemble)  # where they were to be judged was no pick
        unmatched = found.picks.take(result.is_unmatched) if self.settings["unmatched"] else None
        batch = self.record.append(found.micrographs, found.n_read, result, found.ids, unmatched)
        self._done.update(found.micrographs)
        return batch

    def _consensus(self, picks: Picks, **given: Any) -> ConsensusResult:
        """Find the consensus of some picks, and tell what is odd about them."""
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
            self._say(str(warning.message))
        return result

    def _model_is_known(self, ready: List[int]) -> bool:
        """Judge the pickers before the first batch, if by probability; whether that can be, yet."""
        if not self._is_probable or self.record.model is not None:
            return True
        is_last = self.inputs.are_closed or self._ended_idle
        chosen = micrographs_to_fit(ready, is_last)
        if not (chosen and self._scales_are_known(chosen)):
            return False
        picks = self.inputs.read(chosen, self._attributes()).picks
        defocus = self._defocus(chosen)
        model = self._consensus(picks, micrograph_quality=defocus).ensemble
        if model is None:  # no pick
            return is_last
        self.record.keep_model(model)
        self.protocol.info(f"the pickers were judged on {len(chosen):,} micrographs")
        return True

    def _defocus(self, chosen: List[int]) -> Optional[NDArray[np.float64]]:
        """Mean defocus of some micrographs, angstrom; None where no CTF is given."""
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
        """Decide how the scores of pickers that are new are read; whether that can be, yet."""
        for number, picker in enumerate(self.inputs.pickers):
            is_new = picker.name not in self.record.scales
            has_come = is_new and any(picker.n_picks(one) for one in micrographs)
            if has_come and not self._decide(number):
                return False
        return True

    def _decide(self, number: int) -> bool:
        """From all scores of a picker that are there by now."""
        picker = self.inputs.pickers[number]
        present, options = picker.picks.attributes, self.settings["options"]
        asked = self.settings["score_attributes"][number]
        attribute = asked or next((one for one in SCORE_ATTRIBUTES if one in present), None)
        transform = transform_of(self.settings["score_transforms"][number], attribute)
        ends = np.array(picker.picks.score_range(attribute) or (), dtype=np.float64)
        nobody = np.zeros(len(ends), dtype=np.int64)
        scored = Picks.from_columns(
            nobody, nobody, nobody, nobody, ends, picker_names=[picker.name]
        )
        (transform,) = choose_transforms(scored, [transform])
        is_enough = picker.is_closed or len(picker.picks.spans) >= LEAST_RANKED
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

    def _write(self, batch: Batch) -> None:
        """Append a batch to the outputs."""
        self.totals.add(batch.result)
        for output in self._outputs():
            self._append(output, batch)
        n_done = len(self._done)
        self.protocol.info(
            f"micrographs {n_done - len(batch.micrographs) + 1:,} to {n_done:,}: "
            f"{len(batch.result):,} particles"
        )

    def _outputs(self) -> List[str]:
        return [PARTICLES, UNMATCHED] if self.settings["unmatched"] else [PARTICLES]

    def _append(self, output: str, batch: Batch) -> None:
        every = self.inputs.micrographs.names
        names = tuple(every[one] for one in batch.micrographs)
        table = MicrographTable("", tuple(batch.micrographs), names, 0.0)
        coordinates = self._opened(output)
        if output == PARTICLES:
            append_particles(coordinates, batch.result, table)
        elif batch.unmatched is not None:
            append_picks(coordinates, batch.unmatched, table)
        self._update(output, coordinates, Set.STREAM_OPEN)

    def _opened(self, output: str) -> SetOfCoordinates:
        """The output's set, to be appended to; a new one where there is none."""
        file = self._file(output)
        if not file.is_file():
            return self.protocol._newSet(SUFFIXES[output], self.settings["box_size_px"])
        coordinates = SetOfCoordinates(filename=str(file))
        coordinates.loadAllProperties()
        coordinates.setMicrographs(self.protocol.getInputMicrographsPointer())
        coordinates.enableAppend()
        return coordinates

    def _file(self, output: str) -> Path:
        return Path(self.protocol._getPath(f"coordinates{SUFFIXES[output]}.sqlite"))

    def _update(self, output: str, coordinates: SetOfCoordinates, state: int) -> None:
        """Write the set and tell Scipion of it."""
        is_new = not hasattr(self.protocol, output)
        if is_new and not len(coordinates) and state == Set.STREAM_OPEN:
            coordinates.close()  # those who wait for it would find no column in it
            self._file(output).unlink(missing_ok=True)
            return
        self.protocol._updateOutputSet(output, coordinates, state)
        if is_new:
            for pointer in self.protocol.inputCoordinates:
                self.protocol._defineSourceRelation(pointer, getattr(self.protocol, output))

    def _resume(self) -> None:
        """Bring the outputs to where the record is; they may be a batch behind it."""
        if self.record.is_new:
            self._forget()
            return
        self.protocol.info(f"going on after {len(self._done):,} micrographs")
        first = {output: self._n_written(output) for output in self._outputs()}
        for number, batch in enumerate(self.record.batches()):
            self.totals.add(batch.result)
            for output in self._outputs():
                if number >= first[output]:
                    self._append(output, batch)
        for output in self._outputs():
            if hasattr(self.protocol, output):  # closed by who saw the run stop
                self._update(output, self._opened(output), Set.STREAM_OPEN)

    def _forget(self) -> None:
        """Remove what a run with other values or inputs left."""
        for file in ("consensus.csv", "summary.csv", "summary.json", *ENSEMBLE_NAMES):
            Path(self.protocol._getExtraPath(file)).unlink(missing_ok=True)
        for output in SUFFIXES:
            self._file(output).unlink(missing_ok=True)
            if hasattr(self.protocol, output) and output not in self._outputs():
                self.protocol.deleteOutput(getattr(self.protocol, output))

    def _n_written(self, output: str) -> int:
        """How many batches an output holds; it is begun anew where that cannot be told."""
        counts = self.record.n_particles if output == PARTICLES else self.record.n_unmatched
        file = self._file(output)
        if file.is_file() and hasattr(self.protocol, output):
            sums = [0, *np.cumsum(counts).tolist()]
            n_items = count_items(str(file))
            if n_items in sums:
                return len(sums) - 1 - sums[::-1].index(n_items)
        file.unlink(missing_ok=True)
        return 0

    def _close(self) -> None:
        """Close the outputs; write tables and summary."""
        extra = self.protocol._getExtraPath
        if len(self.record):
            results = (batch.result for batch in self.record.batches())
            write_consensus_tables(extra("consensus.csv"), extra("summary.csv"), results)
        if self.record.model is not None:
            write_ensemble(extra(), self.record.model)
        for output in self._outputs():
            coordinates = self._opened(output)
            coordinates.setObjComment(proof(self.totals.n_unproven))
            self._update(output, coordinates, Set.STREAM_CLOSED)
        self._tell(is_closed=True)
        at_rest = [picker.picks.n_picks for picker in self.inputs.pickers]
        self.record.finish(json.dumps(at_rest), keep=self._may_grow)

    # ------------------------------------------------------------------- told

    def _say(self, message: str) -> None:
        """Warn of something, once."""
        self._told[message] += 1
        if self._told[message] == 1:
            self.protocol.warning(message)

    def _tell(self, is_closed: bool = False) -> None:
        """Keep the summary true."""
        options = self.settings["options"]
        facts = consensus_facts(
            self.totals,
            self.record.n_picks,
            is_whole=is_closed,
            num_particles=options["num_particles"],
            target_precision=options.get("target_precision"),
        )
        lines = facts["summary"]
        if not is_closed:
            waiting = [one for one in self.inputs.micrographs.names if one not in self._done]
            is_judged = not self._is_probable or self.record.model is not None
            lines.append(what_waits(self.inputs, waiting, 0 if is_judged else LEAST_FITTED))
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
                self._say(line[1:].strip())
        text = json.dumps({**facts, "summary": [line.lstrip("! ") for line in lines]})
        file = Path(self.protocol._summaryFile())
        if not file.is_file() or file.read_text("utf-8") != text:
            atomic_write(file, text)
