"""The list of a picker's options, under a virtual screen."""

import pytest

from tests.virtual_screen import photograph

OFFERED = [
    ("train.epochs", "Epochs", "10", "How often the labels are seen."),
    ("pick.size", "Radius (px)", "8", "Of a particle."),
    ("pick.mask", "Mask", "no", ""),
]


@pytest.fixture
def window(screen):
    from repic_plugin.pickers import Option
    from repic_plugin.viewers.options_window import OptionsWindow

    used = []
    offered = [Option(*one) for one in OFFERED]
    given = {"pick.size": "12", "both": "1"}
    opened = OptionsWindow(None, "Options of Topaz", offered, given, use=used.append)
    opened.show()
    opened.window.update()
    opened.used = used
    yield opened
    if not used:
        opened.window.destroy()


def choose(window, key, value=None):
    window.table.selection_set(key)
    window.window.update()
    if value is not None:
        window.entry.delete(0, "end")
        window.entry.insert(0, value)
        window.set_button.invoke()


def row(window, key):
    return tuple(map(str, window.table.item(key)["values"]))


def test_every_option_stands_there_with_its_default_and_value(window, screen):
    assert list(window.table.get_children()) == [key for key, *_ in OFFERED]
    assert row(window, "train.epochs") == ("train.epochs", "Epochs", "10", "")
    assert row(window, "pick.size")[-1] == "12"
    choose(window, "train.epochs")
    assert window.entry.get() == "10"
    assert window.help["text"] == "How often the labels are seen."
    photograph(screen, "options_window.png")


def test_values_are_used_and_defaults_left_out(window):
    choose(window, "train.epochs", "20")
    choose(window, "pick.size", "8")
    choose(window, "pick.mask", "")
    window.ok_button.invoke()
    assert window.used == [{"both": "1", "train.epochs": "20"}]


def test_a_value_cannot_set_another_option(window):
    choose(window, "train.epochs", "20; pick.size=99")
    assert row(window, "train.epochs")[-1] == ""
    assert "semicolon" in window.help["text"]
    window.ok_button.invoke()
    assert window.used == []
    choose(window, "train.epochs", "20")
    window.ok_button.invoke()
    assert window.used == [{"pick.size": "12", "both": "1", "train.epochs": "20"}]


def test_cancel_keeps_the_form(window):
    choose(window, "train.epochs", "20")
    window.cancel_button.invoke()
    assert window.used == []
    window.used.append(None)  # the window is gone
