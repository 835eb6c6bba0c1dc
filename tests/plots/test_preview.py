"""The consensus of one micrograph is that of the data set."""

import numpy as np
import pytest

from repic_plugin.consensus import Picks, find_consensus
from repic_plugin.plots.preview import (
    PreviewSettings,
    prepare_preview,
    preview_consensus,
    preview_text,
)

BOX_PX = 60


def picks(n=400, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(100, 1400, (n, 2))
    where = np.concatenate([truth + rng.normal(0, 6, truth.shape) for _ in range(3)])
    order = rng.permutation(3 * n)
    return Picks.from_columns(
        np.tile(np.arange(n) % 4, 3)[order],
        np.repeat([0, 1, 2], n)[order],
        *where[order].T,
        np.concatenate([rng.random(n), rng.normal(0, 3, n), rng.uniform(50, 90, n)])[order],
        has_score=(rng.random(3 * n) < 0.95)[order],
        picker_names=["a", "topaz", "c"],
    )


@pytest.mark.filterwarnings("ignore:.*score")
@pytest.mark.parametrize("settings", [(3, 0.3, 0), (2, 0.3, 0), (2, 0.6, 0), (2, 0.3, 10)])
@pytest.mark.parametrize("min_score", [None, [0.2, -1.0, None]])
def test_it_is_what_the_run_will_find(settings, min_score):
    quorum, min_overlap, num_particles = settings
    everything = picks()
    prepared = prepare_preview(everything, box_size_px=BOX_PX, min_score=min_score)
    for micrograph in (1, 3):
        shown = preview_consensus(
            prepared, micrograph, PreviewSettings(*settings), box_size_px=BOX_PX
        )
        expected = find_consensus(
            everything,
            BOX_PX,
            mode="quorum",
            quorum=quorum,
            min_overlap=min_overlap,
            num_particles=num_particles or None,
            min_score=min_score,
            micrographs=[micrograph],
        )
        assert len(expected) > 5
        for column in ("x", "y", "weight", "overlap", "score"):
            np.testing.assert_allclose(getattr(shown, column), getattr(expected, column))


def test_further_options_hold():
    prepared = prepare_preview(picks(), box_size_px=BOX_PX)
    settings = PreviewSettings(2, 0.3)
    free = preview_consensus(prepared, 0, settings, box_size_px=BOX_PX)
    options = {"micrograph_size_px": (700, 700), "quorum": 3}
    cut = preview_consensus(prepared, 0, settings, box_size_px=BOX_PX, options=options)
    assert free.x.max() > 700 > cut.x.max()
    assert cut.quorum == 2


def test_a_micrograph_without_picks():
    empty = Picks.from_columns([0, 0], [0, 1], [5, 6], [5, 6], micrograph_names=["m", "n"])
    found = preview_consensus(
        prepare_preview(empty, box_size_px=BOX_PX), 1, PreviewSettings(2, 0.3), box_size_px=BOX_PX
    )
    assert len(found) == 0


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="quorum must lie in 2 to 3"):
        preview_consensus(
            prepare_preview(picks(), box_size_px=BOX_PX),
            0,
            PreviewSettings(4, 0.3),
            box_size_px=BOX_PX,
        )


def test_the_text_says_how_many_are_chance():
    prepared = prepare_preview(picks(), box_size_px=BOX_PX)
    result = preview_consensus(prepared, 0, PreviewSettings(2, 0.3, 10), box_size_px=BOX_PX)
    n, n_chance = result.micrographs.n_selected.sum(), result.agreement.n_chance
    assert preview_text(result) == (
        f"10 of {n} particles on this micrograph; estimated from it alone, about {n_chance:.0f} "
        f"of the {n} are there by chance"
    )


def test_random_picks_are_said_to_agree_by_chance():
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 1500, (600, 2))
    random = Picks.from_columns(np.zeros(600, int), np.arange(600) % 3, *rows.T, rng.random(600))
    prepared = prepare_preview(random, box_size_px=BOX_PX)
    result = preview_consensus(prepared, 0, PreviewSettings(2, 0.3), box_size_px=BOX_PX)
    assert preview_text(result).endswith("; the pickers agree no more than by chance")
