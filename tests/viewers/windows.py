"""Windows of tests, used as a person does."""

import time

LATEST_S = 20


def until(view, question):
    """Let the window go on until the answer is yes."""
    latest = time.monotonic() + LATEST_S
    while not question():
        assert time.monotonic() < latest, "waited in vain"
        view.window.update()
        time.sleep(0.002)  # for what Tk's timers wait for
    view.window.update()


def opened_view(view):
    """A view once it has loaded what it shows."""
    view.show()
    until(view, lambda: view.is_ready)
    return view


def place_of(view, x, y):
    """Column and row of a widget at which a point of the micrograph is shown."""
    widget = view.frame.canvas.get_tk_widget()
    column, row = view.frame.picture.axes.transData.transform((x, y))
    return {"x": round(column), "y": round(widget.winfo_height() - row)}


def point_at(view, column, row):
    """Point of the micrograph that is shown at a place of a widget."""
    widget = view.frame.canvas.get_tk_widget()
    axes = view.frame.picture.axes
    return axes.transData.inverted().transform((column, widget.winfo_height() - row))
