"""Pictures of docs/images/ that need a density map: `make figures MAP=map.mrc`.

Figures 1 and 2 of Xu et al. 2016 are reproduced with our own runs: the same simulated particles,
initial averages and random numbers for each rule; no split and merge, so that only the rules are
compared. Fourier shell correlations are those of the map with noisy copies of itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import classify_particles
from repic_plugin.evaluation import (
    REFERENCE_THRESHOLD,
    fourier_shell_correlation,
    score_classes,
    soft_mask,
)
from repic_plugin.formats import read_map
from repic_plugin.plots import comparison_figure, convergence_figure, fsc_figure, montage_figure
from repic_plugin.simulation import phantom_map, simulate_particles

RULES = {"ack": "ACK-means", "kmeans": "K-means", "eqk": "EQK-means"}
N_VIEWS, N_PER_VIEW, PIXEL_SIZE = 25, 80, 5.0
JPEG = {"quality": 85}
NOISE = {"a little noise": 0.5, "more noise": 2.0}  # in standard deviations of the map


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", default="phantom", help="a density map; the built-in one if none")
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--out", default="docs/images", metavar="DIR")
    args = parser.parse_args()
    density, map_pixel_size = (
        read_map(args.map) if args.map != "phantom" else (phantom_map(64), 5.0)
    )
    out = Path(args.out)
    draw_shells(density, map_pixel_size or PIXEL_SIZE, out)
    particles = simulate_particles(
        density, N_VIEWS, N_PER_VIEW, pixel_size_angstrom=PIXEL_SIZE, snr=args.snr
    )
    found, scores = {}, {}
    for rule, name in RULES.items():
        found[name] = classify_particles(
            particles.images,
            N_VIEWS,
            pixel_size_angstrom=PIXEL_SIZE,
            ctf=particles.ctf,
            method=rule,
            trade=False,
            n_threads=2,
        )
        scores[name] = score_classes(
            found[name].labels, particles.directions(), view=particles.view, n_classes=N_VIEWS
        )
        print(f"{name}: {scores[name].pair_fraction:.3f} within 15 degrees", flush=True)
    comparison_figure(scores).savefig(out / "ack-figure1.jpg", pil_kwargs=JPEG)
    histories = {
        name: {
            key: [getattr(record, key) for record in one.records]
            for key in ("iteration", "fraction_changed", "smallest", "largest")
        }
        for name, one in found.items()
    }
    convergence_figure(histories).savefig(out / "ack-figure2.jpg", pil_kwargs=JPEG)
    best = found["ACK-means"]
    montage_figure(best.averages, best.sizes, pixel_size_angstrom=PIXEL_SIZE).savefig(
        out / "classes.jpg", pil_kwargs=JPEG
    )


def draw_shells(density: NDArray[np.float32], pixel_size_angstrom: float, out: Path) -> None:
    """fsc.jpg: the map against noisy copies of itself, within a soft mask."""
    rng = np.random.default_rng(0)
    mask = soft_mask(density)
    curves = {
        name: fourier_shell_correlation(
            density + level * density.std() * rng.standard_normal(density.shape),
            density,
            pixel_size_angstrom=pixel_size_angstrom,
            mask=mask,
        )
        for name, level in NOISE.items()
    }
    figure = fsc_figure(curves, thresholds=(REFERENCE_THRESHOLD,))
    figure.savefig(out / "fsc.jpg", pil_kwargs=JPEG)


if __name__ == "__main__":
    main()
