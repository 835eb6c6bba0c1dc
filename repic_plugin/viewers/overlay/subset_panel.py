"""A pattern of pickers, and the button that makes a set of the boxes shown."""

from __future__ import annotations

import tkinter as tk
from tkinter import messagebox, ttk
from typing import Any, Callable, Dict, Optional, Sequence

import numpy as np

from repic_plugin.plots import OverlayModel
from repic_plugin.viewers.messages import sentence
from repic_plugin.viewers.overlay.panel import PAD

PATTERN = "Found by (A, not B):"
CREATE = "Create subset"
MAX_LABEL = 90  # characters of a run's label; its comment has all

# file of the set, ids, label and comment; returns the label of the run
CreateSubset = Callable[[str, Sequence[int], str, str], str]


class SubsetPanel(ttk.LabelFrame):
    """Choice or entry of a pattern, and the button.

    Parameters
    ----------
    master : tkinter widget
    model : OverlayModel
        With a set.
    changed : callable
        Called after what is hidden has changed.
    create : callable, optional
        See `CreateSubset`; without it there is no button.

    Attributes
    ----------
    pattern : ttk.Combobox
        Suggests each picker, and each without another.
    status : ttk.Label
    button : ttk.Button
    """

    def __init__(
        self,
        master: Any,
        model: OverlayModel,
        changed: Callable[[], None],
        create: Optional[CreateSubset],
    ) -> None:
        super().__init__(master, text="Subset", padding=PAD)
        self._model, self._changed, self._create = model, changed, create
        ttk.Label(self, text=PATTERN).pack(anchor=tk.W)
        self.pattern = ttk.Combobox(self, takefocus=False, postcommand=self._suggest)
        self.pattern.pack(fill=tk.X)
        self.pattern.bind("<<ComboboxSelected>>", self._entered)
        for sequence in ("<Return>", "<KP_Enter>"):
            self.pattern.bind(sequence, self._entered)
        self.status = ttk.Label(self, wraplength=210)
        self.button = ttk.Button(self, text=CREATE, command=self.create, takefocus=False)
        if create is not None:
            self.button.pack(fill=tk.X, pady=(4, 0))
        self._patterns: Dict[str, str] = {}  # by the name of the set

    def show_set(self) -> None:
        """Show the pattern of the active set."""
        self.pattern.delete(0, tk.END)
        self.pattern.insert(0, self._patterns.get(self._model.selection.active or "", ""))
        self._tell("")

    def tell(self) -> None:
        """Let the button be pressed where something is hidden, and something is shown."""
        n, n_all = self._model.n_kept()[1], self._model.n_all()[1]
        self.button.state(["!disabled" if 0 < n < n_all else "disabled"])

    def create(self) -> None:
        """Make a set of the boxes shown of the active set, on all micrographs."""
        model, name = self._model, self._model.selection.active
        if self._create is None or name is None:
            return
        one = next(one for one in model.sets if one.name == name)
        what, rows = model.selection.sentence(name), model.kept(name)
        label = f"{name}: {what}"
        label = label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 3]}..."
        comment = f"{len(rows):,} of {len(np.asarray(one.x)):,} of {name}: {what}"
        try:
            run = self._create(one.source, np.asarray(one.ids)[rows].tolist(), label, comment)
        except Exception as error:  # Scipion raises arbitrary errors
            messagebox.showerror(CREATE, sentence(error), parent=self.winfo_toplevel())
            return
        self._tell(f'The run "{run}" has been started.')

    def _suggest(self) -> None:
        names = self._model.picker_names()
        pairs = [f"{one}, not {other}" for one in names for other in names if one != other]
        self.pattern.configure(values=["", *names, *pairs])

    def _entered(self, _event: Any = None) -> None:
        text = self.pattern.get()
        try:
            self._model.show_pattern(text)
        except ValueError as error:
            self._tell(sentence(error))
            return
        self._patterns[self._model.selection.active or ""] = text
        self._tell("")
        self.winfo_toplevel().focus_set()  # the keys act again
        self._changed()

    def _tell(self, text: str) -> None:
        self.status.configure(text=text)
        self.status.pack_forget()
        if text:
            self.status.pack(fill=tk.X)
