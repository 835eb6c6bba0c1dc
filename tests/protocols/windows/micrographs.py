"""Boxes on micrographs: zoom, image, scores, subsets and picking by hand."""

from functools import partial

import numpy as np

from tests.protocols.windows.questions import boxes, cut_in_figure, fits, is_drawn_page, widgets
from tests.viewers.windows import place_of, point_at

N_PAGES = 2  # micrographs that are looked at
TURNS = 4  # of the wheel


def look_at_boxes(user, view, name, told):
    """Page through some micrographs; then use all that the window offers."""
    driver = user.driver
    told["boxes"] = {}
    for place in range(min(N_PAGES, len(view.model.names))):
        action = partial(driver.click, view.next_button) if place else None
        yield f"micrograph {place + 1}", action, partial(is_drawn_page, view, place)
        told["boxes"][view.model.name] = boxes(view.picture)
        told.setdefault("counts", {})[view.model.name] = {
            layer: label["text"] for layer, label in view.layers.counts.items()
        }
        if place == 0:
            told["fits"] = fits(view.frame.canvas, view.window)
            driver.photograph(name, view.window)
            user.check_texts(view.window, told)
            told["cut"] += cut_in_figure(view.picture.figure)
    back = partial(driver.click, view.previous_button)
    yield "the first micrograph", back, partial(is_drawn_page, view, 0)
    if not user.acts:
        return
    if hasattr(view, "hand"):
        yield from pick_by_hand(driver, view, told)
    elif told.get("class") == "ProtRepicConsensus":
        yield from zoom(driver, view, told)
        yield from change_image(driver, view, told)
        yield from list_keys(user, view, told)
        yield from hide_layers(driver, view, told)
        yield from make_subset(driver, view, told, pattern=True)
    elif told.get("class") == "ProtRepicImportPicks" and view.model.selection.range:
        yield from make_subset(driver, view, told, pattern=False)


def zoom(driver, view, told):
    """By the wheel at a point, then drag, then see the next micrograph with the same zoom."""
    widget, picture = view.frame.canvas.get_tk_widget(), view.picture
    whole = limits(view)
    at = place_of(view, *(0.3 * side for side in picture.size_px))
    seen = told["zoom"] = {"whole": whole, "under": [list(point_at(view, *at.values()))]}
    roll = partial(driver.wheel, widget, at["x"], at["y"], TURNS)
    yield "the wheel to zoom", roll, lambda: view.picture.area.zoom > 2
    seen["under"].append(list(point_at(view, *at.values())))
    seen["zoomed"], seen["status"] = limits(view), view.frame.status["text"]
    seen["bar"] = scale_bar(view)
    to = (at["x"] + 60, at["y"] + 40)
    pull = partial(driver.drag, widget, (at["x"], at["y"]), to)
    yield "the drag to move", pull, lambda: limits(view) != seen["zoomed"]
    seen["under"].append(list(point_at(view, *to)))
    seen["dragged"], seen["selected"] = limits(view), view.selected
    first = picture.image.get_array().copy()
    yield driver.focus(widget)
    for key, place in (("Right", 1), ("Left", 0)):
        press = partial(driver.press, widget, key)
        yield f"the key {key}", press, partial(is_drawn_page, view, place)
        if place:
            seen["next"] = limits(view)
            seen["difference"] = float(np.abs(picture.image.get_array() - first).max())
    driver.photograph("zoomed", view.window)
    yield "the whole", partial(driver.press, widget, "0"), lambda: limits(view) == whole


def change_image(driver, view, told):
    """Low-pass and contrast by keys and by their sliders, then back to the default."""
    widget, panel = view.frame.canvas.get_tk_widget(), view.image_panel
    seen = told["image"] = {"low-pass": [], "contrast": [], "spread": [], "greys": []}

    def note():
        seen["low-pass"].append(panel.texts["low-pass"]["text"])
        seen["contrast"].append(panel.texts["contrast"]["text"])
        seen["spread"].append(float(np.std(view.picture.image.get_array())))
        seen["greys"].append(float(np.ptp(view.picture.image.get_clim())))

    note()
    yield driver.focus(widget)
    for what, act in (
        ("a coarser low-pass", partial(driver.press, widget, "bracketright")),
        ("no low-pass", partial(driver.slide, panel.sliders["low-pass"], 0)),
        ("more contrast", partial(driver.press, widget, "c", "c")),
        ("the default", partial(driver.press, widget, "r")),
    ):
        before = {name: text["text"] for name, text in panel.texts.items()}
        yield (
            what,
            act,
            lambda before=before: (
                panel._pending is None
                and {name: text["text"] for name, text in panel.texts.items()} != before
            ),
        )
        note()


def list_keys(user, view, told):
    """Open the list of keys, and close it."""
    driver, widget = user.driver, view.frame.canvas.get_tk_widget()
    yield driver.focus(widget)
    press = partial(driver.press, widget, "question")
    yield (
        "the list of keys",
        press,
        lambda: view.key_list.shown and view.key_list.shown.winfo_viewable(),
    )
    shown = view.key_list.shown
    texts = [one["text"] for one in widgets(shown, object) if one.winfo_class() == "TLabel"]
    told["keys"] = dict(zip(texts[::2], texts[1::2]))
    driver.photograph("keys", shown)
    user.check_texts(shown, told)
    yield driver.focus(shown)
    yield "the list to go", partial(driver.press, shown, "Escape"), lambda: not view.key_list.shown


def hide_layers(driver, view, told):
    """One by its number, all by a key; then click on a box."""
    widget = view.frame.canvas.get_tk_widget()
    told["layers"] = []
    yield driver.focus(widget)
    for key in ("1", "b", "b"):
        before = boxes(view.picture)
        press = partial(driver.press, widget, key)
        yield f"the key {key}", press, lambda before=before: boxes(view.picture) != before
        told["layers"].append(sorted(boxes(view.picture)))
    yield from click_on_box(driver, view, told)


def click_on_box(driver, view, told):
    """On the first of the active set on this micrograph."""
    box = view.model.layer(view.model.selection.active).centers[0]
    at = place_of(view, *box)
    click = partial(driver.click, view.frame.canvas.get_tk_widget(), at["x"], at["y"])
    yield "the description of a box", click, lambda: view.selected is not None
    lines = view.particle.description.get("1.0", "end").strip().splitlines()
    told["clicked"] = {"at": list(map(float, box)), "lines": lines}
    told["clicked"]["has image"] = bool(view.particle.thumbnail["image"])
    driver.photograph("clicked", view.window)


def make_subset(driver, view, told, pattern):
    """Hide some particles by a number, and some by pickers, and make a set of the rest."""
    subset, chosen = view.subset, view.model.selection
    if not pattern:
        yield from click_on_box(driver, view, told)
    low, high = chosen.range
    bars = view.scores.histogram
    click = partial(driver.click, bars, bars.winfo_width() * 0.7, 10)
    yield "a minimum by the histogram", click, lambda: chosen.minimum > low
    told["by histogram"] = {"range": [low, high], "minimum": chosen.minimum}
    part = 0.1 if pattern else 0.5
    before = chosen.minimum
    slide = partial(driver.slide, view.scores.slider, low + part * (high - low))
    yield "a minimum", slide, lambda: low < chosen.minimum != before
    told["minimum"] = chosen.minimum
    if pattern:
        names = view.model.picker_names()
        told["pattern"] = f"{names[0]}, not {names[2]}"
        yield driver.focus(subset.pattern)
        before = view.model.n_kept()[1]
        driver.write(subset.pattern, told["pattern"])
        enter = partial(driver.press, subset.pattern, "Return")
        yield "a pattern", enter, lambda: view.model.n_kept()[1] < before
    press = partial(driver.click, subset.button)
    yield "a run", press, lambda: subset.status["text"]
    told["kept"], told["created"] = view.scores.kept["text"], subset.status["text"]
    told["shown"] = boxes(view.picture)
    driver.photograph(f"subset_{told['run']}", view.window)


def pick_by_hand(driver, view, told):
    """Add two, take one of them back, remove one that was there; save where there was one."""
    widget, hand = view.frame.canvas.get_tk_widget(), view.hand
    there = np.array(view.model.layer("by hand").centers).reshape(-1, 2)
    free = free_places(view, there)
    told["added"] = [list(map(float, free[0]))]
    steps = [
        ("a pick", partial(driver.click, widget, *place_of(view, *free[0]).values())),
        ("another", partial(driver.click, widget, *place_of(view, *free[1]).values())),
        ("it to be undone", partial(driver.press, widget, "u")),
    ]
    if len(there):
        told["removed"] = list(map(float, there[0]))
        where = place_of(view, *there[0]).values()
        steps.append(("one to be removed", partial(driver.shift_click, widget, *where)))
    told["status"] = []
    yield driver.focus(widget)
    for what, act in steps:
        before = hand.status["text"]
        yield what, act, lambda before=before: hand.status["text"] != before
        told["status"].append(hand.status["text"])
    driver.photograph(f"by_hand_{len(there)}", view.window)
    if len(there):
        before = hand.status["text"]
        save = partial(driver.click, hand.save_button)
        yield "a run that writes them", save, lambda: hand.status["text"] != before
        told["saved"] = hand.status["text"]


def free_places(view, there):
    """Two points of a micrograph that are far from all boxes, and from each other."""
    width, height = view.picture.size_px
    taken, found = there, []
    grid = np.stack(np.meshgrid(*(np.arange(0.1, 0.9, 0.05) for _ in "xy")), axis=-1)
    points = grid.reshape(-1, 2) * (width, height)
    for _ in range(2):
        away = [np.hypot(*(taken - one).T).min(initial=width) for one in points]
        found.append(points[int(np.argmax(away))].round())
        taken = np.vstack([taken, found[-1]])
    return found


def limits(view):
    """Sides of what is shown of a micrograph, px."""
    return [*view.picture.axes.get_xlim(), *view.picture.axes.get_ylim()]


def scale_bar(view):
    """Length in px of the micrograph, and what is written beside it."""
    ends, (left, right, *_) = view.picture.bar.get_xdata(), limits(view)
    return [float(ends[1] - ends[0]) * (right - left), view.picture.bar_text.get_text()]
