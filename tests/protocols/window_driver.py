"""Use Scipion's project window as a person does, and tell what windows it opens.

``python -O window_driver.py PROJECT_FOLDER PLAN_JSON STATE_JSON [PICTURES_FOLDER]``

The plan names runs by their ids: {"analyze": [id, ...], "open_with": [[id, output, name in the
menu], ...], "form": id, "forms": [[id, name of the picture], ...]}. Everything is done in Tk's own
loop: an action is started, and a question is asked again and again until the answer is yes. What
blocks all other windows cannot block this.
"""

import gc
import json
import os
import subprocess
import sys
import time
import tkinter as tk
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from tkinter import commondialog, ttk

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from pyworkflow.gui.dialog import Dialog
from pyworkflow.gui.project import ProjectWindow
from pyworkflow.gui.project.constants import ACTION_EDIT
from pyworkflow.gui.widgets import IconButton
from pyworkflow.utils import Message
from pyworkflow.viewer import View

EDIT = "Edit a copy by hand..."
ASK_EVERY_MS = 25
SETTLED = 2  # times that the answer has to be yes
STEP_S, WHOLE_S = 30, 120
N_PAGES = 2  # micrographs that are looked at in an overlay


class Driver:
    """Takes steps: (what is waited for, action or None, question)."""

    def __init__(self, window, state_file, pictures=None):
        self.window, self.root = window, window.root
        self.state_file, self.pictures = state_file, pictures
        self.state = {"opened": [], "form": {}, "problem": None}
        self._clock_ms = 0
        self._boxes = []
        commondialog.Dialog.show = lambda box, **_options: self._message_box(box)

    def start(self, steps):
        """Begin once Tk's loop runs."""
        self._steps = steps
        self.root.after(1, self._advance)
        self.root.after(WHOLE_S * 1000, self._fail, f"it takes more than {WHOLE_S} s")

    def _advance(self):
        try:
            self._what, action, self._question = next(self._steps)
        except StopIteration:
            self._write()
            self.window._onClosing()
            return
        except Exception:
            self._fail(traceback.format_exc())
        self._n_yes, self._latest = 0, time.monotonic() + STEP_S
        if action is not None:
            self.root.after(1, self._act, action)
        self.root.after(ASK_EVERY_MS, self._ask)

    @staticmethod
    def _act(action):
        """It may not come back before its window is closed."""
        action()

    def _ask(self):
        try:
            self._fail_at_dialogs()
            self._n_yes = self._n_yes + 1 if self._question() else 0
        except Exception:
            self._fail(traceback.format_exc())
        if self._n_yes >= SETTLED:
            self._advance()
        elif time.monotonic() > self._latest:
            titles = [window.title() for window in self.windows()]
            self._fail(f"waited in vain for {self._what}; windows: {titles}")
        else:
            self.root.after(ASK_EVERY_MS, self._ask)

    def _fail(self, problem):
        self.state["problem"] = problem
        self._write()
        self.photograph("problem")
        sys.stderr.flush()
        os._exit(3)

    def _write(self):
        self.state_file.write_text(json.dumps(self.state), encoding="utf-8")

    # ---------------------------------------------------------------- dialogs

    def _message_box(self, box):
        """In place of Tk's own, which would wait for somebody."""
        self._boxes.append(str(box.options.get("message", box.options)))

    def _fail_at_dialogs(self):
        """None is expected, and each would wait for somebody."""
        told = list(self._boxes)
        for window in self.windows():
            if isinstance(window, Dialog):
                texts = [one.get("1.0", "end").strip() for one in widgets(window, tk.Text)]
                told.append(f"{window.title()}: {' '.join(texts)}")
        if told:
            self._fail(f"a dialog came up: {'; '.join(told)}")

    # ---------------------------------------------------------------- windows

    def windows(self):
        """Those that are to be seen, the project's own among them."""
        found = widgets(self.root, tk.Toplevel)
        return [one for one in found if one.winfo_viewable() and not one.overrideredirect()]

    def new(self, known):
        """Windows that were not among the known ones."""
        return [window for window in self.windows() if window not in known]

    def click(self, widget, x=5, y=5, button=1, times=1):
        """With the mouse at a point of a widget."""
        self._clock_ms += 5000  # no double click with the one before
        for _ in range(times):
            self._clock_ms += 50
            where = {"x": round(x), "y": round(y), "time": self._clock_ms}
            widget.event_generate(f"<Button-{button}>", **where)
            with suppress(tk.TclError):  # all windows may be gone by now
                widget.event_generate(f"<ButtonRelease-{button}>", **where)

    def close(self, window):
        """As its frame's button does."""
        handler = window.protocol("WM_DELETE_WINDOW")
        if handler:
            window.tk.eval(handler)
        else:
            window.destroy()

    def photograph(self, name, window=None):
        """Save a window with its frame, or the screen, for people to look at."""
        if self.pictures is None:
            return
        if window is not None:
            window.lift()
        self.root.update_idletasks()
        self.root.winfo_pointerxy()  # has an answer only when all is drawn
        what = "root" if window is None else window.wm_frame()
        file = self.pictures / f"window_{name}.png"
        subprocess.run(["import", "-window", what, str(file)], check=False)


class User:
    """What a person does in the window of a project."""

    def __init__(self, driver):
        self.driver, self.window = driver, driver.window
        self.project = self.window.project

    @property
    def board(self):
        return self.window.getViewWidget()

    def follow(self, plan):
        """All steps of a plan."""
        yield "the project", None, self.board.runsGraphCanvas.winfo_viewable
        self.driver.photograph("project")
        for run, name in plan.get("forms", []):  # before there are runs that the windows make
            yield from self.look_at_form(run, name)
        for run in plan["analyze"]:
            yield from self.analyze(run)
        for place, (run, output, entry) in enumerate(plan["open_with"], 1):
            yield from self.open_with(run, output, entry, place)
        if "form" in plan:
            yield from self.fill_form(plan["form"])

    def select(self, run):
        """Click on the box of a run."""

        def click():
            canvas = self.board.runsGraphCanvas
            node = self.board.runsGraph.getNode(str(run))
            canvas.moveTo(node.x, node.y)
            x, y = node.item.x - canvas.canvasx(0), node.item.y - canvas.canvasy(0)
            self.driver.click(canvas, x, y)

        def is_selected():
            chosen = self.board.getSelectedProtocol()
            return chosen is not None and chosen.getObjId() == run

        yield f"run {run} to be chosen", click, is_selected

    def analyze(self, run):
        """Choose a run and press "Analyze results"."""
        yield from self.select(run)
        press = partial(self.driver.click, self.board.btnAnalyze)
        protocol = self.project.getProtocol(run)
        name = protocol.getClassName()
        yield from self._look(press, name, {"run": run, "class": name})

    def open_with(self, run, output, entry, place):
        """Choose a viewer in the menu of an output."""
        yield from self.select(run)
        tree = self.board.infoTree
        wanted = getattr(self.project.getProtocol(run), output).getObjId()

        def post_menu():
            row = next(key for key, one in tree._objDict.items() if one.getObjId() == wanted)
            tree.see(row)
            tree.update_idletasks()
            left, top, _, height = tree.bbox(row)
            self.driver.click(tree, left + 40, top + height / 2, button=3)

        yield "the menu of the output", post_menu, lambda: tree.menu.index("end") is not None
        entries = [tree.menu.entrycget(i, "label") for i in range(tree.menu.index("end") + 1)]
        self.driver.photograph(f"menu_{place}")

        def choose():
            tree._unpostMenu()
            tree.menu.invoke(entries.index(entry))

        told = {"run": run, "output": output, "menu": entries}
        yield from self._look(choose, f"open_with_{place}", told)

    def _look(self, action, name, told):
        """At the window that an action opens, and all that is in it."""
        known = self.driver.windows()
        yield f"a window for {name}", action, lambda: len(self.driver.new(known)) == 1
        (opened,) = self.driver.new(known)
        view = view_of(opened)
        yield f"the contents of {name}", None, lambda: getattr(view, "is_ready", True)
        told.update(title=opened.title(), view=type(view).__name__)
        self.driver.state["opened"].append(told)
        if hasattr(view, "show_members"):
            yield from self._choose_classes(view, told)
        if hasattr(view, "tabs"):
            yield from self._look_at_tabs(view, name, told)
        elif hasattr(view, "picture"):
            yield from self._look_at_boxes(view, name, told)
            if told.get("class") == "ProtRepicConsensus":
                yield from self._make_subset(view, told)
        for button in getattr(view, "more_buttons", []):
            if button["text"] == EDIT and told.get("class") != "ProtRepicConsensus":
                continue  # each makes a run
            inner = {}
            told.setdefault("more", {})[button["text"]] = inner
            yield from self._look_inside(button.invoke, f"{name}_more", inner)
        told["windows"] = len(self.driver.new(known))
        self.driver.close(opened)
        yield f"the window of {name} to go", None, lambda: not self.driver.new(known)

    def _look_at_tabs(self, view, name, told):
        told["tabs"] = {}
        for place, tab in enumerate(view.tabs.tabs()):
            title = view.tabs.tab(tab, "text")
            if title not in view.pictures:
                continue
            turn = partial(view.tabs.select, tab)
            yield f"the picture {title!r}", turn, partial(is_drawn_tab, view, title)
            figure = view.figures[title]
            told["tabs"][title] = {**content(figure), "fits": fits(figure.canvas, view.window)}
            self.driver.photograph(f"{name}_{place}_{title.replace(' ', '_')}", view.window)

    def _choose_classes(self, view, told):
        """Look at a class, mark some, and make particles of both kinds."""
        yield "the averages", None, lambda: is_read(view)
        canvas, shown = view.gallery.canvas, view.choice.shown.tolist()
        told["captions"] = {k: canvas.itemcget(f"text{k}", "text").splitlines() for k in shown}
        told["kept"] = [view.kept["text"]]
        self.driver.photograph("classes", view.window)
        first, last = (partial(self._click_on_class, view, shown[place]) for place in (0, -1))
        told["members"] = inner = {}
        yield from self._look_inside(partial(first, times=2), "members", inner)
        told["threshold"] = round(float(view.choice.scores[shown[0]]) + 0.01, 2)  # above all
        for what, act in (
            ("the best class to be bad", first),
            ("the best class to be good", first),
            ("a threshold", partial(view.slider.set, told["threshold"])),
            ("the last class to be good", last),
        ):
            before = view.kept["text"]
            yield what, act, lambda before=before: view.kept["text"] != before
            told["kept"].append(view.kept["text"])
        self.driver.photograph("classes_chosen", view.window)
        told["created"] = []
        for button in (view.chosen_button, view.rest_button):
            before, press = view.status["text"], partial(self.driver.click, button)
            yield "a run", press, lambda before=before: view.status["text"] != before
            told["created"].append(view.status["text"])
        self.driver.photograph("classes_created")

    def _click_on_class(self, view, k, times=1):
        canvas = view.gallery.canvas
        left, top, *_ = canvas.bbox(f"class{k}")
        self.driver.click(canvas, left - canvas.canvasx(0) + 20, top - canvas.canvasy(0) + 20,
                          times=times)  # fmt: skip

    def _look_inside(self, action, name, told):
        """At a window that a window opens; it is told of within the other."""
        yield from self._look(action, name, told)
        self.driver.state["opened"].remove(told)

    def _look_at_boxes(self, view, name, told):
        told["boxes"] = {}
        for place in range(min(N_PAGES, len(view.model.names))):
            action = view.next_button.invoke if place else None
            yield f"micrograph {place + 1}", action, partial(is_drawn_page, view, place)
            told["boxes"][view.model.name] = boxes(view.picture)
            told.setdefault("counts", {})[view.model.name] = {
                layer: label["text"] for layer, label in view.layers.counts.items()
            }
            if place == 0:
                told["fits"] = fits(view.frame.canvas, view.window)
                self.driver.photograph(name, view.window)

    def _make_subset(self, view, told):
        """Zoom in, hide some particles by weight and by pickers, and make a set of the rest."""
        widget, subset = view.frame.canvas.get_tk_widget(), view.subset
        middle = {"x": widget.winfo_width() // 2, "y": widget.winfo_height() // 2}

        def roll():
            widget.event_generate("<Motion>", **middle)
            widget.event_generate("<Button-4>", **middle)

        yield "the wheel to zoom", roll, lambda: view.picture.area.zoom > 1
        low, high = view.model.selection.range
        slide = partial(view.scores.slider.set, (9 * low + high) / 10)
        yield "a minimum", slide, lambda: view.model.selection.minimum > low
        told["minimum"] = view.model.selection.minimum
        told["pattern"] = f"{view.model.picker_names()[0]}, not {view.model.picker_names()[2]}"

        def write():
            subset.pattern.set(told["pattern"])
            subset.pattern.event_generate("<<ComboboxSelected>>")

        before = view.model.n_kept()[1]
        yield "a pattern", write, lambda: view.model.n_kept()[1] < before
        press = partial(self.driver.click, subset.button)
        yield "a run", press, lambda: subset.status["text"]
        told["kept"], told["created"] = view.scores.kept["text"], subset.status["text"]
        self.driver.photograph("subset")

    # ------------------------------------------------------------------- form

    def open_form(self, run):
        """Choose a run and press "Edit"."""
        yield from self.select(run)
        known = self.driver.windows()
        edit = partial(self.driver.click, self.board.actionButtons[ACTION_EDIT])
        yield "the form", edit, lambda: len(self.driver.new(known)) == 1
        (self.form,) = self.driver.new(known)

    def look_at_form(self, run, name):
        """Every tab of a form, in pictures of their own."""
        yield from self.open_form(run)
        opened = self.form
        (tabs,) = widgets(opened, ttk.Notebook)
        for place, tab in enumerate(tabs.tabs()):
            turn = partial(tabs.select, tab)
            yield f"tab {place} of {name}", turn, lambda tab=tab: tabs.select() == str(tab)
            opened.update_idletasks()
            self.driver.photograph(f"{name}-{place}", opened)
        self.driver.close(opened)
        yield "the form to go", None, lambda: opened not in self.driver.windows()

    def fill_form(self, run):
        """Open the form of a consensus, and press its magic wands."""
        told = self.driver.state["form"]
        known = self.driver.windows()
        yield from self.open_form(run)
        opened = self.form
        form = form_of(opened)
        told["title"] = opened.title()
        form.setVar("boxSize", 0)
        yield "the box size", wand(form, "boxSize").invoke, lambda: int(value(form, "boxSize")) > 0
        told["box size"] = int(value(form, "boxSize"))
        self.driver.photograph("form")
        yield from self._preview(form, told)
        told["values"] = {name: str(value(form, name)) for name in ("mode", "quorum")}
        self.driver.close(opened)
        yield "the form to go", None, lambda: not self.driver.new(known)

    def _preview(self, form, told):
        """Change the quorum in the preview, and take it over."""
        known = self.driver.windows()
        press = wand(form, "quorum").invoke
        yield "the preview", press, lambda: len(self.driver.new(known)) == 1
        (opened,) = self.driver.new(known)
        view = view_of(opened)
        told["preview"] = {"title": opened.title(), "micrograph": view.model.name, "found": {}}
        quorums = range(len(view.model.sets), 1, -1)
        for quorum in quorums:
            slide = partial(view.sliders["quorum"].set, quorum)
            yield f"quorum {quorum}", slide, lambda: is_computed(view)
            told["preview"]["found"][quorum] = boxes(view.frame.picture)
            told["preview"].setdefault("texts", []).append(view.count["text"])
        self.driver.photograph("preview", opened)
        yield "the preview to go", view.ok_button.invoke, lambda: not self.driver.new(known)


# ----------------------------------------------------------------------- questions


def widgets(parent, kind):
    """Of a kind, at any depth, the parent itself among them."""
    found = [parent] if isinstance(parent, kind) else []
    for child in parent.winfo_children():
        found += widgets(child, kind)
    return found


def view_of(window):
    """What has opened a window; None where it is none of ours."""
    views = (one for one in gc.get_objects() if View in type(one).__mro__)
    return next((one for one in views if getattr(one, "window", None) is window), None)


def form_of(window):
    """The form in a window."""
    kinds = (one for one in gc.get_objects() if type(one).__name__ == "FormWindow")
    return next(one for one in kinds if one.root is window)


def wand(form, name):
    """The button beside a value that opens its wizard."""
    buttons = widgets(form.widgetDict[name].btnFrame, IconButton)
    return next(one for one in buttons if one["text"] == Message.LABEL_BUTTON_WIZ)


def value(form, name):
    """As the form shows it."""
    return form.widgetDict[name].get()


def has_ink(canvas):
    """Whether anything is drawn."""
    return hasattr(canvas, "renderer") and np.asarray(canvas.buffer_rgba())[..., :3].std() > 1


def is_drawn_tab(view, title):
    """Whether the picture of a tab is looked at, and there."""
    if view.tabs.tab(view.tabs.select(), "text") != title or title not in view.figures:
        return False
    canvas = view.figures[title].canvas
    return bool(canvas.get_tk_widget().winfo_viewable()) and has_ink(canvas)


def is_read(view):
    """Whether the averages of all classes are shown."""
    return hasattr(view, "gallery") and not view.status["text"]


def is_drawn_page(view, place):
    """Whether an overlay shows a micrograph."""
    canvas = view.frame.canvas
    return view.model.place == place and canvas.get_tk_widget().winfo_viewable() and has_ink(canvas)


def is_computed(view):
    """Whether a preview has followed its sliders."""
    return view._pending is None and has_ink(view.frame.canvas)


def fits(canvas, window):
    """Whether all of a picture is within its window."""
    widget = canvas.get_tk_widget()
    return all(
        getattr(widget, f"winfo_root{at}")() + getattr(widget, f"winfo_{size}")()
        <= getattr(window, f"winfo_root{at}")() + getattr(window, f"winfo_{size}")()
        for at, size in (("x", "width"), ("y", "height"))
    )


def boxes(picture):
    """Number of boxes in each layer that is seen."""
    layers = picture.collections.items()
    return {name: len(one.get_paths()) for name, one in layers if one.get_visible()}


def content(figure):
    """Of each axes of a figure the numbers in it; and all its texts."""
    texts = [one.get_text() for one in figure.findobj(Text) if one.get_visible()]
    return {"axes": [numbers(axes) for axes in figure.axes], "texts": [one for one in texts if one]}


def numbers(axes):
    """Of lines, bars and images."""
    bars = [one for one in axes.patches if isinstance(one, Rectangle)]
    return {
        "label": axes.get_ylabel(),
        "lines": {
            str(line.get_label()): np.asarray(line.get_ydata(), float).tolist()
            for line in axes.lines
        },
        "bars": [[float(one.get_width()), float(one.get_height())] for one in bars],
        "images": len(axes.images),
    }


def main(project, plan, state, pictures=None):
    """Open the project's window and stay in it until the plan is done."""
    window = ProjectWindow(project)
    driver = Driver(window, Path(state), None if pictures is None else Path(pictures))
    driver.start(User(driver).follow(json.loads(Path(plan).read_text(encoding="utf-8"))))
    window.show()


if __name__ == "__main__":
    main(*sys.argv[1:])
