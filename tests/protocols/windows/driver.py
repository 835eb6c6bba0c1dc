"""Steps in Tk's own loop: an action is started, then a question is asked until its answer is yes.

What blocks all other windows cannot block this.
"""

import json
import os
import subprocess
import sys
import time
import tkinter as tk
import traceback
from contextlib import suppress
from tkinter import commondialog

from pyworkflow.gui.dialog import Dialog

from tests.protocols.windows.questions import widgets

ASK_EVERY_MS = 25
SETTLED = 2  # times that the answer has to be yes
STEP_S, WHOLE_S = 90, 400
KEYSYMS = {" ": "space", ",": "comma", ".": "period", "_": "underscore", "-": "minus"}


class Driver:
    """Takes steps: (what is waited for, action or None, question)."""

    def __init__(self, window, state_file, pictures=None):
        self.window, self.root = window, window.root
        self.state_file, self.pictures = state_file, pictures
        self.state = {"opened": [], "form": {}, "problem": None}
        self.answers = []  # to the next message boxes
        self.expects_dialog = False
        self._clock_ms = 0
        self._boxes = []
        self._shown = []
        commondialog.Dialog.show = lambda box, **_options: self._message_box(box)
        self.root.bind_class("TLabel", "<Map>", lambda event: self._note(event.widget))

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
        message = str(box.options.get("message", box.options))
        if not self.answers:
            self._boxes.append(message)
            return None
        above = box.options["parent"].winfo_toplevel().title()
        self.state.setdefault("asked", []).append([message, above])
        return self.answers.pop(0)

    def dialogs(self):
        """Scipion's own that are open."""
        return [window for window in self.windows() if isinstance(window, Dialog)]

    def _fail_at_dialogs(self):
        """None that is not expected: each would wait for somebody."""
        told = list(self._boxes)
        told += [] if self.expects_dialog else map(text_of_dialog, self.dialogs())
        if told:
            self._fail(f"a dialog came up: {'; '.join(told)}")

    def read_dialog(self, what, action, told):
        """What a dialog says that an action opens, which is then closed."""

        def act():
            self.expects_dialog = True
            action()

        yield what, act, lambda: len(self.dialogs()) == 1
        (one,) = self.dialogs()
        told.append(text_of_dialog(one))
        yield f"{what} to go", lambda: self.close(one), lambda: not self.dialogs()
        self.expects_dialog = False

    # ---------------------------------------------------------------- windows

    def windows(self):
        """Those that are to be seen, the project's own among them."""
        found = widgets(self.root, tk.Toplevel)
        return [one for one in found if one.winfo_viewable() and not one.overrideredirect()]

    def new(self, known):
        """Windows that were not among the known ones."""
        return [window for window in self.windows() if window not in known]

    def _note(self, label):
        """A text that has come into view, if only for a moment."""
        with suppress(tk.TclError, AttributeError):
            self._shown.append((str(label.winfo_toplevel()), str(label["text"])))

    def shown_in(self, window):
        """The first text that was in view in a window."""
        return next((text for name, text in self._shown if name == str(window)), None)

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

    # ------------------------------------------------------- mouse and keyboard

    def click(self, widget, x=5, y=5, button=1, times=1, state=0):
        """With the mouse at a point of a widget; state 1 is the shift key."""
        self._clock_ms += 5000  # no double click with the one before
        if isinstance(widget, (tk.Button, tk.Radiobutton)):  # which act only below the mouse
            widget.event_generate("<Enter>", x=round(x), y=round(y))
        for _ in range(times):
            self._clock_ms += 50
            where = {"x": round(x), "y": round(y), "time": self._clock_ms, "state": state}
            widget.event_generate(f"<Button-{button}>", **where)
            with suppress(tk.TclError):  # all windows may be gone by now
                widget.event_generate(f"<ButtonRelease-{button}>", **where)

    def shift_click(self, widget, x, y):
        """With the shift key held."""
        where = {"x": round(x), "y": round(y)}
        widget.event_generate("<Motion>", **where)
        widget.event_generate("<KeyPress-Shift_L>", **where)
        self.click(widget, x, y, state=1)
        widget.event_generate("<KeyRelease-Shift_L>", **where)

    def drag(self, widget, start, end):
        """From one point of a widget to another with the left button."""
        widget.event_generate("<Button-1>", x=start[0], y=start[1])
        for part in (0.3, 0.7, 1.0):
            x, y = (round(a + part * (b - a)) for a, b in zip(start, end))
            widget.event_generate("<B1-Motion>", x=x, y=y)
        widget.event_generate("<ButtonRelease-1>", x=end[0], y=end[1])

    def slide(self, scale, value):
        """Drag the knob of a slider to a value, as near as its pixels allow."""
        scale.update_idletasks()
        self.drag(scale, *([int(at) for at in scale.coords(one)] for one in (scale.get(), value)))

    def wheel(self, widget, x, y, n=1, down=False):
        """Turn the wheel with the mouse at a point of a widget."""
        for _ in range(n):
            widget.event_generate("<Motion>", x=round(x), y=round(y))
            widget.event_generate(f"<Button-{5 if down else 4}>", x=round(x), y=round(y))

    def choose(self, box, wanted):
        """An entry of a list, with the wheel."""
        values = list(map(str, box["values"]))
        by = values.index(wanted) - values.index(box.get())
        for _ in range(abs(by)):
            box.event_generate(f"<Button-{5 if by > 0 else 4}>", x=5, y=5)

    def focus(self, widget):
        """A step after which keys go to a widget."""
        return "the keyboard", widget.focus_force, lambda: widget.focus_get() is widget

    @staticmethod
    def press(widget, *keys):
        """Keys, once they go to a widget."""
        for key in keys:
            widget.event_generate("<Key>", keysym=key)
            with suppress(tk.TclError):
                widget.event_generate("<KeyRelease>", keysym=key)

    def write(self, entry, text):
        """Text in place of what an entry holds, once the keys go there."""
        entry.select_range(0, tk.END)
        self.press(entry, "BackSpace", *(KEYSYMS.get(one, one) for one in text))


def text_of_dialog(window):
    """Title and texts of one of Scipion's own dialogs."""
    texts = [one.get("1.0", "end").strip() for one in widgets(window, tk.Text)]
    return f"{window.title()}: {' '.join(texts)}"
