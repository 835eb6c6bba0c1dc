"""Three pickers and their consensus on a real micrograph: the first picture of README.md.

``python benchmarks/real_picks.py --real FOLDER --picture docs/images/real-picks.jpg``

FOLDER is that of `real_data`, with picks of three pickers on empiar-10146 (apoferritin). Precision
and recall are printed for all of its micrographs, against the experts' labels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import List

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray
from real_data import Exposure, exposures

from repic_plugin.cli import main as repic_plugin
from repic_plugin.consensus import Picks
from repic_plugin.evaluation import Scores, match_scores
from repic_plugin.formats import read_picker_folder, read_picks_dir, write_mrc
from repic_plugin.plots import Layer, overlay_figure

FOLDER, SUFFIX, BOX_PX, PIXEL_SIZE = "empiar-10146", "png", 120, 1.5
CONSENSUS = "consensus with images"
NAMES = {"log": "LoG", "template": "template", "topazp": "Topaz"}
TOP_LEFT, SIZE_PX, SHOWN_PX = (150, 400), (720, 420), 800  # part of the first micrograph; width
JPEG = {"quality": 88}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", required=True, type=Path, metavar="DIR")
    parser.add_argument("--picture", metavar="FILE")
    args = parser.parse_args()
    data = args.real / FOLDER
    picks = read_picks_dir(data / "picks").picks
    all_of = exposures(data, SUFFIX)
    found = consensus(data / "picks", all_of)
    print_scores(picks, all_of)
    print_scores(found, all_of)
    if args.picture:
        save(args.picture, all_of[0], picks, found)


def consensus(folder: Path, all_of: List[Exposure]) -> Picks:
    """Particles of the consensus with images, in one set."""
    with TemporaryDirectory() as temporary:
        images, out = Path(temporary, "micrographs"), Path(temporary, CONSENSUS)
        images.mkdir()
        for one in all_of:
            write_mrc(images / f"{one.name}.mrc", one.image, PIXEL_SIZE)
        words = ["consensus", folder, "--box-size", BOX_PX, "--mode", "probabilistic"]
        if repic_plugin([str(word) for word in (*words, "--images", images, "--out", out)]):
            raise SystemExit("no consensus")
        return read_picker_folder(out).picks


def centers(picks: Picks, picker: int, name: str) -> NDArray[np.float64]:
    rows = picks.rows_by_group()[picker][picks.micrograph_names.index(name)]
    return picks.centers[rows]


def print_scores(picks: Picks, all_of: List[Exposure]) -> None:
    """Of each picker, summed over the micrographs."""
    for p, picker in enumerate(picks.picker_names):
        each = [
            match_scores(centers(picks, p, one.name), one.labels, radius_px=BOX_PX / 4)
            for one in all_of
        ]
        total = sum(each, Scores())
        print(
            f"{picker:24s} {total.tp + total.fp:4d} picks, precision {total.precision:.3f}, "
            f"recall {total.recall:.3f}"
        )


def save(file: str, one: Exposure, picks: Picks, found: Picks) -> None:
    """The pickers on the left, the consensus on the right, on a part of the micrograph."""
    x, y = TOP_LEFT
    image = one.image[y : y + SIZE_PX[1], x : x + SIZE_PX[0]]

    def inside(points: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = points - (x, y)
        return moved[((moved > 0) & (moved < SIZE_PX)).all(axis=1)]

    pickers = [
        Layer(NAMES.get(name, name), inside(centers(picks, p, one.name)), 0.7 * BOX_PX)
        for p, name in enumerate(picks.picker_names)
    ]
    chosen = Layer(CONSENSUS, inside(centers(found, 0, one.name)), 0.7 * BOX_PX, role="consensus")
    figures = [overlay_figure(image, some, size_px=SHOWN_PX) for some in (pickers, [chosen])]
    halves = [drawn(figure) for figure in figures]
    height = min(len(half) for half in halves)  # legends of one and of two rows, at the top
    imsave(file, np.hstack([half[-height:] for half in halves]), pil_kwargs=JPEG)


def drawn(figure: Figure) -> NDArray[np.uint8]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


if __name__ == "__main__":
    main()
