"""A classification that follows a growing set of particles."""

from __future__ import annotations

import json
import time
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence

import numpy as np

from repic_plugin.classification import Block, ClassStream, StreamState
from repic_plugin.convert import UnreadableSetError, read_particle_rows
from repic_plugin.formats import StreamFolder, atomic_write
from repic_plugin.protocols.classification.streaming.arrivals import Arrivals
from repic_plugin.protocols.classification.streaming.inputs import ParticleInputs
from repic_plugin.protocols.classification.streaming.publishing import Publisher
from repic_plugin.protocols.classification.streaming.settings import stream_settings
from repic_plugin.protocols.classification.streaming.summary import (
    METHODS,
    class_lines,
    facts_file,
    methods_text,
    uncorrected_lines,
    waiting_line,
    write_values,
)
from repic_plugin.protocols.common.following.follower import Follower
from repic_plugin.protocols.common.following.notes import input_remarks
from repic_plugin.protocols.common.following.record import text_of

STREAM, FINISHED, FIRST = "stream", "finished.json", "first_particle.txt"
LEAST_PER_CLASS = 20  # before the number of particles that classes wait for
NO_CTF = "none"
MINUTE = 60


class ClassRecord:
    """What is kept of a run: particles as they arrived, blocks of them, and the state.

    Parameters
    ----------
    folder : str
        Extra folder of the run.
    settings : str
        Settings on which the classes depend.
    inputs : str
        Number of particles of an input that is closed, and what depends on nothing else.
    """

    def __init__(self, folder: str, settings: str, inputs: str) -> None:
        self.stream = StreamFolder(Path(folder) / STREAM)
        self._finished, self._inputs = self.stream.folder / FINISHED, inputs
        self.is_new = self.stream.settings != settings
        self.is_finished = not self.is_new and text_of(self._finished) == inputs
        if self.is_new:
            self.stream.begin(settings)
        self.arrivals = Arrivals(str(self.stream.folder))
        self.done: Iterable[int] = ()  # blocks are counted instead

    def finish(self) -> None:
        """Record that all is done."""
        atomic_write(self._finished, self._inputs)

    def first_seen(self) -> Optional[float]:
        """Time at which the first particle was seen, in seconds since the epoch."""
        text = text_of(self.stream.folder / FIRST)
        return float(text) if text else None

    def see_first(self) -> None:
        """Take the present as the time at which the first particle was seen."""
        atomic_write(self.stream.folder / FIRST, repr(time.time()))


class ClassFollower(Follower):
    """Makes classes of the first particles, and assigns the others to them as they arrive.

    Parameters
    ----------
    protocol : ProtAckMeans2DStream
    values : dict
        Of `stream_values`.
    outputs : dict
        Of `output_values`.
    inputs : str
        As of `ClassRecord`.
    """

    def __init__(
        self, protocol: Any, values: Dict[str, Any], outputs: Dict[str, Any], inputs: str
    ) -> None:
        settings = json.dumps(values, sort_keys=True)
        record = ClassRecord(protocol._getExtraPath(), settings, inputs)
        super().__init__(protocol, ParticleInputs(protocol.inputParticles), record)
        self._values, self._outputs = values, outputs
        self._kept, self._arrivals = record.stream, record.arrivals
        self._stream: Optional[ClassStream] = None
        self.publisher = Publisher(protocol, record.stream, record.arrivals, outputs)
        self.inputs.n_done = self._n_done

    @property
    def _n_done(self) -> int:
        return 0 if self._kept.state is None else self._kept.state.n_seen

    # ------------------------------------------------------------------- work

    def _work_on(self, ready: Sequence[int]) -> int:
        before = self._n_done
        try:
            if self._is_due():
                self._take_arrivals()
        except UnreadableSetError as error:
            self._warn(str(error))
            return 0
        for block in self._blocks():
            self._keep(block)
        if self._is_last and not len(self._arrivals):
            raise ValueError("the set of particles is closed, and has none; see the run before")
        is_done = self._is_last and self._n_done == len(self._arrivals)
        return len(ready) if is_done else self._n_done - before

    def _is_due(self) -> bool:
        """Whether enough particles are there for the next block."""
        waiting = self.inputs.followed.n_items - self._n_done
        if waiting and self.record.first_seen() is None:
            self.record.see_first()
        wanted = self._wanted()
        return self._is_last or waiting >= wanted or self._may_start(waiting)

    def _wanted(self) -> int:
        """Particles of the next block."""
        name = "n_first" if self._kept.state is None else "n_per_block"
        return int(self._values[name])

    def _may_start(self, n_there: int) -> bool:
        """Whether classes are made of fewer particles than they wait for."""
        minutes, first = self.protocol.startAfter.get(), self.record.first_seen()
        if self._kept.state is not None or not minutes or first is None:
            return False
        is_late = time.time() - first >= minutes * MINUTE
        return is_late and n_there >= LEAST_PER_CLASS * self._values["n_classes"]

    def _take_arrivals(self) -> None:
        """Record the particles that are new in the set."""
        ids = self.inputs.followed.particles.ids()
        new = ids[~np.isin(ids, self._arrivals.ids)]
        if not len(new):
            return
        particles = self.protocol.inputParticles.get()
        has_ctf = self._values["classification"]["ctf_mode"] != NO_CTF
        rows = read_particle_rows(particles, has_ctf, new)
        self._arrivals.keep(rows, self.protocol.box_px(), particles.getSamplingRate())

    def _blocks(self) -> Iterable[Block]:
        """Blocks that can be processed."""
        images, ctf = self._arrivals.images, self._arrivals.ctf
        if images is None:
            return
        if self._stream is None:
            settings = stream_settings(self._values, images.box_px)
            self._stream = ClassStream(settings, self._kept.state)
        if self._may_start(len(images)):
            at_once = self._stream.advance(images, ctf, now=True, n_threads=self._n_threads)
            yield from islice(at_once, 1)
        yield from self._stream.advance(images, ctf, now=self._is_last, n_threads=self._n_threads)

    @property
    def _n_threads(self) -> int:
        return max(int(self.protocol.numberOfThreads.get()), 1)

    def _keep(self, block: Block) -> None:
        state = self._state()
        self._kept.keep(block, state)
        self.inputs.n_done = self._n_done
        n_new = 0 if block.new is None else len(block.new.n_averaged)
        more = f", {n_new} of them new" if n_new else ""
        self.protocol.info(
            f"particles {block.rows[0] + 1:,} to {block.rows[-1] + 1:,} in {len(state)} classes"
            f"{more}"
        )
        if self.publisher.is_time():  # of many batches at once not each is shown
            self._interim()
            self._write_facts()

    def _state(self) -> StreamState:
        """The state after the last block."""
        if self._stream is None or self._stream.state is None:
            raise ValueError("there are no classes yet")
        return self._stream.state

    # ---------------------------------------------------------------- outputs

    def _interim(self) -> None:
        self._is_caught_up()

    def _is_caught_up(self) -> bool:
        try:
            return self.publisher.catch_up()
        except UnreadableSetError as error:
            self._warn(str(error))
            return False

    def _conclude(self) -> bool:
        """Classify all again if that is asked for; whether the outputs hold all there is."""
        if not self._is_caught_up():
            return False
        if self._outputs["full_pass"] and self._kept.n_passed < self._n_done:
            self._pass_again()
        return True

    def _pass_again(self) -> None:
        self._tell(["Classifying all particles again."])
        images, ctf = self._arrivals.images, self._arrivals.ctf
        stream = ClassStream(
            stream_settings(self._values, self.protocol.box_px()), self._kept.state
        )
        self._stream = stream
        blocks = stream.full_pass(images, ctf, n_threads=self._n_threads)
        self._kept.replace(blocks, self._state)

    def _resume(self) -> None:
        self.inputs.look()
        self.publisher.resume()

    def _forget(self) -> None:
        self.publisher.forget()

    def _so_far(self) -> str:
        return f"{self._n_done:,} particles"

    # ---------------------------------------------------------------- remarks

    def _write_facts(self, is_closed: bool = False) -> None:
        state = self._kept.state
        lines = [] if is_closed else [self._waiting_line()]
        if state is not None:
            is_good = self.publisher.is_good(state)
            lines += class_lines(state, is_good, self._outputs["selection"])
            asked = self._values["classification"]["ctf_mode"]
            lines += uncorrected_lines(asked, state.references.ctf_mode)
        idle_s = self.protocol.endAfterIdle.get() if self._ended_idle else None
        lines += input_remarks(self.inputs, idle_s)
        if is_closed:
            lines += self.publisher.changed_lines()
        self._tell(lines)
        if state is not None:
            write_values(self.protocol, state)
            self.publisher.draw(state)
        n_there, n_first = self.inputs.followed.n_items, self._values["n_first"]
        self.publisher.write_page(lines, n_there, n_first, is_open=not is_closed)

    def _tell(self, lines: List[str]) -> None:
        text = json.dumps([line.lstrip("! ") for line in lines])
        self._say(facts_file(self.protocol), text, lines)

    def _waiting_line(self) -> str:
        n_there, wanted = self.inputs.followed.n_items, self._values["n_first"]
        minutes = self.protocol.startAfter.get()
        return waiting_line(self._n_done, n_there, wanted, minutes, LEAST_PER_CLASS)

    def _close(self) -> None:
        self.publisher.close()
        if self._kept.state is not None:
            text = methods_text(self._kept.state, self._kept.n_passes)
            atomic_write(self.protocol._getExtraPath(METHODS), text)
        self._write_facts(is_closed=True)
        self.record.finish()
