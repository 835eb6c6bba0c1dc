"""Averages of 2D classes side by side, as many in a row as the window holds."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import List, Optional, Sequence

import matplotlib.image
import numpy as np
from numpy.typing import NDArray

from repic_plugin.plots import grey_tiles
from repic_plugin.reports.document import Fragment, escaped
from repic_plugin.wording import counted

SIDES_PX = (128, 96, 64)  # of the pictures; smaller ones where many would make a large file
MOST_BYTES = 600_000  # of all pictures; as text they take a third more
QUALITY = 75
GOOD, REJECTED = "✓ good", "✗ rejected"
NO_SCORE = "no score"

STYLE = """
.classes { display: grid; gap: .7rem; margin: .8rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(7.6rem, 30%), 1fr)); }
.classes figure { margin: 0; padding: .3rem; border: 2px solid var(--good); min-width: 0; }
.classes figure.rejected { border: 2px dashed var(--bad); }
.classes img { display: block; width: 100%; aspect-ratio: 1; }
.classes figcaption { color: var(--text); font-size: .82rem; line-height: 1.35; padding: .25rem 0 0;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.classes .verdict { color: var(--good); font-weight: 600; white-space: nowrap; }
.classes .rejected .verdict { color: var(--bad); }
@media print { .classes { grid-template-columns: repeat(6, 1fr); } }
"""


@dataclass(frozen=True, eq=False)
class SessionClasses:
    """2D classes as they are now.

    Attributes
    ----------
    averages : ndarray of float32, shape (k, box, box)
    sizes : ndarray of int, shape (k,)
    score : ndarray of float, shape (k,)
        NaN where a class has none.
    is_good : ndarray of bool, shape (k,)
    made_after : ndarray of int, shape (k,), optional
        Particles that had been seen when the class was made.
    pixel_size_angstrom : float
        0 where it is unknown.
    first_number : int
        Number of the first class.
    """

    averages: NDArray[np.float32]
    sizes: NDArray[np.int64]
    score: NDArray[np.float64]
    is_good: NDArray[np.bool_]
    made_after: Optional[NDArray[np.int64]] = None
    pixel_size_angstrom: float = 0.0
    first_number: int = 1

    def __post_init__(self) -> None:
        shape, k = np.shape(self.averages), len(self.sizes)
        if len(shape) != 3 or shape[0] != k or shape[1] != shape[2]:
            raise ValueError(f"averages must have shape ({k}, box, box), got {shape}")
        for name in ("score", "is_good", "made_after"):
            values = getattr(self, name)
            if values is not None and np.shape(values) != (k,):
                raise ValueError(f"{name} must have shape ({k},), got {np.shape(values)}")

    @property
    def order(self) -> NDArray[np.int64]:
        """Classes by score, the highest first; those without one last, equal ones by number."""
        score = np.asarray(self.score, np.float64)
        return np.argsort(np.where(np.isnan(score), np.inf, -score), kind="stable")


def class_tiles(classes: SessionClasses) -> Fragment:
    """Averages by score, each with number, verdict, score and size."""
    order = classes.order
    pictures = _pictures(np.asarray(classes.averages, np.float32)[order])
    tiles = [_tile(classes, int(place), data) for place, data in zip(order, pictures)]
    return Fragment(f'<div class="classes">{"".join(tiles)}</div>')


def _tile(classes: SessionClasses, place: int, picture: bytes) -> str:
    is_good, number = bool(classes.is_good[place]), place + classes.first_number
    score, size = float(classes.score[place]), int(classes.sizes[place])
    lines = [
        NO_SCORE if np.isnan(score) else f"score {score:.2f}",
        counted(size, "particle"),
    ]
    if classes.made_after is not None and classes.made_after[place] > classes.made_after.min():
        lines.append(f"new after {classes.made_after[place]:,}")
    verdict = escaped(GOOD if is_good else REJECTED)
    encoded = base64.b64encode(picture).decode("ascii")
    return (
        f'<figure class="{"good" if is_good else "rejected"}">'
        f'<img alt="average of class {number}" src="data:image/jpeg;base64,{encoded}">'
        f'<figcaption><b>{number}</b> <span class="verdict">{verdict}</span><br>'
        f"{'<br>'.join(map(escaped, lines))}</figcaption></figure>"
    )


def _pictures(averages: NDArray[np.float32]) -> Sequence[bytes]:
    """The averages as JPEG, small enough together."""
    box = averages.shape[1]
    images = np.nan_to_num(averages, posinf=0.0, neginf=0.0)
    pictures: List[bytes] = []
    for side in SIDES_PX:
        pictures = [_jpeg(tile) for tile in grey_tiles(images, min(side, box))] if box else []
        if sum(map(len, pictures)) <= MOST_BYTES:
            break
    return pictures


def _jpeg(tile: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    options = {"quality": QUALITY}
    matplotlib.image.imsave(
        data, tile, format="jpeg", cmap="gray", vmin=0, vmax=255, pil_kwargs=options
    )
    return data.getvalue()
