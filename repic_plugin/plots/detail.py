"""A part of a micrograph, with what its binned picture does not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.plots.display import (
    SIGMA_OF_PERIOD,
    ReducedMicrograph,
    low_passed,
    reduced_part,
)

# What a low-pass leaves less of is not seen.
SEEN_AMPLITUDE = 0.01
# Where the Gaussian of a low-pass ends, in its standard deviations; scipy's own default.
TRUNCATE = 4.0

OpenImage = Callable[[str], NDArray[Any]]
Limits = Tuple[float, float, float, float]


@dataclass(frozen=True)
class Detail:
    """A part of a micrograph to be read.

    Attributes
    ----------
    file : str
    shape : tuple of int
        Height and width of the micrograph.
    extent : tuple of int
        Left, right, bottom and top, px; multiples of the step.
    step : int
        Side of the blocks that are averaged, px.
    low_pass_px : float
        As of `low_passed`.
    ground : float
        Grey in place of what is not finite.
    """

    file: str
    shape: Tuple[int, int]
    extent: Tuple[int, int, int, int]
    step: int
    low_pass_px: float
    ground: float

    def covers(self, other: Detail) -> bool:
        """Whether this one shows all that another would."""
        same = (self.file, self.shape, self.low_pass_px)
        left, right, bottom, top = self.extent
        return (
            same == (other.file, other.shape, other.low_pass_px)
            and self.step <= other.step
            and left <= other.extent[0]
            and right >= other.extent[1]
            and bottom >= other.extent[2]
            and top <= other.extent[3]
        )

    def read(self, open_image: OpenImage) -> NDArray[np.float32]:
        """Blocks after the low-pass, as they would be in the whole micrograph.

        Raises
        ------
        ValueError, OSError
            If the file cannot be read, or has become another micrograph.
        """
        image = open_image(self.file)
        if image.shape != self.shape:
            raise ValueError(
                f"{self.file}: has changed its size from {_size(self.shape)} to "
                f"{_size(image.shape)} px; open the micrograph again"
            )
        n_blocks = int(TRUNCATE * SIGMA_OF_PERIOD * self.low_pass_px / self.step + 0.5)
        left, right, bottom, top = self.extent
        wide = _clipped(
            self.shape,
            self.step,
            (left, right, bottom, top),
            n_blocks * self.step,
        )
        part = low_passed(reduced_part(image, wide, self.step, self.ground), self.low_pass_px)
        row, column = (top - wide[3]) // self.step, (left - wide[0]) // self.step
        n_rows, n_columns = (bottom - top) // self.step, (right - left) // self.step
        return part[row : row + n_rows, column : column + n_columns]


def useful_step(limits: Limits, size_px: int, low_pass_px: float) -> int:
    """Side of blocks, px, below which a picture of a part shows no more.

    Parameters
    ----------
    limits : tuple of float
        Left, right, bottom and top of the part, px.
    size_px : int
        About the longer side of the picture.
    low_pass_px : float
        As of `low_passed`: waves that it hides need no blocks to show them.
    """
    left, right, bottom, top = limits
    shortest_seen_px = low_pass_px / np.sqrt(-np.log2(SEEN_AMPLITUDE))
    return max(1, round(max(right - left, bottom - top) / size_px), int(shortest_seen_px / 2))


def detail_of(
    file: str,
    shape: Tuple[int, int],
    whole: ReducedMicrograph,
    limits: Limits,
    step: int,
    low_pass_px: float,
) -> Detail:
    """The part within limits, in px, to be read in blocks of a step."""
    extent = _clipped(shape, step, limits, 0)
    return Detail(file, shape, extent, step, low_pass_px, float(whole.pixels.mean()))


def _clipped(
    shape: Tuple[int, int], step: int, limits: Limits, margin_px: int
) -> Tuple[int, int, int, int]:
    """Limits with a margin, as far as the micrograph has whole blocks."""
    left, right, bottom, top = limits
    height, width = shape
    return (
        max(int(left // step) * step - margin_px, 0),
        min(int(-(-right // step)) * step + margin_px, width // step * step),
        min(int(-(-bottom // step)) * step + margin_px, height // step * step),
        max(int(top // step) * step - margin_px, 0),
    )


def _size(shape: Tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape[::-1])
