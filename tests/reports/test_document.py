"""Reports as HTML: whole, escaped, and without anything from elsewhere."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from repic_plugin.reports import (
    Folded,
    Fragment,
    Lines,
    Link,
    Picture,
    Section,
    Table,
    Warnings,
    render_report,
)
from tests.reports.html_page import Page


def page(*blocks, title="Title"):
    return Page(render_report(title, "about", [Section("First", blocks)]))


def a_figure():
    figure = Figure(figsize=(3, 2))
    FigureCanvasAgg(figure)
    figure.subplots().plot([0, 1], [0, 1])
    return figure


def test_what_users_wrote_is_shown_and_not_run():
    evil = '<script>alert("1")</script> & Co'
    found = page(evil, Table([evil], [[evil]], evil), Lines([evil]), Warnings([evil]), title=evil)
    assert not found.having("script")
    assert sum(evil in text for text in found.texts) == 8


def test_nothing_is_fetched_from_elsewhere():
    text = render_report("t", "a", [Section("s", [Picture(a_figure(), "c"), "x"])] * 2)
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert all(one.startswith(("data:image/webp;base64,", "#s")) for one in sources)
    assert "url(" not in text
    assert "@import" not in text


def test_a_picture_is_the_figure():
    (image,) = page(Picture(a_figure(), "a line")).having("img")
    assert image["alt"] == "a line"
    data = base64.b64decode(image["src"].partition(",")[2])
    pixels = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    assert pixels.shape[1] / pixels.shape[0] == pytest.approx(1.5, rel=0.02)
    assert len({tuple(one) for one in pixels.reshape(-1, 3).tolist()}) > 2


def test_columns_of_numbers_stand_to_the_right():
    found = page(Table(["name", "n", "part"], [["a", 1200, 0.5], ["b", 3, float("nan")]]))
    assert [one.get("class") for one in found.having("th")] == ["short", "number", "number"]
    assert {"1,200", "0.500", "3"} <= set(found.texts)
    assert "nan" not in found.texts


def test_a_table_without_rows_and_no_warnings_are_no_trouble():
    found = page(Table(["name"], []), Warnings([]), Lines([]))
    assert "name" in found.texts
    assert not found.having("ul")


def test_sections_are_linked_from_the_top():
    text = render_report("t", "a", [Section("One", ["x"]), Section("Two", ["y"])])
    found = Page(text)
    assert [one["href"] for one in found.having("a")] == ["#s0", "#s0", "#s1"]  # the first skips
    assert [one["id"] for one in found.having("h2")] == ["s0", "s1"]


def test_html_of_our_own_and_folded_blocks():
    found = page(Fragment("<i>x</i>"), Folded("<b>", [Table(["n"], [[1200]])]))
    assert found.having("i") and not found.having("b")
    assert found.having("details") and {"<b>", "1,200"} <= set(found.texts)


def test_a_report_loads_itself_again_only_if_asked():
    refresh = [{"http-equiv": "refresh", "content": "7"}]
    for seconds, expected in ((None, []), (7, refresh)):
        found = Page(render_report("t", "a", [], reload_s=seconds))
        assert [one for one in found.having("meta") if "http-equiv" in one] == expected


def test_links_to_files_are_relative_to_the_report(tmp_path):
    link = Link("Page:", str(tmp_path / "Runs" / "7 & 8" / "session.html"))
    section = [Section("First", [link])]
    (there,) = Page(render_report("t", "a", section, place=tmp_path / "out")).having("a")
    assert there["href"] == "../Runs/7%20%26%208/session.html"
    (beside,) = Page(render_report("t", "a", section, place=tmp_path)).having("a")
    assert beside["href"] == "./Runs/7%20%26%208/session.html"
    nowhere = Page(render_report("t", "a", section))
    assert not nowhere.having("a") and "Page: session.html" in nowhere.texts
