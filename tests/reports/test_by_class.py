"""The report of a consensus with images: pickers by 2D class."""

import numpy as np

from repic_plugin.formats import PickerClasses
from repic_plugin.reports import Picture, Table
from repic_plugin.reports.consensus import by_class

COUNTS = np.array([[[30, 0], [0, 50], [10, 10]], [[0, 0], [5, 15], [20, 5]], np.zeros((3, 2))], int)


def test_the_picture_and_the_shares_of_each_picker():
    share, averages = np.array([0.2, 0.95, 0.6]), np.ones((3, 8, 8), np.float32)
    names = ("topaz", "other", "silent")
    found = PickerClasses(names, COUNTS, COUNTS.sum(axis=(0, 2)), share, averages)
    picture, table = by_class(found)
    assert isinstance(picture, Picture)
    assert isinstance(table, Table)
    assert table.rows == [
        ["topaz", 40, 0.25, 60, 1.0],
        ["other", 25, 1.0, 20, 1.0],
        ["silent", 0, "", 0, ""],
    ]
    assert len(table.header) == len(table.rows[0])


def test_of_filtered_images_no_class_is_said_to_hold_particles():
    averages = np.ones((3, 8, 8), np.float32)
    of_class = (COUNTS.sum(axis=(0, 2)), np.array([0.2, 0.95, 0.6]), averages)
    (picture,) = by_class(PickerClasses(("a", "b", "c"), COUNTS, *of_class, is_filtered=True))
    assert isinstance(picture, Picture)


def test_without_images_there_is_none():
    assert by_class(None) == []
