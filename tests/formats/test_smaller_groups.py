"""The table of groups of fewer pickers than have to agree."""

import numpy as np
import pytest

from repic_plugin.consensus import SmallerGroups
from repic_plugin.formats import FormatError, read_smaller_groups, write_smaller_groups

NAMES = ("cryolo", "topaz, new", "x")


def groups():
    return SmallerGroups(np.array([[True, True, False], [False, True, True]]), np.array([12, 3]))


def test_what_was_written_is_read(tmp_path):
    write_smaller_groups(tmp_path, groups(), NAMES)
    text = (tmp_path / "smaller_groups.csv").read_text()
    assert text.splitlines()[0] == 'cryolo,"topaz, new",x,n_groups'
    found = read_smaller_groups(tmp_path, NAMES)
    np.testing.assert_array_equal(found.found, groups().found)
    np.testing.assert_array_equal(found.count, groups().count)


def test_no_groups_and_no_table(tmp_path):
    assert read_smaller_groups(tmp_path, NAMES) is None
    none = SmallerGroups(np.zeros((0, 3), bool), np.zeros(0, np.int64))
    write_smaller_groups(tmp_path, none, NAMES)
    assert read_smaller_groups(tmp_path, NAMES).n_groups == 0


@pytest.mark.parametrize("text", ["cryolo,n_groups\ntrue,1\n", "a,b,c,n_groups\ntrue,true,no,1\n"])
def test_damage_is_told(tmp_path, text):
    (tmp_path / "smaller_groups.csv").write_text(text)
    with pytest.raises(FormatError, match="run the consensus again"):
        read_smaller_groups(tmp_path, ("a", "b", "c"))
