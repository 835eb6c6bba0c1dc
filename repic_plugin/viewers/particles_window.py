"""A Scipion window with extracted particles, a page for each micrograph or part of it."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk
from typing import Any, Callable, Tuple

from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg
from numpy.typing import NDArray
from pyworkflow.viewer import View

from repic_plugin.plots import ParticlePage, ParticlePages, members_figure
from repic_plugin.viewers.figure_window import fit_to, open_window, when_seen

PAD = 8
NAME_LETTERS = 40
OpenPages = Callable[[], Tuple[ParticlePages, Callable[[int], str]]]
ReadPage = Callable[[ParticlePage], NDArray[Any]]


class ParticlesWindow(View):  # type: ignore[misc]
    """Particles as a montage, by micrograph, with paging.

    Parameters
    ----------
    root : tkinter widget or None
        With None, the window is a root window.
    title : str
    open_pages : callable
        Called once the window is seen: the pages, and the name of a micrograph by its index. A
        ValueError or an OSError if there is nothing to show.
    read : callable
        From a page to its images, shape (n, box, box); a ValueError or an OSError is shown.
    """

    def __init__(self, root: Any, title: str, *, open_pages: OpenPages, read: ReadPage) -> None:
        super().__init__()
        self._root, self._title = root, title
        self._open_pages, self._read = open_pages, read

    def show(self) -> None:
        """Open the window; the particles are read once it is seen."""
        self.window = open_window(self._root, self._title)
        self.body = ttk.Frame(self.window)
        self.body.pack(fill=tk.BOTH, expand=True)
        self.message = when_seen(self.body, "Looking for the particles ...", self._begin)

    def _begin(self, message: Any) -> None:
        try:
            self.pages, name_of = self._open_pages()
        except (ValueError, OSError) as error:
            message.configure(text=str(error))
            return
        self._add_bar(name_of)
        self.window.bind("<Left>", lambda _event: self.step(-1))
        self.window.bind("<Right>", lambda _event: self.step(1))
        self._show_page()

    def _add_bar(self, name_of: Callable[[int], str]) -> None:
        """Add the chooser of micrographs, and buttons for the pages."""
        bar = ttk.Frame(self.window, padding=PAD)
        bar.pack(side=tk.TOP, fill=tk.X, before=self.body)
        names = [name_of(number) for number in self.pages.micrographs]
        self.chooser = ttk.Combobox(bar, values=names, state="readonly", width=NAME_LETTERS)
        self.chooser.bind("<<ComboboxSelected>>", self._chosen)
        self.previous_button = ttk.Button(bar, text="Previous", command=lambda: self.step(-1))
        self.next_button = ttk.Button(bar, text="Next", command=lambda: self.step(1))
        self.where = ttk.Label(bar)
        for widget in (self.chooser, self.previous_button, self.next_button, self.where):
            widget.pack(side=tk.LEFT, padx=(0, PAD))
        ttk.Label(bar, text="Left and right arrow keys: previous and next page").pack(side=tk.RIGHT)

    # ---------------------------------------------------------------- actions

    def step(self, by: int) -> None:
        """Show another page, if there is one."""
        if self.pages.step(by):
            self._show_page()

    def _chosen(self, _event: Any) -> None:
        self.pages.go_to(self.pages.micrographs[self.chooser.current()])
        self.chooser.selection_clear()
        self.window.focus_set()
        self._show_page()

    def _show_page(self) -> None:
        pages = self.pages
        self.chooser.current(pages.micrographs.index(pages.page.micrograph))
        self.where.configure(text=pages.where())
        ends = ((self.previous_button, 0), (self.next_button, len(pages.pages) - 1))
        for button, end in ends:
            button.state(["disabled" if pages.place == end else "!disabled"])
        for widget in self.body.winfo_children():
            widget.destroy()
        try:
            figure = members_figure(self._read(pages.page), title=pages.title())
        except (ValueError, OSError) as error:
            ttk.Label(self.body, text=str(error), padding=20, wraplength=600).pack()
            return
        self.window.update_idletasks()
        fit_to(figure, self.body.winfo_width(), self.body.winfo_height())
        self.canvas = FigureCanvasTkAgg(figure, master=self.body)
        self.canvas.get_tk_widget().pack(expand=True)
        self.canvas.draw_idle()
