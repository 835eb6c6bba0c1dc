"""2D classes that are chosen by eye."""

from functools import partial

from tests.protocols.windows.questions import is_read


def choose_classes(user, view, told):
    """Look at a class, mark some, and make particles of both kinds."""
    driver = user.driver
    yield "the averages", None, lambda: is_read(view)
    canvas, shown = view.gallery.canvas, view.choice.shown.tolist()
    told["captions"] = {k: canvas.itemcget(f"text{k}", "text").splitlines() for k in shown}
    told["places"] = {k: canvas.coords(f"frame{k}")[:2] for k in shown}
    told["kept"] = [view.kept["text"]]
    driver.photograph("classes", view.window)
    user.check_texts(view.window, told)
    first, last = (partial(_click_on, driver, view, shown[place]) for place in (0, -1))
    told["members"] = inner = {}
    yield from user.look_inside(partial(first, times=2), "members", inner)
    if not user.acts:
        return
    yield from _use_keys(driver, view, told)
    best = float(view.choice.scores[shown[0]])
    for what, act in (
        ("the best class to be bad", first),
        ("the best class to be good", first),
        ("a threshold above all scores", partial(driver.slide, view.slider, (1 + best) / 2)),
        ("the last class to be good", last),
    ):
        before = view.kept["text"]
        yield what, act, lambda before=before: view.kept["text"] != before
        told["kept"].append(view.kept["text"])
    told["threshold"] = float(view.slider.get())
    driver.photograph("classes_chosen", view.window)
    told["created"] = []
    for button in (view.chosen_button, view.rest_button):
        before, press = view.status["text"], partial(driver.click, button)
        yield "a run", press, lambda before=before: view.status["text"] != before
        told["created"].append(view.status["text"])
        user.check_texts(view.window, told)
    driver.photograph("classes_created", view.window)


def _click_on(driver, view, k, times=1):
    canvas = view.gallery.canvas
    left, top, *_ = canvas.bbox(f"class{k}")
    x, y = left - canvas.canvasx(0) + 20, top - canvas.canvasy(0) + 20
    driver.click(canvas, x, y, times=times)


def _use_keys(driver, view, told):
    """Go to the next class, mark it, and take the mark back."""
    canvas = view.gallery.canvas
    yield driver.focus(canvas)
    told["keys"] = [view.description["text"].splitlines()[0]]
    for key in ("Right", "space", "space"):
        before = (view.description["text"], view.kept["text"])
        yield (
            f"the key {key}",
            partial(driver.press, canvas, key),
            lambda before=before: (view.description["text"], view.kept["text"]) != before,
        )
        told["keys"].append([view.description["text"].splitlines()[0], view.kept["text"]])
