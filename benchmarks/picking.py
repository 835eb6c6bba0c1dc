"""Template picking on real micrographs with labels, and with defects: F1 at defaults.

Needs a folder of real data as `--real DIR`, see real_data.py. Templates are learnt from two thirds
of the micrographs and tried on the others, in three turns. "before" are the defaults of version
0.2: half a box apart, a threshold from white noise, nothing masked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from real_data import exposures

from repic_plugin.evaluation import match_scores
from repic_plugin.simulation import phantom_map, simulate_exposures
from repic_plugin.template_picking import (
    TemplateMatcher,
    cut_boxes,
    learn_templates,
    prepare_micrograph,
    reduction,
)

# folder, suffix, box and diameter of the particle, px
SETS = {
    "apoferritin": ("empiar-10146", "png", 120, 78),
    "β-galactosidase": ("empiar-10017", "jpg", 180, 100),
}
N_TURNS = 3
BLANK_ROWS = 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", metavar="DIR", type=Path)
    parser.add_argument("--only", choices=["simulated", "apoferritin", "β-galactosidase"])
    args = parser.parse_args()
    if args.only in (None, "simulated"):
        simulated()
    for name, (folder, suffix, box_px, diameter_px) in SETS.items():
        if args.real and args.only in (None, name):
            data = [(one.image, one.labels) for one in exposures(args.real / folder, suffix)]
            report(name, data, box_px, diameter_px)


def simulated() -> None:
    data = [
        (one.micrograph, one.centers)
        for one in simulate_exposures(
            phantom_map(32),
            9,
            pixel_size_angstrom=8.0,
            n_particles=30,
            micrograph_size_px=(420, 420),
            snr=0.15,
            random_state=2,
        )
    ]
    report("simulated", data, 32, 22)


def report(name, data, box_px, diameter_px):
    print(f"\n{name}: {len(data)} micrographs, box {box_px} px", flush=True)
    ways = {
        "before": before,
        "now": lambda matcher, image: matcher.pick(image),
        "now, diameter given": lambda matcher, image: matcher.pick(image),
        f"now, {BLANK_ROWS} blank rows": lambda matcher, image: matcher.pick(blank(image)),
        "now, noise of the same spectrum": lambda matcher, image: matcher.pick(noise_like(image)),
    }
    pairs, levels = {way: [] for way in ways}, {way: [] for way in ways}
    for turn in range(N_TURNS):
        learnt = learn_templates(
            np.concatenate(
                [
                    cut_boxes(prepare_micrograph(image, box_px), labels, box_px)
                    for number, (image, labels) in enumerate(data)
                    if number % N_TURNS != turn
                ]
            ),
            n_threads=2,
        )
        matcher = TemplateMatcher(learnt.images, box_size_px=box_px)
        given = TemplateMatcher(learnt.images, box_size_px=box_px, particle_diameter_px=diameter_px)
        print(
            f"  diameter measured {matcher.particle_diameter_px:.0f} px, half-set correlation "
            f"{learnt.agreement.min():.2f}, noise {learnt.noise_agreement.max():.2f}",
            flush=True,
        )
        for image, labels in data[turn::N_TURNS]:
            for way, pick in ways.items():
                found = pick(given if "given" in way else matcher, image)
                first = BLANK_ROWS + box_px / 2 if "blank" in way else 0
                pairs[way].append(
                    [inside(one, image, box_px, first) for one in (found.centers, labels)]
                )
                levels[way].append(found.min_score)
    for way, those in pairs.items():
        scores = sum(
            (match_scores(*pair, radius_px=box_px / 4) for pair in those[1:]),
            match_scores(*those[0], radius_px=box_px / 4),
        )
        n_picks = np.mean([len(found) for found, _ in those])
        print(
            f"  {way:32s} F1 {scores.f1:.3f}  P {scores.precision:.3f}  R {scores.recall:.3f}  "
            f"{n_picks:5.0f} picks each, minimum score {np.median(levels[way]):.3f}",
            flush=True,
        )


def before(matcher, image):
    """White noise exceeds this score about ten times (of templates at all rotations)."""
    n_positions = np.prod([side // reduction(matcher.box_size_px) for side in image.shape])
    tries = n_positions * len(matcher._bank) ** 0.5 / 10
    least = float(np.sqrt(2 * np.log(tries) / matcher._bank.n_pixels))
    return matcher.pick(image, min_score=least, min_distance_boxes=0.5, mask_contamination=False)


def blank(image):
    image = image.copy()
    image[:BLANK_ROWS] = 0
    return image


def noise_like(image):
    """Noise of the micrograph's power spectrum."""
    phases = np.fft.rfft2(np.random.default_rng(0).normal(size=image.shape))
    spectrum = np.abs(np.fft.rfft2(image)) * phases / np.abs(phases)
    return np.fft.irfft2(spectrum, s=image.shape).astype(np.float32)


def inside(centers, image, box_px, first_row):
    """Centres whose boxes lie within the micrograph."""
    low = np.array([box_px / 2, max(box_px / 2, first_row)])
    high = np.array(image.shape[::-1]) - box_px / 2
    return centers[((centers >= low) & (centers <= high)).all(axis=1)]


if __name__ == "__main__":
    main()
