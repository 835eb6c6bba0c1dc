"""Time to display a micrograph: `make bench`.

A micrograph of 4096 x 4096 px, float32, with three sets of 300 boxes each, beside what matplotlib
does with all pixels. No screen is needed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Callable

import mrcfile
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from repic_plugin.formats import open_mrc
from repic_plugin.plots import Layer
from repic_plugin.plots.overlay_picture import OverlayPicture

SIZE_PX, N_BOXES, BOX_PX = 4096, 300, 180
REPEATS = 3


def main() -> None:
    rng = np.random.default_rng(0)
    layers = [
        Layer(name, rng.uniform(0, SIZE_PX, (N_BOXES, 2)), BOX_PX, role)
        for name, role in (("one", "picker"), ("two", "picker"), ("agreed", "consensus"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "micrograph.mrc")
        with mrcfile.new(path) as file:
            file.set_data(rng.normal(0, 1, (SIZE_PX, SIZE_PX)).astype(np.float32))

        def ours() -> None:
            figure = Figure(figsize=(10, 9))
            canvas = FigureCanvasAgg(figure)
            picture = OverlayPicture(figure, open_mrc)
            picture.show_micrograph(str(path), (SIZE_PX, SIZE_PX))
            for layer in layers:
                picture.show_layer(layer)
            canvas.draw()

        def plain() -> None:
            figure = Figure(figsize=(10, 9))
            canvas = FigureCanvasAgg(figure)
            figure.add_subplot().imshow(mrcfile.read(path), cmap="gray")
            canvas.draw()

        mine, theirs = (best(one) for one in (ours, plain))
    print(f"a micrograph of {SIZE_PX} px with {3 * N_BOXES} boxes: {mine:.2f} s; all its pixels")
    print(f"by matplotlib, without a box and without a low-pass: {theirs / mine:.1f} times as long")


def best(work: Callable[[], None]) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
