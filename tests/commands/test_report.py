"""`repic-plugin report` on what the other commands wrote."""

import base64
import io
import math
import re

import numpy as np
import pytest
from PIL import Image

import repic_plugin
from repic_plugin.evaluation import ShellCorrelation
from repic_plugin.formats import write_fsc_table, write_iterations
from repic_plugin.iteration import IterationRow
from tests.commands.helpers import assert_refused
from tests.commands.small_particles import small_particles


@pytest.fixture
def page(tmp_path):
    return tmp_path / "report.html"


@pytest.fixture
def report(run, page):
    def run_report(folder, *options):
        return run("report", folder, "--out", page, *options)

    return run_report


def rows_of(html):
    """Cells of all rows of all tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def test_a_consensus(consensus, out, report, page):
    consensus("--mode", "quorum", "--quorum", 2)
    outcome = report(out, "--title", "My <run>", "--pictures", out / "seen")
    assert (outcome.code, outcome.err) == (0, ())
    assert outcome.out == (f"{page}: 1 section",)
    html = page.read_text("utf-8")
    assert "<h1>My &lt;run&gt;</h1>" in html
    rows = rows_of(html)
    assert ["crYOLO", "5", "3", "0.600"] in rows
    assert ["deepPicker", "3", "3", "1.000"] in rows
    assert ["topaz", "1", "1", "1.000"] in rows
    assert ["best", "m2", "2", "1", "1.000"] in rows
    assert ["typical", "m1", "6", "2", "0.833"] in rows
    assert ["worst", "m3", "1", "0", "0.000"] in rows
    assert "3 particles on 2 of 3 micrographs" in html
    assert "Micrographs without particles: 1." in html
    pictures = sorted((out / "seen").iterdir())
    assert [one.name for one in pictures] == [f"1-{i}.png" for i in range(1, 6)]
    shown = re.findall('data:image/webp;base64,([^"]*)"', html)
    for file, text in zip(pictures, shown):
        drawn = np.array(Image.open(file).convert("RGB"))
        seen = np.array(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))
        np.testing.assert_array_equal(seen, drawn)  # nothing is lost of a plot
    assert len(shown) == len(pictures)
    head, row = rows[:2]
    told = dict(zip(head, row))
    assert (told["mode"], told["particles"]) == ("quorum of 2 pickers", "3")
    assert told["version"] == repic_plugin.__version__
    assert told["agreement"] == f"{7 / 9:.3f}"  # 3 + 3 + 1 of 9 picks
    assert "expected precision" not in told  # empty columns are left out


def test_classes_and_iterations_in_one_folder(run, tmp_path, report, page):
    small_particles(tmp_path / "made")
    results = tmp_path / "results"
    results.mkdir()
    particles = tmp_path / "made" / "particles.star"
    classified = run("classify", particles, "--classes", 4, "--out", results / "by view")
    assert classified.code == 0, classified.err
    (results / "picking").mkdir()
    row = IterationRow(1, "Topaz", "testing", 9, 120, 0.8, math.nan, math.nan, math.nan)
    rows = [row, row._replace(name="consensus", n_particles=100, agreement=math.nan)]
    write_iterations(results / "picking" / "iterations.csv", rows)
    outcome = report(results)
    assert (outcome.code, outcome.err) == (0, ())
    html = page.read_text("utf-8")
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", html) == [
        "by view: 2D classes",
        "picking: iterative picking",
    ]
    assert ["1", "Topaz", "120", "0.800", "", "", ""] in rows_of(html)
    (facts,) = [row for row in rows_of(html) if row[:2] == ["40", "4"]]
    assert int(facts[2]) <= 10 <= int(facts[3])


def test_a_folder_without_results_is_told(report, tmp_path, page):
    (tmp_path / "empty").mkdir()
    assert_refused(report(tmp_path / "empty"), "empty", "no result of ours", "consensus.csv")
    assert_refused(report(tmp_path / "nowhere"), "nowhere", "no folder")
    assert not page.exists()


def test_a_damaged_table_leaves_the_report_of_before(consensus, out, report, page):
    consensus()
    page.write_text("of before")
    table = out / "consensus.csv"
    table.write_text(table.read_text().replace("m1", "m9"))
    assert_refused(report(out), "consensus.csv", "m9")
    assert page.read_text() == "of before"


def test_out_has_to_be_a_file_in_a_folder_that_exists(consensus, out, run, tmp_path):
    consensus()
    assert_refused(run("report", out, "--out", tmp_path), "--out", "must be a file")
    assert_refused(run("report", out, "--out", tmp_path / "no" / "r.html"), "--out")


def test_scores_against_a_reference_and_shell_correlations(run, tiny, tmp_path, report, page):
    results = tmp_path / "results"
    (results / "maps").mkdir(parents=True)
    scores, curves = results / "scores.csv", results / "curves.csv"
    scored = run("evaluate", tiny, tiny / "topaz", "--box-size", 100, "--out", scores,
                 "--curve", curves, "--per-micrograph", results / "by_micrograph.csv")  # fmt: skip
    assert scored.code == 0, scored.err
    frequency = np.array([0.0, 0.05, 0.1])
    curve = ShellCorrelation(frequency, np.array([1.0, 1.0, 0.0]), np.array([1, 9, 30]))
    write_fsc_table(results / "maps" / "fsc.csv", {"mine": curve})
    outcome = report(results)
    assert (outcome.code, outcome.err) == (0, ())
    html = page.read_text("utf-8")
    assert "maps: Fourier shell correlation" in html
    (mine,) = [row for row in rows_of(html) if row[0] == "mine"]
    assert mine[1].startswith("13.3")  # half way from 20 to 10 angstrom in frequency
    (cryolo,) = [row for row in rows_of(html) if row[0] == "crYOLO"]
    assert cryolo[2:4] == ["0.200", "1.000"]
    assert html.count("data:image/webp;base64,") == 4
