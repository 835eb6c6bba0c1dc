"""Small micrographs with known particles."""

from functools import lru_cache

import numpy as np

from repic_plugin.consensus import Picks
from repic_plugin.evaluation import evaluate_picks
from repic_plugin.simulation import phantom_map, simulate_exposures, simulate_micrograph
from repic_plugin.template_picking import cut_boxes, learn_templates, prepare_micrograph

BOX = 56
SIZE = (480, 400)  # width, height
GRID = np.array([(x, y) for y in range(50, 360, 60) for x in range(50, 440, 60)], float)


def one_body(seed, snr=0.3, centers=GRID):
    """A micrograph of one flat body at many angles, each near a point of a grid."""
    shifts = np.random.default_rng(seed).uniform(-4, 4, centers.shape)
    centers = centers + shifts
    return simulate_micrograph(centers, SIZE, BOX, snr=snr, random_state=seed), centers


def labelled_boxes(micrographs, box=BOX):
    """Boxes around the centres of (micrograph, centres) pairs."""
    return np.concatenate(
        [cut_boxes(prepare_micrograph(image, box), centers, box) for image, centers in micrographs]
    )


@lru_cache(maxsize=None)
def trained(n_templates=2):
    """Templates of the one body, from other micrographs than the tests look at."""
    return learn_templates(labelled_boxes([one_body(100), one_body(101)]), n_templates)


@lru_cache(maxsize=None)
def exposures(n, seed, n_junk=2):
    """Micrographs of a map in any orientation, with CTF, noise, ice and junk."""
    return [
        (one.micrograph, one.centers)
        for one in simulate_exposures(
            phantom_map(32),
            n,
            pixel_size_angstrom=8.0,
            n_particles=30,
            micrograph_size_px=(420, 420),
            snr=0.15,
            n_junk=n_junk,
            random_state=seed,
        )
    ]


def best_f1(found, truth, box):
    """Greatest F1 over thresholds on the score; `found` and `truth` by micrograph."""
    scores = np.concatenate([one.scores for one in found])
    reference = picks_of(list(truth))
    best = 0.0
    for least in np.quantile(scores, np.linspace(0, 0.99, 50)):
        picks = picks_of([one.centers[one.scores >= least] for one in found])
        (result,) = evaluate_picks(picks, reference, box)
        best = max(best, result.matching.f1)
    return best


def picks_of(centers):
    micrograph = np.repeat(np.arange(len(centers)), [len(one) for one in centers])
    x, y = np.concatenate(centers).T
    names = [f"mic{i}" for i in range(len(centers))]
    nobody = np.zeros(len(x), int)
    return Picks.from_columns(
        micrograph, nobody, x, y, micrograph_names=names, picker_names=["one"]
    )
