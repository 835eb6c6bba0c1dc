"""Pickers whose coordinates do not fit are found, and those that are merely bad are not."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.consensus import Correction, Picks, corrected, find_consensus, find_misfits
from repic_plugin.consensus.geometry import same_picks
from repic_plugin.formats import read_picks_dir
from repic_plugin.simulation import simulate_picks

BOX, SIDE = 180, (4096, 3000)
# What was done to a picker's coordinates, and what undoes it.
MISTAKES = {
    "scaled by 8": (lambda p: p / 8, Correction(scale=8)),
    "scaled by 2": (lambda p: p / 2, Correction(scale=2)),
    "super-resolution": (lambda p: p * 2, Correction(scale=0.5)),
    "y mirrored": (lambda p: [0, SIDE[1]] + p * [1, -1], Correction(flip_y_px=SIDE[1])),
    "x mirrored": (lambda p: [SIDE[0], 0] + p * [-1, 1], Correction(flip_x_px=SIDE[0])),
    "exchanged": (lambda p: p[:, ::-1], Correction(swap_xy=True)),
    "corners": (lambda p: p - BOX / 2, Correction(offset_px=(BOX / 2, BOX / 2))),
    "shifted": (lambda p: np.add(p, [130, -70]), Correction(offset_px=(-130, 70))),
}


def drawn(n_micrographs, n_particles, n_pickers=3, seed=0, **how):
    return simulate_picks(
        n_micrographs,
        n_pickers,
        n_particles=n_particles,
        micrograph_size_px=SIDE,
        box_size_px=BOX,
        random_state=seed,
        **how,
    ).picks


def with_mistake(picks, number, change):
    mine = picks.picker == number
    centers = picks.centers.copy()
    centers[mine] = change(centers[mine])
    return replace(picks, x=centers[:, 0], y=centers[:, 1])


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("crowd", [(8, 12), (3, 160), (1, 120)], ids=["sparse", "crowded", "one"])
@pytest.mark.parametrize("is_size_known", [True, False])
def test_each_mistake_is_found_with_what_undoes_it(name, crowd, is_size_known):
    change, remedy = MISTAKES[name]
    picks = drawn(*crowd, seed=crowd[0])
    sizes = np.full(3, BOX)
    size = SIDE if is_size_known else None
    assert find_misfits(picks, sizes, size) == []
    wrong = with_mistake(picks, 1, change)
    (misfit,) = find_misfits(wrong, sizes, size)
    assert misfit.picker == "picker_2"
    found = misfit.correction
    assert found.swap_xy == remedy.swap_xy
    assert found.scale == remedy.scale
    for one, other in (
        (found.flip_x_px, remedy.flip_x_px),
        (found.flip_y_px, remedy.flip_y_px),
        *zip(found.offset_px, remedy.offset_px),
    ):
        assert (one is None) == (other is None)
        assert one is None or abs(one - other) <= 15  # px of a box of 180
    mended = corrected(wrong, {misfit.picker: found})
    assert find_misfits(mended, sizes, size) == []
    assert np.abs(mended.centers - picks.centers).max() <= 22
    assert "picker_2's picks meet those of the other pickers" in str(misfit)


@pytest.mark.parametrize("name", ["scaled by 8", "y mirrored", "corners"])
def test_of_two_pickers_one_is_taken_in_terms_of_the_other(name):
    change, _ = MISTAKES[name]
    picks = with_mistake(drawn(5, 80, 2), 0, change)
    found = find_misfits(picks, np.full(2, BOX), SIDE)
    assert found
    for misfit in found:
        mended = corrected(picks, {misfit.picker: misfit.correction})
        assert find_misfits(mended, np.full(2, BOX), SIDE) == []


def test_the_ratio_of_the_box_sizes_may_be_the_scale():
    picks = with_mistake(drawn(4, 60), 2, lambda p: p / 3.7)
    sizes = np.full(3, BOX)
    assert find_misfits(picks, sizes, SIDE) == []
    (misfit,) = find_misfits(picks, sizes, SIDE, (180, 180, 180 / 3.7))
    assert misfit.correction.scale == pytest.approx(3.7, rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("crowd", [(6, 10), (2, 200), (1, 40)], ids=str)
def test_a_picker_that_is_merely_bad_is_no_misfit(seed, crowd):
    """Recall and precision of a tenth; and one that picks at random."""
    sizes = np.full(3, BOX)
    bad = drawn(*crowd, seed=seed, recall=[0.8, 0.8, 0.1], precision=[0.8, 0.8, 0.1])
    assert find_misfits(bad, sizes, SIDE) == []
    rng = np.random.default_rng(seed)
    rows = bad.picker == 1
    centers = bad.centers.copy()
    centers[rows] = rng.uniform(0, SIDE, (rows.sum(), 2))
    assert find_misfits(replace(bad, x=centers[:, 0], y=centers[:, 1]), sizes, SIDE) == []
    assert find_misfits(replace(bad, x=centers[:, 0], y=centers[:, 1]), sizes) == []


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_among_random_picks(seed):
    rng = np.random.default_rng(seed)
    n = 900
    picks = Picks.from_columns(
        rng.integers(0, 4, n), rng.integers(0, 3, n), *rng.uniform(0, 4000, (2, n)), rng.random(n)
    )
    assert find_misfits(picks, np.full(3, BOX)) == []


def test_a_grid_is_no_reason():
    """Picks on a lattice meet each other wherever they are moved to."""
    lattice = np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2) * 300.0
    rng = np.random.default_rng(0)
    centers = np.concatenate([lattice + rng.normal(0, 5, lattice.shape) for _ in range(3)])
    picks = Picks.from_columns(
        np.zeros(300, int), np.repeat(range(3), 100), *centers.T, np.ones(300)
    )
    assert find_misfits(picks, np.full(3, BOX)) == []


def test_few_picks_decide_nothing():
    picks = with_mistake(drawn(1, 8), 1, lambda p: p / 8)
    assert find_misfits(picks, np.full(3, BOX)) == []
    assert find_misfits(Picks.from_columns([], [], [], [], picker_names="ab"), np.ones(2)) == []


def test_real_picks_fit(shared_data):
    for folder, box in (("empiar-10017", 180), ("real/empiar-10146/picks", 120)):
        loaded = read_picks_dir(shared_data / folder)
        sizes = np.full(loaded.picks.n_pickers, box)
        assert find_misfits(loaded.picks, sizes, None, loaded.box_size_px) == []
        for number in range(3):
            wrong = with_mistake(loaded.picks, number, lambda p: p / 8)
            (misfit,) = find_misfits(wrong, sizes, None, loaded.box_size_px)
            assert misfit.picker == loaded.picks.picker_names[number]
            assert misfit.correction.scale == 8


def test_corrections_are_checked():
    picks = drawn(1, 10)
    with pytest.raises(ValueError, match="no picker warp to correct; the pickers are picker_1"):
        corrected(picks, {"warp": Correction()})
    with pytest.raises(ValueError, match="the scale of picker_1 must be positive"):
        corrected(picks, {"picker_1": Correction(scale=0)})


@pytest.mark.parametrize("mode", ["all", "quorum", "probabilistic"])
def test_the_same_picks_at_two_thresholds_are_reported(mode):
    picks = drawn(4, 90)
    best = (picks.picker == 0) & (picks.score > np.median(picks.score[picks.picker == 0]))
    rows = np.concatenate([np.arange(len(picks)), np.flatnonzero(best)])
    part = picks.take(rows)
    picker = np.concatenate([picks.picker, np.full(best.sum(), 3)])
    both = replace(part, picker=picker, picker_names=(*picks.picker_names, "again"))
    assert same_picks(picks) == []
    assert same_picks(both) == [("again", "picker_1", 1.0)]
    with pytest.warns(UserWarning, match="picker_1 has 100% of the picks of again"):
        find_consensus(both, BOX, mode=mode)


def test_real_pickers_are_not_the_same(shared_data):
    for folder in ("empiar-10017", "real/empiar-10146/picks"):
        assert same_picks(read_picks_dir(shared_data / folder).picks) == []
