"""A report of several consensus runs in a real browser: sizes, colours, paper and keys."""

import pytest

from repic_plugin.reports import Folded, Picture, Section, Table, folder_sections, render_report
from tests.reports.consensus_runs import consensus_runs
from tests.reports.frames import DARK, WIDTHS

pytestmark = pytest.mark.slow
A4_PX = 718  # between margins of 1 cm, at 96 px per inch
LONG = "a_long_name_without_any_gap_" * 5
FOCUSED = """(() => { const e = document.activeElement, s = getComputedStyle(e);
  const r = e.getBoundingClientRect();
  return [e.tagName, (e.getAttribute('href') || e.textContent).trim(), s.outlineStyle,
    parseFloat(s.outlineWidth), r.left >= 0 && r.width > 0]; })()"""


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    consensus_runs(folder, ("one", "two", LONG))
    return folder_sections(folder)


@pytest.fixture(scope="module")
def page(sections):
    table = Table(["parameter", "value"], [[LONG, "/a/path" * 30], ["b", "c"]], "Those of the form")
    every = [*sections, Section(LONG, [Folded("Parameters", [table])])]
    return render_report(LONG, "about", every)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_all_can_be_read_at_each_width(measured, page, is_dark):
    text = page.replace("<details>", "<details open>")
    if is_dark:
        text = text.replace(DARK, "(min-width: 1px)")
    found = measured(text)
    assert [one["width"] for one in found] == list(WIDTHS)
    for one in found:
        assert one["loaded"] and one["n_texts"] > 50
        assert (max(one["ground"]) < 60) is is_dark
        assert one["sticks_out"] <= 0, one["width"]
        assert one["over"] == [], one["width"]
        assert one["contrast"] >= 4.5, one["width"]


def test_paper_cuts_nothing_and_is_white(measured, page):
    """Tables do not scroll on paper: as wide as they are there, they must fit."""
    text = page.replace("@media print", "@media all").replace(f"screen and {DARK}", "not all")
    (found,) = measured(text, widths=(A4_PX,))
    assert found["sticks_out"] <= 0 and found["over"] == []
    assert found["ground"][:3] == [255, 255, 255]
    assert text.count("@media all") == page.count("@media print") > 0


def test_what_is_folded_is_printed(browser, tmp_path):
    """More rows than a page holds take more pages, though nobody has unfolded them."""
    n_pages = {}
    for n in (1, 200):
        rows = Folded("Rows", [Table(["row"], [[i] for i in range(n)])])
        path = tmp_path / f"{n}.html"
        path.write_text(render_report("t", "a", [Section("s", [rows])]), "utf-8")
        browser(f"--print-to-pdf={path.with_suffix('.pdf')}", path.as_uri())
        n_pages[n] = path.with_suffix(".pdf").read_bytes().count(b"/Type /Page\n")
    assert n_pages[1] == 1 and n_pages[200] >= 4, n_pages


def test_keys_reach_all_in_order_and_unfold(keyboard, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, "utf-8")
    keyboard.open(path.as_uri())
    n_sections = page.count("<section")
    seen = []
    for _ in range(n_sections + 12):
        keyboard.press("Tab")
        seen.append(keyboard.ask(FOCUSED))
        if seen[-1][0] == "SUMMARY":
            break
    assert [one[1] for one in seen[: n_sections + 1]] == [
        "#s0",
        *(f"#s{i}" for i in range(n_sections)),
    ]
    for one in seen:
        assert one[2] == "solid" and one[3] >= 2 and one[4], one  # seen where it is
    assert seen[-1][1] == "Parameters"
    is_open = "document.querySelector('details').open"
    assert keyboard.ask(is_open) is False
    keyboard.press("Enter")
    assert keyboard.ask(is_open) is True


def test_the_first_key_skips_to_the_results(keyboard, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, "utf-8")
    keyboard.open(path.as_uri())
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert keyboard.ask("document.activeElement.id") == "s0"
    assert keyboard.ask("document.activeElement.textContent") == "All consensus runs"


def test_pictures_of_averages_are_not_inverted(sections):
    text = render_report("t", "a", sections)
    assert "img.photo { filter: brightness" in text and "img.plot { filter: invert" in text
    n_plots = sum(isinstance(block, Picture) for one in sections for block in one.blocks)
    assert text.count('<img class="plot"') == n_plots
