"""The part of a micrograph that is shown, and a scale bar for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Tuple

import numpy as np

# A view is not narrower than this.
MIN_SHOWN_PX = 16.0
# A scale bar is at most this fraction of the width shown.
MAX_BAR = 0.25


@dataclass(frozen=True)
class ViewArea:
    """Part of a micrograph, with the proportions of the whole and within it.

    Attributes
    ----------
    whole_px : tuple of float
        Width and height of the micrograph.
    center_px : tuple of float
        Of the part, x and y.
    zoom : float
        How many times larger than in the whole micrograph things are shown; 1 or more.
    """

    whole_px: Tuple[float, float]
    center_px: Tuple[float, float]
    zoom: float = 1.0

    @classmethod
    def of_all(cls, whole_px: Tuple[float, float]) -> ViewArea:
        """The whole micrograph."""
        return cls(whole_px, (whole_px[0] / 2, whole_px[1] / 2))

    @property
    def size_px(self) -> Tuple[float, float]:
        """Width and height of the part."""
        return self.whole_px[0] / self.zoom, self.whole_px[1] / self.zoom

    @property
    def limits(self) -> Tuple[float, float, float, float]:
        """Left, right, bottom and top, px, y down."""
        (x, y), (width, height) = self.center_px, self.size_px
        return x - width / 2, x + width / 2, y + height / 2, y - height / 2

    def zoomed(self, x: float, y: float, factor: float) -> ViewArea:
        """Zoom in by a factor, with a point of the micrograph kept where it is shown."""
        highest = max(1.0, min(self.whole_px) / MIN_SHOWN_PX)
        zoom = float(np.clip(self.zoom * factor, 1.0, highest))
        shrink = self.zoom / zoom
        center = x + (self.center_px[0] - x) * shrink, y + (self.center_px[1] - y) * shrink
        return replace(self, center_px=center, zoom=zoom)._within()

    def moved(self, dx: float, dy: float) -> ViewArea:
        """The part that lies further right and down, px."""
        return replace(self, center_px=(self.center_px[0] + dx, self.center_px[1] + dy))._within()

    def on(self, whole_px: Tuple[float, float]) -> ViewArea:
        """The same part of another micrograph, which may have another size."""
        return (
            replace(self, whole_px=whole_px)._within() if self.zoom > 1 else self.of_all(whole_px)
        )

    def _within(self) -> ViewArea:
        """Moved so that nothing beyond the micrograph is shown."""
        x, y = (
            float(np.clip(at, size / 2, whole - size / 2))
            for at, size, whole in zip(self.center_px, self.size_px, self.whole_px)
        )
        return replace(self, center_px=(x, y))


def scale_bar(width_px: float, pixel_size_angstrom: float) -> Tuple[float, str]:
    """Length in px, and text, of a scale bar of a round length.

    Parameters
    ----------
    width_px : float
        Width that is shown.
    pixel_size_angstrom : float
        0 where it is unknown: the bar is in px.
    """
    unit_angstrom = pixel_size_angstrom or 1.0
    longest = MAX_BAR * width_px * unit_angstrom
    power = 10.0 ** np.floor(np.log10(longest))
    length = float(max(one for one in (1, 2, 5) if one * power <= longest * (1 + 1e-9)) * power)
    return length / unit_angstrom, f"{length:,.10g} {'Å' if pixel_size_angstrom else 'px'}"
