"""2D classification at its defaults on what users bring: `make bench MAP=map.mrc`.

Simulated particles of 25 views, 32 of each, signal-to-noise ratio 1/10, changed in one way per
row. f15 is the fraction of same-class pairs whose true viewing directions lie within 15 degrees.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import mrcfile
import numpy as np
from scipy.interpolate import make_interp_spline

from repic_plugin.classification import classify_particles
from repic_plugin.evaluation import score_classes
from repic_plugin.simulation import phantom_map, resize_box, simulate_particles

PIXEL_SIZE = 5.0
BOX_PX = 64
VIEWS, PER_VIEW = 25, 32
SEEDS = (0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", default="phantom", help="a density map; the built-in one if none")
    parser.add_argument("--only", nargs="*", default=[], help="rows whose names contain this")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    args = parser.parse_args()
    print(f"map: {Path(args.map).name}; {VIEWS} views, {VIEWS * PER_VIEW} images, SNR 1/10\n")
    for name, make in ROWS.items():
        if args.only and not any(part in name for part in args.only):
            continue
        began, found = time.perf_counter(), []
        for seed in args.seeds:
            found.append(f15(*make(Maps(args.map), seed)))
        seconds = (time.perf_counter() - began) / len(args.seeds)
        print(
            f"  {name:52s} f15 {np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f}) "
            f"{seconds:6.1f} s",
            flush=True,
        )


class Maps:
    """The density at another box and pixel size."""

    def __init__(self, density: str) -> None:
        if density == "phantom":
            self.density = phantom_map(BOX_PX)
        else:
            with mrcfile.open(density) as file:
                self.density = resize_box(np.asarray(file.data, dtype=np.float32), BOX_PX)

    def finer(self, factor: int) -> np.ndarray:
        """The same box in Å, at a pixel size smaller by `factor`."""
        box = BOX_PX * factor
        grid = (np.arange(box) - box // 2) / factor + BOX_PX // 2
        grid = np.clip(grid, 0, BOX_PX - 1)
        found = self.density
        for axis in range(3):
            found = make_interp_spline(np.arange(BOX_PX), found, axis=axis)(grid)
            found = found.astype(np.float32)
        return found


def particles(maps, seed, volume=None, pixel_size=PIXEL_SIZE, snr=0.1, **options):
    options = {"n_views": VIEWS, "n_per_view": PER_VIEW, "random_state": seed, **options}
    volume = maps.density if volume is None else volume
    return simulate_particles(volume, pixel_size_angstrom=pixel_size, snr=snr, **options)


def changed(made, images):
    return made, images.astype(np.float32)


def plain(maps, seed):
    made = particles(maps, seed)
    return made, made.images


def fine(factor, shift_angstrom):
    """A box of the same size in Å with finer pixels."""

    def make(maps, seed):
        made = particles(
            maps, seed, maps.finer(factor), PIXEL_SIZE / factor,
            max_shift_px=shift_angstrom * factor / PIXEL_SIZE,
        )  # fmt: skip
        return made, made.images

    return make


def wide(diameters):
    """A box of some particle diameters (that of the 70S ribosome is 250 Å)."""

    def make(maps, seed):
        box = int(2 * round(diameters * 250 / PIXEL_SIZE / 2))
        made = particles(maps, seed, box_size_px=box, snr=0.1 * (BOX_PX / box) ** 2)
        return made, made.images

    return make


def bright(n_images, deviations):
    """Bright contamination at a random place of some images."""

    def make(maps, seed):
        made = particles(maps, seed)
        rng = np.random.default_rng(seed + 100)
        images = made.images.copy()
        y, x = np.mgrid[:BOX_PX, :BOX_PX]
        for i in rng.choice(len(images), n_images, replace=False):
            cy, cx = rng.uniform(0.2 * BOX_PX, 0.8 * BOX_PX, 2)
            blob = np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 4.0**2)
            images[i] += deviations * images[i].std() * blob
        return changed(made, images)

    return make


def grey_scale(deviation):
    def make(maps, seed):
        made = particles(maps, seed)
        factor = np.random.default_rng(seed + 200).lognormal(0, deviation, len(made))
        return changed(made, made.images * factor[:, None, None])

    return make


def contrast(deviation):
    """Signal of each image times a factor around 1; the noise stays."""

    def make(maps, seed):
        made = particles(maps, seed)
        rng = np.random.default_rng(seed + 300)
        clean = particles(maps, seed, snr=None).images
        clean *= np.float32(0.1**0.5)
        factor = np.clip(rng.normal(1, deviation, len(made)), 0.1, None)
        return changed(made, made.images + (factor[:, None, None] - 1) * clean)

    return make


def thrice(maps, seed):
    made = particles(maps, seed)
    images = made.images.copy()
    images[::2] *= 3
    return changed(made, images)


def hot(maps, seed):
    made = particles(maps, seed)
    images = made.images.copy()
    images[7, 20, 33] = 1e5
    return changed(made, images)


def f15(made, images):
    found = classify_particles(
        images, VIEWS, pixel_size_angstrom=made.pixel_size_angstrom, ctf=made.ctf, n_threads=2
    )
    return score_classes(found.labels, made.directions(), n_classes=VIEWS).pair_fraction


ROWS = {
    "as the benchmark": plain,
    "box 256 px, 1.25 Å/px": fine(4, 15.0),
    "box 384 px, 0.83 Å/px": fine(6, 15.0),
    "box of 1.5 particle diameters": wide(1.5),
    "box of 2 particle diameters": wide(2.0),
    "8 images with contamination of 15 sd": bright(8, 15),
    "24 images with contamination of 40 sd": bright(24, 40),
    "grey scale by image, lognormal, sd 0.5": grey_scale(0.5),
    "grey scale by image, lognormal, sd 1": grey_scale(1.0),
    "particle contrast by image, sd 0.4": contrast(0.4),
    "every second image at 3 times the contrast": thrice,
    "one damaged pixel of 10^5": hot,
}

if __name__ == "__main__":
    main()
