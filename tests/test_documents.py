"""What the pages promise: links that lead somewhere, and pictures that can be made again."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from repic_plugin.reports import Picture, Section
from tests.house import FLOORS, KNOWS_SCIPION

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
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


# ------------------------------------------------------------ pictures


@pytest.fixture(scope="module")
def makers():
    """`benchmarks/pictures.py`, which is a script."""
    path = ROOT / "benchmarks" / "pictures.py"
    spec = importlib.util.spec_from_file_location("pictures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_has_one_maker(makers):
    made = [name for _, pictures in makers.MAKERS.values() for name in pictures]
    assert sorted(made) == sorted(file.name for file in makers.IMAGES.iterdir())


def test_screenshots_are_those_of_the_script(makers):
    script = (ROOT / "benchmarks" / "screenshots.py").read_text("utf-8")
    forms = re.findall(r'^    "([\w-]+)": "Prot\w+",$', script, re.M)
    windows = set(re.findall(r'": "([\w-]+\.(?:png|jpg))",$', script, re.M))
    _, pictures = makers.MAKERS["screenshots"]
    whole = {f"form-{name}.png" for name in forms} | windows
    sections = {re.sub(r"-\d+(?=\.png$)", "", name) for name in set(pictures) - whole}
    assert whole <= set(pictures)
    assert sections <= whole


@pytest.mark.parametrize(
    "page, options", [("understand/probabilistic", "PROBABILISTIC"), ("use/looking", "QUORUM")]
)
def test_simulated_pickers_are_those_of_the_commands_on_the_page(makers, page, options):
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    assert f"simulate SIM {makers.SIMULATED}\n" in text
    assert f"consensus SIM/picks {getattr(makers, options)} --out" in text


def made_by(makers, monkeypatch, out, maker, pictures=("a.png", "b.png")):
    monkeypatch.setitem(makers.MAKERS, "tried", (maker, pictures))
    for name in ("a.png", "b.png"):
        (out / name).write_text("old")
    is_ok = makers.made_by("tried", out, None, None)
    return is_ok, [(out / name).read_text() for name in ("a.png", "b.png")]


def test_pictures_that_need_what_is_missing_are_left(makers, monkeypatch, tmp_path, capsys):
    def maker(run):
        (run.made / "a.png").write_text("new")
        makers.given(run.map, "MAP=map.mrc")

    assert made_by(makers, monkeypatch, tmp_path, maker) == (True, ["new", "old"])
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "left" in one]
    assert line == "tried: needs MAP=map.mrc; left as they are: b.png"


@pytest.mark.parametrize("extra", [["c.png"], ["b.png", "c.png"], []])
def test_none_is_taken_of_a_maker_that_makes_other_pictures(
    makers, monkeypatch, tmp_path, capsys, extra
):
    def maker(run):
        for name in ("a.png", *extra):
            (run.made / name).write_text("new")

    assert made_by(makers, monkeypatch, tmp_path, maker) == (False, ["old", "old"])
    assert "left as they are: a.png, b.png" in capsys.readouterr().out


def test_a_picture_of_a_report_is_found_by_its_caption_or_refused(makers, tmp_path):
    figures = [Figure(figsize=(1, size)) for size in (1, 2)]
    blocks = [Picture(figure, f"Number {i} of it.") for i, figure in enumerate(figures)]
    sections = [Section("first run", blocks), Section("second run", ["text", *blocks[:1]])]
    makers.keep(sections, "first", "Number 1", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == blocks[1].encoded[1]
    for title, caption in (("first", "Number"), ("second", "Number 1"), ("third", "Number 0")):
        with pytest.raises(makers.Failed, match=r"[02] pictures of a report"):
            makers.keep(sections, title, caption, tmp_path / "c.png")
    photo = [Section("a", [Picture(figures[0], "", is_photo=True)])]
    with pytest.raises(makers.Failed, match="has it as jpeg"):
        makers.keep(photo, "a", "", tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


def test_photos_have_the_width_of_the_pages(makers, tmp_path):
    picture = Picture(Figure(figsize=(20, 10)), "wide", is_photo=True)
    for name, size in (("overlay.jpg", (900, 450)), ("other.jpg", (2200, 1100))):
        makers.keep([Section("a", [picture])], "a", "wide", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.size == size
            assert image.format == "JPEG"


# ------------------------------------------------------------ CONTRIBUTING.md


@pytest.fixture(scope="module")
def contributing():
    return (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def drawn_floors(text):
    """Rooms by floor, and those that may import Scipion, as the picture has them."""
    floors, scipion = {}, set()
    for number, mark, rest in re.findall(r"^ {1,2}(\d+)  (S| )   (\S.*)$", text, re.M):
        rooms = rest.split("  ")[0].split()
        floors.setdefault(int(number), set()).update(rooms)
        scipion.update(rooms if mark == "S" else ())
    return floors, scipion


def test_every_room_stands_in_the_picture_on_its_floor(contributing):
    floors, scipion = drawn_floors(contributing)
    assert len(floors) == len(FLOORS)
    for number, rooms in enumerate(FLOORS):
        assert rooms <= floors[number], number
    assert scipion == KNOWS_SCIPION


def names_of(module):
    """What a module of the package defines or imports, by its path within the package."""
    file = ROOT.joinpath("repic_plugin", *module)
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


def test_the_functions_on_the_way_of_a_pick_exist(contributing):
    section = contributing.split("## How a pick travels")[1].split("\n## ")[0]
    names = re.findall(r"`(\w+(?:\.\w+)+)`", section)
    assert len(names) > 20
    for name in names:
        *module, last = name.split(".")
        assert last in names_of(module), name


def test_files_that_are_named_exist(contributing):
    paths = re.findall(r"`((?:\.?\w+)(?:/[\w.*-]+)+/?)`", contributing)
    assert len(paths) > 30
    for path in paths:
        folder = re.split(r"[\w-]*(?:NAME|FOLDER)", path)[0]
        assert (ROOT / folder).exists(), path


def test_rows_on_wrong_input_name_tests_that_exist():
    text = (ROOT / "docs" / "use" / "input.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), (file, test)
