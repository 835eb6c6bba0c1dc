"""Arrays as images of Tk."""

from __future__ import annotations

import tkinter as tk
from typing import Any

import numpy as np
from numpy.typing import NDArray


def grey_photo(master: Any, tile: NDArray[np.uint8]) -> tk.PhotoImage:
    """Grey values, shape (height, width), as an image; Tk shows it as long as it is kept."""
    height, width = tile.shape
    data = b"P5 %d %d 255\n" % (width, height) + tile.tobytes()
    return tk.PhotoImage(master=master, data=data, format="ppm")
