"""Figures as files: exact ones for a folder, small ones for a page."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, List, Sequence, Tuple

from matplotlib.figure import Figure
from PIL import Image, features  # comes with matplotlib

# Wide enough for a printed page and a screen.
PICTURE_DPI = 110
PHOTO: Dict[str, Any] = {"pil_kwargs": {"quality": 90}}
PLOT: Dict[str, Any] = {"metadata": {"Software": None}}  # the same figure, the same bytes
# Of the pictures of a page; as text they take a third more, so that a page stays below 4 MB.
MOST_BYTES = 2_900_000
# Scale and quality of photos, the first that is small enough; the last where none is.
LEVELS = ((1.0, 75), (0.8, 65), (0.65, 45), (0.6, 35), (0.55, 27), (0.5, 22), (0.4, 20), (0.3, 20))
Encoded = Tuple[str, bytes]  # format and content


@dataclass(frozen=True)
class Picture:
    """A figure with a caption, which is also its alternative text.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    caption : str
    is_photo : bool
        Whether grey values matter in it: they are not inverted on a dark ground, and are stored
        with a small loss.
    """

    figure: Figure
    caption: str
    is_photo: bool = False

    @cached_property
    def encoded(self) -> Encoded:
        """PNG, or JPEG of a photo, drawn once: a second drawing may be laid out differently."""
        data = io.BytesIO()
        kind, options = ("jpeg", PHOTO) if self.is_photo else ("png", PLOT)
        self.figure.savefig(data, format=kind, dpi=PICTURE_DPI, **options)
        return kind, data.getvalue()


def for_page(pictures: Sequence[Picture], most_bytes: int = MOST_BYTES) -> List[Encoded]:
    """The pictures small enough together.

    Plots keep each pixel. Photos share what the plots leave, and become smaller where it is little;
    below 0.3 of their size they are not readable, so that very many still exceed the number.

    Parameters
    ----------
    pictures : sequence of Picture
    most_bytes : int
        Of all together.

    Returns
    -------
    list of (str, bytes)
        Format, as in ``image/webp``, and content of each.
    """
    found = [_plot(one.encoded) for one in pictures if not one.is_photo]
    n_photos = len(pictures) - len(found)
    rest = most_bytes - sum(len(data) for _, data in found)
    plots, each = iter(found), rest // max(n_photos, 1)
    return [_photo(one.encoded, each) if one.is_photo else next(plots) for one in pictures]


def _plot(encoded: Encoded) -> Encoded:
    """Without loss; of WebP a quarter of the size of PNG."""
    image = Image.open(io.BytesIO(encoded[1])).convert("RGB")
    return _saved(image, lossless=True, quality=50) if features.check("webp") else encoded


def _photo(encoded: Encoded, most_bytes: int) -> Encoded:
    whole = Image.open(io.BytesIO(encoded[1])).convert("RGB")
    found = encoded
    for scale, quality in LEVELS:
        size = tuple(max(1, round(scale * side)) for side in whole.size)
        image = whole if scale == 1 else whole.resize(size, Image.Resampling.LANCZOS)
        found = _saved(image, quality=quality)
        if len(found[1]) <= most_bytes:
            break
    return found


def _saved(image: Image.Image, **options: Any) -> Encoded:
    kind = "webp" if features.check("webp") else "jpeg"
    data = io.BytesIO()
    image.save(data, format=kind, **options)
    return kind, data.getvalue()
