"""Details of a zoomed micrograph, read while the window goes on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.plots import Detail, OverlayPicture

SETTLED_MS = 120  # a view that has stayed the same for so long is read
LOOK_MS = 15  # between two looks at whether it has been read

Reading = Tuple[Detail, "Future[NDArray[np.float32]]"]


class DetailReader:
    """Reads what is missing in a picture whenever it has been drawn.

    Parts are read in a thread, one at a time; one that is no longer in view when it has been read
    is dropped.

    Parameters
    ----------
    widget : tkinter widget
        Whose end ends the reading.
    canvas : FigureCanvasTkAgg
        Of the picture.
    picture : OverlayPicture
    told : callable
        Called with what is wrong with a part, or with an empty text where it could be read.
    """

    def __init__(
        self, widget: Any, canvas: Any, picture: OverlayPicture, told: Callable[[str], None]
    ) -> None:
        self._widget, self._canvas, self._picture, self._told = widget, canvas, picture, told
        self._threads = ThreadPoolExecutor(1)
        self._timer: Optional[str] = None
        self._reading: Optional[Reading] = None
        self._unreadable: Optional[Detail] = None
        canvas.mpl_connect("draw_event", self._drawn)
        widget.bind("<Destroy>", self._end, add="+")

    def forget(self) -> None:
        """Try a part again that could not be read."""
        self._unreadable = None

    def _drawn(self, _event: Any = None) -> None:
        """Wait until the view has settled; a reading in progress looks at it when it ends."""
        if self._reading is None:
            self._after(SETTLED_MS, self._start)

    def _start(self) -> None:
        missing = self._picture.missing_detail()
        if missing is not None and missing != self._unreadable:
            read = self._threads.submit(missing.read, self._picture.open_image)
            self._reading = missing, read
            self._after(LOOK_MS, self._look)

    def _look(self) -> None:
        if self._reading is None:
            return
        detail, read = self._reading
        if not read.done():
            self._after(LOOK_MS, self._look)
            return
        self._reading = None
        if detail == self._picture.missing_detail():
            self._show(detail, read)
        else:
            self._drawn()

    def _show(self, detail: Detail, read: Future[NDArray[np.float32]]) -> None:
        """Show what was read, or say why it was not."""
        try:
            self._picture.show_detail(detail, read.result())
        except (ValueError, OSError) as error:
            self._unreadable = detail
            self._told(str(error))
            return
        self._unreadable = None
        self._told("")
        self._canvas.draw_idle()

    def _after(self, ms: int, act: Callable[[], None]) -> None:
        """Set the one timer."""
        if self._timer is not None:
            self._widget.after_cancel(self._timer)
        self._timer = self._widget.after(ms, act)

    def _end(self, event: Any) -> None:
        if event.widget is self._widget:
            if self._timer is not None:
                self._widget.after_cancel(self._timer)
            self._threads.shutdown(wait=False)
