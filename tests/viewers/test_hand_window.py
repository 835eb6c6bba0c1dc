"""Picking by hand in the micrograph window, driven by events."""

import re
from pathlib import Path

import numpy as np
import pytest

from repic_plugin.formats import ADD, REMOVE, Edit, HandPicks, append_edit, read_edits
from repic_plugin.plots import OverlayModel
from tests.viewers.test_micrograph_view import LOOKING
from tests.viewers.windows import cut_texts, opened_view, place_of, press, take_keyboard
from tests.virtual_screen import photograph

NAMES, IDS = ("a.mrc", "b.mrc"), (7, 3)
BASE = ([7, 7, 3], [60, 200, 120], [60, 220, 130])
BOX_PX = 40


@pytest.fixture
def window(screen, tmp_path):
    from repic_plugin.viewers.overlay.hand_panel import HandSession
    from repic_plugin.viewers.overlay.window import OverlayWindow

    saved, unreadable = [], set()
    journal = str(tmp_path / "changes.txt")
    session = HandSession(
        HandPicks(*BASE), IDS, journal, BOX_PX, lambda: saved.append(1) or "by hand"
    )

    def load():
        return OverlayModel(NAMES, NAMES, [session.box_set()], None, 2.0)

    def open_image(name):
        if name in unreadable:
            raise OSError("truncated")
        return np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)

    opened = opened_view(OverlayWindow(None, "test", load, open_image, hand=session))
    opened.journal, opened.saved, opened.unreadable = journal, saved, unreadable
    yield opened
    opened.window.destroy()


def click(window, x, y, *, shift=False):
    widget, place = window.frame.canvas.get_tk_widget(), place_of(window, x, y)
    if shift:
        take_keyboard(window)
        widget.event_generate("<KeyPress-Shift_L>", **place)
    widget.event_generate("<Button-1>", state=int(shift), **place)
    widget.event_generate("<ButtonRelease-1>", state=int(shift), **place)
    if shift:
        widget.event_generate("<KeyRelease-Shift_L>", **place)
    window.window.update()


def shown(window):
    """Centres of the boxes in the figure."""
    paths = window.picture.collections["by hand"].get_paths()
    return sorted(tuple(path.vertices[:4].mean(axis=0).round()) for path in paths)


def on_the_disk(window):
    return HandPicks(*BASE, edits=read_edits(window.journal)).places().tolist()


def test_clicks_add_and_remove_and_each_is_on_the_disk(window, screen):
    assert shown(window) == [(60, 60), (200, 220)]
    click(window, 150, 100)
    assert (len(shown(window)), len(on_the_disk(window))) == (3, 4)
    (added,) = [one for one in on_the_disk(window) if one not in np.transpose(BASE).tolist()]
    assert added == [7, pytest.approx(150, abs=1), pytest.approx(100, abs=1)]
    assert window.layers.counts["by hand"]["text"] == "3"
    click(window, 205, 225, shift=True)
    assert [7, 200, 220] not in on_the_disk(window)
    assert (200, 220) not in shown(window)
    click(window, 20, 250, shift=True)
    assert len(on_the_disk(window)) == 3, "there was none"
    photograph(screen, "by_hand_window.png")
    click(window, 62, 58)
    assert window.selected == ("by hand", 0), "a click on a pick shows it"
    assert len(on_the_disk(window)) == 3


def test_undo_goes_back_to_the_micrograph_of_the_change(window):
    click(window, 150, 100)
    press(window, "<Right>")
    click(window, 40, 200)
    press(window, "<Left>", "<u>")
    assert window.model.place == 1
    assert shown(window) == [(120, 130)]
    window.hand.undo_button.invoke()
    assert window.model.place == 0
    assert sorted(on_the_disk(window)) == sorted(np.transpose(BASE).tolist())
    assert window.hand.undo_button.instate(["disabled"])


def test_a_click_at_the_border_is_on_the_micrograph(window):
    for _ in range(2):  # the right and the lower border are shown at the last pixel, and beyond
        window.hand.clicked(*window.picture.within(300.0, 300.0), False)
    window._clicked(300.0, 150.0, False)
    window._clicked(150.0, 299.8, False)
    added = [one for one in on_the_disk(window) if one not in np.transpose(BASE).tolist()]
    assert added == [[7, 299, 299], [7, 299, 150], [7, 150, 299]]


def test_nothing_is_added_to_a_micrograph_that_cannot_be_read(window):
    window.unreadable.add("b.mrc")
    press(window, "<Right>")
    click(window, 40, 40)
    assert len(on_the_disk(window)) == 3
    assert "No pick is added to a micrograph that cannot be read" in window.hand.status["text"]
    click(window, 120, 130, shift=True)
    assert len(on_the_disk(window)) == 2
    window.unreadable.clear()
    press(window, "<Left>", "<Right>")
    click(window, 40, 40)
    assert len(on_the_disk(window)) == 3


def test_a_drag_adds_nothing(window):
    widget, start = window.frame.canvas.get_tk_widget(), place_of(window, 150, 100)
    end = {"x": start["x"] + 40, "y": start["y"] + 30}
    widget.event_generate("<Button-1>", **start)
    widget.event_generate("<B1-Motion>", **end)
    widget.event_generate("<ButtonRelease-1>", **end)
    window.window.update()
    assert len(on_the_disk(window)) == 3


def test_what_another_window_has_changed_is_shown_and_not_undone(window):
    click(window, 150, 100)
    append_edit(window.journal, Edit(ADD, (7, 250, 50)))
    append_edit(window.journal, Edit(REMOVE, (7, 60, 60)))
    click(window, 100, 250)
    assert (250, 50) in shown(window)
    assert (60, 60) not in shown(window)
    assert len(shown(window)) == len(on_the_disk(window)) - 1 == 4
    press(window, "<u>")
    assert len(shown(window)) == len(on_the_disk(window)) - 1 == 3
    assert (250, 50) in shown(window), "the last change was the click"
    Path(window.journal).unlink()  # the run was restarted
    window.hand.save_button.invoke()
    assert shown(window) == [(60, 60), (200, 220)]


def test_an_output_without_picks_is_not_saved(window, monkeypatch):
    from repic_plugin.viewers.overlay import hand_panel

    told = []
    monkeypatch.setattr(hand_panel.messagebox, "showerror", lambda *a, **_k: told.append(a[1]))
    for place in zip(*BASE):
        append_edit(window.journal, Edit(REMOVE, place))
    window.hand.save_button.invoke()
    assert window.saved == []
    assert told == [hand_panel.NOTHING_LEFT]


def test_what_cannot_be_written_is_not_shown(window, monkeypatch):
    from repic_plugin.viewers.overlay import hand_panel

    told = []
    monkeypatch.setattr(hand_panel.messagebox, "showerror", lambda *a, **_k: told.append(a[1]))

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hand_panel, "append_edit", full)
    click(window, 150, 100)
    assert shown(window) == [(60, 60), (200, 220)]
    assert "No space left" in told[0]


def test_saving_texts_and_keys(window):
    window.hand.save_button.invoke()
    assert window.saved == [1]
    assert window.hand.status["text"].endswith('The run "by hand" writes them as its output.')
    window.window.update()
    window.window.geometry("1161x652")
    window.window.update()
    assert not cut_texts(window.window)
    page = LOOKING.read_text("utf-8")
    for key in window.keys:
        if key.shown:
            assert re.search(rf"^\| .*{re.escape(key.text)}.* \|", page, re.MULTILINE), key.text
