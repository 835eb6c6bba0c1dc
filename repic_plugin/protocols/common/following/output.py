"""An output of a run that follows growing inputs: a set that grows batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Optional, Sequence

import numpy as np
from pyworkflow.object import Pointer, Set

from repic_plugin.convert import count_items, item_labels


class GrowingOutput:
    """A set in the run's folder, and its registration with Scipion.

    Parameters
    ----------
    protocol : Protocol
    name : str
        Of the output.
    file : str
    label : str
        Of the set.
    """

    SET_CLASS: ClassVar[Any] = Set

    def __init__(self, protocol: Any, name: str, file: str, label: str = "") -> None:
        self.protocol, self.name, self.label = protocol, name, label
        self._file = Path(file)

    @property
    def is_registered(self) -> bool:
        """Whether Scipion knows the output."""
        return hasattr(self.protocol, self.name)

    def update(self, state: int, comment: Optional[str] = None) -> None:
        """Set the state of the stream, and the comment if there is one."""
        items = self._opened()
        if comment is not None:
            items.setObjComment(comment)
        self._register(items, state)

    def remove(self, keep_name: bool) -> None:
        """Remove the set; its registration too, unless it is written again."""
        self._file.unlink(missing_ok=True)
        if self.is_registered and not keep_name:
            self.protocol.deleteOutput(getattr(self.protocol, self.name))

    def n_batches(self, counts: Sequence[int]) -> int:
        """Number of batches in the set, by their sizes; it is started again if it is unknown."""
        if self._file.is_file() and self.is_registered:
            sums = [0, *np.cumsum(counts).tolist()]
            n_items = count_items(str(self._file))
            if n_items in sums:
                return len(sums) - 1 - sums[::-1].index(n_items)
        self._file.unlink(missing_ok=True)
        return 0

    def _opened(self) -> Any:
        """The set, opened for appending; a new one if there is none, or none with an item."""
        if not (self._file.is_file() and item_labels(str(self._file))):
            self._file.unlink(missing_ok=True)  # Scipion writes nothing into that of an empty set
            return self._new()
        items = self.SET_CLASS(filename=str(self._file))
        items.loadAllProperties()
        self._link(items)
        items.enableAppend()
        return items

    def _register(self, items: Any, state: int) -> None:
        """Write the set and register it with Scipion."""
        is_new = not self.is_registered
        if is_new and not len(items) and state == Set.STREAM_OPEN:
            items.close()  # protocols that wait for it would find no columns
            self._file.unlink(missing_ok=True)
            return
        if self.label:
            items.setObjLabel(self.label)
        self.protocol._updateOutputSet(self.name, items, state)
        if is_new:
            for pointer in self._sources():
                self.protocol._defineSourceRelation(pointer, getattr(self.protocol, self.name))

    # ------------------------------------------------------ for the subclasses

    def _new(self) -> Any:
        """A new, empty set."""
        raise NotImplementedError

    def _link(self, items: Any) -> None:
        """Give a set its pointers, which its file does not hold."""
        raise NotImplementedError

    def _sources(self) -> Sequence[Pointer]:
        """Inputs that the set is made from."""
        raise NotImplementedError
