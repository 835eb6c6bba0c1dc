"""What the pages promise: links that lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.M)
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = (
        re.sub(r"[^\w\- ]", "", one.lower()) for one in HEADING.findall(FENCE.sub("", text))
    )
    return {heading.strip().replace(" ", "-") for heading in headings}


def broken_links(page, text):
    """Relative links of a page that lead to no file, or to no heading of it."""
    for link in LINK.findall(CODE.sub("", text)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    assert list(broken_links(page, page.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "link",
    ["docs/method.md", "docs/understand/method.md#no-such-heading", "#no-such-heading", "LICENCE"],
)
def test_a_broken_link_is_found(link):
    page = ROOT / "README.md"
    assert list(broken_links(page, f"[a]({link}) [b](docs/understand/method.md#scores)")) == [link]


def test_every_page_is_in_the_index_and_every_picture_on_a_page():
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*/*.md"):
        assert f"({page.parent.name}/{page.name})" in index, page.name
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for picture in (ROOT / "docs" / "images").iterdir():
        assert f"images/{picture.name})" in text, picture.name
