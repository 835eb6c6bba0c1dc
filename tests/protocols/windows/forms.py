"""Forms of protocols, and the wizards beside their fields."""

import tkinter as tk
from functools import partial
from tkinter import ttk

import numpy as np
from pyworkflow.gui.project.constants import ACTION_EDIT
from pyworkflow.utils import Message

from tests.protocols.windows.questions import (
    boxes,
    form_of,
    is_computed,
    side_button,
    tab_of,
    value,
    view_of,
    wand,
    widgets,
)

HELPED = ("position", "dropOutside", "largestComponent")
OPTION, GIVEN = "train.numberOfTemplates", "7"


def open_form(user, run):
    """Choose a run and press "Edit"."""
    yield from user.select(run)
    known = user.driver.windows()
    edit = partial(user.driver.click, user.board.actionButtons[ACTION_EDIT])
    yield "the form", edit, lambda: len(user.driver.new(known)) == 1
    (user.form,) = user.driver.new(known)


def look_at_form(user, run, name):
    """Every tab of a form, in pictures of their own."""
    yield from open_form(user, run)
    opened = user.form
    (tabs,) = widgets(opened, ttk.Notebook)
    for place, tab in enumerate(tabs.tabs()):
        turn = partial(tabs.select, tab)
        yield f"tab {place} of {name}", turn, lambda tab=tab: tabs.select() == str(tab)
        opened.update_idletasks()
        user.driver.photograph(f"{name}-{place}", opened)
    user.driver.close(opened)
    yield "the form to go", None, lambda: opened not in user.driver.windows()


def fill_form(user, run, kind):
    """Use a form and its wizards; save it, or close it where the run has outputs."""
    told = user.driver.state["form"][kind] = {}
    known = user.driver.windows()
    yield from open_form(user, run)
    opened = user.form
    form = form_of(opened)
    told["title"] = opened.title()
    yield from show_advanced(user, opened)
    yield from FILLED[kind](user, form, told)
    if user.acts and str(form.btnSave["state"]) == tk.NORMAL:
        user.driver.click(form.btnSave)
    else:
        user.driver.close(opened)
    yield "the form to go", None, lambda: not user.driver.new(known)


def show_advanced(user, opened):
    """Let a form show all its fields."""
    (choice,) = [one for one in widgets(opened, tk.Radiobutton) if one["text"] == "Advanced"]

    def is_chosen():
        return str(opened.getvar(str(choice["variable"]))) == str(choice["value"])

    def press():
        if not is_chosen():  # the window may have come under the mouse meanwhile
            user.driver.click(choice)
        return is_chosen()

    yield "the advanced fields", None, press


def turn_to(form, name):
    """A step to the tab in which a field is."""
    tabs, tab = tab_of(form.widgetDict[name].btnFrame)
    return f"the tab of {name}", partial(tabs.select, tab), lambda: tabs.select() == str(tab)


def by_quorum(user, form, told):
    """The box size from the inputs, help on fields, and the preview with its quorum."""
    form.setVar("boxSize", 0)
    yield turn_to(form, "boxSize")
    press = partial(user.driver.click, wand(form, "boxSize"))
    yield "the box size", press, lambda: int(value(form, "boxSize")) > 0
    told["box size"] = int(value(form, "boxSize"))
    user.driver.photograph("form", user.form)
    told["help"] = []
    for name in HELPED:
        yield turn_to(form, name)
        ask = partial(user.driver.click, side_button(form, name, Message.LABEL_BUTTON_HELP))
        yield from user.driver.read_dialog(f"help on {name}", ask, told["help"])
    yield from preview(user, form, "quorum", told, range(3, 1, -1))
    told["values"] = {name: str(value(form, name)) for name in ("mode", "quorum")}


def by_probability(user, form, told):
    """The preview of mode probabilistic, and a minimum weight."""
    yield from preview(user, form, "target_precision", told, (0.0, 0.6, 0.97))
    yield turn_to(form, "minWeight")
    holder = form.widgetDict["minWeight"].content
    (entry,) = [one for one in widgets(holder, tk.Entry) if one.winfo_viewable()]
    yield user.driver.focus(entry)
    user.driver.write(entry, "0.25")
    yield "a minimum weight", None, lambda: value(form, "minWeight") == "0.25"
    user.driver.photograph("form_by_probability", user.form)


def preview(user, form, name, told, wanted):
    """Move a slider in the preview, and take its value over."""
    driver = user.driver
    known = driver.windows()
    field = {"target_precision": "targetPrecision"}.get(name, name)
    yield turn_to(form, field)
    press = partial(driver.click, wand(form, field))
    yield "the preview", press, lambda: len(driver.new(known)) == 1
    (opened,) = driver.new(known)
    view = view_of(opened)
    yield "its picture", None, lambda: is_computed(view)
    seen = told["preview"] = {"title": opened.title(), "micrograph": view.model.name}
    seen.update(found={}, texts=[], curve=[], sliders=sorted(view.sliders))
    slider = view.sliders[name]
    for one in wanted:
        slide = partial(driver.slide, slider, one)
        yield f"{name} {one}", slide, lambda: is_computed(view)
        seen["found"][str(round(float(slider.get()), 2))] = boxes(view.frame.picture)
        seen["texts"].append(view.count["text"])
        if hasattr(view, "curve"):
            (axes,) = view.curve.figure.axes
            seen["curve"].append(
                {line.get_gid(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
            )
    driver.photograph(f"preview_{name}", opened)
    user.check_texts(opened, seen)
    yield "the preview to go", partial(driver.click, view.ok_button), lambda: not driver.new(known)


def options(user, form, told):
    """Choose an option of a picker from the list, and give it a value."""
    driver = user.driver
    known = driver.windows()
    yield turn_to(form, "options1")
    press = partial(driver.click, wand(form, "options1"))
    yield "the options", press, lambda: len(driver.new(known)) == 1
    (opened,) = driver.new(known)
    view = view_of(opened)
    table = view.table
    told["title"] = opened.title()
    told["offered"] = {
        key: list(map(str, table.item(key)["values"])) for key in table.get_children()
    }

    def choose():
        table.see(OPTION)
        table.update_idletasks()
        left, top, _, height = table.bbox(OPTION)
        driver.click(table, left + 10, top + height / 2)

    yield "an option", choose, lambda: table.selection() == (OPTION,)
    told["help"] = view.help["text"]
    yield driver.focus(view.entry)
    driver.write(view.entry, GIVEN)
    set_it = partial(driver.click, view.set_button)
    yield "its value", set_it, lambda: view.values.get(OPTION) == GIVEN
    driver.photograph("options", opened)
    user.check_texts(opened, told)
    yield "the options to go", partial(driver.click, view.ok_button), lambda: not driver.new(known)
    told["value"] = value(form, "options1")


FILLED = {"quorum": by_quorum, "probable": by_probability, "options": options}
