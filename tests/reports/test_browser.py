"""Reports in a real browser."""

import shutil
import subprocess

import matplotlib.image
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from repic_plugin.reports import Picture, Section, Table, render_report

pytestmark = pytest.mark.slow
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
# what a browser says of the page when it has been laid out
MEASURE = """<script>
const images = [...document.images];
document.title = JSON.stringify([images.length, images.every(i => i.naturalWidth > 0),
  document.documentElement.scrollWidth <= document.documentElement.clientWidth]);
</script>"""


@pytest.fixture
def browser(tmp_path):
    if BROWSER is None:
        pytest.skip("no chromium on this machine")

    def call(*options):
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        usual = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=900,1200", profile]
        command = [BROWSER, *usual, *options]
        return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout

    return call


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
