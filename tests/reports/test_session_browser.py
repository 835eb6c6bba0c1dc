"""Page of a session in a real browser: nothing overlaps or sticks out, and all can be read."""

import dataclasses

import numpy as np
import pytest

from repic_plugin.consensus import Thresholds
from repic_plugin.reports import SessionHistory, SessionPage, session_html, waiting_line
from tests.reports.frames import DARK, WIDTHS
from tests.reports.sessions import NOW, a_page, some_micrographs

pytestmark = pytest.mark.slow


def a_full_page():
    judged = some_micrographs(thresholds=Thresholds(min_agreement=0.5))
    page = a_page(k=100, names=("topaz", "a_long_name_of_a_picker_" * 6, "log"), micrographs=judged)
    made = np.where(np.arange(100) < 90, 25_000, 1_250_000)
    sizes = np.full(100, 1_234_567)
    classes = dataclasses.replace(page.classes, made_after=made, sizes=sizes)
    return dataclasses.replace(page, classes=classes, title="Session of grid_3_" * 8)


def a_waiting_page():
    history = SessionHistory(NOW - np.array([1800.0, 900.0, 0.0]), np.array([0, 3000, 8112]))
    waiting = [waiting_line(25_000, history, NOW)]
    return SessionPage("s", NOW, True, [("particles", 8112)], waiting, history=history)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("make", [a_full_page, a_waiting_page])
def test_all_can_be_read_at_each_width(measured, make, is_dark):
    text = session_html(make()).replace("<details>", "<details open>")
    assert text.count(DARK) == 1
    if is_dark:
        text = text.replace(DARK, "(min-width: 1px)")
    found = measured(text)
    assert [one["width"] for one in found] == list(WIDTHS)
    for one in found:
        assert one["loaded"] and one["n_texts"] > 10
        assert (max(one["ground"]) < 60) is is_dark
        assert one["sticks_out"] <= 0, one["width"]
        assert one["over"] == [], one["width"]
        assert one["contrast"] >= 4.5, one["width"]


def test_faults_are_found(measured):
    """Text on text, a wide block and pale letters."""
    fault = (
        '<div style="position: absolute; top: 1.2rem; left: 0; width: 3000px; color: #bbb">'
        "over the title of the page</div></body>"
    )
    (found,) = measured(session_html(a_waiting_page()).replace("</body>", fault), widths=(400,))
    assert found["over"] and found["sticks_out"] > 1000 and found["contrast"] < 3
