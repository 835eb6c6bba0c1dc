"""The window of extracted particles, under a virtual screen."""

import numpy as np
import pytest

from repic_plugin.plots import ParticlePages
from tests.viewers.windows import press
from tests.virtual_screen import photograph

NAMES, COUNTS = ["first.mrc", "second.mrc"], [70, 5]


@pytest.fixture
def window(screen):
    from repic_plugin.viewers.particles_window import ParticlesWindow

    asked = []

    def read(page):
        asked.append(page)
        shape = (page.last - page.first, 32, 32)
        return np.random.default_rng(page.first).normal(size=shape).astype(np.float32)

    opened = ParticlesWindow(
        None,
        "test",
        open_pages=lambda: (ParticlePages(NAMES, COUNTS), NAMES.__getitem__),
        read=read,
    )
    opened.show()
    opened.window.update()
    opened._begin(opened.message)
    opened.message.destroy()
    opened.window.update()
    opened.asked = asked
    yield opened
    opened.window.destroy()


def test_pages_are_turned_by_keys_and_buttons(window, screen):
    assert window.where["text"] == "page 1 of 3"
    assert window.previous_button.instate(["disabled"])
    press(window, "<Right>")
    assert (window.asked[-1].first, window.asked[-1].last) == (60, 70)
    assert window.chooser.get() == "first.mrc"
    window.next_button.invoke()
    window.window.update()
    assert window.asked[-1].micrograph == 1
    assert window.chooser.get() == "second.mrc"
    assert window.next_button.instate(["disabled"])
    photograph(screen, "particles_window.png")
    n = len(window.asked)
    press(window, "<Right>")
    assert len(window.asked) == n
    window.chooser.current(0)
    window.chooser.event_generate("<<ComboboxSelected>>")
    window.window.update()
    assert window.where["text"] == "page 1 of 3"


def test_one_montage_at_a_time_that_fits_the_window(window):
    window.step(1)
    window.window.update()
    (widget,) = window.body.winfo_children()
    assert widget is window.canvas.get_tk_widget()
    assert widget.winfo_width() <= window.body.winfo_width()
    assert widget.winfo_height() <= window.body.winfo_height()


def test_what_cannot_be_read_is_said(window):
    def broken(_page):
        raise OSError("the stack is gone")

    window._read = broken
    window.step(1)
    (label,) = window.body.winfo_children()
    assert label["text"] == "the stack is gone"
    window._read = lambda page: np.zeros((page.last - page.first, 8, 8), np.float32)
    window.step(1)
    assert len(window.body.winfo_children()) == 1
