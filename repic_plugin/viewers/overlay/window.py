"""A Scipion window with boxes on micrographs."""

from __future__ import annotations

import tkinter as tk
from dataclasses import replace
from functools import partial
from tkinter import filedialog, messagebox, ttk
from typing import Any, Callable, List, Mapping, Optional, Tuple

import numpy as np
from pyworkflow.viewer import View

from repic_plugin.plots import LEAST_SCALE, OpenImage, OverlayModel, overlay_figure
from repic_plugin.viewers.figure_window import open_window, when_seen
from repic_plugin.viewers.messages import sentence
from repic_plugin.viewers.overlay.hand_panel import BY_HAND, HandPanel, HandSession
from repic_plugin.viewers.overlay.image_panel import BRIGHTNESS, CONTRAST, LOW_PASS, ImagePanel
from repic_plugin.viewers.overlay.keys import Key, KeyList, bind_keys
from repic_plugin.viewers.overlay.layers_panel import LayersPanel
from repic_plugin.viewers.overlay.panel import PAD, ScrolledPanel
from repic_plugin.viewers.overlay.particle_panel import ParticlePanel
from repic_plugin.viewers.overlay.picture_frame import ZOOM_STEP, PictureFrame
from repic_plugin.viewers.overlay.score_panel import ScorePanel
from repic_plugin.viewers.overlay.subset_panel import CreateSubset, SubsetPanel
from repic_plugin.viewers.view_button import MakeView, ViewButton

PANEL_WIDTH_PX = 235
LOADING = "Loading the boxes ..."
CLICK = "show score, picker and image of a box"
CLICK_BY_HAND = "add a pick; on a pick, show its image"
MAX_NUMBER_KEYS = 9  # layers that have a key


class OverlayWindow(View):  # type: ignore[misc]
    """Browser of micrographs with boxes.

    Parameters
    ----------
    root : tkinter widget or None
        With None, the window is a root window.
    title : str
    load : callable
        Returns the OverlayModel; called once the window is seen. A ValueError or an OSError is
        shown in the window.
    open_image : callable
        From a file name to its pixels, shape (height, width); a ValueError or an OSError if it
        cannot be read.
    more : mapping of str to callable, optional
        From the text of a button to a function that creates its View, see `ViewButton`.
    create : callable, optional
        Makes a set of the boxes shown, see `SubsetPanel`.
    hand : HandSession, optional
        Of picking by hand; its set is one of the model.

    Attributes
    ----------
    model : OverlayModel or None
        None until the window has loaded it.
    """

    def __init__(
        self,
        root: Any,
        title: str,
        load: Callable[[], OverlayModel],
        open_image: OpenImage,
        more: Optional[Mapping[str, MakeView]] = None,
        create: Optional[CreateSubset] = None,
        hand: Optional[HandSession] = None,
    ) -> None:
        super().__init__()
        self._more, self._create = dict(more or {}), create
        self._hand = hand
        self._root = root
        self._title = title
        self.load = load
        self._open_image = open_image
        self.model: Any = None
        self.is_ready = False
        self.selected: Optional[Tuple[str, int]] = None

    def show(self) -> None:
        """Open the window."""
        self.window = open_window(self._root, self._title)
        when_seen(self.window, LOADING, self._build)

    def _build(self, message: Any) -> None:
        """Load the boxes, and replace the message by everything else."""
        try:
            self.model = self.load()
        except ValueError as error:
            message.configure(text=sentence(error))
            return
        except OSError as error:
            message.configure(text=str(error))
            return
        message.destroy()
        self.frame = PictureFrame(self.window, self._open_image, self.model, self._clicked)
        self.picture = self.frame.picture
        self.key_list = KeyList(self.window)
        self._add_left(ScrolledPanel(self.window, PANEL_WIDTH_PX))
        self._add_right(ScrolledPanel(self.window, PANEL_WIDTH_PX))
        self.frame.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
        self.keys = self._make_keys()
        self.key_list.keys = self.keys
        bind_keys(self.window, self.keys)
        self.window.update_idletasks()  # so that the picture is drawn only in its final size
        self._show_micrograph()
        self.frame.canvas.get_tk_widget().focus_set()
        self.is_ready = True

    # ---------------------------------------------------------------- widgets

    def _add_left(self, panel: ScrolledPanel) -> None:
        """Add micrographs, layers, image and size of the boxes."""
        panel.pack(side=tk.LEFT, fill=tk.Y)
        self._add_pager(panel.inside)
        self.layers = LayersPanel(panel.inside, self.model, self.toggle)
        self.layers.pack(fill=tk.X, pady=(PAD, 0))
        self.image_panel = ImagePanel(panel.inside, self.frame, self.model)
        self.image_panel.pack(fill=tk.X, pady=(PAD, 0))
        self._add_scale(panel.inside)
        self._add_buttons(panel.inside)

    def _add_right(self, panel: ScrolledPanel) -> None:
        """Add minimum, particle and buttons."""
        panel.pack(side=tk.RIGHT, fill=tk.Y)
        if self._hand is not None:
            self.hand = HandPanel(panel.inside, self._hand, self.model, self._picked)
            self.hand.pack(fill=tk.X)
        elif self.model.sets:
            self.scores = ScorePanel(panel.inside, self.model, self._show_minimum)
            self.scores.pack(fill=tk.X)
            self.subset = SubsetPanel(panel.inside, self.model, self._show_minimum, self._create)
            self.subset.pack(fill=tk.X, pady=(PAD, 0))
            self.scores.set_chosen = self.subset.show_set
        self._add_more(panel.inside)
        self.particle = ParticlePanel(panel.inside)
        self.particle.pack(fill=tk.BOTH, expand=True, pady=(PAD, PAD))

    def _add_pager(self, panel: Any) -> None:
        """Add the choice of micrograph."""
        self.where = ttk.Label(panel)
        self.where.pack(anchor=tk.W)
        self.chooser = ttk.Combobox(panel, values=self.model.names, state="readonly")
        self.chooser.pack(fill=tk.X, pady=(2, 4))
        self.chooser.bind("<<ComboboxSelected>>", self._chosen)
        row = ttk.Frame(panel)
        row.pack(fill=tk.X)
        self.previous_button = ttk.Button(row, text="< Previous", command=self.previous)
        self.next_button = ttk.Button(row, text="Next >", command=self.next)
        for button in (self.previous_button, self.next_button):
            button.pack(side=tk.LEFT, fill=tk.X, expand=True)
            button.configure(takefocus=False)

    def _add_scale(self, panel: Any) -> None:
        """Add a slider for the size of the boxes."""
        box = ttk.LabelFrame(panel, text="Box size shown", padding=PAD)
        box.pack(fill=tk.X, pady=(PAD, 0))
        self.size_text = ttk.Label(box)
        self.size_slider = ttk.Scale(
            box, from_=LEAST_SCALE, to=1.0, takefocus=False, command=self._resized
        )
        self.size_slider.set(self.model.scale)
        self.size_slider.pack(fill=tk.X)
        self.size_text.pack(anchor=tk.W)

    def _add_buttons(self, panel: Any) -> None:
        """Add the buttons at the bottom on the left."""
        self.save_button = ttk.Button(panel, text="Save picture...", command=self._ask_and_save)
        self.keys_button = ttk.Button(panel, text="Keys (?)", command=self.key_list.toggle)
        for button in (self.keys_button, self.save_button):
            button.configure(takefocus=False)
            button.pack(side=tk.BOTTOM, fill=tk.X, pady=(4, 0))

    def _add_more(self, panel: Any) -> None:
        """Add the buttons that open other windows."""
        self.more_buttons = [ViewButton(panel, *one) for one in self._more.items()]
        for button in self.more_buttons:
            button.pack(side=tk.BOTTOM, fill=tk.X, pady=(4, 0))

    def _make_keys(self) -> List[Key]:
        """Everything that mouse and keys do."""
        image, zoom = self.image_panel, self.frame.zoom
        keys = [
            Key("wheel", "zoom at the mouse"),
            Key("drag", "move the micrograph"),
            Key("click", CLICK if self._hand is None else CLICK_BY_HAND),
            Key("Left, Right", "previous, next micrograph", ("<Left>",), self.previous),
            Key("", "", ("<Right>",), self.next),
            Key("+ -", "zoom in, out", ("<plus>", "<KP_Add>", "<equal>"), partial(zoom, ZOOM_STEP)),
            Key("", "", ("<minus>", "<KP_Subtract>"), partial(zoom, 1 / ZOOM_STEP)),
            Key("0", "whole micrograph", ("<Key-0>", "<Home>"), self.frame.show_whole),
            Key(
                "[ ]",
                "finer, coarser low-pass",
                ("<bracketleft>",),
                partial(image.step, LOW_PASS, -1),
            ),
            Key("", "", ("<bracketright>",), partial(image.step, LOW_PASS, 1)),
            Key("c C", "more, less contrast", ("<c>",), partial(image.step, CONTRAST, 1)),
            Key("", "", ("<C>",), partial(image.step, CONTRAST, -1)),
            Key("l L", "lighter, darker", ("<l>",), partial(image.step, BRIGHTNESS, 1)),
            Key("", "", ("<L>",), partial(image.step, BRIGHTNESS, -1)),
            Key("r", "default low-pass and contrast", ("<r>",), image.reset),
            Key("1 to 9", "show or hide a set of boxes"),
            Key("b", "show or hide all boxes", ("<b>",), self.toggle_all),
            Key("s", "save the picture", ("<s>",), self._ask_and_save),
            *(self.hand.keys() if self._hand is not None else ()),
            Key("?", "this list", ("<question>",), self.key_list.toggle),
        ]
        for number, one in enumerate(self.model.sets[:MAX_NUMBER_KEYS], 1):
            press = partial(self._press_switch, one.name)
            keys.append(Key("", "", (f"<Key-{number}>", f"<KP_{number}>"), press))
        return keys

    # ---------------------------------------------------------------- actions

    def next(self) -> None:
        """Show the next micrograph."""
        if self.model.next():
            self._show_micrograph()

    def previous(self) -> None:
        """Show the previous micrograph."""
        if self.model.previous():
            self._show_micrograph()

    def toggle(self, name: str) -> None:
        """Switch a layer on or off."""
        visible = self.model.toggle(name)
        self.picture.collections[name].set_visible(visible)
        if self.selected is not None and self.selected[0] == name:
            self._select(None)
        self.picture.redraw_boxes()

    def toggle_all(self) -> None:
        """Hide all layers, or show all where none is visible."""
        names = [one.name for one in self.model.sets]
        visible = [name for name in names if self.model.is_visible(name)]
        for name in visible or names:
            self._press_switch(name)

    def _press_switch(self, name: str) -> None:
        self.layers.switches[name].invoke()

    def save(self, path: str) -> None:
        """Save the micrograph with the visible boxes as a picture.

        Raises
        ------
        ValueError
            If pictures of this kind or size cannot be made.
        OSError
            If it cannot be written.
        """
        layers, picture = self.model.layers(), self.picture
        try:
            pixels = self._open_image(self.model.file)
        except (ValueError, OSError):
            width, height = self.picture.size_px
            pixels = np.zeros((int(np.ceil(height)), int(np.ceil(width))), np.int8)
        figure = overlay_figure(
            pixels,
            layers,
            title=self.model.name,
            low_pass_px=picture.low_pass_px,
            stretch=picture.stretch,
            brightness=picture.brightness,
        )
        figure.savefig(path)

    def _chosen(self, _event: Any) -> None:
        self.model.go_to(self.chooser.current())
        self.chooser.selection_clear()
        self.frame.canvas.get_tk_widget().focus_set()
        self._show_micrograph()

    def _resized(self, value: str) -> None:
        """Show boxes at another fraction of their size."""
        self.model.scale = float(value)
        self.size_text.configure(text=f"{float(value):.0%} of the true size")
        if not self.picture.collections:
            return  # the window is under construction
        for one in self.model.sets:
            layer = self.model.layer(one.name)
            self.picture.show_layer(layer, visible=self.model.is_visible(one.name))
        self._select(self.selected)
        self.picture.redraw_boxes()

    def _show_minimum(self) -> None:
        """Show what the minimum of the active set leaves."""
        name = self.model.selection.active
        visible = self.model.is_visible(name)
        self.picture.show_layer(self.model.layer(name), visible=visible)
        self._select(None)
        self._show_counts()
        self.picture.redraw_boxes()

    def _picked(self) -> None:
        """Show the picks after a change by hand, on whose micrograph the model is."""
        if self.chooser.current() != self.model.place:
            self._show_micrograph()
            return
        self.picture.show_layer(self.model.layer(BY_HAND), visible=self.model.is_visible(BY_HAND))
        self._select(None)
        self._show_counts()
        self.picture.redraw_boxes()

    def _clicked(self, x: float, y: float, shift: bool) -> None:
        if self._hand is not None:
            at, can_add = self.picture.within(x, y), self.picture.is_readable
            if self.hand.clicked(*at, shift, can_add=can_add) or shift:
                return
        self._select(self.model.hit(x, y))
        self.picture.redraw_boxes()

    def _ask_and_save(self) -> None:
        path = filedialog.asksaveasfilename(
            parent=self.window,
            defaultextension=".png",
            filetypes=[("PNG picture", "*.png")],
            initialfile=f"{self.model.name.rpartition('.')[0] or self.model.name}.png",
        )
        if not path:
            return
        try:
            self.save(path)
        except (ValueError, OSError) as error:
            messagebox.showerror("Save picture", sentence(error), parent=self.window)

    # ------------------------------------------------------------------ shows

    def _show_micrograph(self) -> None:
        self.frame.show()
        self.chooser.current(self.model.place)
        last = len(self.model.names) - 1
        self.where.configure(text=f"Micrograph {self.model.place + 1:,} of {last + 1:,}")
        self.previous_button.state([_state(self.model.place > 0)])
        self.next_button.state([_state(self.model.place < last)])
        self._select(None)
        self._show_counts()

    def _show_counts(self) -> None:
        self.layers.tell()
        if hasattr(self, "scores"):
            self.scores.tell()
            self.subset.tell()

    def _select(self, found: Optional[Tuple[str, int]]) -> None:
        """Describe and highlight a box: name of its set, and row."""
        self.selected = found
        if found is None:
            self.picture.show_highlight(None)
            self.particle.clear()
            return
        name, row = found
        self.picture.show_highlight(self.model.box(row, name))
        self.particle.show(self.model.describe(row, name), self._tile(name, row))

    def _tile(self, name: str, row: int) -> Any:
        """The image of a box in its true size."""
        box = self.model.box(row, name)
        whole = replace(box, box_size_px=box.box_size_px / self.model.scale)
        return self.picture.tile(whole, self.particle.tile_px)


def _state(enabled: bool) -> str:
    return "!disabled" if enabled else "disabled"
