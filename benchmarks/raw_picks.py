"""Raw or filtered picks as the input of a consensus: part of `make bench`.

Prints the table of docs/use/raw-picks.md: F1, precision and recall of each mode, with all picks of
the pickers and with those above each picker's own threshold, all particles kept or the best N of
each micrograph, N the expected number. Simulated networks always; Topaz, RELION's LoG and template
matching where they are installed (`make test-pickers`), on simulated micrographs and on real ones
(--real DIR, see real_data.py). Templates are learnt from two thirds of the micrographs and tried on
the others, in three turns.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
from images import SETS, Set, columns, f1, hits, peaks, simulated, template
from real_data import NO_IMAGES, exposures
from real_pickers import ENVIRONMENTS, Rows, images_of, loaded, log, topaz
from scipy import ndimage

from repic_plugin.commands.maps import load_map
from repic_plugin.commands.simulate_micrographs import write_exposures
from repic_plugin.consensus import (
    ALL_CANDIDATES,
    MODES,
    Picks,
    find_consensus,
    judge_by_images,
)
from repic_plugin.formats import classify_candidates, read_picks_dir
from repic_plugin.simulation import SimulatedExposure, phantom_map
from repic_plugin.template_picking import (
    TemplateMatcher,
    cut_boxes,
    learn_templates,
    prepare_micrograph,
)

N_TURNS = 3
N_PEAKS, SEEN_AGAIN = 300, 0.6  # peaks of noise on a micrograph, and those that a network sees
TOPAZ_MIN_SCORE = -6.0  # the lowest that its plugin offers
LOG_THRESHOLD_CHANGE = -3.0
TRANSFORMS = {"topaz": "logistic", "log": "rank", "template": "rank"}
# mean log odds of particles and of noise, and the threshold that REPIC's authors use
NETWORKS = {"cryolo": (1.0, -3.5, 0.3), "deeppicker": (0.0, -2.5, 0.5), "topaz": (1.0, -2.0, 0.0)}
WITH_IMAGES = "probabilistic, images"
BY_PROBABILITY = (MODES[2], WITH_IMAGES)
LISTS = ("raw", "filtered", "best of each")
WAYS = tuple(f"{one}: {kept}" for one in LISTS for kept in ("best N", "all"))
TIME_LIMIT_S = 2.0  # of the solver, on a micrograph: raw lists that cover it may take hours


class Places(NamedTuple):
    """Particles, by micrograph."""

    micrograph: Any
    x: Any
    y: Any

    def __len__(self) -> int:
        return len(self.x)


class Lists(NamedTuple):
    """Raw picks, which of them are above their picker's own threshold, and the data."""

    data: Set
    is_own: Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", help="MRC map at 5 Å/px; the built-in phantom if none")
    parser.add_argument("--real", type=Path, metavar="DIR")
    parser.add_argument("--picks", type=Path, metavar="DIR", help="REPIC's example picks")
    parser.add_argument("--seeds", type=int, nargs="*", default=(0, 1, 2))
    parser.add_argument("--images", action="store_true", help="2D classes of candidates too")
    parser.add_argument(
        "--times", type=float, default=2.0, help="best of each picker: so many times N"
    )
    parser.add_argument("--only", default="", help="data sets whose name contains this")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"| | mode | {' | '.join(WAYS)} | time, raw to filtered |\n{'| --- ' * (len(WAYS) + 3)}|")
    for name, lists in data_sets(args):
        report(name, lists, args)
    if args.real is None:
        print(NO_IMAGES)


def data_sets(args: argparse.Namespace) -> Iterator[Tuple[str, List[Lists]]]:
    volume, size = load_map(args.map, 5.0, None) if args.map else (phantom_map(64), 5.0)
    name = "simulated networks"
    if args.only in name:
        networks = {one: network(*values[:2]) for one, values in NETWORKS.items()}
        yield name, [of_networks(simulated(volume, size, s, networks)) for s in args.seeds]
    name = "detectors, simulated"
    if args.only in name:
        sets = [simulated(volume, size, s, {"template": template}) for s in args.seeds[:2]]
        yield name, [detected(one) for one in sets]
    for name, (folder, suffix, box, pixel_size) in SETS.items() if args.real else ():
        if args.only in name:
            made = exposures(args.real / folder, suffix)
            truth = {one.name: inner(one.labels, one.image, box) for one in made}
            nothing = Picks.from_columns([], [], [], [])
            images = {one.name: one.image for one in made}
            yield name, [detected(Set(nothing, truth, images, box, pixel_size))]
            if args.picks and name == "β-galactosidase":
                picks = read_picks_dir(args.picks).picks
                kept = np.ones(len(picks), bool)
                yield (
                    f"{name}, example picks",
                    [Lists(Set(picks, truth, images, box, pixel_size), kept)],
                )


def inner(labels: Any, image: Any, box: int) -> Any:
    """Labels whose boxes lie within the micrograph."""
    high = np.array(image.shape[::-1]) - box / 2
    return labels[((labels > box / 2) & (labels < high)).all(axis=1)]


# ------------------------------------------------------------------ simulated


def network(of_particles: float, of_noise: float) -> Any:
    """A trained network: log odds of particles by their contrast, and of peaks of noise."""

    def pick(image: Any, centers: Any, box: int, _matcher: Any, rng: Any) -> Any:
        response = ndimage.gaussian_laplace(image, 0.25 * box)
        noise = 1.48 * np.median(np.abs(response - np.median(response)))
        x, y = centers.astype(int).T
        contrast = response[y, x] / noise
        odds = of_particles + contrast - contrast.mean() + rng.normal(0, 1.2, len(centers))
        fx, fy, _ = peaks(ndimage.gaussian_laplace(image, 0.2 * box), box / 2, N_PEAKS)
        seen = rng.random(len(fx)) < SEEN_AGAIN
        false = np.column_stack([fx, fy])[seen]
        x, y = (np.concatenate([centers, false]) + rng.normal(0, 3, (len(odds) + seen.sum(), 2))).T
        odds = np.append(odds, rng.normal(of_noise, 1.3, len(false)))
        # Topaz gives the odds, the others probabilities
        is_topaz = (of_particles, of_noise) == NETWORKS["topaz"][:2]
        return x, y, odds if is_topaz else 1 / (1 + np.exp(-odds))

    return pick


def of_networks(data: Set) -> Lists:
    least = np.array([NETWORKS[name][2] for name in data.picks.picker_names])
    return Lists(data, data.picks.score >= least[data.picks.picker])


# ------------------------------------------------------------------ detectors


def detected(data: Set) -> Lists:
    """Picks of the installed detectors at their lowest thresholds."""
    box, size = data.box_px, data.pixel_size
    empty = np.empty((0, 2))
    with tempfile.TemporaryDirectory(prefix="repic-raw-") as name:
        folder = Path(name)
        made = [
            SimulatedExposure(
                *(image, data.truth[one], np.zeros((len(data.truth[one]), 3))),
                *(empty, empty[:, 0], None, size, box),
            )
            for one, image in data.images.items()
        ]
        write_exposures(folder, made)
        names = dict(zip((file.stem for file in images_of(folder)), data.images))
        found = {"template": templates(folder, data)}
        if (ENVIRONMENTS / "topaz").is_dir():
            found["topaz"] = above(topaz(folder, box, size, TOPAZ_MIN_SCORE), 0.0)
        raw = log(folder, box, size, LOG_THRESHOLD_CHANGE)
        if raw:
            found["log"] = among(raw, log(folder, box, size))
    return gathered(found, names, data)


def above(rows: Rows, least: float) -> Dict[str, Any]:
    return {name: (x, y, score, score >= least) for name, (x, y, score) in rows.items()}


def among(raw: Rows, own: Rows) -> Dict[str, Any]:
    """Raw picks, and which reach the lowest score at the default threshold."""
    least = {name: min(own[name][2], default=np.inf) if name in own else np.inf for name in raw}
    return {name: (x, y, score, score >= least[name]) for name, (x, y, score) in raw.items()}


def templates(folder: Path, data: Set) -> Dict[str, Any]:
    box, files, found = data.box_px, images_of(folder), {}
    centers = list(data.truth.values())
    for turn in range(N_TURNS):
        boxes = [
            cut_boxes(prepare_micrograph(loaded(file), box), centers[number], box)
            for number, file in enumerate(files)
            if number % N_TURNS != turn
        ]
        matcher = TemplateMatcher(learn_templates(np.concatenate(boxes)).images, box_size_px=box)
        for file in files[turn::N_TURNS]:
            raw = matcher.pick(loaded(file), min_score=0.0)
            least = matcher.pick(loaded(file)).min_score
            found[file.stem] = (*raw.centers.T, raw.scores, raw.scores >= least)
    return found


def gathered(found: Dict[str, Any], names: Dict[str, str], data: Set) -> Lists:
    """Picks of all pickers, without those whose boxes extend beyond the micrograph."""
    parts = []
    for picker, rows in enumerate(found.values()):
        for number, (file, name) in enumerate(names.items()):
            if file in rows:
                height, width = data.images[name].shape
                x, y, score, is_own = map(np.asarray, rows[file])
                half = data.box_px / 2
                kept = (x > half) & (x < width - half) & (y > half) & (y < height - half)
                numbers = np.full((2, len(x)), [[number], [picker]])
                parts.append(np.vstack([numbers, x, y, score, is_own])[:, kept])
    m, j, x, y, score, is_own = np.concatenate(parts, axis=1)
    named = {"micrograph_names": list(data.truth), "picker_names": list(found)}
    picks = Picks.from_columns(m.astype(int), j.astype(int), x, y, score, **named)
    return Lists(data._replace(picks=picks), is_own.astype(bool))


# --------------------------------------------------------------------- report


def report(name: str, lists: List[Lists], args: argparse.Namespace) -> None:
    one = lists[0]
    for number, picker in enumerate(one.data.picks.picker_names):
        mine = one.data.picks.picker == number
        n = len(one.data.truth)
        print(f"<!-- {name}: {picker} {mine.sum() / n:.0f} a micrograph, ", end="")
        print(f"{(mine & one.is_own).sum() / n:.0f} above its own threshold, ", end="")
        print(f"{expected(one.data)} particles -->", flush=True)
    print(f"<!-- {name}: particles a micrograph by the model, {estimates(lists, args.times)} -->")
    for mode in (*MODES, WITH_IMAGES) if args.images else MODES:
        measured = [compared(mode, one, args.times) for one in lists]
        cells = [text([row[0][way] for row in measured]) for way in range(len(WAYS))]
        ratio = np.mean([row[1] for row in measured])
        print(f"| {name} | {mode} | {' | '.join(cells)} | {ratio:.1f} |", flush=True)


def estimates(lists: List[Lists], times: float) -> str:
    """The expected number of particles that mode probabilistic estimates from each list."""
    found = [[], [], []]
    for one in lists:
        for values, is_used in zip(found, used(one, times)):
            data = one.data._replace(picks=one.data.picks.take(is_used))
            result = consensus(BY_PROBABILITY[0], data, None)
            if result is not None:
                model = result.ensemble
                values.append(model.n_particles / model.n_micrographs)
    cells = (f"{name} {np.mean(values):.0f}" for name, values in zip(LISTS, found) if values)
    return ", ".join(cells)


def text(scores: List[Optional[Tuple[float, float, float]]]) -> str:
    known = [one for one in scores if one is not None]
    if not known:
        return "refused"
    mean = np.mean(known, axis=0)
    return f"{mean[0]:.3f} ({mean[1]:.2f}, {mean[2]:.2f})"


def compared(mode: str, one: Lists, times: float) -> Tuple[List[Any], float]:
    """F1, precision and recall of each way, and the ratio of the times of the first two lists."""
    n_best = expected(one.data)
    scores, seconds = [], []
    for is_used in used(one, times):
        data = one.data._replace(picks=one.data.picks.take(is_used))
        start = time.perf_counter()
        found = consensus(mode, data, None)
        seconds.append(time.perf_counter() - start)
        best = consensus(mode, data, n_best) if mode in BY_PROBABILITY else cut(found, n_best)
        scores += [None if one is None else measures(data, one) for one in (best, found)]
    return scores, seconds[0] / seconds[1]


def used(one: Lists, times: float) -> Tuple[Any, Any, Any]:
    """Which picks are in each of `LISTS`."""
    everything = np.ones(len(one.is_own), bool)
    return everything, one.is_own, among_best(one.data.picks, times * expected(one.data))


def among_best(picks: Picks, most: float) -> Any:
    """Which picks are among the `most` best of their picker and micrograph."""
    order = np.lexsort((-picks.score, picks.picker, picks.micrograph))
    group = (picks.micrograph * picks.n_pickers + picks.picker)[order]
    place = np.arange(len(order)) - np.searchsorted(group, group)
    kept = np.zeros(len(picks), bool)
    kept[order[place < most]] = True
    return kept


def cut(found: Any, n_best: int) -> Any:
    """The best particles of each micrograph, which come first."""
    place = np.arange(len(found)) - np.searchsorted(found.micrograph, found.micrograph)
    kept = place < n_best
    return Places(found.micrograph[kept], found.x[kept], found.y[kept])


def expected(data: Set) -> int:
    return round(sum(map(len, data.truth.values())) / len(data.truth))


def consensus(mode: str, data: Set, number: Optional[int]) -> Any:
    """The result, or None where it is refused."""
    given = {name: TRANSFORMS[name] for name in data.picks.picker_names if name in TRANSFORMS}
    options = {"score_transform": given, "time_limit_s": TIME_LIMIT_S}
    with_images = mode == WITH_IMAGES
    options["mode"] = BY_PROBABILITY[0] if with_images else mode
    options["num_particles"] = ALL_CANDIDATES if with_images else number
    try:
        candidates = find_consensus(data.picks, data.box_px, **options)
    except ValueError:  # agreement no better than chance
        return None
    if not with_images:
        return candidates
    found = classify_candidates(
        candidates,
        list(data.picks.micrograph_names),
        data.box_px,
        pixel_size_angstrom=data.pixel_size,
        read=lambda name: data.images[name],
    )
    classes = found.for_consensus()
    return judge_by_images(candidates, data.picks, classes, num_particles=number).result


def measures(data: Set, found: Any) -> Tuple[float, float, float]:
    n_true, n_hits = sum(map(len, data.truth.values())), hits(data, *columns(found))
    return f1(data, *columns(found)), n_hits / max(len(found), 1), n_hits / n_true


if __name__ == "__main__":
    main()
