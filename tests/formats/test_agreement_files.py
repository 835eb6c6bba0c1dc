"""The files of an agreement: what is written is read back, and damage is reported."""

import pytest

from repic_plugin.consensus import find_consensus
from repic_plugin.formats import (
    FormatError,
    read_agreement,
    read_arrays,
    write_agreement,
    write_arrays,
)
from repic_plugin.simulation import simulate_picks


@pytest.fixture(scope="module")
def agreement():
    return find_consensus(simulate_picks(3, 3).picks, 180).agreement


def test_an_agreement_is_read_back(agreement, tmp_path):
    assert read_agreement(tmp_path) is None
    write_agreement(tmp_path, agreement)
    assert read_agreement(tmp_path) == agreement


def test_damage_is_reported(agreement, tmp_path):
    write_agreement(tmp_path, agreement)
    file = tmp_path / "agreement.npz"
    arrays = read_arrays(file)
    missing = {name: value for name, value in arrays.items() if name != "agreement.n_groups"}
    write_arrays(file, missing)
    with pytest.raises(FormatError, match=r"must hold the array 'agreement\.n_groups'"):
        read_agreement(tmp_path)
    write_arrays(file, {"other": arrays["agreement.rate"]})
    with pytest.raises(FormatError, match="holds no agreement; run the consensus again"):
        read_agreement(tmp_path)
    file.write_bytes(b"PK damaged")
    with pytest.raises(FormatError, match=r"agreement\.npz"):
        read_agreement(tmp_path)
