"""Page of a session: what it shows, and that no half of it is ever seen."""

import base64
import dataclasses
import io
import re

import matplotlib.image
import numpy as np
import pytest

from repic_plugin.consensus import Thresholds
from repic_plugin.formats.base import atomic
from repic_plugin.reports import (
    PickersByClass,
    SessionHistory,
    SessionPage,
    session_html,
    waiting_line,
    write_session_page,
)
from tests.reports.html_page import Page
from tests.reports.sessions import EVIL, NOW, a_page, some_classes, some_micrographs


def shown(page):
    return Page(session_html(page))


def text_of(page):
    return " ".join(shown(page).texts)


def class_numbers(page):
    """Numbers of the classes in the order in which they are shown."""
    found = [one.get("alt", "") for one in shown(page).having("img")]
    return [int(alt.split()[-1]) for alt in found if alt.startswith("average of class")]


def pixels_of(page):
    """Grey values of the averages in the order in which they are shown."""
    data = [base64.b64decode(one["src"].partition(",")[2]) for one in shown(page).having("img")]
    read = [matplotlib.image.imread(io.BytesIO(one), format="jpeg") for one in data]
    return [one[..., 0].astype(int) for one in read]


def with_classes(classes, **others):
    return SessionPage("s", NOW, True, classes=classes, **others)


# ------------------------------------------------------------------- contents


def test_everything_is_there_once_and_nothing_comes_from_elsewhere():
    text = session_html(a_page())
    found = Page(text)
    titles = [one["id"] for one in found.having("h2")]
    assert len(titles) == 5
    for part in ("24,000", "9,876", "12 micrographs wait for their CTF.", "Session 7"):
        assert part in " ".join(found.texts)
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(one.startswith(("data:image/", "#s")) for one in sources)
    assert "url(" not in text and "@import" not in text and not found.having("script")


def test_names_are_shown_and_not_run():
    page = a_page(names=(EVIL, "b"), counts=[(EVIL, 3)], waiting=[EVIL], remarks=[EVIL])
    page = dataclasses.replace(page, title=EVIL)
    found = shown(page)
    assert not found.having("script")
    assert sum(EVIL in text for text in found.texts) >= 7  # title twice, bar, column, three lists


def test_a_running_session_loads_itself_again_and_a_closed_one_does_not():
    for is_open, expected in ((True, ["30"]), (False, [])):
        page = a_page(is_open=is_open)
        metas = shown(page).having("meta")
        assert [one["content"] for one in metas if "http-equiv" in one] == expected
        assert ("has ended" in text_of(page)) is not is_open


def test_it_says_when_it_was_written(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    import time

    time.tzset()
    assert "Written at 2025-12-01 00:00:00 UTC." in text_of(a_page())
    monkeypatch.undo()
    time.tzset()


def test_numbers_are_those_given():
    counts = [("a", np.int64(1234567)), ("b", 0), ("c", 2.5)]
    found = shown(SessionPage("s", NOW, True, counts))
    assert {"1,234,567", "0", "2.500"} <= set(found.texts)


@pytest.mark.parametrize("is_open", [True, False])
def test_an_empty_session_is_a_page(is_open):
    found = shown(SessionPage("s", NOW, is_open))
    assert not found.having("h2") and not found.having("img")
    nothing = np.zeros(0)
    history = SessionHistory(nothing, nothing.astype(int), nothing.astype(int))
    page = SessionPage(
        "s", NOW, is_open, [("particles received", 0)], history=history,
        classes=some_classes(0), pickers=PickersByClass(("a",), np.zeros((0, 1), int)),
        micrographs=some_micrographs(0),
    )  # fmt: skip
    found = shown(page)
    assert not found.having("img") and not found.having("svg")
    assert "nan" not in " ".join(found.texts).lower()


# -------------------------------------------------------------------- classes


def test_classes_are_sorted_by_score_and_those_without_one_are_last():
    page = with_classes(some_classes(5, score=[0.2, np.nan, 0.9, 0.2, np.nan]))
    assert class_numbers(page) == [3, 1, 4, 2, 5]
    assert "no score" in text_of(page) and "nan" not in text_of(page)


def test_each_class_has_its_own_picture_score_size_and_verdict():
    classes = some_classes(2, box=32, score=[0.25, 0.75])
    averages = np.zeros((2, 32, 32), np.float32)
    averages[0, :16], averages[1, :, :16] = 1, 1  # bright above, bright on the left
    page = with_classes(dataclasses.replace(classes, averages=averages))
    pixels = pixels_of(page)
    assert (pixels[0][:, :8] > 200).all() and (pixels[0][:, -8:] < 50).all()  # class 2 is first
    assert (pixels[1][:8] > 200).all() and (pixels[1][-8:] < 50).all()
    words = re.sub(r"\s+", " ", text_of(page))
    assert re.search(r"2 ✓ good score 0\.75 11 particles 1 ✗ rejected score 0\.25 10 ", words)


def test_verdicts_are_told_by_words_and_by_the_frame():
    page = with_classes(some_classes(3, is_good=[True, False, True]))
    kinds = [one["class"] for one in shown(page).having("figure")]
    assert sorted(kinds) == ["good", "good", "rejected"]
    assert text_of(page).count("✓ good") == 2
    assert text_of(page).count("✗ rejected") == 1
    assert "dashed" in session_html(page)
    assert "No class is good" not in text_of(page)


def test_only_junk_is_a_warning():
    page = with_classes(some_classes(3, is_good=[False] * 3))
    assert "No class is good: all are rejected." in text_of(page)


def test_one_class_is_no_trouble():
    words = text_of(with_classes(some_classes(1, score=[0.7])))
    assert "1 of 1 class good" in words


def test_classes_made_later_are_marked():
    classes = some_classes(3, made_after=np.array([25_000, 25_000, 61_440]))
    assert text_of(with_classes(classes)).count("new after 61,440") == 1
    assert "new after 25,000" not in text_of(with_classes(classes))


def test_width_of_the_images():
    assert "Each image is 160 Å wide." in text_of(
        with_classes(some_classes(2, box=32, pixel_size_angstrom=5.0))
    )
    assert "Å wide" not in text_of(with_classes(some_classes(2)))


def test_an_average_that_is_no_number_is_grey():
    classes = some_classes(2)
    classes.averages[0] = np.nan
    good, unknown = pixels_of(with_classes(classes))
    assert good.std() > 20
    assert abs(unknown - 128).max() < 3


@pytest.mark.parametrize(("k", "box", "most"), [(100, 64, 1e6), (100, 256, 1e6), (600, 128, 2.5e6)])
def test_size_of_the_file(k, box, most):
    """Noise takes the most space."""
    page = with_classes(some_classes(k, box))
    assert len(class_numbers(page)) == k
    assert len(session_html(page).encode()) < most


def test_averages_are_not_changed():
    classes = some_classes(3)
    before = classes.averages.copy()
    session_html(with_classes(classes))
    np.testing.assert_array_equal(classes.averages, before)


@pytest.mark.parametrize(
    "wrong",
    [{"score": np.zeros(4)}, {"is_good": np.zeros(2, bool)}, {"averages": np.zeros((5, 3, 4))}],
)
def test_columns_of_other_lengths_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(some_classes(5), **wrong)


# -------------------------------------------------------------------- pickers


def test_share_of_each_picker_in_rejected_classes():
    classes = some_classes(3, is_good=[True, False, False])
    counts = np.array([[90, 10, 0], [5, 20, 0], [5, 10, 0]])
    page = with_classes(classes, pickers=PickersByClass(("topaz", "log", EVIL), counts))
    words = text_of(page)
    assert "topaz: 10% of 100 in rejected classes" in words
    assert "log: 75% of 40 in rejected classes" in words
    assert f"{EVIL}: no particles in classes" in words
    widths = [one.get("style") for one in shown(page).having("span") if one.get("class") == "part"]
    assert widths == ["width: 10.0%", "width: 75.0%"]


def test_pickers_must_be_of_the_same_classes():
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        a_page(pickers=PickersByClass(("a", "b"), np.zeros((4, 2), int)))
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        SessionPage("s", NOW, True, pickers=PickersByClass(("a",), np.zeros((4, 1), int)))


# ---------------------------------------------------------------- over time


def test_rates():
    """1,000 per hour for three hours, then 250 in the last one."""
    times = NOW - 4 * 3600 + 3600.0 * np.arange(5)
    history = SessionHistory(times, np.array([0, 1000, 2000, 3000, 3250]))
    texts = shown(SessionPage("s", NOW, True, history=history)).texts
    assert "812 particles per hour on average, pauses included." in texts  # 3,250 / 4
    assert "250 particles in the last hour." in texts


def test_time_without_particles_counts_while_the_session_runs():
    history = SessionHistory(NOW - np.array([10_800.0, 7200.0]), np.array([0, 3000]))
    words = text_of(SessionPage("s", NOW, True, history=history))
    assert "1,000 particles per hour on average" in words
    assert " 0 particles in the last hour." in words
    words = text_of(SessionPage("s", NOW, False, history=history))
    assert "3,000 particles per hour on average" in words


def test_no_rate_of_a_few_seconds():
    history = SessionHistory(np.array([NOW - 3, NOW]), np.array([0, 5000]))
    assert "per hour" not in text_of(SessionPage("s", NOW, True, history=history))


def test_a_clock_that_was_set_back_is_reported():
    history = SessionHistory(NOW + np.array([0.0, 600.0, 300.0, 900.0]), np.array([0, 10, 20, 30]))
    words = text_of(SessionPage("s", NOW + 900, True, history=history))
    assert "The clock was set back" in words
    assert "The clock was set back" not in text_of(a_page())


def test_the_plot_has_the_numbers():
    """A line from the left corner below to the right, at half of the axis of 0 to 20,000."""
    history = SessionHistory(NOW - np.array([3600.0, 1800.0, 0.0]), np.array([0, 5000, 20_000]))
    found = shown(SessionPage("s", NOW, True, history=history))
    line = next(one for one in found.having("polyline") if one["points"].count(" ") == 2)
    assert line["points"] == "0.0,1000.0 500.0,750.0 1000.0,0.0"
    assert {"0", "20,000", "60"} <= set(found.texts)  # min


def test_small_numbers_have_whole_ticks():
    history = SessionHistory(NOW + np.array([0.0, 30.0]), np.array([0, 2]))
    texts = shown(SessionPage("s", NOW, True, history=history)).texts
    assert [texts.count(one) for one in ("1", "2")] == [1, 1]


def test_a_long_session_is_thinned():
    times = NOW + np.arange(50_000) * 10.0
    history = SessionHistory(times, np.arange(50_000))
    assert len(session_html(SessionPage("s", NOW, True, history=history))) < 40_000


def test_what_is_waited_for():
    history = SessionHistory(NOW - np.array([1800.0, 0.0]), np.array([0, 8000]))
    assert waiting_line(25_000, history, NOW) == (
        "Waiting for 25,000 particles for the first classes, 8,000 so far; about 64 min at the "
        "present rate."
    )
    nothing = SessionHistory(np.zeros(0), np.zeros(0, int))
    assert waiting_line(25_000, nothing, NOW).endswith("classes, 0 so far.")
    assert waiting_line(25_000, history, NOW + 7200).endswith("8,000 so far; none came lately.")


def test_history_of_other_lengths_is_refused():
    with pytest.raises(ValueError, match="n_good must have 2 values, got 1"):
        SessionHistory(np.zeros(2), np.zeros(2, int), np.zeros(1, int))
    with pytest.raises(ValueError, match="finite"):
        SessionHistory(np.array([np.nan]), np.zeros(1, int))


# ---------------------------------------------------------------- micrographs


def test_micrographs_and_their_sudden_fall():
    judged = some_micrographs(thresholds=Thresholds(min_agreement=0.5))
    words = text_of(SessionPage("s", NOW, True, micrographs=judged))
    assert "80 of 120 micrographs accepted, 40 rejected." in words
    assert "Since micrograph 81 (m80) agreement fell from 0.7" in words
    steady = some_micrographs(fall_at=120)
    words = text_of(SessionPage("s", NOW, True, micrographs=steady))
    assert "Since micrograph" not in words
    assert "120 micrographs. No threshold is set" in words


# ------------------------------------------------------------------- the file


def test_a_page_is_seen_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "session.html"
    write_session_page(path, a_page())
    before = path.read_bytes()

    def fault(source, target):
        assert path.read_bytes() == before  # what a browser sees until the last moment
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "replace", fault)
    with pytest.raises(OSError, match="No space left"):
        write_session_page(path, dataclasses.replace(a_page(), title="other"))
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["session.html"]


def test_the_same_session_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        write_session_page(tmp_path / name, a_page())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
