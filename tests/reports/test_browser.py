"""Reports in a real browser."""

import matplotlib.image
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from repic_plugin.reports import Picture, Section, Table, render_report

pytestmark = pytest.mark.slow
# what a browser says of the page when it has been laid out
MEASURE = """<script>
const images = [...document.images];
document.title = JSON.stringify([images.length, images.every(i => i.naturalWidth > 0),
  document.documentElement.scrollWidth <= document.documentElement.clientWidth]);
</script>"""


@pytest.fixture
def report(tmp_path):
    figure = Figure(figsize=(12, 3), facecolor="red")
    FigureCanvasAgg(figure)
    wide = Table([f"column {i}" for i in range(30)], [["a long name of something"] * 30])
    sections = [Section("Ünïcode", ["words", wide, Picture(figure, "red")])]
    path = tmp_path / "a report.html"
    path.write_text(render_report("t", "a", sections), "utf-8")
    return path


def test_pictures_load_and_nothing_sticks_out(browser, report):
    text = report.read_text("utf-8").replace("</body>", f"{MEASURE}</body>")
    report.write_text(text, "utf-8")
    shown = browser("--dump-dom", report.as_uri()).decode("utf-8")
    assert "<title>[1,true,true]</title>" in shown


def test_it_is_seen(browser, report, tmp_path):
    browser(f"--screenshot={tmp_path / 'seen.png'}", report.as_uri())
    pixels = matplotlib.image.imread(tmp_path / "seen.png")[..., :3]
    red = (pixels[..., 0] > 0.9) & (pixels[..., 1:] < 0.1).all(axis=-1)
    assert red.mean() > 0.02
    assert (pixels.min(axis=-1) < 0.3).mean() > 0.002  # letters


def test_it_prints(browser, report, tmp_path):
    browser(f"--print-to-pdf={tmp_path / 'printed.pdf'}", report.as_uri())
    assert (tmp_path / "printed.pdf").read_bytes().startswith(b"%PDF")
