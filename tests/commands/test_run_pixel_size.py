"""The pixel size of a template that is not given is that of the micrographs' headers."""

import numpy as np
import pytest

from repic_plugin.formats import write_mrc
from repic_plugin.workflow import read_workflow


@pytest.fixture
def pixel_size(tmp_path):
    """The sampling rate of the template `consensus`, given what headers say, and a value."""

    def read(sizes, *values):
        for number, size in enumerate(sizes):
            write_mrc(tmp_path / f"m{number}.mrc", np.zeros((4, 6), "f4"), size)
        folders = [f"{name}={tmp_path}" for name in ("micrographs", "picks1", "picks2", "picks3")]
        workflow = read_workflow("consensus", [*folders, *values])
        return workflow.protocols[0]["samplingRate"]

    return read


def test_it_is_what_the_headers_say(pixel_size):
    with pytest.warns(UserWarning, match="the pixel size is 5 Å, as the headers"):
        assert pixel_size([5, 5, 0]) == 5


def test_what_is_given_counts(pixel_size):
    assert pixel_size([5, 5], "pixel=1.0") == 1
    assert pixel_size([5, 7], "pixel=6") == 6


def test_headers_that_contradict_each_other(pixel_size):
    with pytest.raises(ValueError, match="say 5 and 7 Å/px; give pixel="):
        pixel_size([5, 7])


def test_headers_that_say_nothing(pixel_size):
    with pytest.warns(UserWarning, match=r"1\.0 Å/px is taken; give pixel="):
        assert pixel_size([0, 0]) == 1
