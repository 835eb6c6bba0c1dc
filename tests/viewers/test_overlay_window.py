"""The overlay's windows under a virtual screen, driven by events."""

import mrcfile
import numpy as np
import pytest
from matplotlib.figure import Figure

from repic_plugin.consensus import Picks
from repic_plugin.formats import open_mrc
from repic_plugin.plots.overlay_model import OverlayModel
from repic_plugin.plots.overlay_sets import BoxSet, ConsensusDetails
from repic_plugin.plots.preview import PreviewSettings, prepare_preview, preview_consensus
from tests.viewers.windows import opened_view, press, until
from tests.virtual_screen import photograph

SIZE_PX = 400
BOX_PX = 40
N_MICROGRAPHS = 3
PIXEL_SIZE = 5.0
NAMES = [f"mic {i}.mrc" for i in range(N_MICROGRAPHS)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Micrographs in a folder with an awkward name; the last is missing."""
    folder = tmp_path_factory.mktemp("Aufnahmen vom März")
    for place, name in enumerate(NAMES[:-1]):
        noise = np.random.default_rng(place).normal(place, 1, (SIZE_PX, SIZE_PX))
        with mrcfile.new(folder / name) as file:
            file.set_data(noise.astype(np.float32))
    return [str(folder / name) for name in NAMES]


def centers(place):
    """Of the particles of a micrograph: one more on each."""
    return np.array([(60.0 + 80 * i, 50.0 + 90 * place) for i in range(2 + place)])


def sets():
    where = np.concatenate([centers(place) for place in range(N_MICROGRAPHS)])
    micrograph = np.repeat(np.arange(N_MICROGRAPHS), [2, 3, 4])
    score = np.linspace(0.1, 0.9, len(where))
    pickers = [
        BoxSet("crYOLO", micrograph, *where.T, BOX_PX, score=score),
        BoxSet("Törtchen picker", micrograph, *(where + 2).T, BOX_PX),
    ]
    return [*pickers, BoxSet("consensus", micrograph, *where.T, BOX_PX, "consensus")]


@pytest.fixture
def window(screen, files):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    everyone = np.column_stack([np.arange(9)] * 2)
    details = ConsensusDetails(np.linspace(0.1, 0.9, 9), members=everyone)
    model = OverlayModel(NAMES, files, sets(), details, PIXEL_SIZE)
    opened = opened_view(OverlayWindow(None, "test", lambda: model, open_mrc))
    yield opened
    opened.window.destroy()


def drawn(window, name):
    """Centres of the boxes of a layer as they are in the figure."""
    picture = getattr(window, "frame", window).picture
    corners = [path.vertices[:4] for path in picture.collections[name].get_paths()]
    return np.array([corner.mean(axis=0) for corner in corners]).reshape(-1, 2)


def click(window, x, y):
    """With the left button at a point of the micrograph."""
    window.window.update()
    widget = window.frame.canvas.get_tk_widget()
    column, row = window.picture.axes.transData.transform((x, y))
    where = {"x": round(column), "y": round(widget.winfo_height() - row)}
    widget.event_generate("<Button-1>", **where)
    widget.event_generate("<ButtonRelease-1>", **where)
    window.window.update()


def told(window):
    return window.particle.description.get("1.0", "end").strip().splitlines()


def test_it_opens_on_the_first_micrograph(window):
    for name in ("crYOLO", "consensus"):
        np.testing.assert_allclose(drawn(window, name), centers(0))
    assert window.picture.image.get_array().shape == (SIZE_PX, SIZE_PX)
    assert window.picture.axes.get_xlim() == (0, SIZE_PX)
    assert window.picture.axes.get_ylim() == (SIZE_PX, 0)
    assert window.layers.counts["crYOLO"]["text"] == "2"
    assert not window.picture.message.get_visible()
    assert window.where["text"] == "Micrograph 1 of 3"
    assert window.chooser.get() == NAMES[0]


def test_boxes_can_be_shown_smaller(window):
    whole = window.picture.collections["crYOLO"].get_paths()[0].get_extents().width
    thick = window.picture.collections["consensus"].get_linewidth()[0]
    window.size_slider.set(0.5)
    window.window.update()
    assert window.size_text["text"] == "50% of the true size"
    half = window.picture.collections["crYOLO"].get_paths()[0].get_extents().width
    assert half == pytest.approx(whole / 2)
    assert window.picture.collections["consensus"].get_linewidth()[0] < thick


def test_buttons_and_keys_page(window):
    figure, image = window.picture.figure, window.picture.image
    before = image.get_array().copy()
    window.next_button.invoke()
    assert window.model.place == 1
    np.testing.assert_allclose(drawn(window, "crYOLO"), centers(1))
    assert abs(image.get_array() - before).max() > 0.5
    window.previous_button.invoke()
    np.testing.assert_array_equal(image.get_array(), before)
    assert window.previous_button.instate(["disabled"])
    for key, place in (("<Right>", 1), ("<Right>", 2), ("<Right>", 2), ("<Left>", 1)):
        press(window, key)
        assert window.model.place == place
        assert len(drawn(window, "consensus")) == place + 2
    # replaced, not made again
    assert (window.picture.figure, window.picture.image) == (figure, image)
    assert list(window.picture.axes.images) == [image, window.picture.detail]
    assert len(window.picture.axes.collections) == 4


def test_a_micrograph_is_chosen_from_the_list(window):
    window.chooser.current(1)
    window.chooser.event_generate("<<ComboboxSelected>>")
    window.window.update()
    assert window.model.name == NAMES[1]
    np.testing.assert_allclose(drawn(window, "Törtchen picker"), centers(1) + 2)


def test_layers_are_switched(window):
    collection = window.picture.collections["crYOLO"]
    window.layers.switches["crYOLO"].invoke()
    assert not collection.get_visible()
    window.next_button.invoke()
    assert not collection.get_visible()
    window.layers.switches["crYOLO"].invoke()
    assert collection.get_visible()


def test_the_slider_leaves_the_best_and_counts_them(window):
    draws = []
    window.frame.canvas.mpl_connect("draw_event", draws.append)
    window.scores.slider.set(0.15)
    window.window.update()
    np.testing.assert_allclose(drawn(window, "consensus"), centers(0)[1:])
    assert window.scores.kept["text"].splitlines() == [
        "at least 0.150:",
        "1 of 2 on this micrograph",
        "8 of 9 in total",
    ]
    assert window.layers.counts["consensus"]["text"] == "1"
    assert len(drawn(window, "crYOLO")) == 2
    assert not draws, "the micrograph was drawn again"
    window.next_button.invoke()
    assert len(drawn(window, "consensus")) == 3


def test_the_slider_at_its_end_leaves_the_best_one(window):
    window.scores.slider.set(window.model.selection.range[1])
    window.window.update()
    assert window.model.n_kept() == (0, 1)


def test_a_click_describes_and_marks_the_particle(window, screen):
    x, y = centers(0)[1]
    click(window, x + 10, y - 15)
    photograph(screen, "overlay_window.png")
    assert window.selected == ("consensus", 1)
    assert told(window) == [
        f"x {x:.0f}, y {y:.0f} px",
        "weight 0.200",
        f"crYOLO: score 0.200, at {x:.0f}, {y:.0f}",
        f"Törtchen picker: no score, at {x + 2:.0f}, {y + 2:.0f}",
    ]
    (marked,) = window.picture.highlight.get_paths()
    np.testing.assert_allclose(marked.vertices[:4].mean(axis=0), (x, y))
    click(window, x, y + BOX_PX)
    assert window.selected is None
    assert not window.picture.highlight.get_paths()
    assert told(window) == ["Click on a box to see its score, its picker and its image."]


def test_a_missing_micrograph_says_so_and_keeps_its_boxes(window):
    window.model.go_to(1)
    window.next_button.invoke()
    assert window.picture.message.get_visible()
    assert "no such file" in window.picture.message.get_text()
    assert NAMES[-1] in window.picture.message.get_text()
    np.testing.assert_allclose(drawn(window, "crYOLO"), centers(2))
    assert np.unique(window.picture.image.get_array()).size == 1
    assert window.picture.axes.get_xlim() == (0, SIZE_PX)  # as the one before
    window.previous_button.invoke()
    assert not window.picture.message.get_visible()


def test_boxes_are_on_the_screen(window):
    """Animated artists that nobody draws would be in the figure and yet unseen."""

    def seen():
        window.window.update()
        return np.asarray(window.frame.canvas.buffer_rgba())[..., :3].astype(int)

    def n_orange():
        return int((np.abs(seen() - (213, 94, 0)).max(axis=2) < 10).sum())

    assert n_orange() > 200
    for name in ("crYOLO", "Törtchen picker"):  # their lines would hide what is left over
        window.layers.switches[name].invoke()
    window.layers.switches["consensus"].invoke()
    assert n_orange() == 0
    window.layers.switches["consensus"].invoke()
    assert n_orange() > 200


def test_labels_have_room_in_a_small_window(window):
    for size in ("900x500", "1100x800"):
        window.window.geometry(size)
        window.window.update()
        figure, axes = window.picture.figure, window.picture.axes
        for label in (axes.xaxis.label, axes.yaxis.label, axes.get_xticklabels()[-1]):
            box = label.get_window_extent()
            assert figure.bbox.x0 <= box.x0
            assert figure.bbox.y0 <= box.y0
            assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("place", [0, 2])
def test_the_picture_is_saved(window, tmp_path, place):
    window.model.go_to(place)
    window._show_micrograph()
    window.save(str(tmp_path / "Bild ü.png"))
    assert (tmp_path / "Bild ü.png").read_bytes()[:4] == b"\x89PNG"


def test_sets_without_a_score_have_no_slider(screen, files):
    from repic_plugin.viewers.overlay.window import OverlayWindow

    model = OverlayModel(NAMES, files, [BoxSet("nothing", [], [], [], BOX_PX)])
    opened = opened_view(OverlayWindow(None, "test", lambda: model, open_mrc))
    assert opened.scores.slider.instate(["disabled"])
    assert opened.scores["text"] == "No score"
    assert opened.layers.counts["nothing"]["text"] == "0"
    click(opened, 50, 50)
    assert told(opened) == ["Click on a box to see its score, its picker and its image."]
    opened.window.destroy()


@pytest.fixture
def preview(screen, files):
    """With a third picker that finds the first particle of each micrograph, and no other."""
    from repic_plugin.viewers.preview_window import PreviewWindow

    pickers = sets()[:2]
    first = [0, 2, 5]
    columns = [
        np.concatenate([*(getattr(one, name) for one in pickers), getattr(pickers[0], name)[first]])
        for name in ("micrograph", "x", "y")
    ]
    who = np.repeat([0, 1, 2], [9, 9, 3])
    picks = Picks.from_columns(columns[0], who, *columns[1:], np.ones(21), micrograph_names=NAMES)
    third = BoxSet("third", picks.micrograph[-3:], picks.x[-3:], picks.y[-3:], BOX_PX)
    prepared, used = prepare_preview(picks, box_size_px=BOX_PX), []
    opened = PreviewWindow(
        None,
        OverlayModel(NAMES, files, [*pickers, third]),
        PreviewSettings(3, 0.3, 0),
        compute=lambda place, settings: preview_consensus(
            prepared, place, settings, box_size_px=BOX_PX
        ),
        use=used.append,
        box_size_px=BOX_PX,
        open_image=open_mrc,
    )
    opened.show()
    opened.window.update()
    opened.used = used
    yield opened
    if not used:
        opened.window.destroy()


def test_the_preview_follows_its_sliders(preview, screen):
    assert len(drawn(preview, "consensus")) == 1
    assert preview.count["text"] == "1 of 1 particles on this micrograph"
    preview.sliders["quorum"].set(2)
    preview.window.update()
    assert len(drawn(preview, "consensus")) == 2
    preview.sliders["num_particles"].set(1)
    preview.window.update()
    np.testing.assert_allclose(drawn(preview, "consensus"), centers(0)[:1])
    assert preview.count["text"] == "1 of 2 particles on this micrograph"
    preview.sliders["num_particles"].set(0)
    preview.sliders["min_overlap"].set(0.9)  # the second picker is 2 px off: 0.82
    preview.window.update()
    np.testing.assert_allclose(drawn(preview, "consensus"), centers(0)[:1])  # with the third
    press(preview, "<Right>")
    assert preview.model.place == 1
    preview.sliders["min_overlap"].set(0.5)
    preview.window.update()
    assert len(drawn(preview, "consensus")) == 3
    photograph(screen, "preview_window.png")
    preview.ok_button.invoke()
    assert preview.used == [PreviewSettings(2, 0.5, 0)]


def test_all_boxes_of_a_crowded_preview_are_shown_smaller(preview):
    preview.model.scale = 0.5
    preview.sliders["quorum"].set(2)
    press(preview, "<Right>")
    for name in ("crYOLO", "consensus"):
        (first, *_) = preview.frame.picture.collections[name].get_paths()
        np.testing.assert_allclose(np.ptp(first.vertices, axis=0), BOX_PX / 2)


def test_cancel_keeps_the_form(preview):
    preview.sliders["quorum"].set(2)
    preview.window.update()
    preview.cancel_button.invoke()
    assert preview.used == []
    preview.used.append(None)  # the window is gone


def test_what_cannot_be_computed_is_said(preview):
    def wrong(_place, _settings):
        raise ValueError("no such thing")

    preview._compute = wrong
    preview.sliders["quorum"].set(2)
    preview.window.update()
    assert preview.count["text"] == "no such thing"
    assert len(drawn(preview, "consensus")) == 0


def test_a_picture_that_cannot_be_saved_is_explained(window, monkeypatch):
    from repic_plugin.viewers.overlay import window as module

    told = []
    monkeypatch.setattr(module.messagebox, "showerror", lambda *a, **_k: told.append(a[1]))
    monkeypatch.setattr(module.filedialog, "asksaveasfilename", lambda **_k: "picture.xyz")
    window.save_button.invoke()
    (text,) = told
    assert "xyz" in text


def test_a_button_opens_another_view_or_says_why_not(screen, files, monkeypatch):
    from repic_plugin.viewers import view_button
    from repic_plugin.viewers.figure_window import FigureWindow
    from repic_plugin.viewers.overlay.window import OverlayWindow

    shown, told = [], []
    monkeypatch.setattr(view_button.messagebox, "showerror", lambda *a, **_k: told.append(a))

    class Other:
        def __init__(self, root):
            self.root = root

        def show(self):
            shown.append(self.root)

    def missing(_root):
        raise ValueError("the tables are missing")

    more = {"Other...": Other, "Missing...": missing}
    windows = [
        OverlayWindow(None, "test", lambda: OverlayModel(NAMES, files, sets()), open_mrc, more),
        FigureWindow(None, "test", {"plot": Figure}, more=more),
    ]
    for opened in windows:
        opened.show()
        until(opened, lambda opened=opened: getattr(opened, "is_ready", True))
        for button in opened.more_buttons:
            button.invoke()
        assert shown.pop() is opened.window
        assert told.pop() == ("Missing...", "The tables are missing.")
        opened.window.destroy()
