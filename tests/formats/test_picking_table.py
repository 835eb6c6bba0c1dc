"""The table of the micrographs of a template picking."""

import pytest

from repic_plugin.formats import (
    FormatError,
    PickedMicrograph,
    read_picked_micrographs,
    write_picked_micrographs,
)

ROWS = [PickedMicrograph("a", 120, 0.1523, 0.0, 0.2), PickedMicrograph("grid,1/b", 0, 1.0, 0.5, 0)]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "micrographs.csv"
    assert read_picked_micrographs(path) == []
    write_picked_micrographs(path, ROWS)
    assert read_picked_micrographs(path) == ROWS


def test_a_damaged_table_is_one_line(tmp_path):
    path = tmp_path / "micrographs.csv"
    write_picked_micrographs(path, ROWS)
    path.write_text(path.read_text().replace("120", "many"))
    with pytest.raises(FormatError, match=r"micrographs\.csv.*run the picking again"):
        read_picked_micrographs(path)
