"""A number of classes that is too large for the particles is named, with one that is not."""

import re

import pytest

from repic_plugin.classification import few_members


@pytest.mark.parametrize("n, k", [(1500, 50), (60, 2), (0, 0)])
def test_enough(n, k):
    assert few_members(n, k, "--classes") == ""


@pytest.mark.parametrize(
    "n, k, words",
    [
        (343, 50, "6.9 particles per class on average, fewer than 30: .*; set K to 11 or fewer$"),
        (1499, 50, "^30.0 .*; set K to 49 or fewer$"),
        (60, 3, "; set K to 2 or fewer$"),
        (59, 2, "; use more particles$"),
    ],
)
def test_few(n, k, words):
    found = few_members(n, k, "K")
    assert re.search(words, found)
    n_enough = re.search(r"to (\d+) or", found)
    assert n_enough is None or few_members(n, int(n_enough[1]), "K") == ""
