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


TEXTS = ("TLabel", "TButton", "TCheckbutton", "Label", "Button", "Checkbutton")


def shown_texts(parent):
    """Labels and buttons with a text that are in view, at any depth."""
    inside = [one for one in parent.winfo_children() if one.winfo_toplevel() is not one]
    found = [text for one in inside for text in shown_texts(one)]
    is_text = parent.winfo_class() in TEXTS and str(parent["text"]).strip()
    return [*found, parent] if is_text and parent.winfo_viewable() else found


def rectangle(widget):
    """Left, upper, right and lower side on the screen."""
    left, top = widget.winfo_rootx(), widget.winfo_rooty()
    return left, top, left + widget.winfo_width(), top + widget.winfo_height()


def seen_part(widget):
    """The rectangle of a widget, less what the widgets around it do not show of it."""
    sides = rectangle(widget)
    while widget.winfo_toplevel() is not widget:
        widget = widget.master
        left, top, right, bottom = rectangle(widget)
        sides = (
            max(sides[0], left),
            max(sides[1], top),
            min(sides[2], right),
            min(sides[3], bottom),
        )
    return sides


def cut_texts(parent):
    """Texts of labels and buttons that have less room than they need.

    What a scrolled panel hides above or below counts as seen.
    """
    cut = []
    for one in shown_texts(parent):
        left, top, right, bottom = seen_part(one)
        is_scrolled = "canvas" in str(one).lower()
        width, height = one.winfo_reqwidth(), one.winfo_reqheight()
        room = one.winfo_height() if is_scrolled else bottom - top
        if right - left < width or room < height:
            cut.append(one["text"])
    return cut


def overlapping_texts(parent):
    """Pairs of labels and buttons of which one covers a part of the other."""
    places = [(one["text"], seen_part(one)) for one in shown_texts(parent)]
    places = [(text, at) for text, at in places if at[0] < at[2] and at[1] < at[3]]
    return [
        [text, other]
        for place, (text, one) in enumerate(places)
        for other, two in places[:place]
        if max(one[0], two[0]) < min(one[2], two[2]) and max(one[1], two[1]) < min(one[3], two[3])
    ]
