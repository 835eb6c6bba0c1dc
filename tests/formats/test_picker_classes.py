"""Picks of each picker by 2D class, written and read again."""

import numpy as np
import pytest

from repic_plugin.formats import (
    CandidateClasses,
    FormatError,
    read_picker_classes,
    write_candidate_classes,
)

NAMES = ("topaz", "the, other")
COUNTS = np.array([[[30, 0], [0, 50], [10, 10]], [[0, 0], [5, 15], [20, 5]]])
SHARE = np.array([0.2, 0.95, 0.6])


@pytest.fixture
def folder(tmp_path):
    averages = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    names, label = np.array(["a", "a", "b"]), np.array([0, 1, -1])
    size, score = np.array([40, 65, 30]), np.array([0.1, 0.9, 0.5])
    classes = CandidateClasses(
        names, np.ones((3, 2)), label, size, score, SHARE, 20 * score, averages, 3.0, True
    )
    write_candidate_classes(tmp_path, classes, np.array([0.1, 0.9, 0.5]), NAMES, COUNTS)
    return tmp_path


def test_what_was_written_is_read(folder):
    found = read_picker_classes(folder)
    assert found.picker_names == NAMES
    np.testing.assert_array_equal(found.counts, COUNTS)
    np.testing.assert_array_equal(found.share, SHARE)
    assert found.size.tolist() == [40, 65, 30]
    assert found.averages.shape == (3, 8, 8)
    assert found.is_filtered


def test_a_consensus_without_images_has_none(tmp_path):
    assert read_picker_classes(tmp_path) is None


def test_a_row_that_is_missing_is_told(folder):
    path = folder / "picker_classes.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(FormatError, match=r"picker_classes\.csv: must have a row for each picker"):
        read_picker_classes(folder)
