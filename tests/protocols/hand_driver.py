"""Pick by hand in the window of a run, and wait to be killed.

``python -O hand_driver.py PROJECT_FOLDER RUN_ID CLICKS_JSON``

A click is [x, y, "add" or "remove"], "undo", "next" or "save". After each, its number is printed.
"""

import json
import os
import sys
import time
from pathlib import Path

from pyworkflow.config import Config
from pyworkflow.project import Project

sys.path.insert(0, str(Path(__file__).parents[2]))

SHIFT = 1  # of Tk's state


def click(view, x, y, shift):
    """With the left button at a point of the micrograph."""
    from tests.viewers.windows import place_of

    widget, where = view.frame.canvas.get_tk_widget(), place_of(view, x, y)
    widget.event_generate("<Motion>", **where)
    if shift:
        widget.event_generate("<KeyPress-Shift_L>", **where)
    widget.event_generate("<Button-1>", state=SHIFT * shift, **where)
    widget.event_generate("<ButtonRelease-1>", state=SHIFT * shift, **where)
    if shift:
        widget.event_generate("<KeyRelease-Shift_L>", **where)


def fail(*texts, **_options):
    """In place of a message that would wait for somebody."""
    print(*texts, file=sys.stderr, flush=True)
    os._exit(3)


def act(view, step):
    if step == "undo":
        view.window.event_generate("<u>")
    elif step == "next":
        view.window.event_generate("<Right>")
    elif step == "save":
        view.hand.save_button.invoke()
    else:
        x, y, kind = step
        click(view, x, y, kind == "remove")
    view.window.update()


def main(folder, run_id, steps):
    from repic_plugin.viewers import RepicOverlayViewer
    from repic_plugin.viewers.overlay import hand_panel
    from tests.viewers.windows import opened_view

    hand_panel.messagebox.showerror = fail
    project = Project(Config.getDomain(), folder)
    project.load()
    run = project.getProtocol(int(run_id))
    viewer = RepicOverlayViewer(project=project, protocol=run)
    (view,) = viewer._visualize(run)
    opened_view(view)
    for number, step in enumerate(json.loads(steps)):
        act(view, step)
        print(number, view.hand.status["text"].splitlines(), flush=True)
    print("done", flush=True)
    while True:
        view.window.update()
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
