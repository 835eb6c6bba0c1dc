"""Scores of 2D classes on over-picked sets with known particles.

Candidates are particles of a map, and junk of seven kinds in equal parts: noise, peaks of noise as
a blob detector picks them, dense spots, ice crystals, edges of carbon, carbon, and doublets (the
box lies between two particles). All have a CTF, a gradient of ice and noise. A class is good if
more than half of its members are particles. Columns: 10, 40, 80 % junk of all kinds, 60 % peaks,
60 % peaks, spots and ice.

--fit prints the weights of `repic_plugin.classification.quality`, fitted to other seeds.
"""

from __future__ import annotations

import argparse
from itertools import product

import mrcfile
import numpy as np
from scipy import ndimage, optimize

from repic_plugin.classification import CtfParameters, classify, classify_particles, quality
from repic_plugin.simulation import map_diameter, phantom_map, simulate_particles

BOX, N_CANDIDATES, N_CLASSES = 64, 500, 14
KINDS = ("noise", "peak", "spot", "ice", "edge", "carbon", "doublet")
SNRS, JUNK = (3, 10, 30), (0.1, 0.4, 0.8)  # 1 / SNR
PICKED = (0.6, ("peak",))  # what blob detectors pick in empty ice ...
WITH_SPOTS = (0.6, ("peak", "spot", "ice"))  # ... and beside it
FIT_JUNK = [(0.0, KINDS), *((part, KINDS) for part in JUNK), PICKED, WITH_SPOTS]
FIT_JUNK += [(1.0, ("noise",)), (1.0, ("peak",))]
TEST_SEED, FIT_SEED, N_FITS = 1000, 0, 2
DEFOCUS = (10_000.0, 25_000.0)
PENALTY = 0.002  # of squared weights, in the fit
BINS = 5
# The field in which peaks are sought, how many, and the blob's standard deviation in diameters.
FIELD, N_PEAKS, BLOB_STD = 320, 12, 0.28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", help="map of a third molecule, at 5 Å/px in about 64 px")
    parser.add_argument("--fit", action="store_true", help="fit the weights; takes long")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    maps = {"phantom": (phantom_map(BOX), 5.0), "100 kDa": (small_map(), 1.7)}
    if args.map:
        maps[args.map.rpartition("/")[2]] = (mrcfile.read(args.map), 5.0)
    if args.fit:
        return fit(maps, args.threads)
    table(maps, args.threads)


def table(maps, threads):
    """Area under the curve, calibration, and controls."""
    pooled = []
    for name, inverse_snr in product(maps, SNRS):
        areas, kept, lost = [], [], []
        for junk, kinds in [*((part, KINDS) for part in JUNK), PICKED, WITH_SPOTS]:
            found, is_particle = classified(
                *maps[name], inverse_snr, junk, TEST_SEED, threads, kinds
            )
            good, sizes = part_of_particles(found, is_particle), found.sizes
            areas.append(weighted_auc(found.quality.score, good > 0.5, sizes))
            kept.append((~is_particle & ~found.is_junk[found.labels]).sum() / (~is_particle).sum())
            lost.append((is_particle & found.is_junk[found.labels]).sum() / is_particle.sum())
            pooled.append((found, is_particle, good))
        cells = [" ".join(f"{value:.3f}" for value in column) for column in (areas, kept, lost)]
        print(f"{name:16s} 1/{inverse_snr:<3d} AUC {cells[0]}  junk kept {cells[1]}  "
              f"particles lost {cells[2]}", flush=True)  # fmt: skip
    calibration(pooled)
    for name in maps:
        pure, _ = classified(*maps[name], 10, 0.0, TEST_SEED, threads)
        empty = [
            classified(*maps[name], 10, 1.0, TEST_SEED, threads, (kind,))[0].is_junk.sum()
            for kind in ("noise", "peak")
        ]
        print(f"{name}: junk among pure particles {pure.is_junk.sum()} of {N_CLASSES} classes, "
              f"in pure noise {empty[0]}, in its peaks {empty[1]}", flush=True)  # fmt: skip


def calibration(pooled):
    """Particles expected and found, by probability of the classes and of the particles."""
    of_classes = [
        (found.quality.probability[found.labels], part[found.labels]) for found, _, part in pooled
    ]
    of_particles = [
        (found.quality.member_probability, is_particle) for found, is_particle, _ in pooled
    ]
    for label, pairs in (("classes", of_classes), ("particles", of_particles)):
        told, true = (np.concatenate(column).astype(float) for column in zip(*pairs))
        place = np.minimum((told * BINS).astype(int), BINS - 1)
        cells = [
            f"{told[place == b].mean():.2f}: {true[place == b].mean():.2f} ({np.sum(place == b):,})"
            for b in range(BINS)
            if (place == b).any()
        ]
        print(f"told: true (candidates), by {label}: {', '.join(cells)}")


def classified(density, pixel_size, inverse_snr, junk, seed, threads=1, kinds=KINDS):
    """Classes of a set, and which candidates are particles."""
    images, ctf, is_particle = candidates(density, pixel_size, 1 / inverse_snr, junk, seed, kinds)
    found = classify_particles(
        images,
        N_CLASSES,
        pixel_size_angstrom=pixel_size,
        ctf=ctf,
        random_state=seed,
        n_threads=threads,
    )
    return found, is_particle


def part_of_particles(found, is_particle):
    """Part of each class that is particles."""
    return np.bincount(found.labels, is_particle, len(found.sizes)) / np.maximum(found.sizes, 1)


def weighted_auc(score, is_good, weight):
    """Probability that a good class scores higher than another, by size."""
    if is_good.all() or not is_good.any():
        return np.nan
    higher = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    pairs = np.outer(weight * is_good, weight * ~is_good)
    return (higher * pairs).sum() / pairs.sum()


# candidates


def candidates(density, pixel_size, snr, junk, seed, kinds):
    """Images in random order, their CTF, and which are particles."""
    rng = np.random.default_rng([seed, int(1000 * junk), int(1 / snr)])
    n_junk = round(N_CANDIDATES * junk)
    n_particles = N_CANDIDATES - n_junk
    level, diameter = np.sqrt(snr), map_diameter(density)
    kind = np.array([kinds[i % len(kinds)] for i in range(n_junk)], dtype=object)
    n_doublets = int((kind == "doublet").sum())
    particles, ctf = projections(density, pixel_size, max(n_particles, 1), BOX, 3.0, rng)
    others, junk_ctf = projections(density, pixel_size, max(2 * n_doublets, 1), 2 * BOX, 0.0, rng)
    columns = [column.copy() for column in random_ctf(n_junk + 1, rng).columns()]
    images = [*(level * particles[:n_particles])]
    for i, name in enumerate(kind):
        if name == "doublet":
            place = int((kind[:i] == "doublet").sum())
            images.append(level * doublet(*others[2 * place : 2 * place + 2], diameter, rng))
            for column, value in zip(columns, junk_ctf.take([2 * place]).columns()):
                column[i] = value[0]
        else:
            images.append(level * JUNK_KINDS[name](diameter, rng))
    joined = [np.concatenate([a[:n_particles], b[:n_junk]]) for a, b in zip(ctf.columns(), columns)]
    slope = 1.5 * level / BOX * rng.normal(size=(2, N_CANDIDATES, 1, 1))
    images = np.array(images) + slope[0] * X + slope[1] * Y
    noise = rng.standard_normal(images.shape)
    for i in n_particles + np.flatnonzero(kind == "peak"):
        noise[i] = noise_peak(diameter, rng)
    images += noise
    order = rng.permutation(N_CANDIDATES)
    is_particle = np.arange(N_CANDIDATES) < n_particles
    return images[order].astype(np.float32), CtfParameters(*joined).take(order), is_particle[order]


Y, X = np.mgrid[-BOX // 2 : BOX // 2, -BOX // 2 : BOX // 2].astype(float)


def projections(density, pixel_size, n, box, max_shift_px, rng):
    """Projections in any direction, of the variance 1 they have in a box of `BOX`."""
    made = simulate_particles(
        density,
        n,
        1,
        pixel_size_angstrom=pixel_size,
        snr=None,
        box_size_px=box,
        max_shift_px=max_shift_px,
        defocus_range_angstrom=DEFOCUS,
        random_state=int(rng.integers(1 << 30)),
    )
    order = rng.permutation(n)
    return made.images[order] * (box / BOX), made.ctf.take(order)


def random_ctf(n, rng):
    return CtfParameters.from_columns(
        rng.uniform(*DEFOCUS, n),
        voltage_kv=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
    )


def doublet(one, other, diameter, rng):
    """The middle between two neighbours; both have nearly the same CTF."""
    distance, turn = rng.uniform(0.45, 0.6) * diameter, rng.uniform(0, 2 * np.pi)
    step = distance * np.array([np.sin(turn), np.cos(turn)])
    both = ndimage.shift(one, step, order=1) + ndimage.shift(other, -step, order=1)
    return both[BOX // 2 : -BOX // 2, BOX // 2 : -BOX // 2]


def disc(radius, level, offset, rng):
    """A blob with a bumpy outline, sometimes of the other contrast."""
    turn = rng.uniform(0, 2 * np.pi)
    x, y = X - offset * np.cos(turn), Y - offset * np.sin(turn)
    outline = np.full(X.shape, 0.75)
    for wave in range(2, 6):
        outline += rng.uniform(0, 0.05) * np.cos(
            wave * np.arctan2(y, x) + rng.uniform(0, 2 * np.pi)
        )
    sign = -1 if rng.random() < 0.3 else 1
    return sign * level * np.clip((outline - np.hypot(x, y) / radius) / 0.1 + 0.5, 0, 1)


def noise(_diameter, _rng):
    return np.zeros((BOX, BOX))


def noise_peak(diameter, rng):
    """White noise about one of the best positions of a blob detector of the particle's size."""
    field = rng.standard_normal((FIELD, FIELD))
    response = -ndimage.gaussian_laplace(field, BLOB_STD * diameter, mode="wrap")
    tops = np.flatnonzero(response == ndimage.maximum_filter(response, BOX // 2, mode="wrap"))
    best = tops[np.argsort(-response.ravel()[tops])[:N_PEAKS]]
    y, x = np.unravel_index(rng.choice(best), field.shape)
    return np.roll(field, (BOX // 2 - y, BOX // 2 - x), (0, 1))[:BOX, :BOX]


def spot(diameter, rng):
    return disc(
        rng.uniform(0.1, 0.25) * diameter, rng.uniform(6, 12), rng.uniform(0, 0.15) * diameter, rng
    )


def ice(diameter, rng):
    radius = rng.uniform(0.6, 1.2) * diameter
    return disc(radius, rng.uniform(1.5, 4), rng.uniform(0, 0.9) * radius, rng)


def carbon(_diameter, rng):
    radius = np.hypot(np.fft.fftfreq(BOX)[:, None], np.fft.rfftfreq(BOX))
    spectrum = np.fft.rfft2(rng.normal(size=(BOX, BOX))) / (1 + (radius / 0.06) ** 2)
    texture = np.fft.irfft2(spectrum, s=(BOX, BOX))
    return texture * rng.uniform(0.7, 1.5) / texture.std()


def edge(diameter, rng):
    turn, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.35, 0.35) * BOX
    across = X * np.cos(turn) + Y * np.sin(turn)
    along = X * np.sin(turn) - Y * np.cos(turn)
    side = 1 / (1 + np.exp(-(across + along**2 / 800 - offset) / 1.2))
    sign = 1 if rng.random() < 0.7 else -1
    return side * (carbon(diameter, rng) + sign * rng.uniform(2, 4))


JUNK_KINDS = {
    "noise": noise,
    "peak": noise,
    "spot": spot,
    "ice": ice,
    "carbon": carbon,
    "edge": edge,
}


def small_map():
    """A smooth protein of about 100 kDa, 56 Å long, at 1.7 Å/px."""
    rng = np.random.default_rng(5)
    grid = (np.arange(BOX) - BOX // 2) / BOX
    centers = rng.normal(size=(9, 3))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    centers *= np.cbrt(rng.random((9, 1))) * (0.22, 0.17, 0.13)
    density = np.zeros((BOX, BOX, BOX))
    for center in centers:
        std = rng.uniform(0.06, 0.085)
        z, y, x = (np.exp(-0.5 * ((grid - c) / std) ** 2) for c in center)
        density += rng.uniform(0.5, 1) * np.einsum("z,y,x->zyx", z, y, x)
    return density.astype(np.float32)


# the fit of the weights


def fit(maps, threads):
    """Weights of both passes, by logistic regression on the part of particles, by size."""
    sets = []
    judge = classify.class_quality

    def recorded(agreement, averages, labels, resolution):
        sets.append([agreement, averages, labels])
        return judge(agreement, averages, labels, resolution)

    classify.class_quality = recorded
    for seed, name, inverse_snr, (junk, kinds) in product(range(N_FITS), maps, SNRS, FIT_JUNK):
        found, is_particle = classified(
            *maps[name], inverse_snr, junk, FIT_SEED + seed, threads, kinds
        )
        sets[-1] += [found.sizes, part_of_particles(found, is_particle)]
    sizes, part = (np.concatenate([one[i] for one in sets]) for i in (3, 4))
    features = [quality._scored(a, averages, n)[0] for a, averages, _, n, _ in sets]
    quality.FIRST_WEIGHTS = regression(np.concatenate(features), part, sizes)
    for _ in range(3):  # the typical good class depends on the weights
        both = [np.hstack(quality._scored(a, averages, n)[:2]) for a, averages, _, n, _ in sets]
        quality.WEIGHTS = regression(np.concatenate(both), part, sizes)
    print("FIRST_WEIGHTS", quality.FIRST_WEIGHTS.round(2).tolist())
    print("WEIGHTS", quality.WEIGHTS.round(2).tolist())


def regression(features, part, weight):
    scale = features.std(axis=0)
    design = np.column_stack([features / scale, np.ones(len(features))])

    def loss(values):
        told = 1 / (1 + np.exp(-np.clip(design @ values, -30, 30)))
        entropy = part * np.log(told + 1e-9) + (1 - part) * np.log(1 - told + 1e-9)
        return -(weight @ entropy) / weight.sum() + PENALTY * (values[:-1] ** 2).sum()

    found = optimize.minimize(loss, np.zeros(design.shape[1])).x
    return np.append(found[:-1] / scale, found[-1])


if __name__ == "__main__":
    main()
