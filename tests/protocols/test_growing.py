"""Sets that are read while others write them, and the record of what was done."""

import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from repic_plugin.consensus import find_consensus
from tests.two_pickers import two_pickers

pytestmark = pytest.mark.slow


@pytest.fixture
def file(tmp_path):
    from tests.protocols.growing_sets import open_and_empty

    path = tmp_path / "coordinates.sqlite"
    path.touch()
    open_and_empty(str(path))
    return str(path)


def write(file, rows, *, is_open=True):
    """Rows of micrograph id, x, y, score."""
    from pwem.objects import Coordinate, SetOfCoordinates
    from pyworkflow.object import Float

    from tests.protocols.growing_sets import appended

    with appended(SetOfCoordinates, file, is_open) as coordinates:
        for micrograph, x, y, score in rows:
            item = Coordinate()
            item._score = Float(score)
            item.setMicId(micrograph)
            item.setPosition(x, y)
            coordinates.append(item)


def picks(file):
    from repic_plugin.convert import GrowingPicks

    return GrowingPicks(file)


FIRST = [(3, 1, 2, 0.5), (3, 4, 5, None), (7, 6, 7, 0.9)]
SECOND = [(5, 8, 9, 0.1), (3, 10, 11, 0.2)]


def test_each_look_reads_on(file):
    growing = picks(file)
    assert growing.look()
    assert (growing.spans, growing.attributes, growing.is_closed) == ({}, (), False)
    assert not growing.look()
    write(file, FIRST)
    assert growing.look()
    assert growing.spans == {3: (1, 2, 2), 7: (3, 3, 1)}
    assert "_score" in growing.attributes
    write(file, SECOND, is_open=False)
    assert growing.look()
    assert growing.spans == {3: (1, 5, 3), 7: (3, 3, 1), 5: (4, 4, 1)}
    assert (growing.is_closed, growing.n_resets) == (True, 0)
    assert not growing.look()


def test_picks_of_some_micrographs(file):
    write(file, [*FIRST, *SECOND])
    growing = picks(file)
    growing.look()
    found = growing.read([3, 5, 99], "_score")
    expected = [[1, 3, 1, 2, 0.5], [2, 3, 4, 5, np.nan], [5, 3, 10, 11, 0.2], [4, 5, 8, 9, 0.1]]
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(growing.read([7], None)[:, 4]).all()
    with pytest.raises(ValueError, match=r"have no attribute _other; they have .*_score"):
        growing.read([7], "_other")


@pytest.mark.parametrize("is_same_file", [True, False])
def test_a_set_that_shrinks_is_read_anew(file, tmp_path, is_same_file):
    from tests.protocols.growing_sets import open_and_empty

    write(file, FIRST)
    growing = picks(file)
    growing.look()
    if is_same_file:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DELETE FROM Objects WHERE id > 1")
            connection.execute("UPDATE Properties SET value = '1' WHERE key = '_size'")
    else:
        os.rename(file, tmp_path / "before.sqlite")
        (tmp_path / "coordinates.sqlite").touch()
        open_and_empty(file)
        write(file, [*FIRST, *SECOND])
    assert growing.look()
    assert growing.n_resets == 1
    assert growing.spans.keys() == ({3} if is_same_file else {3, 5, 7})
    assert growing.spans[3].n == (1 if is_same_file else 3)


def test_a_file_that_says_nothing_is_neither_open_nor_closed(tmp_path):
    from repic_plugin.convert import stream_state

    path = tmp_path / "empty.sqlite"
    path.touch()
    growing = picks(str(path))
    growing.look()
    assert (growing.has_state, growing.is_closed) == (False, False)
    assert stream_state(str(path)) is None
    assert stream_state(str(tmp_path / "gone.sqlite")) is None


def test_what_was_read_stays_where_the_file_cannot_be(file):
    from repic_plugin.convert import UnreadableSetError

    write(file, FIRST)
    growing = picks(file)
    growing.look()
    before = dict(growing.spans)
    for damage in (lambda: os.truncate(file, 700), lambda: os.unlink(file)):
        damage()
        with pytest.raises(UnreadableSetError, match=r"coordinates.sqlite: cannot be read .*; run"):
            growing.look()
        assert growing.spans == before


def test_a_record_is_read_back_batch_by_batch(tmp_path):
    from repic_plugin.protocols.consensus.stream_record import Scale, StreamRecord

    record = StreamRecord(tmp_path / "stream", "{}")
    record.decide("one", Scale("_score", "rank"), np.array([0.5, 0.1]))
    record.decide("two", Scale(None, "identity"), np.zeros(0))
    made = []
    for number, micrographs in enumerate(([4, 2], [], [9])):
        found = two_pickers(micrographs, number)
        result = find_consensus(found, 20)
        ids = np.arange(len(found)) + 100
        n_read = np.full((len(micrographs), 2), 20)
        left = found.take(result.is_unmatched) if number == 0 else None
        record.append(micrographs, n_read, result, ids, left)
        made.append((result, left))
    again = StreamRecord(tmp_path / "stream", "{}")
    assert again.micrographs == [4, 2, 9]
    assert again.n_particles == [len(result) for result, _ in made]
    assert again.n_picks == 3 * 40
    assert again.scales == record.scales
    assert {name: among.tolist() for name, among in again.ranked_among.items()} == {
        "one": [0.5, 0.1]
    }
    for kept, (result, left) in zip(again.batches(), made):
        np.testing.assert_array_equal(kept.result.x, result.x)
        expected = np.where(result.members >= 0, result.members + 100, -1)
        np.testing.assert_array_equal(kept.result.members, expected)
        assert (kept.unmatched is None) == (left is None)
    assert StreamRecord(tmp_path / "stream", '{"others": 1}').micrographs == []
    assert [path.name for path in (tmp_path / "stream").iterdir()] == ["settings.json"]


def test_a_set_that_a_killed_run_leaves_closed_does_not_say_that_micrographs_are_empty(file):
    """Scipion closes the set of a run that was killed; continued, it opens it again."""
    from types import SimpleNamespace

    from repic_plugin.convert import GrowingMicrographs
    from repic_plugin.protocols.common.following.sets import FollowedPicks

    reference = GrowingMicrographs(f"{file}-micrographs")
    own = SimpleNamespace(getFileName=lambda: reference.file_name)
    coordinates = SimpleNamespace(getFileName=lambda: file, getMicrographs=lambda: own)
    at_work = [True]
    followed = FollowedPicks("picker", coordinates, reference, 1.0, lambda: at_work[0])

    def has(*micrographs):
        followed.look()
        return [followed.has(one) for one in micrographs]

    write(file, FIRST)
    assert has(3, 5) == [True, False]
    write(file, [], is_open=False)  # its run was killed: its own record says that it is at work
    assert has(3, 5) == [True, False]
    assert followed.is_closed
    write(file, SECOND)
    assert has(5, 6) == [True, False]
    write(file, [], is_open=False)
    assert has(5, 6) == [True, False]
    at_work[0] = False  # it has ended, which its set does not tell
    assert has(5, 6) == [True, True]
