"""Picking by hand: what is clicked is added, and saved at once."""

from __future__ import annotations

import os
import tkinter as tk
from tkinter import messagebox, ttk
from typing import Any, Callable, List, Optional, Sequence

import numpy as np

from repic_plugin.formats import ADD, REMOVE, Edit, HandPicks, append_edit, read_edits
from repic_plugin.plots import BoxSet, OverlayModel
from repic_plugin.viewers.messages import sentence
from repic_plugin.viewers.overlay.keys import Key
from repic_plugin.viewers.overlay.panel import PAD
from repic_plugin.wording import counted

BY_HAND = "by hand"
SAVE = "Save as output"
SAVED_AT_ONCE = "Click: add. Shift click: remove.\nEach change is saved at once."
NOTHING_LEFT = "Nothing is picked, and an output cannot be empty: add a pick first."
FOLLOWED = "The changes were read again: another window has written some, or they were deleted."
NEAR = 0.25  # a click nearer to a pick than this part of the box means that pick
UNREADABLE = "No pick is added to a micrograph that cannot be read; picks on it can be removed."


class HandSession:
    """Changes of a set of picks, each in a journal before it is shown.

    Parameters
    ----------
    picks : HandPicks
    micrograph_ids : sequence of int
        In the order of the window.
    journal : str
        File of the changes.
    box_size_px : float
    save : callable
        Makes an output of the picks; returns the label of the run.
    """

    def __init__(
        self,
        picks: HandPicks,
        micrograph_ids: Sequence[int],
        journal: str,
        box_size_px: float,
        save: Callable[[], str],
    ) -> None:
        self.picks, self.journal, self.box_size_px = picks, journal, box_size_px
        self.save = save
        self._ids = list(micrograph_ids)
        self._places = {one: place for place, one in enumerate(self._ids)}
        self._n_bytes = _length(journal)

    def box_set(self) -> BoxSet:
        """The picks as they are now."""
        micrograph, x, y = self.picks.places().T
        places = np.array([self._places[one] for one in micrograph.tolist()], dtype=np.int64)
        return BoxSet(BY_HAND, places, x, y, self.box_size_px, "consensus")

    def add(self, place: int, x: float, y: float) -> bool:
        """Add a pick on a micrograph; whether there was none at this px."""
        center = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        return self._apply(self.picks.edit(ADD, (self._ids[place], *center)))

    def remove(self, place: int, x: float, y: float) -> bool:
        """Remove the pick at a place; whether there was one."""
        return self._apply(self.picks.edit(REMOVE, (self._ids[place], int(x), int(y))))

    def undo(self) -> Optional[int]:
        """Take the last change back; index of its micrograph, None if there was none."""
        if not self.picks.edits:
            return None
        edit = self.picks.edits[-1]
        append_edit(self.journal, edit, undo=True)
        self.picks.undo()
        self._n_bytes = _length(self.journal)
        return self._places[edit.place[0]]

    def follow(self) -> bool:
        """Take over what another window has written to the journal; whether it has.

        Raises
        ------
        ValueError, OSError
            If the journal cannot be read.
        """
        n_bytes = _length(self.journal)
        if n_bytes == self._n_bytes:
            return False
        self.picks.replay(read_edits(self.journal))
        self._n_bytes = n_bytes
        return True

    def _apply(self, edit: Edit) -> bool:
        if not self.picks.apply(edit):
            return False
        try:
            append_edit(self.journal, edit)
        except OSError:
            self.picks.undo()  # what is not on the disk is not shown
            raise
        self._n_bytes = _length(self.journal)
        return True


def _length(journal: str) -> int:
    """Number of bytes of a journal; 0 where there is none yet."""
    return os.path.getsize(journal) if os.path.exists(journal) else 0


class HandPanel(ttk.LabelFrame):
    """Counts, and buttons to undo and to save.

    Parameters
    ----------
    master : tkinter widget
    session : HandSession
    model : OverlayModel
        With the session's set.
    changed : callable
        Called after the picks have changed.

    Attributes
    ----------
    status : ttk.Label
    undo_button, save_button : ttk.Button
    """

    def __init__(
        self, master: Any, session: HandSession, model: OverlayModel, changed: Callable[[], None]
    ) -> None:
        super().__init__(master, text="By hand", padding=PAD)
        self._session, self._model, self._changed = session, model, changed
        ttk.Label(self, text=SAVED_AT_ONCE, justify=tk.LEFT, wraplength=210).pack(anchor=tk.W)
        self.status = ttk.Label(self, wraplength=210)
        self.status.pack(fill=tk.X)
        self.undo_button = ttk.Button(self, text="Undo (u)", command=self.undo, takefocus=False)
        self.save_button = ttk.Button(self, text=SAVE, command=self.save, takefocus=False)
        for button in (self.undo_button, self.save_button):
            button.pack(fill=tk.X, pady=(4, 0))
        self._tell()

    def keys(self) -> List[Key]:
        """Keys that are listed and bound."""
        return [
            Key("shift click", "remove a pick"),
            Key("u, Ctrl z", "undo the last change by hand", ("<u>", "<Control-z>"), self.undo),
        ]

    def clicked(self, x: float, y: float, shift: bool, *, can_add: bool = True) -> bool:
        """Add a pick, or remove one with the shift key; False for a click on a pick.

        Without `can_add` none is added, which is said.
        """
        self._follow()
        place, row = self._model.place, self._model.at(x, y, BY_HAND)
        one = self._session.box_set()
        if row is not None:
            at = float(np.asarray(one.x)[row]), float(np.asarray(one.y)[row])
        if shift:
            return row is not None and self._do(lambda: self._session.remove(place, *at))
        if row is not None and np.hypot(at[0] - x, at[1] - y) < NEAR * one.box_size_px:
            return False
        if not can_add:
            self._tell(UNREADABLE)
            return True
        return self._do(lambda: self._session.add(place, x, y))

    def undo(self) -> None:
        """Take the last change back, and show its micrograph."""

        def act() -> bool:
            place = self._session.undo()
            if place is not None:
                self._model.go_to(place)
            return place is not None

        self._follow()
        self._do(act)

    def save(self) -> None:
        """Make an output of the picks."""
        self._follow()
        if not len(self._session.picks):
            messagebox.showerror(SAVE, NOTHING_LEFT, parent=self.winfo_toplevel())
            return
        try:
            label = self._session.save()
        except Exception as error:  # Scipion raises arbitrary errors
            messagebox.showerror(SAVE, sentence(error), parent=self.winfo_toplevel())
            return
        self._tell(f'The run "{label}" writes them as its output.')

    def _do(self, act: Callable[[], bool]) -> bool:
        try:
            if not act():
                return False
        except (ValueError, OSError) as error:
            messagebox.showerror("By hand", str(error), parent=self.winfo_toplevel())
            return False
        self._model.replace(self._session.box_set())
        self._tell()
        self._changed()
        return True

    def _follow(self) -> None:
        """Show what another window has changed, so that no two windows show different picks."""
        if self._do(self._session.follow):
            self._tell(FOLLOWED)

    def _tell(self, text: str = "") -> None:
        picks = self._session.picks
        lines = [f"{counted(len(picks), 'pick')}, {len(picks.added()):,} by hand", text]
        self.status.configure(text="\n".join(filter(None, lines)))
        self.undo_button.state(["!disabled" if picks.edits else "disabled"])
