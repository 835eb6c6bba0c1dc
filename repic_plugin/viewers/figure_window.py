"""A Scipion window with figures in tabs."""

from __future__ import annotations

import tkinter as tk
from contextlib import suppress
from functools import partial
from tkinter import ttk
from typing import Any, Callable, Dict, Mapping, Optional, Set

from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg, NavigationToolbar2Tk
from matplotlib.figure import Figure
from pyworkflow.viewer import View

from repic_plugin.viewers.view_button import MakeView, ViewButton

# Maximum fraction of the screen covered by a window.
MAX_FRACTION = 0.85
# Height of tabs and toolbar.
MARGIN_PX = 90
MESSAGE_WIDTH_PX = 600
FAILED = "This cannot be shown; the log has more."
SHOWN_AFTER_MS = 20  # after a widget was exposed, what Tk has drawn is on the screen


def open_window(root: Any, title: str) -> Any:
    """An empty window over most of the screen; a root window without `root`."""
    window = tk.Toplevel(root) if root is not None else tk.Tk()
    window.title(title)
    width, height = window.winfo_screenwidth(), window.winfo_screenheight()
    window.geometry(f"{int(width * MAX_FRACTION)}x{int(height * MAX_FRACTION)}")
    return window


def when_seen(frame: Any, text: str, act: Callable[[Any], None]) -> Any:
    """Show a message in an empty frame, and do something slow once the message is on the screen.

    Parameters
    ----------
    frame : tkinter widget
    text : str
    act : callable
        Called once with the label that shows the message, if the window is still open. The label
        shows an error that it does not catch, which goes to the log, too.

    Returns
    -------
    tkinter widget
        The label.
    """
    message = ttk.Label(frame, text=text, padding=20, wraplength=MESSAGE_WIDTH_PX)

    def begin(_event: Any) -> None:
        message.unbind("<Expose>")
        frame.after(SHOWN_AFTER_MS, go)

    def go() -> None:
        if not message.winfo_exists():
            return
        try:
            act(message)
        except Exception as error:
            with suppress(tk.TclError):  # closed meanwhile
                message.configure(text=f"{FAILED} {type(error).__name__}: {error}")
            raise

    message.bind("<Expose>", begin)
    message.pack()
    return message


def fit_to(figure: Figure, width_px: int, height_px: int) -> None:
    """Scale a figure to fit into some room, with its aspect ratio."""
    width, height = figure.get_size_inches()
    figure.set_dpi(min(width_px / width, height_px / height))


class FigureWindow(View):  # type: ignore[misc]
    """A window with a tab for each figure, which is drawn when it is first shown.

    Parameters
    ----------
    root : tkinter widget or None
        With None, the window is a root window.
    title : str
    pictures : mapping of str to callable
        From the name of a tab to a function that draws its figure.
    on_click : mapping of str to callable, optional
        From the name of a tab to a handler of matplotlib's click events on its figure. Clicks that
        zoom or pan the figure are not passed on.
    more : mapping of str to callable, optional
        From the text of a button to a function that creates its View, see `ViewButton`.
    """

    def __init__(
        self,
        root: Any,
        title: str,
        pictures: Mapping[str, Callable[[], Figure]],
        on_click: Optional[Mapping[str, Callable[[Any], None]]] = None,
        more: Optional[Mapping[str, MakeView]] = None,
    ) -> None:
        super().__init__()
        self._root = root
        self._title = title
        self.pictures = dict(pictures)
        self.on_click = dict(on_click or {})
        self._more = dict(more or {})
        self.figures: Dict[str, Figure] = {}
        self._begun: Set[str] = set()  # tabs that are drawn, or are about to be

    def show(self) -> None:
        """Open the window."""
        self.window = open_window(self._root, self._title)
        self.more_buttons = [ViewButton(self.window, *one) for one in self._more.items()]
        for button in self.more_buttons:
            button.pack(side=tk.BOTTOM, anchor=tk.E, padx=4, pady=4)
        self.tabs = ttk.Notebook(self.window)
        self.tabs.pack(fill=tk.BOTH, expand=True)
        for name in self.pictures:
            self.tabs.add(ttk.Frame(self.tabs), text=name)
        self.tabs.bind("<<NotebookTabChanged>>", self._draw)

    def _draw(self, _event: Any = None) -> None:
        """Draw the figure of the current tab, once it says so."""
        name = self.tabs.tab(self.tabs.select(), "text")
        if name in self._begun:
            return
        self._begun.add(name)
        frame = self.tabs.nametowidget(self.tabs.select())
        when_seen(frame, f"Drawing {name} ...", partial(self._draw_in, frame, name))

    def _draw_in(self, frame: Any, name: str, message: Any) -> None:
        """Draw a figure in the frame of its tab, in place of a message."""
        try:
            figure = self.pictures[name]()
        except (ValueError, OSError) as error:
            message.configure(text=str(error))
            return
        message.destroy()
        self.figures[name] = figure
        self._fit(figure)
        canvas = FigureCanvasTkAgg(figure, master=frame)
        toolbar = NavigationToolbar2Tk(canvas, frame)
        toolbar.update()
        if name in self.on_click:
            click = partial(self._clicked, self.on_click[name], toolbar)
            canvas.mpl_connect("button_press_event", click)
        canvas.get_tk_widget().pack(expand=True)  # not stretched, to preserve the aspect ratio
        canvas.draw_idle()

    @staticmethod
    def _clicked(take: Callable[[Any], None], toolbar: NavigationToolbar2Tk, event: Any) -> None:
        if not toolbar.mode:
            take(event)

    def _fit(self, figure: Figure) -> None:
        """Scale a figure to the window, with its aspect ratio."""
        self.window.update_idletasks()
        fit_to(figure, self.tabs.winfo_width(), self.tabs.winfo_height() - MARGIN_PX)
