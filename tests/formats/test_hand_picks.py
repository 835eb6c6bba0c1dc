"""Picks by hand, and their journal."""

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repic_plugin.formats import ADD, REMOVE, Edit, HandPicks, append_edit, read_edits

BASE = ([1, 1, 2, 2], [10, 50, 10, 10], [10, 60, 30, 30])  # the last two are at one place
places = st.tuples(st.integers(1, 2), st.sampled_from([10, 50, 70]), st.sampled_from([10, 30, 60]))
steps = st.lists(st.one_of(st.none(), st.tuples(st.sampled_from([ADD, REMOVE]), places)))


def state(picks):
    return sorted(map(tuple, picks.places().tolist())), picks.kept_rows().tolist()


def test_what_is_added_removed_and_undone():
    picks = HandPicks(*BASE)
    assert len(picks) == 4
    assert picks.apply(Edit(REMOVE, (1, 50, 60)))
    assert picks.apply(Edit(ADD, (3, 5, 6)))
    assert not picks.apply(Edit(ADD, (3, 5, 6))), "it is there"
    assert not picks.apply(Edit(REMOVE, (9, 9, 9))), "there is none"
    assert picks.kept_rows().tolist() == [0, 2, 3]
    assert picks.added().tolist() == [[3, 5, 6]]
    assert picks.apply(Edit(REMOVE, (2, 10, 30)))
    assert picks.kept_rows().tolist() == [0]
    assert [picks.undo() for _ in range(4)] == [True, True, True, False]
    assert state(picks) == state(HandPicks(*BASE))


def test_a_pick_that_is_removed_and_added_again_is_by_hand():
    picks = HandPicks(*BASE, edits=[Edit(REMOVE, (1, 10, 10)), Edit(ADD, (1, 10, 10))])
    assert (picks.kept_rows().tolist(), picks.added().tolist()) == ([1, 2, 3], [[1, 10, 10]])
    picks.undo()
    picks.undo()
    assert picks.kept_rows().tolist() == [0, 1, 2, 3]


@given(steps)
def test_the_journal_holds_what_the_window_shows(tmp_path_factory, steps):
    journal = tmp_path_factory.mktemp("journal") / "changes.txt"
    picks, done = HandPicks(*BASE), [state(HandPicks(*BASE))]
    for step in steps:
        if step is None:
            if picks.edits:
                append_edit(journal, picks.edits[-1], undo=True)
                picks.undo()
                done.pop()
        elif picks.apply(Edit(*step)):
            append_edit(journal, Edit(*step))
            done.append(state(picks))
        again = HandPicks(*BASE, edits=read_edits(journal))
        assert state(again) == state(picks) == done[-1]
        assert again.n_left_out == 0


def test_a_line_that_was_cut_does_not_count_and_the_next_one_does(tmp_path):
    journal = tmp_path / "changes.txt"
    append_edit(journal, Edit(ADD, (1, 20, 30)))
    append_edit(journal, Edit(ADD, (1, 40, 50)))
    whole = journal.read_bytes()
    for n in range(len(whole) + 1):
        journal.write_bytes(whole[:n])
        n_whole = whole[:n].count(b"\n")
        assert len(read_edits(journal)) == n_whole
        append_edit(journal, Edit(ADD, (2, 5, 5)))
        assert read_edits(journal)[n_whole:] == [Edit(ADD, (2, 5, 5))]


def test_changes_that_do_not_fit_another_set_are_counted(tmp_path):
    edits = [Edit(REMOVE, (1, 10, 10)), Edit(REMOVE, (1, 50, 61)), Edit(ADD, (4, 1, 1))]
    picks = HandPicks(*BASE, edits=edits)
    assert picks.n_left_out == 1
    assert len(picks.edits) == 2


def test_what_is_undone_is_the_change_that_the_window_shows(tmp_path):
    journal = tmp_path / "changes.txt"
    for edit in (Edit(ADD, (1, 5, 5)), Edit(REMOVE, (1, 50, 61))):
        append_edit(journal, edit)
    picks = HandPicks(*BASE, edits=read_edits(journal))
    assert picks.n_left_out == 1, "the last change does not fit"
    append_edit(journal, picks.edits[-1], undo=True)
    picks.undo()
    assert state(HandPicks(*BASE, edits=read_edits(journal))) == state(picks)


def test_of_two_windows_each_undoes_its_own_change(tmp_path):
    journal = tmp_path / "changes.txt"
    mine, other = Edit(ADD, (1, 5, 5), "one.mrc"), Edit(ADD, (1, 90, 90), "one.mrc")
    for edit in (mine, other):
        append_edit(journal, edit)
    append_edit(journal, mine, undo=True)
    assert read_edits(journal) == [other]


def test_a_journal_before_names_and_of_undone_changes_is_read(tmp_path):
    journal = tmp_path / "changes.txt"
    journal.write_text("add 1 2 3\nadd 1 5 6\nundo\nremove 1 2 3\n", "utf-8")
    assert read_edits(journal) == [Edit(ADD, (1, 2, 3)), Edit(REMOVE, (1, 2, 3))]


def test_changes_of_other_micrographs_are_left_out(tmp_path):
    journal = tmp_path / "changes.txt"
    names = {1: "grid 1  \xe9\udcff\n.mrc", 2: "b.mrc"}
    picks = HandPicks(names=names)
    for place in ((1, 5, 5), (2, 7, 7)):
        edit = picks.edit(ADD, place)
        assert picks.apply(edit)
        append_edit(journal, edit)
    edits = read_edits(journal)
    assert state(HandPicks(edits=edits, names=names)) == state(picks)
    for others in ({1: "z.mrc", 2: "b.mrc"}, {2: "b.mrc"}):
        found = HandPicks(edits=edits, names=others)
        assert found.places().tolist() == [[2, 7, 7]]
        assert found.n_left_out == 1


@pytest.mark.parametrize("at", ["write", "fsync"])
def test_a_change_that_could_not_be_written_is_not_in_the_journal(tmp_path, monkeypatch, at):
    journal = tmp_path / "changes.txt"
    append_edit(journal, Edit(ADD, (1, 2, 3)))
    whole = journal.read_bytes()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if at == "fsync":
            patch.setattr(os, "fsync", full)
        else:
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 3, limit[1]))
        try:
            with pytest.raises(OSError):
                append_edit(journal, Edit(ADD, (1, 50, 50)))
        finally:
            if at == "write":
                resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert journal.read_bytes() == whole


def test_a_journal_with_something_else_in_it_is_refused(tmp_path):
    journal = tmp_path / "changes.txt"
    for wrong in ("add 1 2", "move 1 2 3", "", "add 1 2 x", "undo", "undo 1 2 3"):
        journal.write_text(f"add 1 2 3\nundo\n{wrong}\n", "utf-8")
        with pytest.raises(ValueError, match=r"changes.txt, line 3: no change by hand"):
            read_edits(journal)
    assert read_edits(tmp_path / "none.txt") == []


def test_a_writer_that_is_killed_loses_nothing_that_it_has_shown(tmp_path):
    journal = tmp_path / "changes.txt"
    code = (
        "import sys\n"
        "from repic_plugin.formats import ADD, Edit, append_edit\n"
        "for n in range(1000000):\n"
        "    append_edit(sys.argv[1], Edit(ADD, (1, n, n)))\n"
        "    print(n, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(journal)], stdout=subprocess.PIPE)
    shown = [int(writer.stdout.readline()) for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    shown += [int(line) for line in writer.stdout if line.endswith(b"\n")]
    writer.wait()
    found = [edit.place[1] for edit in read_edits(journal)]
    assert found[: len(shown)] == shown
    assert len(found) <= len(shown) + 1
    np.testing.assert_array_equal(found, np.arange(len(found)))
