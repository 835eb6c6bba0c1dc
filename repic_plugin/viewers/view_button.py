"""A button that opens another view."""

from __future__ import annotations

from tkinter import messagebox, ttk
from typing import Any, Callable, Optional

from pyworkflow.viewer import View

from repic_plugin.viewers.messages import sentence

MakeView = Callable[[Any], View]


class ViewButton(ttk.Button):
    """Button that opens a view, or reports why it cannot.

    Parameters
    ----------
    master : tkinter widget
    text : str
    make_view : callable
        From the window to the view; a ValueError or an OSError if there is nothing to show.

    Attributes
    ----------
    view : View or None
        The view that was opened last.
    """

    def __init__(self, master: Any, text: str, make_view: MakeView) -> None:
        super().__init__(master, text=text, command=self._open, takefocus=False)
        self._make_view = make_view
        self.view: Optional[View] = None

    def _open(self) -> None:
        window = self.winfo_toplevel()
        try:
            self.view = self._make_view(window)
            self.view.show()
        except Exception as error:  # Scipion raises arbitrary errors
            messagebox.showerror(self.cget("text"), sentence(error), parent=window)
