"""Consensus by probability with images, beside other ways: part of `make bench`.

Prints the table of docs/understand/images.md. Micrographs are simulated, and real ones are used if
a folder of them is given (--real DIR, as for `real_classes.py`). F1 counts each particle once.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np
from mixtures import easy_and_hard, exposures_of, three_molecules
from real_data import NO_IMAGES, exposures
from scipy import ndimage
from scipy.spatial import cKDTree

from repic_plugin.commands.maps import load_map
from repic_plugin.consensus import (
    ALL_CANDIDATES,
    Picks,
    find_consensus,
    judge_by_images,
)
from repic_plugin.formats import classify_candidates, read_picks_dir
from repic_plugin.simulation import phantom_map, simulate_exposures
from repic_plugin.template_picking import (
    TemplateMatcher,
    cut_boxes,
    learn_templates,
    prepare_micrograph,
)

SIZE, N_MICROGRAPHS, N_LABELLED, N_PARTICLES, N_JUNK = 1024, 12, 3, 45, 16
N_BLOBS, N_TEMPLATE = 100, 63  # picks of a detector on a micrograph
MILD, STRONG = 2.0, 4.0  # standard deviation of a filter, px of 5 Å
GOOD, CHOSEN = 0.5, (0.05, 0.95)
# contrast of a blob at a particle to that of noise, at the default noise; of the odds with it
USUAL_CONTRAST, STEEPNESS = 1.5, 2.0
EVERY = -1  # micrograph is empty
WARNED, REFUSED = "warned", "refused"
SETS = {
    "apoferritin": ("empiar-10146", "png", 120, 1.5),
    "β-galactosidase": ("empiar-10017", "jpg", 180, 1.77),
}
Points = Any


class Set(NamedTuple):
    """Picks, particles and pixels by micrograph, and the box, px."""

    picks: Picks
    truth: Dict[str, Points]
    images: Dict[str, Any]
    box_px: int
    pixel_size: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", help="MRC map at 5 Å/px; the built-in phantom if none")
    parser.add_argument("--real", type=Path, metavar="DIR")
    parser.add_argument("--picks", type=Path, metavar="DIR", help="of the real β-galactosidase")
    parser.add_argument("--seeds", type=int, nargs="*", default=(0, 1))
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        "| | best picker | quorum | probabilistic | with images | good classes given | precision "
        "expected | true | largest error of P, R: agreement | with images | warned |"
    )
    print("| --- " * 11 + "|")
    for name, make in kinds(args.map).items():
        if args.only in name:
            show(name, [lambda s=seed, m=make: m(s) for seed in args.seeds], args.seeds)
    if args.real is None:
        print(NO_IMAGES)
        return
    for name, (folder, suffix, box, pixel_size) in SETS.items():
        picks = args.real / folder / "picks"
        picks = picks if picks.is_dir() else args.picks
        if picks is not None and args.only in name:
            one = real(args.real / folder, picks, suffix, box, pixel_size)
            show(name, [lambda one=one: one] * len(args.seeds), args.seeds)


def kinds(map_file: Any) -> Dict[str, Callable[[int], Set]]:
    volume, pixel_size = load_map(map_file, 5.0, None) if map_file else (phantom_map(64), 5.0)

    def made(seed: int, pickers: Any, **options: Any) -> Set:
        return simulated(volume, pixel_size, seed, pickers, **options)

    blobs = {"blobs": blob(0.8), "blobs, smaller": blob(0.64), "template": template}
    good = {"template": template, "careful": seen(0.7, 8), "greedy": seen(0.95, 40)}
    noticing = {"template": template, "careful": noticed(0.6, 8), "greedy": noticed(0.8, 40)}
    return {
        "two blob detectors and a better picker": lambda s: made(s, blobs),
        "the same, SNR 1/20": lambda s: made(s, blobs, snr=0.05),
        "the same, filtered": lambda s: smoothed(made(s, blobs), MILD),
        "the same, filtered strongly": lambda s: smoothed(made(s, blobs, snr=0.05), STRONG),
        "three good pickers": lambda s: made(s, good),
        "two good pickers, one on contamination": lambda s: made(
            s, {"template": template, "careful": seen(0.7, 8), "dirt": dirt}
        ),
        "particles on half of the micrographs": lambda s: made(s, blobs, empty=2),
        "hard particles that all miss": lambda s: made(s, noticing, parts=easy_and_hard(volume)),
        "one good picker fails on a fifth": lambda s: made(
            s, {**good, "careful": failing(good["careful"], 0.2)}
        ),
        "ice that varies": lambda s: made(s, noticing, ice=2.0),
        "three molecules": lambda s: made(s, noticing, parts=three_molecules(volume)),
        "two blob detectors and a better picker, SNR 1/30": lambda s: made(s, blobs, snr=1 / 30),
        "no particles, detectors": lambda s: made(s, blobs, empty=EVERY),
        "no particles, random picks": lambda s: made(
            s, {"one": at_random, "two": at_random, "three": at_random}, empty=EVERY
        ),
    }


def simulated(volume: Any, pixel_size: float, seed: int, pickers: Any, **options: Any) -> Set:
    """Micrographs, some of them empty or with further noise (`ice`), and the picks of pickers."""
    empty, ice = options.pop("empty", 0), options.pop("ice", 0.0)
    parts = options.pop("parts", None)
    box = 2 * (len(volume) // 2)
    given = {
        "pixel_size_angstrom": pixel_size,
        "n_particles": N_PARTICLES,
        "n_junk": N_JUNK,
        "micrograph_size_px": (SIZE, SIZE),
        "random_state": seed,
        **options,
    }
    n_made = N_MICROGRAPHS + N_LABELLED
    simulate = simulate_exposures if parts is None else exposures_of
    made = list(simulate(volume if parts is None else parts, n_made, **given))
    labelled = made[N_MICROGRAPHS:]
    boxes = [
        cut_boxes(prepare_micrograph(one.micrograph, box), one.centers, box) for one in labelled
    ]
    matcher = TemplateMatcher(learn_templates(np.concatenate(boxes)).images, box_size_px=box)
    rng, rows = np.random.default_rng(seed), []
    truth, images = {}, {}
    for m, one in enumerate(made[:N_MICROGRAPHS]):
        image, centers = one.micrograph.astype(np.float32), np.asarray(one.centers)
        image = image + rng.normal(0, ice * rng.random() * image.std(), image.shape)
        if empty and (empty == EVERY or m % empty):
            image = rng.normal(image.mean(), image.std(), image.shape).astype(np.float32)
            centers = centers[:0]
        truth[f"mic{m}"], images[f"mic{m}"] = centers, image
        for j, pick in enumerate(pickers.values()):
            x, y, score = pick(image, centers, box, matcher, rng)
            rows.append(np.column_stack([np.full(len(x), m), np.full(len(x), j), x, y, score]))
    m, j, x, y, score = np.concatenate(rows).T
    names = {"micrograph_names": list(images), "picker_names": list(pickers)}
    picks = Picks.from_columns(m.astype(int), j.astype(int), x, y, score, **names)
    return Set(picks, truth, images, box, pixel_size)


def smoothed(data: Set, std: float) -> Set:
    """The same picks, and micrographs that were filtered after they were picked."""
    images = {name: ndimage.gaussian_filter(image, std) for name, image in data.images.items()}
    return data._replace(images=images)


def peaks(response: Any, distance: float, most: int) -> Tuple[Any, Any, Any]:
    top = response == ndimage.maximum_filter(response, int(distance))
    y, x = np.nonzero(top)
    best = np.argsort(-response[y, x], kind="stable")[:most]
    return x[best].astype(float), y[best].astype(float), response[y, x][best]


def blob(size: float) -> Any:
    """The Laplacian of a Gaussian of a size relative to the particle."""

    def pick(image: Any, _centers: Points, box: int, _matcher: Any, _rng: Any) -> Any:
        std = size * box / 2 / 1.27 / np.sqrt(2)
        return peaks(ndimage.gaussian_laplace(image, std), box / 2, N_BLOBS)

    return pick


def template(image: Any, _centers: Points, _box: int, matcher: Any, _rng: Any) -> Any:
    found = matcher.pick(image, min_score=0.0)
    return (*found.centers[:N_TEMPLATE].T, found.scores[:N_TEMPLATE])


def seen(recall: float, n_false: int) -> Any:
    """A picker that knows the truth but for a part, and adds peaks of noise."""

    def pick(image: Any, centers: Points, box: int, _matcher: Any, rng: Any) -> Any:
        mine = centers[rng.random(len(centers)) < recall] + rng.normal(0, 2, (1, 2))
        x, y, _ = peaks(ndimage.gaussian_laplace(image, 0.2 * box), box / 2, 400)
        false = rng.choice(len(x), n_false, replace=False)
        score = np.concatenate([rng.beta(4, 2, len(mine)), rng.beta(2, 3, n_false)])
        return np.append(mine[:, 0], x[false]), np.append(mine[:, 1], y[false]), score

    return pick


def noticed(recall: float, n_false: int) -> Any:
    """A picker as `seen` that misses what is hard to see on this micrograph, as others do.

    The recall is that of particles of full contrast at the usual noise.
    """

    def pick(image: Any, centers: Points, box: int, matcher: Any, rng: Any) -> Any:
        x, y = centers.astype(int).T
        contrast = ndimage.gaussian_laplace(image, 0.25 * box)
        noise = 1.48 * np.median(np.abs(contrast - np.median(contrast)))
        excess = contrast[y, x] / noise - USUAL_CONTRAST
        odds = np.log(recall / (1 - recall)) + STEEPNESS * excess
        mine = centers[rng.random(len(centers)) < 1 / (1 + np.exp(-odds))]
        return seen(1.0, n_false)(image, mine, box, matcher, rng)

    return pick


def failing(picker: Any, share: float) -> Any:
    """A picker whose picks lie anywhere on a share of the micrographs."""

    def pick(image: Any, centers: Points, box: int, matcher: Any, rng: Any) -> Any:
        x, y, score = picker(image, centers, box, matcher, rng)
        if rng.random() < share:
            x, y = rng.permutation(x), rng.permutation(y)
        return x, y, score

    return pick


def at_random(image: Any, _centers: Points, box: int, _matcher: Any, rng: Any) -> Any:
    """Places and scores without any meaning."""
    height, width = image.shape
    low, high = [[box / 2], [box / 2]], [[width - box / 2], [height - box / 2]]
    return (*rng.uniform(low, high, (2, N_TEMPLATE)), rng.random(N_TEMPLATE))


def dirt(image: Any, _centers: Points, box: int, _matcher: Any, _rng: Any) -> Any:
    """The strongest deviations of either sign."""
    smooth = ndimage.gaussian_filter(image, 0.1 * box)
    return peaks(np.abs(smooth - smooth.mean()), box / 2, N_TEMPLATE)


def real(folder: Path, picks_dir: Path, suffix: str, box: int, pixel_size: float) -> Set:
    made = exposures(folder, suffix)
    truth = {}
    for one in made:
        height, width = one.image.shape
        inside = (one.labels > box / 2) & (one.labels < np.array([width, height]) - box / 2)
        truth[one.name] = one.labels[inside.all(axis=1)]
    picks = read_picks_dir(picks_dir).picks
    return Set(picks, truth, {one.name: one.image for one in made}, box, pixel_size)


def show(name: str, makers: List[Any], seeds: Any) -> None:
    rows = [compared(make(), seed) for make, seed in zip(makers, seeds)]
    mean = np.nanmean(np.array([row[:-1] for row in rows], float), axis=0)
    cells = [f"{value:.3f}" for value in mean[:7]] + [f"{value:.2f}" for value in mean[7:]]
    cells = ["" if cell == "nan" else cell for cell in cells]
    last = [row[-1] for row in rows]
    told = f"{len(rows) - last.count('')} of {len(rows)}"
    if REFUSED in last:
        told = f"{last.count(REFUSED)} of {len(rows)} refused"
    print(f"| {name} | {' | '.join(cells)} | {told} |", flush=True)


def compared(data: Set, seed: int) -> List[Any]:
    picks, names = data.picks, data.picks.micrograph_names
    scores = [f1(data, *columns(picks.take(picks.picker == j))) for j in range(picks.n_pickers)]
    quorum = find_consensus(picks, data.box_px, mode="quorum")
    options = {"mode": "probabilistic", "num_particles": ALL_CANDIDATES}
    try:
        blind = find_consensus(picks, data.box_px, mode="probabilistic")
        candidates = find_consensus(picks, data.box_px, **options)
    except ValueError:  # agreement no better than chance
        return [max(scores), f1(data, *columns(quorum)), *[np.nan] * 7, REFUSED]
    found = classify_candidates(
        candidates,
        list(names),
        data.box_px,
        pixel_size_angstrom=data.pixel_size,
        random_state=seed,
        n_threads=2,
        read=lambda name: data.images[name],
    )
    classes = found.for_consensus()
    seen_ = judge_by_images(candidates, picks, classes).result
    near = is_near(data, *columns(candidates))
    has_image = found.label >= 0
    n_true = np.bincount(found.label[has_image], near[has_image], len(found.size))
    chosen = np.where(n_true / np.maximum(found.size, 1) > GOOD, CHOSEN[1], CHOSEN[0])
    by_eye = found.with_shares(chosen).for_consensus()
    given = judge_by_images(candidates, picks, by_eye).result
    ways = (quorum, blind, seen_, given)
    true = [quality(data, j) for j in range(picks.n_pickers)]
    return [
        max(scores),
        *(f1(data, *columns(one)) for one in ways),
        float(seen_.weight.mean()),
        hits(data, *columns(seen_)) / max(len(seen_), 1),
        *(error(one.ensemble, true) for one in (blind, seen_)),
        WARNED if seen_.ensemble.warnings else "",
    ]


def columns(found: Any) -> Tuple[Any, Any, Any]:
    return found.micrograph, found.x, found.y


def error(model: Any, true: Any) -> float:
    told = np.column_stack([model.precision, model.recall])
    return float(np.nanmax(np.abs(told - np.array(true))))


def quality(data: Set, picker: int) -> Tuple[float, float]:
    mine = data.picks.take(data.picks.picker == picker)
    n, n_true = hits(data, *columns(mine)), sum(map(len, data.truth.values()))
    return n / len(mine), n / n_true if n_true else np.nan


def f1(data: Set, micrograph: Any, x: Any, y: Any) -> float:
    n_true = sum(map(len, data.truth.values()))
    return 2 * hits(data, micrograph, x, y) / max(len(x) + n_true, 1)


def hits(data: Set, micrograph: Any, x: Any, y: Any) -> int:
    """Particles that are found, each once."""
    found = 0
    for number in np.unique(micrograph):
        centers = data.truth[data.picks.micrograph_names[number]]
        mine = micrograph == number
        if len(centers):
            distance, nearest = cKDTree(centers).query(np.column_stack([x[mine], y[mine]]))
            found += len(np.unique(nearest[distance <= data.box_px / 4]))
    return found


def is_near(data: Set, micrograph: Any, x: Any, y: Any) -> Any:
    near = np.zeros(len(x), bool)
    for number in np.unique(micrograph):
        centers = data.truth[data.picks.micrograph_names[number]]
        mine = micrograph == number
        if len(centers):
            distance, _ = cKDTree(centers).query(np.column_stack([x[mine], y[mine]]))
            near[mine] = distance <= data.box_px / 4
    return near


if __name__ == "__main__":
    main()
