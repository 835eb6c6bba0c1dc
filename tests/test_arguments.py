"""Every check gives the clean value, or one line with the argument, the rule and the value."""

import numpy as np
import pytest

from repic_plugin import arguments

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "given", "clean"),
    [
        ("whole_number", (np.int32(3), 3), 3),
        ("box_size", (180.0,), 180),
        ("box_size", (np.float32(16), 16), 16),
        ("positive", (np.float32(0.5),), 0.5),
        ("not_negative", (0,), 0.0),
        ("in_range", (1, 0, 1), 1.0),
        ("in_range", (0.5, 0, 1, "()"), 0.5),
        ("fraction", (0,), 0.0),
        ("choice", ("b", ("a", "b")), "b"),
    ],
)
def test_clean_values(check, given, clean):
    found = getattr(arguments, f"check_{check}")("value", *given)
    assert found == clean
    assert type(found) is type(clean)


@pytest.mark.parametrize(
    ("check", "given", "rule"),
    [
        ("whole_number", (2, 3), "a whole number, 3 or more, got 2"),
        ("whole_number", (3.0, 3), "a whole number, 3 or more, got 3.0"),
        ("whole_number", ("3", 3), "a whole number, 3 or more, got 3"),
        ("whole_number", (None, 0), "a whole number, 0 or more, got None"),
        ("box_size", (0,), "a whole number of px, 1 or more, got 0"),
        ("box_size", (16.5, 16), "a whole number of px, 16 or more, got 16.5"),
        ("box_size", (NAN,), "a whole number of px, 1 or more, got nan"),
        ("box_size", (INF,), "a whole number of px, 1 or more, got inf"),
        ("positive", (0,), "positive and finite, got 0"),
        ("positive", (INF,), "positive and finite, got inf"),
        ("not_negative", (-1e-9,), "0 or more and finite, got -1e-09"),
        ("not_negative", (NAN,), "0 or more and finite, got nan"),
        ("in_range", (1.5, 0, 1), "lie in [0, 1], got 1.5"),
        ("in_range", (NAN, 0, 1), "lie in [0, 1], got nan"),
        ("in_range", (0, 0, 1, "(]"), "lie in (0, 1], got 0"),
        ("in_range", (1, 0, 1, "()"), "lie between 0 and 1, got 1"),
        ("fraction", (1,), "lie in [0, 1), got 1; give a fraction, not a percentage"),
        ("choice", ("d", ("a", "b", "c")), "a, b or c, got 'd'"),
        ("choice", (None, ("a", "b")), "a or b, got None"),
        ("finite", (np.array([1, NAN]),), "finite, got nan or infinite numbers"),
        ("varied", (np.full(3, 2.0),), "vary, got 2 everywhere"),
        ("centers", ([(1, 2, 3)],), "have shape (n, 2), got (1, 3)"),
        ("centers", ([(1, 2), (INF, 4)],), "finite, got [inf, 4.0] in row 1"),
        (
            "map",
            (np.zeros((8, 8, 9)), 4),
            "a cube of 4 voxels or more per side, got shape (8, 8, 9)",
        ),
        (
            "map",
            (np.zeros((3, 3, 3)), 4),
            "a cube of 4 voxels or more per side, got shape (3, 3, 3)",
        ),
        ("map", (np.full((4, 4, 4), NAN), 4), "finite, got nan"),
    ],
)
def test_refusals(check, given, rule):
    with pytest.raises(ValueError) as caught:
        getattr(arguments, f"check_{check}")("value", *given)
    message = str(caught.value)
    assert message.startswith("value must ")
    assert rule in message
    assert "\n" not in message


def test_no_centres_have_two_columns():
    assert arguments.check_centers("value", []).shape == (0, 2)


@pytest.mark.parametrize("size", [(4096,), (0, 9), (9, 1.5), (1, 2, 3)])
def test_sizes_of_micrographs(size):
    assert arguments.check_micrograph_size((64.0, np.int64(48))) == (64, 48)
    with pytest.raises(ValueError, match=r"two positive whole numbers, \(width, height\), got \("):
        arguments.check_micrograph_size(size)
