"""A report as one printable HTML file that contains its pictures."""

from __future__ import annotations

import base64
import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Union
from urllib.parse import quote

from repic_plugin.formats import PathLike, atomic_write
from repic_plugin.reports.look import STYLE
from repic_plugin.reports.pictures import Encoded, Picture, for_page

SKIP = "Skip to the results"
SHORT = 14  # letters of a cell that stay on one line


@dataclass(frozen=True)
class Table:
    """A table; numbers are right-aligned.

    Attributes
    ----------
    header : sequence of str
    rows : sequence of sequences
        Of str, int or float; floats are written with three digits.
    caption : str
    """

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""


@dataclass(frozen=True)
class Warnings:
    """Warnings.

    Attributes
    ----------
    lines : sequence of str
    """

    lines: Sequence[str]


def unreadable(error: Exception) -> Warnings:
    """A block in place of results that cannot be read."""
    return Warnings([f"These results cannot be read: {error}"])


@dataclass(frozen=True)
class Lines:
    """A list of facts.

    Attributes
    ----------
    lines : sequence of str
    """

    lines: Sequence[str]


@dataclass(frozen=True)
class Fragment:
    """HTML of our own making.

    Attributes
    ----------
    html : str
        Texts in it are `escaped`.
    """

    html: str


@dataclass(frozen=True)
class Link:
    """A file beside the report.

    Attributes
    ----------
    text : str
        Before its name.
    file : str
        Absolute path.
    """

    text: str
    file: str


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown after a click on their title.

    Attributes
    ----------
    title : str
    blocks : sequence of Block
    """

    title: str
    blocks: Sequence[Block]


Block = Union[str, Lines, Table, Picture, Warnings, Fragment, Link, Folded]


@dataclass(frozen=True)
class Section:
    """A heading and its content.

    Attributes
    ----------
    title : str
    blocks : sequence of Block
        Paragraphs as str.
    """

    title: str
    blocks: Sequence[Block]


def render_report(
    title: str,
    about: str,
    sections: Sequence[Section],
    *,
    style: str = "",
    reload_s: Optional[int] = None,
    place: Optional[PathLike] = None,
) -> str:
    """Write a report as HTML.

    Parameters
    ----------
    title : str
    about : str
        A line under the title.
    sections : sequence of Section
    style : str
        CSS after that of all reports.
    reload_s : int, optional
        Seconds after which a browser loads the file again; never by default.
    place : str or path, optional
        The folder in which the report will lie, to which links to other files are relative.

    Returns
    -------
    str
        A complete HTML document without external resources; all texts are escaped.
    """
    writer = _Writer(sections, place)
    links = [f'<li><a href="#s{i}">{escaped(one.title)}</a></li>' for i, one in enumerate(sections)]
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "" if reload_s is None else f'<meta http-equiv="refresh" content="{reload_s}">',
        f"<style>{STYLE}{style}</style></head><body>",
        f'<a class="skip" href="#s0">{SKIP}</a>' if len(sections) > 1 else "",
        f'<header><h1>{escaped(title)}</h1><p class="about">{escaped(about)}</p></header>',
        f'<nav aria-label="Sections"><ul>{"".join(links)}</ul></nav>' if len(sections) > 1 else "",
        "<main>",
    ]
    for i, section in enumerate(sections):
        heading = f'<h2 id="s{i}" tabindex="-1">{escaped(section.title)}</h2>'
        parts.append(f'<section aria-labelledby="s{i}">{heading}')
        parts += [writer.rendered(block) for block in section.blocks]
        parts.append("</section>")
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def write_pictures(folder: PathLike, sections: Sequence[Section]) -> None:
    """Write the pictures to a folder: 1-2.png is the second of the first section.

    Raises
    ------
    OSError
        If one cannot be written.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i, section in enumerate(sections, 1):
        pictures = [block for block in section.blocks if isinstance(block, Picture)]
        for j, picture in enumerate(pictures, 1):
            suffix, data = picture.encoded
            atomic_write(Path(folder, f"{i}-{j}.{suffix}"), data)


class _Writer:
    """Writes blocks; the pictures of all of them share the size of the page."""

    def __init__(self, sections: Sequence[Section], place: Optional[PathLike]) -> None:
        self._place = place
        pictures = [one for section in sections for one in _pictures(section.blocks)]
        self._pictures: Dict[int, Encoded] = {
            id(one): encoded for one, encoded in zip(pictures, for_page(pictures))
        }

    def rendered(self, block: Block) -> str:
        """A block as HTML."""
        if isinstance(block, Picture):
            return _picture(block, self._pictures[id(block)])
        if isinstance(block, Link):
            return self._link(block)
        if isinstance(block, Folded):
            inside = "".join(map(self.rendered, block.blocks))
            return f"<details><summary>{escaped(block.title)}</summary>{inside}</details>"
        return _plain(block)

    def _link(self, link: Link) -> str:
        if self._place is None:
            return f"<p>{escaped(link.text)} {escaped(os.path.basename(link.file))}</p>"
        path = os.path.relpath(link.file, self._place)
        target = escaped(quote(path if path.startswith(".") else f"./{path}"))
        return f'<p>{escaped(link.text)} <a href="{target}">{escaped(path)}</a></p>'


def _pictures(blocks: Sequence[Block]) -> Iterator[Picture]:
    for block in blocks:
        if isinstance(block, Picture):
            yield block
        elif isinstance(block, Folded):
            yield from _pictures(block.blocks)


def _plain(block: Union[str, Lines, Table, Warnings, Fragment]) -> str:
    """A block that is the same on every page."""
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, str):
        return f"<p>{escaped(block)}</p>"
    return block.html if isinstance(block, Fragment) else _lines(block)


def _lines(block: Union[Lines, Warnings]) -> str:
    if not block.lines:
        return ""
    lines = f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in block.lines)}</ul>"
    is_warning = isinstance(block, Warnings)
    return f'<div class="warnings" role="note">{lines}</div>' if is_warning else lines


def _table(table: Table) -> str:
    columns = list(zip(*table.rows)) or [()] * len(table.header)
    marks = [_mark(cells) for cells in columns]
    head = "".join(
        f'<th scope="col"{mark}>{escaped(name)}</th>' for name, mark in zip(table.header, marks)
    )
    body: List[str] = []
    for row in table.rows:
        cells = "".join(f"<td{mark}>{_cell(value)}</td>" for value, mark in zip(row, marks))
        body.append(f"<tr>{cells}</tr>")
    caption = f"<figcaption>{escaped(table.caption)}</figcaption>" if table.caption else ""
    inside = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    place = f'<div class="scroll"><table>{inside}</table></div>'  # the caption does not scroll
    return f'<figure class="table">{caption}{place}</figure>'


def _picture(picture: Picture, encoded: Encoded) -> str:
    kind, data = encoded
    text = base64.b64encode(data).decode("ascii")
    caption, look = escaped(picture.caption), "photo" if picture.is_photo else "plot"
    return (
        f'<figure><div class="wide"><img class="{look}" alt="{caption}" '
        f'src="data:image/{kind};base64,{text}"></div><figcaption>{caption}</figcaption></figure>'
    )


def _mark(cells: Sequence[object]) -> str:
    """Class of a column: numbers stand to the right, short texts are not broken."""
    if cells and all(_is_number(cell) for cell in cells):
        return ' class="number"'
    is_short = all(len(str(cell)) <= SHORT for cell in cells)
    return ' class="short"' if is_short else ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"  # noqa: PLR0124 - nan
    if _is_number(value):
        return f"{value:,}"
    return escaped(str(value))


def escaped(text: str) -> str:
    """Text as HTML, also within attributes."""
    return html.escape(text, quote=True)
