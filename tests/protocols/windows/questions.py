"""What is to be seen in a window."""

import gc
from tkinter import ttk

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from pyworkflow.gui.widgets import IconButton
from pyworkflow.utils import Message
from pyworkflow.viewer import View


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


def side_button(form, name, text):
    """A button beside a value of a form."""
    buttons = widgets(form.widgetDict[name].btnFrame, IconButton)
    return next(one for one in buttons if one["text"] == text)


def wand(form, name):
    """The button beside a value that opens its wizard."""
    return side_button(form, name, Message.LABEL_BUTTON_WIZ)


def value(form, name):
    """As the form shows it."""
    return form.widgetDict[name].get()


def tab_of(widget):
    """The tabs that a widget is in, and its tab."""
    inner, outer = widget, widget.master
    while not isinstance(outer, ttk.Notebook):
        inner, outer = outer, outer.master
    return outer, inner


def has_ink(canvas):
    """Whether anything is drawn."""
    if not hasattr(canvas, "renderer"):
        return False
    some = np.asarray(canvas.buffer_rgba())[::5, ::5, :3]  # asked again and again
    return some.std() > 1


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
    return view._pending is None and view._settling is None and has_ink(view.frame.canvas)


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


def cut_in_figure(figure):
    """Texts of a drawn figure that are not within it."""
    undrawn = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    shown = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    places = [(one.get_text(), one.get_window_extent()) for one in shown if one not in undrawn]
    width, height = figure.bbox.size + 1
    return [
        text
        for text, box in places
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width or box.y1 > height
    ]


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
