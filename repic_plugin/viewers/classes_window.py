"""A Scipion window to choose among 2D classes, beside plots of them."""

from __future__ import annotations

import tkinter as tk
from tkinter import messagebox, ttk
from typing import Any, Callable, List, Mapping, Tuple

import numpy as np
from matplotlib.figure import Figure
from pyworkflow.viewer import View

from repic_plugin.plots import ClassChoice, grey_tiles
from repic_plugin.viewers.class_gallery import TILE_PX, ClassGallery
from repic_plugin.viewers.figure_window import FigureWindow, when_seen
from repic_plugin.viewers.messages import sentence

AVERAGES = "averages"
PANEL_WIDTH_PX = 300
PAD = 8
CHUNK = 32  # averages that are read at a time
GOES_ON = (
    "Its particles can be the chosen ones of a consensus in mode probabilistic, which then learns "
    "from them what a particle is."
)
KEYS = (
    ("Click, space", "good or bad"),
    ("g, b", "good, bad"),
    ("Double click, Enter", "members"),
    ("Arrow keys, Home, End", "next class"),
    ("Wheel, Page Up, Down", "scroll"),
)

# From nothing to the choice and the averages of all classes, shape (n_classes, box, box).
OpenClasses = Callable[[], Tuple[ClassChoice, Any]]


class ClassesWindow(FigureWindow):
    """Averages to be marked as good or bad, and tabs with figures.

    Parameters
    ----------
    root : tkinter widget or None
    title : str
    open_classes : callable
        Called once the window is there; a ValueError or an OSError if there is nothing to show.
    open_members : callable
        From a window and the index of a class to the View of its members.
    create : callable
        From the numbers of classes and a label to the label of the run that was started with them;
        a ValueError is shown.
    pictures : mapping of str to callable
        As of `FigureWindow`.
    """

    def __init__(
        self,
        root: Any,
        title: str,
        *,
        open_classes: OpenClasses,
        open_members: Callable[[Any, int], View],
        create: Callable[[List[int], str], str],
        pictures: Mapping[str, Callable[[], Figure]],
    ) -> None:
        super().__init__(root, title, pictures)
        self._open_classes, self._open_members = open_classes, open_members
        self._create = create

    def show(self) -> None:
        """Open the window; the classes are read once it is seen."""
        super().show()
        self.page = ttk.Frame(self.tabs)
        self.tabs.insert(0, self.page, text=AVERAGES)
        self.tabs.select(0)
        when_seen(self.page, "Reading the classes ...", self._read_classes)

    def _draw(self, event: Any = None) -> None:
        if self.tabs.tab(self.tabs.select(), "text") != AVERAGES:
            super()._draw(event)
        elif hasattr(self, "gallery"):
            self.gallery.canvas.focus_set()

    # ---------------------------------------------------------------- reading

    def _read_classes(self, message: Any) -> None:
        """Show the classes in place of a message."""
        try:
            self.choice, self._averages = self._open_classes()
        except (ValueError, OSError) as error:
            message.configure(text=str(error))
            return
        n_averages, n_classes = len(self._averages), len(self.choice.sizes)
        if n_averages < n_classes:
            message.configure(
                text=f"There are {n_averages:,} averages, but {n_classes:,} classes in the table: "
                "one of the files is of another run or incomplete; run the classification again."
            )
            return
        if not len(self.choice.shown):
            message.configure(text="There are no classes with particles.")
            return
        message.destroy()
        self._add_panel()
        self.gallery = ClassGallery(
            self.page, self.choice, changed=self._show_choice, opened=self.show_members
        )
        self.gallery.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
        self.gallery.canvas.focus_set()
        self._show_choice()
        self._read_averages(0)

    def _read_averages(self, first: int) -> None:
        """Show some averages, and the others a moment later."""
        if not self.page.winfo_exists():
            return  # closed meanwhile
        shown = self.choice.shown
        some = shown[first : first + CHUNK]
        if not len(some):
            self.status.configure(text="")
            return
        self.status.configure(text=f"Reading averages: {first:,} of {len(shown):,}")
        try:
            images = np.asarray(self._averages[some], dtype=np.float32)
        except (ValueError, OSError) as error:
            self.status.configure(text=str(error))
            return
        self.gallery.show_tiles(some.tolist(), grey_tiles(images, TILE_PX))
        self.window.after(1, self._read_averages, first + CHUNK)

    # ---------------------------------------------------------------- widgets

    def _add_panel(self) -> None:
        panel = ttk.Frame(self.page, width=PANEL_WIDTH_PX, padding=PAD)
        panel.pack(side=tk.LEFT, fill=tk.Y)
        panel.pack_propagate(False)
        self._add_buttons(panel)  # first, so that they stay in view where there is little room
        if self.choice.scores is not None:
            self._add_threshold(panel)
        self.kept = _text(panel)
        self.kept.pack(anchor=tk.W, pady=(4, PAD))
        self.reset_button = _button(panel, "As judged automatically", self.reset)
        self.reset_button.pack(fill=tk.X)
        box = ttk.LabelFrame(panel, text="Class", padding=PAD)
        box.pack(fill=tk.X, pady=PAD)
        self.description = _text(box)
        self.description.pack(anchor=tk.W)
        _add_keys(panel)

    def _add_buttons(self, panel: Any) -> None:
        """Add the buttons that make sets of particles, and the line that tells of them."""
        self.rest_button = _button(
            panel, "Create particles of the rest", lambda: self.create_particles(False)
        )
        self.chosen_button = _button(
            panel, "Create particles of chosen classes", lambda: self.create_particles(True)
        )
        self.status = _text(panel)
        for widget in (self.rest_button, self.chosen_button, self.status):
            widget.pack(side=tk.BOTTOM, fill=tk.X, pady=(4, 0))

    def _add_threshold(self, panel: Any) -> None:
        """Add a slider for the minimum score."""
        ttk.Label(panel, text="Good above this score").pack(anchor=tk.W)
        self.slider = ttk.Scale(panel, from_=0.0, to=1.0, takefocus=False)
        self.slider.set(self.choice.least_good_score())  # without becoming the rule
        self.slider.configure(command=self._slid)
        self.slider.pack(fill=tk.X)

    # ---------------------------------------------------------------- actions

    def reset(self) -> None:
        """Return to the automatic judgement."""
        self.choice.reset()
        if self.choice.scores is not None:
            self.slider.configure(command="")
            self.slider.set(self.choice.least_good_score())
            self.slider.configure(command=self._slid)
        self.gallery.refresh()
        self._show_choice()

    def show_members(self, k: int) -> None:
        """Open a window with the members of a class."""
        self._open_members(self.window, k).show()

    def create_particles(self, good: bool) -> None:
        """Start a run with the particles of good classes, or of the rest."""
        try:
            label = self._create(self.choice.numbers(good), self.choice.label(good))
        except Exception as error:  # Scipion raises arbitrary errors
            messagebox.showerror("Particles", sentence(error), parent=self.window)
            return
        more = f" {GOES_ON}" if good else ""
        self.status.configure(text=f'The run "{label}" has been started.{more}')

    def _slid(self, value: str) -> None:
        self.choice.set_threshold(float(value))
        self.gallery.refresh()
        self._show_choice()

    def _show_choice(self) -> None:
        """Write what would be kept, and what is known of the current class."""
        self.kept.configure(text=self.choice.summary())
        self.description.configure(text="\n".join(self.choice.describe(self.choice.current)))
        for button, good in ((self.chosen_button, True), (self.rest_button, False)):
            button.state(["!disabled" if self.choice.n_particles(good) else "disabled"])


def _text(parent: Any) -> ttk.Label:
    """An empty label for text of several lines."""
    return ttk.Label(parent, wraplength=PANEL_WIDTH_PX - 4 * PAD, justify=tk.LEFT)


def _button(panel: Any, text: str, command: Callable[[], None]) -> ttk.Button:
    return ttk.Button(panel, text=text, command=command, takefocus=False)


def _add_keys(panel: Any) -> None:
    """Add what the mouse and the keys do."""
    box = ttk.LabelFrame(panel, text="Mouse and keys", padding=PAD)
    box.pack(fill=tk.X)
    for row, (keys, what) in enumerate(KEYS):
        ttk.Label(box, text=keys).grid(row=row, column=0, sticky=tk.W)
        ttk.Label(box, text=what).grid(row=row, column=1, sticky=tk.W, padx=(PAD, 0))
