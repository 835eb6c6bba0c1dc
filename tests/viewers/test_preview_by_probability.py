"""The preview of mode probabilistic, under a virtual screen."""

from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.plots.overlay_model import BoxSet, OverlayModel
from repic_plugin.plots.preview import PreviewSettings
from repic_plugin.plots.probable_preview import (
    draw_precision_curve,
    fit_preview,
    preview_probable,
    probable_text,
    promise_of,
)
from repic_plugin.simulation import simulate_picks
from tests.viewers.windows import cut_texts, overlapping_texts
from tests.virtual_screen import photograph

N_MICROGRAPHS = 6


@pytest.fixture(scope="module")
def made():
    return simulate_picks(N_MICROGRAPHS, 3, n_particles=60, random_state=4)


@pytest.fixture
def preview(screen, made):
    from repic_plugin.viewers.preview_window import PreviewWindow

    picks, fits, used = made.picks, {}, []

    def fitted(min_overlap):
        if min_overlap not in fits:
            options = {"box_size_px": made.box_size_px, "min_overlap": min_overlap}
            fits[min_overlap] = fit_preview(picks, np.arange(N_MICROGRAPHS), options)
        return fits[min_overlap]

    boxes = [
        BoxSet(name, *(column[picks.picker == place] for column in columns), made.box_size_px)
        for columns in [(picks.micrograph, picks.x, picks.y)]
        for place, name in enumerate(picks.picker_names)
    ]
    names = list(picks.micrograph_names)
    opened = PreviewWindow(
        None,
        OverlayModel(names, names, boxes),
        PreviewSettings(2, 0.3, 0, 0.0),
        compute=lambda place, now: preview_probable(fitted(now.min_overlap), place, now),
        describe=lambda found, now: probable_text(fitted(now.min_overlap), found, now),
        draw_curve=lambda figure, now: draw_precision_curve(figure, fitted(now.min_overlap), now),
        use=used.append,
        box_size_px=made.box_size_px,
        open_image=lambda _name: np.zeros(made.micrograph_size_px),
    )
    opened.show()
    opened.window.update()
    opened.used, opened.fits = used, fits
    yield opened
    if not used:
        opened.window.destroy()


@pytest.mark.parametrize(
    "first", [PreviewSettings(2, 0.305, 7, 0.955), PreviewSettings(2, 0.30517, 0, 0.995)]
)
def test_sliders_that_are_not_moved_change_nothing(preview, first):
    from repic_plugin.viewers.preview_window import PreviewWindow

    opened = PreviewWindow(
        None,
        preview.model,
        first,
        compute=preview._compute,
        describe=preview._describe,
        draw_curve=lambda *_: None,
        use=preview.used.append,
        box_size_px=preview._box_size_px,
        open_image=preview._open_image,
    )
    opened.show()
    opened.window.update()
    assert opened.sliders["target_precision"].get() == first.target_precision
    opened.sliders["num_particles"].set(3)
    opened.window.update()
    opened.ok_button.invoke()
    assert preview.used.pop() == replace(first, num_particles=3)


def n_drawn(preview):
    return len(preview.frame.picture.collections["consensus"].get_paths())


def here(preview):
    """The point on the curve."""
    (axes,) = preview.curve.figure.axes
    (line,) = (one for one in axes.get_lines() if one.get_gid() == "here")
    return tuple(line.get_xydata()[0])


def test_the_target_precision_decides_what_is_kept(preview, screen):
    assert set(preview.sliders) == {"target_precision", "min_overlap", "num_particles"}
    first = n_drawn(preview)
    assert f"{first} particles on this micrograph" in preview.count["text"]
    assert "highest expected F1 score" in preview.count["text"]
    preview.sliders["target_precision"].set(0.6)
    preview.window.update()
    assert n_drawn(preview) > first
    promise = promise_of(preview.fits[0.3], PreviewSettings(2, 0.3, 0, 0.6))
    assert here(preview) == (promise.per_micrograph, promise.precision)
    assert f"expected precision {promise.precision:.3f}" in preview.count["text"]
    preview.sliders["num_particles"].set(10)
    preview.window.update()
    assert n_drawn(preview) == 10
    assert here(preview)[0] == 10
    photograph(screen, "preview_by_probability.png")
    preview.ok_button.invoke()
    assert preview.used == [PreviewSettings(2, 0.3, 10, 0.6)]


def test_a_new_overlap_is_fitted_once_the_slider_rests(preview):
    for value in (0.35, 0.4, 0.45, 0.5):
        preview.sliders["min_overlap"].set(value)
        preview.window.update()
    assert preview.count["text"].startswith("Estimating precision and recall")
    assert set(preview.fits) == {0.3}
    preview.window.after_cancel(preview._settling)
    preview._settled()
    assert set(preview.fits) == {0.3, 0.5}
    assert "particles on this micrograph" in preview.count["text"]


def test_every_part_of_the_panel_is_in_view(preview):
    preview.window.geometry("1161x652")  # on a screen of 1366 x 768
    preview.window.update()
    for widget in (preview.ok_button, preview.curve.get_tk_widget(), preview.count):
        bottom = widget.winfo_rooty() + widget.winfo_height() - preview.window.winfo_rooty()
        assert 0 < bottom <= 652


def test_many_cautions_are_scrolled_and_not_cut(preview):
    preview.window.geometry("1161x652")
    lines = [
        f"Caution: {number} pickers have learnt each other's mistakes." for number in range(20)
    ]
    preview.count.configure(text="\n".join(lines))
    preview.window.update()
    assert not cut_texts(preview.window)
    assert not overlapping_texts(preview.window)
    assert preview.count.winfo_height() == preview.count.winfo_reqheight()
    canvas = preview.count.master.master
    first, last = canvas.yview()
    assert first == 0
    assert last < 1
    canvas.yview_moveto(1)
    preview.window.update()
    bottom = preview.count.winfo_rooty() + preview.count.winfo_height()
    assert bottom <= canvas.winfo_rooty() + canvas.winfo_height()
