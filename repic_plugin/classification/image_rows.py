"""Some of many images, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ImageRows:
    """Some of the images, read when they are sliced or indexed.

    Parameters
    ----------
    images : array_like of float, shape (N, box, box)
        Any object that returns arrays when indexed with an array.
    rows : ndarray of int64, shape (n,)
        Those in question, in this order.
    """

    def __init__(self, images: Any, rows: NDArray[np.int64]) -> None:
        self._images, self._rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __getitem__(self, rows: Any) -> Any:
        return self._images[self._rows[rows]]

    def row_of_all(self, row: int) -> int:
        """Where one of these is among all, for messages."""
        return row_of_all(self._images, int(self._rows[row]))


def row_of_all(images: Any, row: int) -> int:
    """Where an image is among all, whether these are all or some of them."""
    return images.row_of_all(row) if isinstance(images, ImageRows) else row
