"""Extracted particles, by micrograph."""

from functools import partial

from tests.protocols.windows.questions import content, fits, has_ink


def turn_pages(user, view, name, told):
    """Go on by button and by key, and back by the list of micrographs."""
    driver = user.driver
    yield "the first page", None, lambda: hasattr(view, "canvas") and has_ink(view.canvas)
    told["micrographs"] = list(view.chooser["values"])
    told["pages"] = []
    yield from _turned(user, view, name, told, None)
    yield from _turned(user, view, name, told, partial(driver.click, view.next_button))
    yield driver.focus(view.window)
    yield from _turned(user, view, name, told, partial(driver.press, view.window, "Right"))
    first = partial(driver.choose, view.chooser, told["micrographs"][0])
    yield from _turned(user, view, name, told, first)


def _turned(user, view, name, told, act):
    before = view.where["text"] if act else ""
    yield "another page", act, lambda: view.where["text"] != before and has_ink(view.canvas)
    told["pages"].append(
        {
            "where": view.where["text"],
            "micrograph": view.chooser.get(),
            "texts": content(view.canvas.figure)["texts"],
            "fits": fits(view.canvas, view.window),
        }
    )
    user.driver.photograph(f"{name}_{len(told['pages'])}", view.window)
