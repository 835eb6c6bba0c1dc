"""Redraw figures 1 and 2 of Xu et al. 2016 from our own runs: `make figures MAP=map.mrc`.

The same simulated particles, first averages and random numbers for each rule; no trades of classes,
so that the rules alone are compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from repic_plugin.classification import classify_particles
from repic_plugin.evaluation import score_classes
from repic_plugin.formats import read_map
from repic_plugin.simulation import phantom_map, simulate_particles
from repic_plugin.viewers import comparison_figure, convergence_figure, montage_figure

RULES = {"ack": "ACK-means", "kmeans": "K-means", "eqk": "EQK-means"}
N_VIEWS, N_PER_VIEW, PIXEL_SIZE = 25, 80, 5.0
JPEG = {"quality": 85}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", default="phantom", help="a density map; the built-in one if none")
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--out", default="docs", metavar="DIR")
    args = parser.parse_args()
    density = phantom_map(64) if args.map == "phantom" else read_map(args.map)[0]
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
    out = Path(args.out)
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


if __name__ == "__main__":
    main()
