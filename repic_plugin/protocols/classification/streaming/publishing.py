"""What others see of a classification in a stream: sets, averages, files, and the page."""

from __future__ import annotations

import os
import time
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from pyworkflow.object import Set

from repic_plugin.classification import CtfParameters, StreamState
from repic_plugin.convert import (
    ClassMembers,
    ClassSummary,
    append_classes,
    item_ids,
    read_item_columns,
    transform_matrices,
)
from repic_plugin.formats import (
    ClassScores,
    StreamedParticles,
    StreamFolder,
    read_particles,
    write_classes_of_stream,
    write_particles_star,
    write_streamed_files,
)
from repic_plugin.protocols.classification.settings import good_classes
from repic_plugin.protocols.classification.streaming.arrivals import Arrivals
from repic_plugin.protocols.classification.streaming.outputs import (
    GOOD,
    REJECTED,
    ChosenParticles,
    StreamAverages,
)
from repic_plugin.protocols.classification.streaming.page import History, PickerCounts, write_page
from repic_plugin.protocols.classification.streaming.summary import changed_lines, disabled_lines
from repic_plugin.protocols.classification.subsets import CLASSES

AVERAGES_FILE, MONTAGE = "class_averages.mrcs", "classes.png"
REDRAWN_S = 15  # a picture takes a second, a batch may take two


class Publisher:
    """Brings the outputs up to date with the record.

    Parameters
    ----------
    protocol : ProtAckMeans2DStream
    kept : StreamFolder
    arrivals : Arrivals
    outputs : dict
        Of `output_values`.
    """

    def __init__(
        self, protocol: Any, kept: StreamFolder, arrivals: Arrivals, outputs: Dict[str, Any]
    ) -> None:
        self.protocol, self._kept, self._arrivals = protocol, kept, arrivals
        self._selection, self._shift_order = outputs["selection"], outputs["shift_order"]
        self._sets = {name: ChosenParticles(protocol, name) for name in (GOOD, REJECTED)}
        self._averages = StreamAverages(protocol)
        self._n_shown = 0  # blocks
        self._labels = np.zeros(0, np.int64)  # of what is shown
        self._history, self._pickers = History(kept.folder), PickerCounts()
        self._drawn: Optional[StreamState] = None
        self._drawn_at = -np.inf

    @cached_property
    def folder(self) -> Path:
        """Where the files of the classes are."""
        return Path(self.protocol.classes_folder())

    def is_good(self, state: StreamState) -> NDArray[np.bool_]:
        """Whether each class is good, by the rule of the form; shape (k,)."""
        return good_classes(state, self._selection)

    def catch_up(self) -> bool:
        """Show what is on record and not in the outputs; whether these hold all of it.

        Raises
        ------
        UnreadableSetError
            If the file of the input cannot be read at present.
        """
        state = self._kept.state
        if state is None or self._n_shown == self._kept.n_blocks:
            return True
        good = self.is_good(state)
        while self._n_shown < self._kept.n_blocks:
            block = self._kept.read(self._n_shown)
            for some in filter(None, (block.particles, block.moved)):
                self._append(some, good)
            self._n_shown += 1
        self._show_classes(state)
        return True

    def is_time(self) -> bool:
        """Whether pictures were last drawn long ago."""
        return time.monotonic() - self._drawn_at >= REDRAWN_S

    def _append(self, some: StreamedParticles, good: NDArray[np.bool_]) -> None:
        n_known = int(some.rows.max(initial=-1)) + 1
        more = np.full(max(n_known - len(self._labels), 0), -1)
        self._labels = np.append(self._labels, more)
        self._labels[some.rows] = some.labels
        for name, chosen in self._parts(some, good).items():
            if chosen.any():
                self._sets[name].append(self._members(some, chosen))

    def _parts(
        self, some: StreamedParticles, good: NDArray[np.bool_]
    ) -> Dict[str, NDArray[np.bool_]]:
        """Which particles go to which output; empty images to none."""
        there = some.labels >= 0
        is_good = there & good[np.maximum(some.labels, 0)]
        return {GOOD: is_good, REJECTED: there & ~is_good}

    def _members(self, some: StreamedParticles, chosen: NDArray[np.bool_]) -> ClassMembers:
        chosen = np.flatnonzero(chosen)
        chosen = chosen[self._are_there(self._arrivals.ids[some.rows[chosen]])]
        labels, state = some.labels[chosen], self._kept.state
        poses = (values[chosen] for values in (some.rotation_deg, some.shift_px, some.mirror))
        probability = None
        if state is not None:
            probability = state.quality(labels, some.fit[chosen]).member_probability
        return ClassMembers(
            self._arrivals.ids[some.rows[chosen]],
            labels + 1,
            transform_matrices(*poses, self._shift_order),
            some.dissimilarity[chosen],
            probability,
        )

    def _input_file(self) -> str:
        return str(self.protocol.inputParticles.get().getFileName())

    def _are_there(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether particles are still in the input."""
        if not len(ids):
            return np.zeros(0, np.bool_)
        return np.isin(ids, item_ids(self._input_file(), int(ids.min()), int(ids.max())))

    def _show_classes(self, state: StreamState, explained: Any = None) -> ClassSummary:
        """Write averages, tables and montage of the classes as they are."""
        self.folder.mkdir(exist_ok=True)
        if explained is None:
            explained = np.zeros(len(state))
        write_classes_of_stream(self.folder, state, explained)
        scores = ClassScores(*state.scores, particle_probability=np.zeros(0))
        file = str(self.folder / AVERAGES_FILE)
        summary = ClassSummary(file, state.sizes, explained, state.is_junk, scores)
        self._averages.write(summary)
        return summary

    def draw(self, state: StreamState) -> None:
        """Draw the montage of the averages, if these have changed."""
        if self._drawn is state:
            return
        self._drawn, self._drawn_at = state, time.monotonic()
        from repic_plugin.plots import montage_figure  # noqa: PLC0415  matplotlib takes a second

        figure = montage_figure(
            state.references.averages,
            state.sizes,
            flagged=~self.is_good(state),
            scores=state.scores.score,
            pixel_size_angstrom=state.references.sizes.pixel_size_angstrom,
        )
        unfinished = self.folder / f".{MONTAGE}"
        figure.savefig(unfinished, format="png")
        os.replace(unfinished, self.folder / MONTAGE)

    # ----------------------------------------------------------- begin and end

    def forget(self) -> None:
        """Remove the outputs of a run with other values."""
        for one in (*self._sets.values(), self._averages):
            one.remove(keep_name=True)

    def resume(self) -> None:
        """Make the outputs those of the record, which may be ahead of them."""
        if self._kept.state is None:
            return
        found = self._kept.particles()
        self._make_equal(found, has_changed=self._kept.n_passes > 0)
        self._labels = found.labels
        self._show_classes(self._kept.state, found.explained)
        self._n_shown = self._kept.n_blocks

    def _make_equal(self, found: StreamedParticles, has_changed: bool) -> None:
        state = self._kept.state
        if state is None:
            return
        for name, chosen in self._parts(found, self.is_good(state)).items():
            self._sets[name].make_equal(self._members(found, chosen), has_changed)

    def close(self) -> None:
        """Write the classes with their members, and close all outputs."""
        protocol, state = self.protocol, self._kept.state
        if state is None:
            return
        found = self._kept.particles()
        self._labels = found.labels
        self._make_equal(found, has_changed=self._kept.n_passes > 0)
        summary = self._show_classes(state, found.explained)
        self._write_files(found, state)
        there = found.labels >= 0
        classes = protocol._createSetOfClasses2D(protocol.inputParticles)
        append_classes(classes, protocol.inputParticles.get(), self._members(found, there), summary)
        protocol._defineOutputs(**{CLASSES: classes})
        protocol._defineSourceRelation(protocol.inputParticles, classes)
        for one in self._sets.values():
            one.close()
        self._averages.update(Set.STREAM_CLOSED)

    def _write_files(self, found: StreamedParticles, state: StreamState) -> None:
        """The files of the command."""
        arrivals, sizes = self._arrivals, state.references.sizes
        ctf: Optional[CtfParameters] = arrivals.ctf
        star = self.protocol._getExtraPath("particles.star")
        flipped = bool(self.protocol.inputParticles.get().isPhaseFlipped())
        pixel_size = sizes.pixel_size_angstrom
        write_particles_star(star, arrivals.names(), pixel_size, sizes.box_px, ctf, flipped)
        write_streamed_files(self.folder, read_particles(star), found, state)

    def changed_lines(self) -> List[str]:
        """What has changed of particles since they were classified, as warnings."""
        arrivals, images = self._arrivals, self._arrivals.images
        if images is None:
            return []
        file, known = self._input_file(), set(arrivals.ids.tolist())
        rows = read_item_columns(file, ["id", "_index", "_filename"])
        now = {int(i): (int(index or 1), str(file)) for i, index, file in rows}
        then = zip(arrivals.ids.tolist(), images.index.tolist(), images.stack.tolist())
        n_gone = int((~self._are_there(arrivals.ids)).sum())
        n_moved = sum(
            i in now and now[i] != (index + 1, images.paths[stack])
            for i, index, stack in then
            if not arrivals.is_converted(stack)
        )
        enabled = {one for (one,) in read_item_columns(file, ["id"], only_enabled=True)}
        disabled = now.keys() - enabled
        n_after = len(disabled & known)
        return [*disabled_lines(len(disabled) - n_after, n_after), *changed_lines(n_gone, n_moved)]

    def write_page(
        self, lines: Sequence[str], n_there: int, n_to_start: int, is_open: bool
    ) -> None:
        """Write the page that a browser can show during the session.

        Parameters
        ----------
        lines : sequence of str
            Of the summary.
        n_there, n_to_start : int
            Particles in the input, and that classes wait for.
        is_open : bool
            Whether the run goes on.
        """
        state, pickers = self._kept.state, None
        is_good = np.zeros(0, np.bool_) if state is None else self.is_good(state)
        if state is not None:
            self._pickers.look(self._arrivals.found_by)
            pickers = self._pickers.by_class(self._labels, len(state))
        self._history.add(n_there, 0 if state is None else int(state.sizes[is_good].sum()))
        write_page(
            self.protocol,
            state,
            is_good,
            is_open=is_open,
            n_there=n_there,
            n_to_start=n_to_start,
            history=self._history.shown(),
            pickers=pickers,
            lines=lines,
        )
