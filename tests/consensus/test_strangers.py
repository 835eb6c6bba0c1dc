"""Pickers in coordinates of their own, which no usual correction explains."""

import numpy as np
import pytest

from repic_plugin.consensus import find_misfits, find_strangers
from repic_plugin.formats import read_picks_dir
from tests.consensus.test_geometry import BOX, SIDE, drawn, with_mistake

CROWD = (6, 60)  # micrographs, particles on each


def turned(centers):
    return np.subtract(SIDE, centers)


def in_angstrom(centers):
    return 0.83 * centers


@pytest.mark.parametrize("mistake", [turned, in_angstrom])
def test_a_picker_in_other_coordinates_is_named_with_its_reach(mistake):
    picks = drawn(*CROWD, seed=1)
    sizes = np.full(picks.n_pickers, BOX)
    assert find_strangers(picks, sizes) == []
    wrong = with_mistake(picks, 1, mistake)
    assert find_misfits(wrong, sizes) == []
    (found,) = find_strangers(wrong, sizes)
    assert found.picker == picks.picker_names[1]
    assert found.share < 0.1 * found.others
    assert found.reach_px == tuple(wrong.centers[wrong.picker == 1].max(axis=0))


@pytest.mark.parametrize("seed", range(3))
def test_a_weak_picker_is_no_stranger(seed):
    """Recall of a quarter and precision of a third."""
    weak = drawn(*CROWD, seed=seed, recall=[0.8, 0.8, 0.25], precision=[0.8, 0.8, 0.33])
    assert find_strangers(weak, np.full(3, BOX)) == []


def test_of_two_pickers_neither_is_a_stranger():
    two = with_mistake(drawn(*CROWD, n_pickers=2), 1, in_angstrom)
    assert find_strangers(two, np.full(2, BOX)) == []


def test_real_pickers_are_no_strangers(shared_data):
    for folder, box in (("empiar-10017", 180), ("real/empiar-10146/picks", 120)):
        picks = read_picks_dir(shared_data / folder).picks
        assert find_strangers(picks, np.full(picks.n_pickers, float(box))) == []
