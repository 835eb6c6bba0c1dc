"""Averages of 2D classes side by side, to look through and to mark."""

from __future__ import annotations

import tkinter as tk
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any, Callable, Dict, Iterable, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.plots import BLUE, JUNK_COLOR, ClassChoice
from repic_plugin.viewers.photo import grey_photo

TILE_PX = 128
FRAME_PX, PAD_PX, GAP_PX = 4, 5, 6
TEXT_POINTS, BADGE_POINTS = 9, 8
GOOD_COLOR, BAD_COLOR, CURRENT_COLOR, NO_PICTURE = BLUE, JUNK_COLOR, "#cfe3f2", "#c8c8c8"
TEXT_COLOR, BAD_TEXT_COLOR = "black", "#595959"
MEASURED = 50  # captions
FADED = 0.4  # contrast of a bad class, of that of a good one


class ClassGallery(ttk.Frame):
    """Scrolled averages with number, size, resolution and score below each.

    Parameters
    ----------
    master : tkinter widget
    choice : ClassChoice
        With one class or more.
    changed : callable
        Called after a mark has changed, or another class has become the current one.
    opened : callable
        Called with the index of a class whose members are to be shown.

    Attributes
    ----------
    canvas : tkinter Canvas
        Takes the keys.
    """

    def __init__(
        self,
        master: Any,
        choice: ClassChoice,
        *,
        changed: Callable[[], None],
        opened: Callable[[int], None],
    ) -> None:
        super().__init__(master)
        self.choice = choice
        self._changed, self._opened = changed, opened
        self._tiles: Dict[int, NDArray[np.uint8]] = {}
        self._photos: Dict[int, tk.PhotoImage] = {}  # Tk shows only those that are kept
        self._drawn: Dict[int, bool] = {}
        self.canvas = tk.Canvas(self, background="white", highlightthickness=0, takefocus=True)
        scrollbar = ttk.Scrollbar(self, command=self.canvas.yview)
        self.canvas.configure(yscrollcommand=scrollbar.set)
        scrollbar.pack(side=tk.RIGHT, fill=tk.Y)
        self.canvas.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
        self._font = tkfont.Font(self, font="TkDefaultFont")
        self._font.configure(size=TEXT_POINTS)
        self._badge_font = tkfont.Font(self, font=self._font)
        self._badge_font.configure(size=BADGE_POINTS)
        self._cell = self._cell_px()
        self._columns, self._left = 0, GAP_PX  # until it is laid out
        self._draw_cells()
        self._bind()
        self.refresh()

    # ------------------------------------------------------------ the picture

    def show_tiles(self, classes: Iterable[int], tiles: NDArray[np.uint8]) -> None:
        """Show averages of some classes, TILE_PX wide and high."""
        for k, tile in zip(classes, tiles):
            self._tiles[k] = tile
            self._drawn.pop(k, None)
        self.refresh()

    def refresh(self) -> None:
        """Show the current state of the choice."""
        good = self.choice.is_good()
        for k in self.choice.shown.tolist():
            if self._drawn.get(k) != good[k]:
                self._drawn[k] = bool(good[k])
                self._draw_state(k)
        self._draw_current()

    def _cell_px(self) -> Tuple[int, int]:
        """Width and height of a cell, wide enough for every caption."""
        captions = {line for k in self.choice.shown for line in self.choice.caption(k)}
        longest = sorted(captions, key=len)[-MEASURED:]  # all would take a second
        widest = max(map(self._font.measure, longest), default=0)
        height = TILE_PX + 2 * FRAME_PX + 2 * self._font.metrics("linespace")
        return max(TILE_PX + 2 * FRAME_PX, widest) + 2 * PAD_PX, height + 3 * PAD_PX

    def _draw_cells(self) -> None:
        """Everything at its place in the first cell; `_lay_out` moves it."""
        self.canvas.create_rectangle(0, 0, *self._cell, fill=CURRENT_COLOR, width=0, tags="marker")
        middle, half = self._cell[0] // 2, TILE_PX // 2 + FRAME_PX
        top = PAD_PX + FRAME_PX
        for k in self.choice.shown.tolist():
            cell, draw = f"class{k}", self.canvas
            draw.create_rectangle(
                middle - half, PAD_PX, middle + half, PAD_PX + 2 * half, width=0,
                tags=(cell, f"frame{k}"),
            )  # fmt: skip
            draw.create_rectangle(
                middle - TILE_PX // 2, top, middle + TILE_PX // 2, top + TILE_PX, width=0,
                fill=NO_PICTURE, tags=cell,
            )  # fmt: skip
            draw.create_image(middle, top, anchor=tk.N, tags=(cell, f"image{k}"))
            draw.create_text(
                middle, PAD_PX + 2 * half + PAD_PX, anchor=tk.N, justify=tk.CENTER,
                font=self._font, text="\n".join(self.choice.caption(k)), tags=(cell, f"text{k}"),
            )  # fmt: skip
            self._draw_badge(k, middle - TILE_PX // 2, top)

    def _draw_badge(self, k: int, left: int, top: int) -> None:
        """What a class was judged, in the corner of its average."""
        text = self.choice.badge(k)
        if not text:
            return
        cell = f"class{k}"
        word = self.canvas.create_text(
            left + 4, top + 2, anchor=tk.NW, font=self._badge_font, text=text, tags=(cell, "badge")
        )
        right, bottom = self.canvas.bbox(word)[2:]
        ground = self.canvas.create_rectangle(
            left, top, right + 4, bottom + 2, width=0, fill=BAD_COLOR, tags=cell
        )
        self.canvas.tag_lower(ground, word)

    def _draw_state(self, k: int) -> None:
        """Frame, image and text of a good or bad class."""
        good = self._drawn[k]
        self.canvas.itemconfigure(f"frame{k}", fill=GOOD_COLOR if good else BAD_COLOR)
        self.canvas.itemconfigure(f"text{k}", fill=TEXT_COLOR if good else BAD_TEXT_COLOR)
        if k in self._tiles:
            tile = self._tiles[k]
            shown = tile if good else np.uint8(255 - FADED * (255.0 - tile))
            self._photos[k] = grey_photo(self.canvas, shown)
            self.canvas.itemconfigure(f"image{k}", image=self._photos[k])

    def _lay_out(self, _event: Any = None) -> None:
        """Move the cells into as many columns as fit."""
        width, height = (size + GAP_PX for size in self._cell)
        room = self.canvas.winfo_width() - GAP_PX
        columns = max(1, room // width)
        left = GAP_PX + max(0, room - columns * width) // 2
        if (columns, left) == (self._columns, self._left):
            return
        self._columns, self._left = columns, left
        for place, k in enumerate(self.choice.shown.tolist()):
            x, y = self._corner(place)
            x0, y0, *_ = self.canvas.coords(f"frame{k}")
            half = TILE_PX // 2 + FRAME_PX
            home = self._cell[0] // 2 - half, PAD_PX
            self.canvas.move(f"class{k}", x + home[0] - x0, y + home[1] - y0)
        rows = -(-len(self.choice.shown) // columns)
        bottom = rows * height + GAP_PX
        self.canvas.configure(scrollregion=(0, 0, self.canvas.winfo_width(), bottom))
        self._draw_current()

    def _corner(self, place: int) -> Tuple[int, int]:
        """Left upper corner of a cell, px of the canvas."""
        row, column = divmod(place, max(self._columns, 1))
        width, height = (size + GAP_PX for size in self._cell)
        return self._left + column * width, GAP_PX + row * height

    def _draw_current(self) -> None:
        """Mark the current class, and scroll to it."""
        if not self._columns:
            return  # not yet laid out
        x, y = self._corner(self.choice.place)
        width, height = self._cell
        self.canvas.coords("marker", x, y, x + width, y + height)

    def see_current(self) -> None:
        """Scroll until the current class is in the window."""
        top = self._corner(self.choice.place)[1] - GAP_PX
        bottom = top + self._cell[1] + 2 * GAP_PX
        whole = float(str(self.canvas.cget("scrollregion")).split()[3])
        first, last = self.canvas.canvasy(0), self.canvas.canvasy(self.canvas.winfo_height())
        if top < first:
            self.canvas.yview_moveto(top / whole)
        elif bottom > last:
            self.canvas.yview_moveto((bottom - (last - first)) / whole)

    # ---------------------------------------------------------------- actions

    def _bind(self) -> None:
        bind, choice = self.canvas.bind, self.choice
        bind("<Configure>", self._lay_out)
        bind("<Button-1>", lambda event: self._clicked(event, choice.toggle))
        bind("<Double-Button-1>", lambda event: self._clicked(event, self._open_again))
        bind("<Triple-Button-1>", lambda _event: "break")
        bind("<Left>", lambda _event: self._step(-1))
        bind("<Right>", lambda _event: self._step(1))
        bind("<Up>", lambda _event: self._step(-self._columns))
        bind("<Down>", lambda _event: self._step(self._columns))
        bind("<Home>", lambda _event: self._step(-len(choice.shown)))
        bind("<End>", lambda _event: self._step(len(choice.shown)))
        bind("<Prior>", lambda _event: self.canvas.yview_scroll(-1, tk.PAGES))
        bind("<Next>", lambda _event: self.canvas.yview_scroll(1, tk.PAGES))
        bind("<space>", lambda _event: self._act(lambda: choice.toggle(choice.current)))
        bind("<g>", lambda _event: self._act(lambda: choice.mark(choice.current, True)))
        bind("<b>", lambda _event: self._act(lambda: choice.mark(choice.current, False)))
        bind("<Return>", lambda _event: self._opened(choice.current))
        bind("<Button-4>", lambda _event: self.canvas.yview_scroll(-1, tk.UNITS))
        bind("<Button-5>", lambda _event: self.canvas.yview_scroll(1, tk.UNITS))
        bind("<MouseWheel>", lambda event: self.canvas.yview_scroll(_lines(event), tk.UNITS))

    def class_at(self, x: float, y: float) -> int:
        """Index of the class under a point of the window, -1 between the cells."""
        right, down = self.canvas.canvasx(x), self.canvas.canvasy(y)
        for place, k in enumerate(self.choice.shown.tolist()):
            left, top = self._corner(place)
            if 0 <= right - left < self._cell[0] and 0 <= down - top < self._cell[1]:
                return int(k)
        return -1

    def _clicked(self, event: Any, act: Callable[[int], None]) -> None:
        self.canvas.focus_set()
        k = self.class_at(event.x, event.y)
        if k >= 0:
            self.choice.go_to(k)
            self._act(lambda: act(k))

    def _open_again(self, k: int) -> None:
        """Open a class, and take back the mark of the first click of the two."""
        self.choice.toggle(k)
        self._opened(k)

    def _step(self, by: int) -> None:
        self.choice.step(by)
        self.see_current()
        self._act(lambda: None)

    def _act(self, act: Callable[[], None]) -> None:
        act()
        self.refresh()
        self._changed()


def _lines(event: Any) -> int:
    """Steps of a wheel's event, where it is not a button."""
    return -1 if event.delta > 0 else 1
