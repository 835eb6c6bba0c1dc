"""Figures in tabs, and the subset behind a column of one of them."""

from functools import partial

from tests.protocols.windows.questions import content, cut_in_figure, fits, is_drawn_tab


def look_at_tabs(user, view, name, told):
    """Turn to every picture."""
    told["tabs"] = {}
    for place, tab in enumerate(view.tabs.tabs()):
        title = view.tabs.tab(tab, "text")
        if title not in view.pictures:
            continue
        turn = partial(view.tabs.select, tab)
        yield f"the picture {title!r}", turn, partial(is_drawn_tab, view, title)
        figure = view.figures[title]
        inside = fits(figure.canvas, view.window)
        told["tabs"][title] = {**content(figure), "fits": inside, "cut": cut_in_figure(figure)}
        if "output" not in told:  # the same pictures
            user.driver.photograph(f"{name}_{place}_{title.replace(' ', '_')}", view.window)
        user.check_texts(view.window, told)
        if user.acts and title in view.on_click and "subset" not in user.driver.state:
            yield from click_on_column(user, figure)


def click_on_column(user, figure):
    """Make a set of the smallest column of the agreement."""
    driver, axes = user.driver, figure.axes[1]
    bars = [bar for bar in axes.patches if bar.get_height()]
    bar = min(bars, key=lambda one: one.get_height())
    driver.state["subset"] = {"count": float(bar.get_height())}
    widget = figure.canvas.get_tk_widget()
    x, y = axes.transData.transform((bar.get_x() + bar.get_width() / 2, bar.get_height() / 2))

    def click():
        driver.answers = ["yes", "ok"]
        driver.click(widget, x, widget.winfo_height() - y)

    yield "a run of the column", click, lambda: not driver.answers
    driver.state["subset"]["asked"] = driver.state.pop("asked")
