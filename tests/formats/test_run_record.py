"""How a consensus was found, written and read."""

import math

import pytest

from repic_plugin import __version__
from repic_plugin.formats import FormatError, RunRecord, read_run_record, write_run_record


@pytest.mark.parametrize(
    "record",
    [
        RunRecord("all", 3),
        RunRecord("quorum", 2, pixel_size_angstrom=1.0625, version='0.1, "old"'),
        RunRecord("probabilistic", 1, images=True),
    ],
)
def test_it_comes_back(tmp_path, record):
    write_run_record(tmp_path, record)
    found = read_run_record(tmp_path)
    assert found[:3] == record[:3] and found.version == record.version
    assert math.isnan(found.pixel_size_angstrom) == math.isnan(record.pixel_size_angstrom)
    assert math.isnan(found[3]) or found[3] == record[3]


def test_the_version_is_ours_and_earlier_runs_have_none(tmp_path):
    assert RunRecord("all", 2).version == __version__
    assert read_run_record(tmp_path) is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("all", "some", "mode must be"), ("false", "no", "images must be"), ("3", "x", "quorum")],
)
def test_damage_is_told(tmp_path, old, new, told):
    write_run_record(tmp_path, RunRecord("all", 3, version="1"))
    path = tmp_path / "run.csv"
    head, row = path.read_text().splitlines()
    path.write_text(f"{head}\n{row.replace(old, new)}\n")
    with pytest.raises(FormatError, match=rf"run\.csv.*{told}.*run the consensus again"):
        read_run_record(tmp_path)
    path.write_text(f"{head}\n")
    with pytest.raises(FormatError, match="one row"):
        read_run_record(tmp_path)
