"""Controls of how a micrograph is shown: low-pass, contrast, brightness."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk
from typing import Any, Dict

from repic_plugin.plots import OverlayModel, default_low_pass_px
from repic_plugin.viewers.overlay.panel import PAD
from repic_plugin.viewers.overlay.picture_frame import PictureFrame

# The strongest low-pass, in boxes.
MAX_LOW_PASS_OF_BOX = 1.0
LOW_PASS, CONTRAST, BRIGHTNESS = "low-pass", "contrast", "brightness"
# Ends of the sliders: exponents of two for the contrast, fractions of the range of greys.
ENDS = {CONTRAST: (-2.0, 2.0), BRIGHTNESS: (-0.5, 0.5)}
STEPS = {CONTRAST: 0.25, BRIGHTNESS: 0.05}  # of keys
LOW_PASS_STEP = 1.2
RING = (0, 2, 0, 0)  # room above a line: the ring of an Å is higher than fonts say


class ImagePanel(ttk.LabelFrame):
    """Sliders with their values as text.

    Parameters
    ----------
    master : tkinter widget
    frame : PictureFrame
    model : OverlayModel

    Attributes
    ----------
    sliders, texts : dict of str to tkinter widget
    """

    def __init__(self, master: Any, frame: PictureFrame, model: OverlayModel) -> None:
        super().__init__(master, text="Image", padding=PAD)
        self._frame, self._pending = frame, None  # type: PictureFrame, Optional[str]
        # low-pass in Å where the pixel size is known
        self._unit = model.pixel_size_angstrom or 1.0
        self._unit_name = "Å" if model.pixel_size_angstrom else "px"
        self._default = default_low_pass_px(model.box_size_px) * self._unit
        strongest = MAX_LOW_PASS_OF_BOX * model.box_size_px * self._unit or 1.0
        self.sliders: Dict[str, Any] = {}
        self.texts: Dict[str, Any] = {}
        for name, (low, high) in {LOW_PASS: (0.0, strongest), **ENDS}.items():
            self.texts[name] = ttk.Label(self, padding=RING)
            self.texts[name].pack(anchor=tk.W)
            self.sliders[name] = ttk.Scale(self, from_=low, to=high, takefocus=False)
            self.sliders[name].pack(fill=tk.X)
        self.reset_button = ttk.Button(self, text="Default image", command=self.reset)
        self.reset_button.configure(takefocus=False)
        self.reset_button.pack(fill=tk.X, pady=(4, 0))
        self.reset()
        for slider in self.sliders.values():
            slider.configure(command=self._slid)

    @property
    def low_pass(self) -> float:
        """In Å, or in px where the pixel size is unknown; 0 for none."""
        return float(self.sliders[LOW_PASS].get())

    def reset(self) -> None:
        """Low-pass that follows the box, contrast that follows the greys."""
        for name, value in {LOW_PASS: self._default, CONTRAST: 0.0, BRIGHTNESS: 0.0}.items():
            self.sliders[name].set(value)
        self._slid()

    def step(self, name: str, by: int) -> None:
        """Move a slider by some steps."""
        slider = self.sliders[name]
        if name == LOW_PASS:
            slider.set(max(self.low_pass, self._default / 10) * LOW_PASS_STEP**by)
        else:
            slider.set(float(slider.get()) + by * STEPS[name])

    def _slid(self, _value: str = "") -> None:
        """Schedule a drawing; only the last of several changes is drawn."""
        self._tell()
        if self._pending is None:
            self._pending = self.after_idle(self._apply)

    def _apply(self) -> None:
        self._pending = None
        contrast, brightness = (float(self.sliders[name].get()) for name in ENDS)
        picture = self._frame.picture
        wanted = (self.low_pass / self._unit, 2.0**contrast, brightness)
        if wanted != (picture.low_pass_px, picture.stretch, picture.brightness):
            picture.adjust(*wanted)
            self._frame.canvas.draw_idle()

    def _tell(self) -> None:
        low_pass = f"Low-pass: {self.low_pass:.0f} {self._unit_name}"
        if abs(self.low_pass - self._default) < 1e-6 * self._default:
            low_pass += " (¼ of the box)"
        elif self.low_pass < 0.5:
            low_pass = "Low-pass: none"
        contrast, brightness = (float(self.sliders[name].get()) for name in ENDS)
        self.texts[LOW_PASS].configure(text=low_pass)
        self.texts[CONTRAST].configure(text=f"Contrast: {2.0**contrast:.2f}x")
        self.texts[BRIGHTNESS].configure(text=f"Brightness: {brightness:+.0%}")
