"""Page of a session in a real browser: nothing overlaps or sticks out, and all can be read."""

import dataclasses
import html
import json
import re

import numpy as np
import pytest

from repic_plugin.consensus import Thresholds
from repic_plugin.reports import SessionHistory, SessionPage, session_html, waiting_line
from tests.reports.sessions import NOW, a_page, some_micrographs

pytestmark = pytest.mark.slow
DARK = "(prefers-color-scheme: dark)"
WIDTHS = (400, 1366, 1920)
# A frame is as wide as a telephone, which a window cannot be.
FRAMES = """<body>{frames}<script>
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = c => {{ const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(
  v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; }};
const ground = (e, view) => {{ for (; e; e = e.parentElement) {{
  const c = rgb(view.getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > 0) return c; }} return [255, 255, 255]; }};
function measured(frame) {{
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  const walker = page.createTreeWalker(page.body, 4), boxes = [];
  let contrast = 99, node;
  while ((node = walker.nextNode())) {{
    if (!node.data.trim()) continue;
    const range = page.createRange(); range.selectNodeContents(node);
    const style = view.getComputedStyle(node.parentElement);
    const lines = [...range.getClientRects()].filter(r => r.width > 1 && r.height > 1);
    if (!lines.length) continue;
    lines.forEach(r => boxes.push([node, r]));
    const [a, b] = [light(rgb(style.color)), light(ground(node.parentElement, view))];
    contrast = Math.min(contrast, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }}
  const over = [];
  boxes.forEach(([n, r], i) => boxes.slice(i + 1).forEach(([m, s]) => {{
    if (n !== m && Math.min(r.right, s.right) - Math.max(r.left, s.left) > 1 &&
        Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 2)
      over.push([n.data, m.data]); }}));
  const images = [...page.images];
  return {{width: root.clientWidth, sticks_out: root.scrollWidth - root.clientWidth, over, contrast,
    n_texts: boxes.length, loaded: images.every(i => i.naturalWidth > 0),
    ground: rgb(view.getComputedStyle(page.body).backgroundColor)}};
}}
window.onload = () => {{ const told = document.createElement("pre"); told.id = "told";
  told.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measured));
  document.body.append(told); }};
</script></body>"""


@pytest.fixture
def measured(browser, tmp_path):
    """What a browser says of a page in frames of some widths."""

    def call(text, widths=WIDTHS):
        frames = "".join(
            f'<iframe srcdoc="{html.escape(text)}" style="width: {width}px; height: 900px; '
            'border: 0"></iframe>'
            for width in widths
        )
        path = tmp_path / "frames.html"
        path.write_text(FRAMES.format(frames=frames), "utf-8")
        seen = browser("--hide-scrollbars", "--dump-dom", path.as_uri()).decode("utf-8")
        told = re.search(r'<pre id="told">(.*?)</pre>', seen, re.S)
        return json.loads(html.unescape(told.group(1)))

    return call


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
        '<p style="position: absolute; top: 0; left: 0; width: 3000px; color: #bbb">'
        "over the title of the page</p></body>"
    )
    (found,) = measured(session_html(a_waiting_page()).replace("</body>", fault), widths=(400,))
    assert found["over"] and found["sticks_out"] > 1000 and found["contrast"] < 3
