"""Iterative picking in memory, with and without images: part of `make bench`.

Prints the tables of docs/use/iterative.md. Template pickers start with a blob, are trained on the
best of their consensus by probability on some micrographs, and pick again, as the protocol does.
Micrographs are simulated, with 16 contaminants each; micrographs without particles are the negative
control. With real micrographs (--real DIR, see real_data.py) three pickers of apoferritin are
ranked by agreement, by images and by the labels. F1 counts each particle once, on micrographs that
nothing was trained on.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from images import SETS, Set, columns, f1, hits, quality, real
from real_data import NO_IMAGES

from repic_plugin.commands.maps import load_map
from repic_plugin.consensus import (
    ALL_CANDIDATES,
    ConsensusResult,
    Picks,
    find_consensus,
    judge_by_images,
    shows_no_particles,
)
from repic_plugin.formats import classify_candidates
from repic_plugin.iteration import best_of_each
from repic_plugin.simulation import phantom_map, simulate_exposures
from repic_plugin.template_picking import (
    TemplateMatcher,
    cut_boxes,
    learn_templates,
    prepare_micrograph,
)

SIZE, N_MICROGRAPHS, N_TRAINING, N_PARTICLES, N_JUNK = 1024, 12, 3, 45, 16
MORE_THAN_EXPECTED, KEEP_ALL = 1.5, -1.0  # as in `pickers.template`
OPTIONS = {"mode": "probabilistic", "score_transform": "rank"}


class Template(NamedTuple):
    """Options of a template picker: the number of templates is 0 for that of the labels."""

    n_templates: int = 0
    angular_step_deg: float = 15.0


class Row(NamedTuple):
    """One iteration: F1 of the best picker and the consensus, and the labels' precision."""

    best: float
    consensus: float
    n_particles: int
    labels: float


THREE = (Template(), Template(1), Template(12, 30.0))
TWO = (Template(), Template(1, 30.0))
LOOPS = {
    "three template pickers": (THREE, 0.08),
    "two, one of a single template": (TWO, 0.08),
    "the same two, signal-to-noise ratio 1/20": (TWO, 0.05),
}
CONTROLS = {"no particles, 16 contaminants": N_JUNK, "empty ice": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", help="MRC map at 5 Å/px; the built-in phantom if none")
    parser.add_argument("--real", type=Path, metavar="DIR")
    parser.add_argument("--seeds", type=int, nargs="*", default=(0, 1))
    parser.add_argument("--iterations", type=int, default=3, metavar="N")
    parser.add_argument("--only", default="", help="loops whose name contains this")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    volume, pixel_size = load_map(args.map, 5.0, None) if args.map else (phantom_map(64), 5.0)
    head = "F1 of the best picker | of the consensus | particles (fewest) | precision of labels"
    print(f"| loop | iteration | {head} |\n{'| --- ' * 6}|")
    for name, (pickers, snr) in LOOPS.items():
        if args.only in name:
            sets = [simulated(volume, pixel_size, seed, snr=snr) for seed in args.seeds]
            for looks in (False, True):
                runs = [loop(data, pickers, looks, args.iterations) for data in sets]
                show(name, looks, runs)
    for name, n_junk in CONTROLS.items():
        if args.only in name:
            for seed in args.seeds:
                data = simulated(volume, pixel_size, seed, n_particles=0, n_junk=n_junk)
                for looks in (False, True):
                    _, end = loop(data, TWO, looks, 1)
                    print(f"{name}, seed {seed}, {'with' if looks else 'without'} images: {end}")
    if args.real is None:
        print(NO_IMAGES)
    elif args.only in "apoferritin":
        folder, *about = SETS["apoferritin"]
        rank(real(args.real / folder, args.real / folder / "picks", *about))


def show(name: str, looks: bool, runs: Sequence[Tuple[List[Row], str]]) -> None:
    """Means over the seeds; the fewest particles of any seed in brackets."""
    for iteration in range(max(len(rows) for rows, _ in runs)):
        rows = np.array([rows[iteration] for rows, _ in runs if len(rows) > iteration])
        best, consensus, n, labels = rows.mean(axis=0)
        told = f"{best:.3f} | {consensus:.3f} | {n:.0f} ({rows[:, 2].min():.0f}) | {labels:.3f}"
        print(f"| {name}, {'with' if looks else 'without'} images | {iteration} | {told} |")
    print("\n".join(end for _, end in runs if end), flush=True)


def simulated(
    volume: Any,
    pixel_size: float,
    seed: int,
    *,
    snr: float = 0.08,
    n_particles: int = N_PARTICLES,
    n_junk: int = N_JUNK,
) -> Set:
    exposures = simulate_exposures(
        volume,
        N_MICROGRAPHS,
        pixel_size_angstrom=pixel_size,
        n_particles=n_particles,
        n_junk=n_junk,
        micrograph_size_px=(SIZE, SIZE),
        snr=snr,
        random_state=seed,
    )
    images, truth = {}, {}
    for m, one in enumerate(exposures):
        images[f"mic{m}"] = one.micrograph.astype(np.float32)
        truth[f"mic{m}"] = np.asarray(one.centers)
    nothing = Picks.from_columns([], [], [], [], micrograph_names=list(images), picker_names=["-"])
    return Set(nothing, truth, images, 2 * (len(volume) // 2), pixel_size)


def loop(
    data: Set, pickers: Sequence[Template], looks: bool, n_iterations: int
) -> Tuple[List[Row], str]:
    """Rows of the iterations, and why it ended before the last; empty if it did not."""
    rows: List[Row] = []
    matchers = [matcher(data, one) for one in pickers]
    for iteration in range(n_iterations + 1):
        picks = picked(data, matchers, None if iteration else KEEP_ALL)
        try:
            agreed = consensus(data, picks, looks)
        except ValueError as error:
            return rows, f"ends at iteration {iteration}: {error}"
        if looks and shows_no_particles(agreed.ensemble):
            return rows, f"ends at iteration {iteration}: no 2D class looks like particles"
        labels = labelled(data, agreed)
        rows.append(described(data, picks, agreed, labels))
        n_labels = sum(map(len, labels.values()))
        try:
            matchers = [matcher(data, one, labels) for one in pickers]
        except ValueError as error:
            return rows, f"ends after iteration {iteration}, {n_labels} labels: {error}"
    n_true = sum(map(len, data.truth.values()))
    return rows, "" if n_true else f"goes on with {rows[-1].n_particles} particles, of which 0 true"


def matcher(data: Set, picker: Template, labels: Optional[Dict[str, Any]] = None) -> Any:
    """A blob, or what is learnt from the labels."""
    box, templates = data.box_px, None
    if labels is not None:
        prepared = {name: prepare_micrograph(data.images[name], box) for name in labels}
        boxes = [cut_boxes(prepared[name], centers, box) for name, centers in labels.items()]
        templates = learn_templates(np.concatenate(boxes), picker.n_templates).images
    step = picker.angular_step_deg
    return TemplateMatcher(templates, box_size_px=box, angular_step_deg=step)


def picked(data: Set, matchers: Sequence[Any], least: Optional[float]) -> Picks:
    most, rows = round(MORE_THAN_EXPECTED * N_PARTICLES), []
    for m, image in enumerate(data.images.values()):
        for j, one in enumerate(matchers):
            found = one.pick(image, min_score=least, max_particles=most)
            place = [np.full(len(found), number) for number in (m, j)]
            rows.append(np.column_stack([*place, found.centers, found.scores]))
    m, j, x, y, score = np.concatenate(rows).T
    pickers = [f"Template ({number + 1})" for number in range(len(matchers))]
    names = {"micrograph_names": list(data.images), "picker_names": pickers}
    return Picks.from_columns(m.astype(int), j.astype(int), x, y, score, **names)


def consensus(data: Set, picks: Picks, looks: bool) -> ConsensusResult:
    if not looks:
        return find_consensus(picks, data.box_px, **OPTIONS)
    candidates = find_consensus(picks, data.box_px, num_particles=ALL_CANDIDATES, **OPTIONS)
    found = classify_candidates(
        candidates,
        list(data.images),
        data.box_px,
        pixel_size_angstrom=data.pixel_size,
        n_threads=2,
        read=lambda name: data.images[name],
    )
    classes = found.for_consensus()
    return judge_by_images(candidates, picks, classes).result


def labelled(data: Set, agreed: ConsensusResult) -> Dict[str, Any]:
    """Places of the best particles of each micrograph for training."""
    best = best_of_each(agreed.micrograph, agreed.weight, N_PARTICLES)
    micrograph = agreed.micrograph[best]
    places = np.column_stack([agreed.x, agreed.y])[best]
    return {name: places[micrograph == m] for m, name in enumerate([*data.images][:N_TRAINING])}


def described(data: Set, picks: Picks, agreed: ConsensusResult, labels: Dict[str, Any]) -> Row:
    """Scores on the other micrographs."""
    tests = data._replace(truth={name: data.truth[name] for name in [*data.images][N_TRAINING:]})
    mine = picks.take(picks.micrograph >= N_TRAINING)
    scores = [f1(tests, *columns(mine.take(mine.picker == j))) for j in range(picks.n_pickers)]
    later = agreed.micrograph >= N_TRAINING
    score = f1(tests, *(one[later] for one in columns(agreed)))
    n_labels = sum(map(len, labels.values()))
    n_true = sum(hits(data, np.full(len(at), m), *at.T) for m, at in enumerate(labels.values()))
    return Row(max(scores), score, len(agreed), n_true / max(n_labels, 1))


def rank(data: Set) -> None:
    """Pickers of real micrographs by three F1 scores, and the warnings."""
    print(
        "| apoferritin | F1 by agreement | by images | by the labels |\n| --- | --- | --- | --- |"
    )
    found = [consensus(data, data.picks, looks).ensemble for looks in (False, True)]
    for j, name in enumerate(data.picks.picker_names):
        precision, recall = quality(data, j)
        true = 2 * precision * recall / (precision + recall)
        print(f"| {name} | {found[0].f1[j]:.3f} | {found[1].f1[j]:.3f} | {true:.3f} |")
    print("\n".join(f"warning: {text}" for text in found[1].warnings))


if __name__ == "__main__":
    main()
