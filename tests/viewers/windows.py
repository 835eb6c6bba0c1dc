"""Windows of tests, used as a person does."""

import time

LATEST_S = 40  # of a machine that has much else to do


def until(view, question):
    """Let the window go on until the answer is yes."""
    latest = time.monotonic() + LATEST_S
    while not question():
        assert time.monotonic() < latest, "waited in vain"
        view.window.update()
        time.sleep(0.002)  # for what Tk's timers wait for
    view.window.update()


def opened_view(view):
    """A view once it has loaded what it shows, and keys reach it."""
    view.show()
    until(view, lambda: view.is_ready)
    take_keyboard(view)
    return view


def take_keyboard(view):
    """Wait for the keyboard: what a window manager gives a new window may come late."""
    if view.window.focus_displayof() is None:
        view.window.focus_lastfor().focus_force()
        until(view, lambda: view.window.focus_displayof() is not None)


def press(view, *keys):
    """Press keys, one after the other."""
    for key in keys:
        take_keyboard(view)
        view.window.event_generate(key)
        view.window.update()


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


def cut_texts(parent):
    """Texts of labels and buttons that have less room than they need, at any depth."""
    cut = [text for child in parent.winfo_children() for text in cut_texts(child)]
    if parent.winfo_class() in ("TLabel", "TButton", "Label") and parent.winfo_viewable():
        right = parent.winfo_rootx() + parent.winfo_reqwidth()
        holder = parent.master
        if (
            parent.winfo_width() < parent.winfo_reqwidth()
            or parent.winfo_height() < parent.winfo_reqheight()
            or right > holder.winfo_rootx() + holder.winfo_width()
        ):
            cut.append(parent["text"])
    return cut
