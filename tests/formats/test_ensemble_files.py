"""The files of an ensemble: what is written is read back, and damage is told of."""

import csv

import numpy as np
import pytest

from repic_plugin.consensus import find_consensus
from repic_plugin.consensus.ensemble import fit as ensemble_fit
from repic_plugin.formats import (
    FormatError,
    read_arrays,
    read_ensemble,
    write_arrays,
    write_ensemble,
)
from repic_plugin.simulation import simulate_picks


@pytest.fixture(scope="module")
def model():
    replicates, ensemble_fit.N_REPLICATES = ensemble_fit.N_REPLICATES, 3
    picks = simulate_picks(6, 3, n_particles=60).picks
    result = find_consensus(picks, 180, mode="probabilistic", micrograph_quality=np.arange(6.0))
    ensemble_fit.N_REPLICATES = replicates
    return result.ensemble


def test_a_row_for_each_picker_and_for_each_group_of_micrographs(model, tmp_path):
    write_ensemble(tmp_path, model)
    with open(tmp_path / "pickers.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["picker"] for row in rows[:3]] == list(model.picker_names)
    assert len(rows) == 3 + 3 * 3
    assert [float(row["recall"]) for row in rows[:3]] == pytest.approx(model.recall, abs=1e-4)
    assert {row["recall_low"] == "" for row in rows[3:]} == {True}
    assert float(rows[3]["from"]) == 0.0


def test_the_model_is_read_back(model, tmp_path):
    assert read_ensemble(tmp_path) is None
    write_ensemble(tmp_path, model)
    again = read_ensemble(tmp_path)
    assert again.picker_names == model.picker_names
    assert np.array_equal(again.particle_scores, model.particle_scores)
    assert again.threshold == model.threshold


def test_a_model_that_lacks_something_is_no_model(model, tmp_path):
    write_ensemble(tmp_path, model)
    file = tmp_path / "ensemble.npz"
    arrays = read_arrays(file)
    del arrays["ensemble.threshold"]
    write_arrays(file, arrays)
    with pytest.raises(FormatError, match=r"must hold the array 'ensemble\.threshold'"):
        read_ensemble(tmp_path)
    file.write_bytes(b"PK damaged")
    with pytest.raises(FormatError, match=r"ensemble\.npz"):
        read_ensemble(tmp_path)


@pytest.mark.parametrize("name", ["recall_interval", "quality_recall", "picker_names", "n_places"])
def test_an_array_of_another_shape(model, tmp_path, name):
    write_ensemble(tmp_path, model)
    arrays = read_arrays(tmp_path / "ensemble.npz")
    write_arrays(tmp_path / "ensemble.npz", {**arrays, f"ensemble.{name}": np.zeros((7, 1))})
    with pytest.raises(FormatError, match=rf"ensemble\.npz: is damaged \({name} must have shape"):
        read_ensemble(tmp_path)
