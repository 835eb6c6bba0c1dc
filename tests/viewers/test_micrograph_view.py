"""Zoom, contrast, low-pass, keys and loading of the micrograph window, driven by events."""

import re
import sqlite3
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from repic_plugin.formats import open_mrc
from repic_plugin.plots import BoxSet, ConsensusDetails, OverlayModel
from tests.viewers.windows import (
    cut_texts,
    opened_view,
    place_of,
    point_at,
    press,
    take_keyboard,
    until,
)
from tests.virtual_screen import photograph

SIZE_PX, BOX_PX, PIXEL_SIZE = 512, 36, 5.0
NAMES = ["FoilHole_2468_Data_1357_20240101_123456_fractions_aligned_mic_DW_1.mrc", "mic 2.mrc"]
LOOKING = Path(__file__).parents[2] / "docs" / "use" / "looking.md"
FAR_NAME = "crYOLO trained on twenty micrographs of the first grid (2)"


def centers():
    return np.array([(x, y) for x in range(30, 500, 60) for y in range(40, 500, 60)], float)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Dark discs in much noise, at other places in each."""
    folder = tmp_path_factory.mktemp("view")
    y, x = np.indices((SIZE_PX, SIZE_PX))
    for seed, name in enumerate(NAMES):
        image = np.random.default_rng(seed).normal(0, 2.5, (SIZE_PX, SIZE_PX))
        for at_x, at_y in centers() + 5 * seed:
            image -= np.hypot(x - at_x, y - at_y) < 11
        with mrcfile.new(folder / name) as file:
            file.set_data(image.astype(np.float32))
    return [str(folder / name) for name in NAMES]


def make_model(files, pixel_size=PIXEL_SIZE):
    where = np.concatenate([centers(), centers() + 5])
    micrograph = np.repeat([0, 1], len(centers()))
    score = np.linspace(-6, 9, len(where))
    quality = {"quality": np.where(score > 0, score**2, np.nan), "2D class": np.arange(128) % 7 + 1}
    picked = BoxSet(FAR_NAME, micrograph, *where.T, BOX_PX, score=score, attributes=quality,
                    ids=np.arange(1, 129), source="picks.sqlite")  # fmt: skip
    other = BoxSet("Topaz", micrograph[:9], *(where[:9] + 3).T, BOX_PX, score=score[:9])
    agreed = BoxSet("consensus", micrograph[:9], *where[:9].T, BOX_PX, "consensus",
                    ids=np.arange(9) * 2 + 7, source="agreed.sqlite")  # fmt: skip
    members = np.column_stack([np.arange(9), np.where(np.arange(9) % 3, np.arange(9), -1)])
    details = ConsensusDetails(np.linspace(0.1, 0.9, 9), members=members)
    return OverlayModel(NAMES, files, [picked, other, agreed], details, pixel_size)


@pytest.fixture
def window(screen, files):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    made = []

    def create(*asked):
        made.append(asked)
        return asked[2]

    opened = opened_view(
        OverlayWindow(None, "test", lambda: make_model(files), open_mrc, create=create)
    )
    opened.made = made
    yield opened
    opened.window.destroy()


def limits(window):
    return (*window.picture.axes.get_xlim(), *window.picture.axes.get_ylim())


def wheel(window, place, n, button=4):
    widget = window.frame.canvas.get_tk_widget()
    for _ in range(n):
        widget.event_generate("<Motion>", **place)
        widget.event_generate(f"<Button-{button}>", **place)
    window.window.update()


def drag(window, start, end):
    widget = window.frame.canvas.get_tk_widget()
    widget.event_generate("<Button-1>", **start)
    for part in (0.3, 0.7, 1.0):
        at = {axis: round(start[axis] + part * (end[axis] - start[axis])) for axis in "xy"}
        widget.event_generate("<B1-Motion>", **at)
    widget.event_generate("<ButtonRelease-1>", **end)
    window.window.update()


def test_the_wheel_zooms_at_the_cursor(window, screen):
    place = place_of(window, 150, 400)
    wheel(window, place, 4)
    assert window.picture.area.zoom == pytest.approx(1.25**4)
    np.testing.assert_allclose(point_at(window, place["x"], place["y"]), (150, 400), atol=1)
    left, right, bottom, top = limits(window)
    assert right - left == pytest.approx(SIZE_PX / 1.25**4)
    assert (bottom - top) == pytest.approx(right - left)
    assert window.frame.status["text"].endswith("zoom 2.4x")
    photograph(screen, "overlay_zoomed.png")
    wheel(window, place, 9, button=5)
    assert limits(window) == (0, SIZE_PX, SIZE_PX, 0)


def test_a_drag_moves_what_is_below_the_mouse_and_chooses_nothing(window):
    start = place_of(window, *centers()[3])
    drag(window, start, {"x": start["x"] + 60, "y": start["y"] + 40})
    assert limits(window) == (0, SIZE_PX, SIZE_PX, 0), "there is nothing beyond the micrograph"
    wheel(window, start, 5)
    before = point_at(window, start["x"], start["y"])
    end = {"x": start["x"] + 50, "y": start["y"] - 35}
    drag(window, start, end)
    np.testing.assert_allclose(point_at(window, end["x"], end["y"]), before, atol=1)
    assert window.selected is None
    widget = window.frame.canvas.get_tk_widget()
    widget.event_generate("<Button-1>", **end)
    widget.event_generate("<ButtonRelease-1>", **end)
    window.window.update()
    assert window.selected is not None, "a press without a move is a click"


def test_the_zoom_is_kept_from_micrograph_to_micrograph(window):
    wheel(window, place_of(window, 400, 100), 6)
    zoomed, first = limits(window), window.picture.image.get_array().copy()
    assert zoomed != (0, SIZE_PX, SIZE_PX, 0)
    press(window, "<Right>")
    assert window.model.place == 1
    assert limits(window) == zoomed
    assert abs(window.picture.image.get_array() - first).max() > 0.1
    press(window, "<Key-0>")
    assert limits(window) == (0, SIZE_PX, SIZE_PX, 0)


def test_the_scale_bar_is_as_long_as_it_says(window):
    for n in (0, 4):
        wheel(window, place_of(window, 256, 256), n)
        ends = window.picture.bar.get_xdata()
        left, right, *_ = limits(window)
        number, unit = window.picture.bar_text.get_text().split()
        length_px = (ends[1] - ends[0]) * (right - left)
        assert unit == "Å"
        assert length_px * PIXEL_SIZE == pytest.approx(float(number.replace(",", "")))


def contrast_to_noise(image):
    """Of the discs of the first micrograph as it is shown."""
    y, x = np.indices(image.shape)
    distance = np.min([np.hypot(x - at_x, y - at_y) for at_x, at_y in centers()], axis=0)
    ground = image[distance > 22]
    return float((ground.mean() - image[distance < 6].mean()) / ground.std())


def test_the_default_low_pass_follows_the_box_and_shows_particles(window):
    panel = window.image_panel
    assert panel.texts["low-pass"]["text"] == "Low-pass: 45 Å (¼ of the box)"
    seen = contrast_to_noise(np.asarray(window.picture.image.get_array()))
    panel.sliders["low-pass"].set(0)
    window.window.update()
    assert panel.texts["low-pass"]["text"] == "Low-pass: none"
    raw = np.asarray(window.picture.image.get_array())
    np.testing.assert_array_equal(raw, open_mrc(window.model.file))
    assert seen > 4 * contrast_to_noise(raw)
    panel.reset_button.invoke()
    window.window.update()
    assert contrast_to_noise(np.asarray(window.picture.image.get_array())) == seen


def test_keys_change_low_pass_and_contrast_which_stay_on_the_next_micrograph(window):
    image, panel = window.picture.image, window.image_panel
    low, high = image.get_clim()
    press(window, "<bracketright>", "<bracketright>", "<c>", "<c>", "<c>", "<c>")
    assert panel.low_pass == pytest.approx(45 * 1.2**2)
    assert panel.texts["contrast"]["text"] == "Contrast: 2.00x"
    narrow = image.get_clim()
    assert narrow[1] - narrow[0] < (high - low) / 2
    press(window, "<Right>")
    assert window.picture.low_pass_px == pytest.approx(9 * 1.2**2)
    wide = np.ptp(np.percentile(np.asarray(image.get_array()), (0.5, 99.5)))
    assert np.ptp(image.get_clim()) == pytest.approx(wide / 2, rel=1e-3)
    press(window, "<r>", "<Left>")
    assert image.get_clim() == (low, high)


def test_without_a_pixel_size_sizes_are_in_px(screen, files):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    opened = opened_view(OverlayWindow(None, "test", lambda: make_model(files, 0), open_mrc))
    assert opened.image_panel.texts["low-pass"]["text"] == "Low-pass: 9 px (¼ of the box)"
    assert opened.picture.bar_text.get_text() == "100 px"
    opened.window.destroy()


def test_a_question_mark_lists_the_keys_and_so_does_the_page(window, screen):
    press(window, "<question>")
    shown = window.key_list.shown
    assert shown.winfo_exists()
    until(window, shown.winfo_viewable)
    photograph(screen, "overlay_keys.png")
    texts = [label["text"] for label in shown.winfo_children()[0].winfo_children()]
    listed = {key.shown: key.text for key in window.keys if key.shown}
    assert texts == [text for row in listed.items() for text in row]
    bound = {sequence for key in window.keys for sequence in key.sequences}
    assert len(bound) == sum(len(key.sequences) for key in window.keys), "a key does two things"
    page = LOOKING.read_text("utf-8")
    for key, text in listed.items():
        assert re.search(rf"^\| .*{re.escape(text)}.* \|", page, re.MULTILINE), (key, text)
    take_keyboard(window)
    shown.event_generate("<Escape>")
    window.window.update()
    assert window.key_list.shown is None


def test_keys_show_and_hide_boxes(window):
    press(window, "<Key-2>")
    assert [one.name for one in window.model.layers()] == [FAR_NAME, "consensus"]
    press(window, "<b>")
    assert window.model.layers() == []
    press(window, "<b>")
    assert len(window.model.layers()) == 3


def test_the_window_says_that_it_loads_before_it_reads_anything(screen, files):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    seen = []

    def texts(widget):
        own = [str(widget.cget("text"))] if "text" in widget.configure() else []
        return own + [text for child in widget.winfo_children() for text in texts(child)]

    def load():
        seen.append((opened.window.winfo_viewable(), texts(opened.window)))
        return make_model(files)

    def open_image(file):
        picture = opened.frame.picture
        seen.append((picture.message.get_visible(), picture.message.get_text()))
        drawn = np.asarray(opened.frame.canvas.buffer_rgba())[..., :3]
        seen.append(float((drawn.max(axis=2) < 30).mean()))
        return open_mrc(file)

    opened = OverlayWindow(None, "test", load, open_image)
    opened.show()
    assert not seen
    until(opened, lambda: opened.is_ready)
    assert seen[0] == (1, ["Loading the boxes ..."])
    assert seen[1] == (True, f"Loading {NAMES[0]} ...")
    assert seen[2] < 0.05, "the picture is black"
    assert not opened.picture.message.get_visible()
    opened.window.destroy()


def test_boxes_that_cannot_be_loaded_are_explained_in_the_window(screen):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    def load():
        raise ValueError("an input set is missing; first run the protocol that produces it")

    opened = OverlayWindow(None, "test", load, open_mrc)
    opened.show()
    (label,) = opened.window.winfo_children()
    until(opened, lambda: label["text"].startswith("An input set is missing"))
    assert not opened.is_ready
    opened.window.destroy()


def test_a_window_does_not_seem_busy_for_ever(screen, monkeypatch):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    def load():
        raise KeyError("micrograph 7")

    opened = OverlayWindow(None, "test", load, open_mrc)
    opened.show()
    logged = []
    monkeypatch.setattr(opened.window, "report_callback_exception", lambda *a: logged.append(a[1]))
    (label,) = opened.window.winfo_children()
    until(opened, lambda: "KeyError: 'micrograph 7'" in label["text"])
    assert isinstance(logged[0], KeyError)
    opened.window.destroy()


@pytest.mark.parametrize("size", [(1161, 652), (1632, 918)])
def test_no_text_is_cut(window, screen, size):
    """In the window's size on screens of 1366 x 768 and of 1920 x 1080."""
    window.window.geometry(f"{size[0]}x{size[1]}")
    until(window, lambda: window.window.winfo_width() == size[0])
    click = place_of(window, *centers()[20])
    widget = window.frame.canvas.get_tk_widget()
    widget.event_generate("<Button-1>", **click)
    widget.event_generate("<ButtonRelease-1>", **click)
    window.window.update()
    photograph(screen, f"overlay_{size[0]}.png")
    assert not cut_texts(window.window)


def choose(window, box, value):
    box.set(value)
    box.event_generate("<<ComboboxSelected>>")
    window.window.update()


def drawn(window, name):
    return len(window.picture.collections[name].get_paths())


def test_picks_of_any_picker_are_hidden_by_any_of_their_numbers(window, screen):
    scores = window.scores
    choose(window, scores.sets, FAR_NAME)
    assert scores.attributes["values"] == ("score", "quality", "2D class")
    scores.slider.set(1.5)
    window.window.update()
    score = np.linspace(-6, 9, 128)
    n = int((score[:64] >= 1.5).sum())
    assert (drawn(window, FAR_NAME), drawn(window, "consensus")) == (n, 9)
    lines = ["at least 1.500:", f"{n} of 64 on this micrograph"]
    assert scores.kept["text"].splitlines()[:2] == lines
    assert scores["text"] == "Minimum score"
    choose(window, scores.attributes, "quality")
    assert drawn(window, FAR_NAME) == 64
    assert scores["text"] == "Minimum quality"
    n_unknown = int((score <= 0).sum())
    assert scores.kept["text"].endswith(f"{n_unknown} without quality are shown")
    scores.slider.set(20)
    window.window.update()
    assert scores.kept["text"].endswith(f"{n_unknown} without quality are hidden")
    press(window, "<Right>")
    n = int((score[64:] >= np.sqrt(20)).sum())
    assert drawn(window, FAR_NAME) == n > 0
    photograph(screen, "overlay_scores.png")
    choose(window, scores.sets, "consensus")
    scores.slider.set(0.5)
    press(window, "<Left>")
    assert (drawn(window, FAR_NAME), drawn(window, "consensus")) == (0, 5)


def test_a_click_on_the_histogram_sets_the_minimum(window):
    choose(window, window.scores.sets, FAR_NAME)
    bars = window.scores.histogram
    counts, _ = window.model.selection.histogram()
    heights = [bars.coords(bar) for bar in bars.find_withtag("bar")]
    assert len(heights) == np.count_nonzero(counts)
    width = bars.winfo_width()
    bars.event_generate("<Button-1>", x=round(width * 0.6), y=10)
    window.window.update()
    minimum = window.model.selection.minimum
    assert minimum == pytest.approx(-6 + 0.6 * 15, abs=0.1)
    line = bars.coords("minimum")
    assert line[0] == pytest.approx(0.6 * width, abs=1)
    colors = [bars.itemcget(bar, "fill") for bar in bars.find_withtag("bar")]
    assert 0 < colors.index(colors[-1]) < len(colors) - 1
    score = np.linspace(-6, 9, 128)[:64]
    assert drawn(window, FAR_NAME) == np.count_nonzero(score >= minimum)


def click(window, x, y):
    widget = window.frame.canvas.get_tk_widget()
    place = place_of(window, x, y)
    widget.event_generate("<Button-1>", **place)
    widget.event_generate("<ButtonRelease-1>", **place)
    window.window.update()


def test_a_click_on_a_pick_shows_its_numbers_and_its_image(window):
    far = 40  # not in the consensus
    x, y = centers()[far]
    click(window, x + 5, y - 4)
    assert window.selected == (FAR_NAME, far)
    told = window.particle.description.get("1.0", "end").strip().splitlines()
    score = np.linspace(-6, 9, 128)[far]
    assert told == [FAR_NAME, f"x {x:.0f}, y {y:.0f} px", f"score {score:.3f}", "2D class 6"]
    photo = window.particle.thumbnail["image"]
    assert photo
    tile = window.picture.tile(window.model.box(far, FAR_NAME), 90)
    middle, rim = tile[35:55, 35:55].mean(), np.r_[tile[:8].ravel(), tile[-8:].ravel()].mean()
    assert middle < rim - 20, "the dark disc is in the middle of its image"
    click(window, x + 30, y + 30)
    assert (window.selected, window.particle.thumbnail["image"]) == (None, "")


def write(window, entry, text):
    """With the keyboard."""
    entry.focus_force()
    until(window, lambda: window.window.focus_displayof() is entry)
    entry.delete(0, "end")
    for letter in text:
        key = {" ": "space", ",": "comma", "(": "parenleft", ")": "parenright"}.get(letter, letter)
        entry.event_generate(f"<KeyPress-{key}>")
    window.window.update()
    entry.event_generate("<Return>")
    window.window.update()


def test_what_slider_and_pattern_show_becomes_a_subset(window, screen):
    subset = window.subset
    assert subset.button.instate(["disabled"]), "nothing is hidden"
    window.scores.slider.set(0.35)
    window.window.update()
    assert not subset.button.instate(["disabled"])
    subset.button.invoke()
    kept = [k for k in range(9) if 0.1 + 0.1 * k >= 0.35]
    (asked,) = window.made
    label = "consensus: weight at least 0.35"
    ids = [2 * k + 7 for k in kept]
    assert asked == ("agreed.sqlite", ids, label, "6 of 9 of consensus: weight at least 0.35")
    assert subset.status["text"] == f'The run "{label}" has been started.'
    write(window, subset.pattern, f"{FAR_NAME}, not Topaz")
    assert window.picture.area.zoom == 1, "what is written is no key"
    kept = [k for k in kept if k % 3 == 0]
    assert drawn(window, "consensus") == len(kept) == 2
    photograph(screen, "overlay_subset.png")
    subset.button.invoke()
    assert window.made[-1][1] == [2 * k + 7 for k in kept]
    assert window.made[-1][3].endswith(f"found by {FAR_NAME}, not by Topaz")
    assert len(window.made[-1][2]) <= 90


@pytest.mark.parametrize("score", [0.7, -1e12, 1e7 + 0.5, 3e-10])
def test_no_end_of_the_slider_hides_the_best_box(screen, files, score):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    for scores, n_best in ((np.full(3, score), 3), (score + abs(score) * np.arange(-2, 1), 1)):
        one = BoxSet("one", [0, 0, 0], [50, 150, 250], [50] * 3, BOX_PX, score=scores)
        model = OverlayModel(NAMES, files, [one])
        opened = opened_view(OverlayWindow(None, "test", lambda m=model: m, open_mrc))
        histogram, slider = opened.scores.histogram, opened.scores.slider
        for act in (
            lambda at=slider: at.set(at.cget("to")),
            lambda at=histogram: at.event_generate("<Button-1>", x=at.winfo_width() - 1, y=9),
        ):
            act()
            opened.window.update()
            assert drawn(opened, "one") == n_best
        text = opened.scores.kept["text"]
        assert float(text.split()[2].rstrip(":")) == pytest.approx(score, rel=0.05)
        opened.window.destroy()


def test_a_subset_that_cannot_be_made_is_explained(window, monkeypatch):
    from repic_plugin.viewers.overlay import subset_panel

    told = []
    monkeypatch.setattr(subset_panel.messagebox, "showerror", lambda *a, **_k: told.append(a[1]))

    def fail(*_asked):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    window.subset._create = fail
    window.scores.slider.set(0.35)
    window.window.update()
    window.subset.button.invoke()
    assert told == ["Attempt to write a readonly database."]


def test_each_set_has_its_pattern_and_a_wrong_one_is_explained(window):
    subset, sets = window.subset, window.scores.sets
    choose(window, sets, FAR_NAME)
    write(window, subset.pattern, f"{FAR_NAME}, not Topaz")
    assert drawn(window, FAR_NAME) == 64 - 9
    write(window, subset.pattern, "nobody")
    assert "nobody" in subset.status["text"]
    assert drawn(window, FAR_NAME) == 64 - 9
    window.window.tk.call(subset.pattern.cget("postcommand"))
    assert subset.pattern["values"][:3] == ("", FAR_NAME, "Topaz")
    assert f"Topaz, not {FAR_NAME}" in subset.pattern["values"]
    choose(window, sets, "consensus")
    assert (subset.pattern.get(), subset.status["text"]) == ("", "")
    assert drawn(window, "consensus") == 9
    choose(window, sets, FAR_NAME)
    assert subset.pattern.get() == f"{FAR_NAME}, not Topaz"
    subset.button.invoke()
    assert window.made[-1][1] == [k for k in range(1, 129) if k > 9]
