"""The window to choose 2D classes, under a virtual screen, driven by events."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from repic_plugin.formats import write_stack
from repic_plugin.plots import ClassChoice
from tests.viewers.windows import press, take_keyboard, until
from tests.virtual_screen import photograph

N_CLASSES, EMPTY = 40, 7
CLASSES = np.arange(N_CLASSES)
SIZES = np.where(CLASSES == EMPTY, 0, 12_345 - 300 * CLASSES)
SCORES = np.roll(np.linspace(0.999, 0.021, N_CLASSES), 5)
IS_JUNK = SCORES < 0.4
BEST = [k for k in np.argsort(-SCORES).tolist() if k != EMPTY]


def averages():
    """A blob in each, at an angle of its own."""
    grid = np.arange(48) - 24
    angle = 2 * np.pi * CLASSES / N_CLASSES
    x, y = (12 * one(angle)[:, None, None] for one in (np.cos, np.sin))
    images = np.exp(-((grid - x) ** 2 + (grid[:, None] - y) ** 2) / 60)
    return images + np.random.default_rng(0).normal(0, 0.05, images.shape)


def choice(**changes):
    known = {
        "scores": SCORES,
        "resolutions_angstrom": np.where(CLASSES % 9, 7.5 + CLASSES, np.nan),
        "is_off_centre": CLASSES == 20,
    }
    return ClassChoice(SIZES, is_junk=IS_JUNK, **{**known, **changes})


def classes_window(**changes):
    from repic_plugin.viewers.classes_window import ClassesWindow

    created, opened = [], []
    given = {
        "open_classes": lambda: (choice(), averages()),
        "open_members": lambda _root, k: SimpleNamespace(show=lambda: opened.append(k)),
        "create": lambda numbers, label: created.append((numbers, label)) or label,
        "pictures": {"sizes": Figure},
    }
    window = ClassesWindow(None, "test", **{**given, **changes})
    window.created, window.opened = created, opened
    window.show()
    return window


def is_read(window):
    return hasattr(window, "gallery") and not window.status["text"]


@pytest.fixture
def window(screen):
    opened = classes_window()
    until(opened, lambda: is_read(opened))
    opened.gallery.canvas.focus_set()
    take_keyboard(opened)
    yield opened
    opened.window.destroy()


def middle(window, k):
    """Centre of an average, px of the window."""
    canvas = window.gallery.canvas
    x0, y0, x1, y1 = canvas.coords(f"frame{k}")
    return round((x0 + x1) / 2 - canvas.canvasx(0)), round((y0 + y1) / 2 - canvas.canvasy(0))


def click(window, k, times=1):
    canvas = window.gallery.canvas
    x, y = middle(window, k)
    click.clock += 5000  # no double click with the one before
    for _ in range(times):
        click.clock += 50
        where = {"x": x, "y": y, "time": click.clock}
        canvas.event_generate("<Button-1>", **where)
        canvas.event_generate("<ButtonRelease-1>", **where)
    window.window.update()


click.clock = 0


def good(window):
    """Classes with a good frame, as drawn."""
    from repic_plugin.viewers.class_gallery import GOOD_COLOR

    canvas = window.gallery.canvas
    return [k for k in BEST if canvas.itemcget(f"frame{k}", "fill") == GOOD_COLOR]


def kept(classes):
    n, every = int(SIZES[classes].sum()), int(SIZES.sum())
    return [
        f"{len(classes)} of {N_CLASSES - 1} classes, 1 empty",
        f"{n:,} of {every:,} particles ({n / every:.0%})",
    ]


AUTOMATIC = [k for k in BEST if not IS_JUNK[k]]


def test_it_opens_with_the_best_first_as_judged(window, screen):
    photograph(screen, "classes_window.png")
    canvas = window.gallery.canvas
    places = [canvas.coords(f"frame{k}")[:2] for k in BEST]
    assert sorted(places, key=lambda place: (place[1], place[0])) == places
    assert not canvas.find_withtag(f"frame{EMPTY}")
    assert good(window) == AUTOMATIC
    for k in BEST:
        first, second = canvas.itemcget(f"text{k}", "text").splitlines()
        assert first == f"{k + 1}: {SIZES[k]:,} particles"
        assert second.endswith(f"score {SCORES[k]:.3f}")
        assert (f"{7.5 + k:.1f} Å" in second) == bool(k % 9)
    badges = [canvas.itemcget(item, "text") for item in canvas.find_withtag("badge")]
    assert badges.count("junk") == np.count_nonzero(IS_JUNK & (SIZES > 0))
    assert badges.count("off centre") == 1
    assert window.kept["text"].splitlines() == ["Good: as judged", *kept(AUTOMATIC)]
    assert window.description["text"].startswith(f"Class {BEST[0] + 1}: ")


def test_a_click_marks_and_a_second_one_takes_it_back(window, screen):
    bad, junk = BEST[3], BEST[-1]
    click(window, bad)
    assert good(window) == [k for k in AUTOMATIC if k != bad]
    assert window.description["text"].startswith(f"Class {bad + 1}: ")
    assert window.description["text"].endswith("Chosen as bad by hand")
    lines = window.kept["text"].splitlines()
    assert lines == ["Good: as judged, 1 by hand", *kept(good(window))]
    photograph(screen, "classes_window_marked.png")
    press(window, "<End>")  # scrolls there
    click(window, junk)
    assert good(window) == [k for k in AUTOMATIC if k != bad] + [junk]
    click(window, junk)
    press(window, "<Home>")
    click(window, bad)
    assert good(window) == AUTOMATIC
    assert not window.opened
    window.gallery.canvas.event_generate("<Button-1>", x=2, y=2)  # beside all cells
    assert good(window) == AUTOMATIC


def test_a_double_click_shows_the_members_and_marks_nothing(window):
    click(window, BEST[6], times=2)
    assert window.opened == [BEST[6]]
    assert good(window) == AUTOMATIC
    click(window, BEST[2], times=3)
    assert window.opened == [BEST[6], BEST[2]]
    press(window, "<Right>", "<Return>")
    assert window.opened[2:] == [BEST[3]]


def test_keys_go_on_and_mark(window):
    columns = window.gallery._columns
    assert columns > 2
    press(window, "<Right>", "<Right>", "<b>", "<Left>", "<space>")
    assert good(window) == [BEST[0], *AUTOMATIC[3:]]
    press(window, "<space>", "<b>", "<b>", "<Down>", "<b>")
    assert good(window) == [k for k in AUTOMATIC if k not in (BEST[1], BEST[2], BEST[1 + columns])]
    press(window, "<Up>", "<g>")
    assert BEST[1] in good(window)
    canvas = window.gallery.canvas
    assert canvas.yview()[0] == 0
    press(window, "<End>", "<g>")
    assert good(window)[-1] == BEST[-1]
    x, y = middle(window, BEST[-1])
    assert 0 < y < canvas.winfo_height()
    left, top, right, bottom = canvas.coords("marker")
    assert left < x < right
    assert top < y + canvas.canvasy(0) < bottom
    press(window, "<Right>", "<Home>", "<Left>")
    assert window.choice.current == BEST[0]
    assert canvas.yview()[0] < 0.02


def test_the_slider_chooses_by_score_and_keeps_what_was_marked(window):
    click(window, BEST[1])
    window.slider.set(0.7)
    window.window.update()
    above = [k for k in BEST if SCORES[k] >= 0.7 and k != BEST[1]]
    assert good(window) == above
    lines = window.kept["text"].splitlines()
    assert lines == ["Good: score 0.70 or more, 1 by hand", *kept(above)]
    window.reset_button.invoke()
    assert good(window) == AUTOMATIC
    assert window.kept["text"].splitlines()[0] == "Good: as judged"
    assert float(window.slider.get()) == pytest.approx(SCORES[AUTOMATIC].min())


def test_the_buttons_make_particles_of_the_choice(window):
    window.slider.set(0.9)
    window.window.update()
    click(window, BEST[0])
    above = [k for k in BEST if SCORES[k] >= 0.9]
    window.chosen_button.invoke()
    assert "a consensus in mode probabilistic" in window.status["text"]
    window.rest_button.invoke()
    (chosen, label), (rest, other) = window.created
    assert chosen == sorted(k + 1 for k in above[1:])
    assert sorted([*chosen, *rest]) == sorted(k + 1 for k in BEST)
    assert label == f"classes of score 0.90 or more, without {BEST[0] + 1}"
    assert other == f"classes of score below 0.90, with {BEST[0] + 1}"
    assert window.status["text"] == f'The run "{other}" has been started.'


def test_nothing_chosen_makes_nothing(window):
    window.slider.set(1.0)
    window.window.update()
    assert good(window) == []
    assert window.chosen_button.instate(["disabled"])
    window.chosen_button.invoke()
    assert not window.created
    assert not window.rest_button.instate(["disabled"])


def test_a_run_that_cannot_be_started_is_explained(window, monkeypatch):
    from repic_plugin.viewers import classes_window as module

    told = []
    monkeypatch.setattr(module.messagebox, "showerror", lambda *a, **_k: told.append(a[1]))

    def fail(_numbers, _label):
        raise ValueError("this run has no outputClasses; run it first")

    window._create = fail
    window.chosen_button.invoke()
    assert told == ["This run has no outputClasses; run it first."]


def test_bad_averages_are_faded(window):
    k = BEST[0]

    def greys():
        photo = window.gallery._photos[k]
        return {photo.get(x, 64)[0] for x in range(photo.width())}

    assert min(greys()) < 60
    click(window, k)
    assert min(greys()) > 140


def widgets(parent):
    for child in parent.winfo_children():
        yield child
        yield from widgets(child)


def said(widget):
    return "text" in widget.configure() and widget["text"]


def test_no_text_is_cut_or_overlaps(window):
    for k in (BEST[0], BEST[20]):  # the second was judged off centre, or has the longest text
        window.choice.go_to(k)
        press(window, "<b>")
    for number in range(1, N_CLASSES, 2):
        if number != EMPTY:
            window.choice.mark(number, True)
    window.slider.set(0.5)
    window.create_particles(True)
    window.window.update()
    bottom = window.window.winfo_rooty() + window.window.winfo_height()
    texts = [one for one in widgets(window.page) if hasattr(one, "instate") and said(one)]
    assert len(texts) > 10
    for one in texts:
        assert one.winfo_viewable(), one["text"]
        assert one.winfo_reqwidth() <= one.winfo_width(), one["text"]
        assert one.winfo_reqheight() <= one.winfo_height(), one["text"]
        assert one.winfo_rooty() + one.winfo_height() <= bottom, one["text"]
    canvas = window.gallery.canvas
    boxes = np.array([canvas.bbox(f"class{k}") for k in BEST])
    assert boxes[:, 0].min() >= 0
    assert boxes[:, 2].max() <= canvas.winfo_width()
    for place, box in enumerate(boxes):
        others = np.delete(boxes, place, axis=0)
        apart = (others[:, :2] >= box[2:]).any(axis=1) | (others[:, 2:] <= box[:2]).any(axis=1)
        assert apart.all()


def test_cells_follow_the_size_of_the_window(window):
    columns = window.gallery._columns
    window.window.geometry("800x500")
    until(window, lambda: window.gallery._columns < columns)
    boxes = np.array([window.gallery.canvas.bbox(f"class{k}") for k in BEST])
    assert boxes[:, 2].max() <= window.gallery.canvas.winfo_width()
    assert len({*boxes[:, 0]}) <= 2 * window.gallery._columns


def test_that_it_reads_is_seen_before_it_reads(screen):
    seen = []

    def look():
        labels = [one for one in widgets(opened.window) if one.winfo_class() == "TLabel"]
        seen.append([one["text"] for one in labels if one.winfo_viewable()])

    def open_classes():
        look()
        return choice(), averages()

    opened = classes_window(
        open_classes=open_classes, pictures={"sizes": lambda: look() or Figure()}
    )
    assert not seen
    until(opened, lambda: is_read(opened))
    opened.tabs.select(1)
    until(opened, lambda: "sizes" in opened.figures)
    assert seen == [["Reading the classes ..."], ["Drawing sizes ..."]]
    opened.window.destroy()


def test_what_cannot_be_read_is_said(screen):
    def fail():
        raise ValueError("classes.csv: no such file")

    opened = classes_window(open_classes=fail)
    found = []
    until(opened, lambda: found or found.extend(
        one for one in widgets(opened.page) if "no such file" in one["text"]
    ))  # fmt: skip
    opened.window.destroy()


def test_fewer_averages_than_classes_are_said(screen):
    opened = classes_window(open_classes=lambda: (choice(), averages()[:-1]))
    found = []
    until(opened, lambda: found or found.extend(
        one["text"] for one in widgets(opened.page) if "averages" in one["text"]
    ))  # fmt: skip
    assert found[0].startswith("There are 39 averages, but 40 classes in the table: ")
    assert not hasattr(opened, "gallery")
    opened.window.destroy()


def test_classes_without_scores_have_no_slider(screen):
    bare = choice(scores=None, resolutions_angstrom=None, is_off_centre=None)
    opened = classes_window(open_classes=lambda: (bare, averages()))
    until(opened, lambda: is_read(opened))
    assert not hasattr(opened, "slider")
    largest = [k for k in np.argsort(-SIZES, kind="stable").tolist() if k != EMPTY]
    assert bare.shown.tolist() == largest
    opened.reset_button.invoke()
    opened.chosen_button.invoke()
    assert opened.created[0][0] == sorted(k + 1 for k in AUTOMATIC)
    opened.window.destroy()


def test_no_particles_of_another_classification_than_the_window_shows(tmp_path):
    from repic_plugin.viewers import classes_viewer

    results = classes_viewer._Results(tmp_path)
    averages = tmp_path / "class_averages.mrcs"
    write_stack(averages, np.ones((3, 8, 8), np.float32), 1.0)
    results.__dict__["tables"] = SimpleNamespace(
        sizes=np.array([4, 2, 1]), is_junk=np.zeros(3, bool), scores=None
    )
    results.choice()
    results.check_unchanged()
    averages.unlink()
    write_stack(averages, np.ones((2, 8, 8), np.float32), 1.0)
    with pytest.raises(ValueError, match="executed again since this window was opened"):
        results.check_unchanged()
