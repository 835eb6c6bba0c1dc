"""A report as one printable HTML file that contains its pictures."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from matplotlib.figure import Figure

from repic_plugin.formats import PathLike, atomic_write

# Wide enough for a printed page and a screen; a few hundred kilobytes a picture.
PICTURE_DPI = 110
PHOTO: Dict[str, Any] = {"pil_kwargs": {"quality": 85}}
PLOT: Dict[str, Any] = {"metadata": {"Software": None}}  # the same figure, the same bytes

STYLE = """
:root { color-scheme: light; --ground: #fff; --text: #1c2530; --quiet: #5a6572; --line: #d5dbe3;
  --faint: #e4e8ed; --rule: #b9c2cd; --link: #0b5394; --alert: #d55e00; --alert-ground: #fdf3ea; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  color: var(--text); background: var(--ground);
  margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
  border-top: 2px solid var(--line); }
.about { color: var(--quiet); margin: 0 0 1.5rem; }
nav ul { padding-left: 1.2rem; margin: .3rem 0; columns: 2; }
a { color: var(--link); }
table { border-collapse: collapse; margin: .8rem 0 1.2rem; font-size: .92rem;
  font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
caption, figcaption { text-align: left; color: var(--quiet); font-size: .92rem; padding: .2rem 0; }
th, td { padding: .28rem .8rem .28rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--faint); overflow-wrap: anywhere; }
th { font-weight: 600; border-bottom: 2px solid var(--rule); }
td.number, th.number { text-align: right; padding-left: .8rem; white-space: nowrap; }
figure { margin: 1rem 0 1.4rem; }
img { max-width: 100%; height: auto; }
.warnings { border-left: 4px solid var(--alert); background: var(--alert-ground);
  padding: .5rem 1rem; }
.warnings ul { margin: .2rem 0; padding-left: 1.2rem; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } nav { display: none; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } table { display: table; }
  a { color: inherit; text-decoration: none; } }
"""


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
class Picture:
    """A figure with a caption, which is also its alternative text.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    caption : str
    is_photo : bool
        Whether it is mostly grey values, which as JPEG take a tenth of the space.
    """

    figure: Figure
    caption: str
    is_photo: bool = False

    @cached_property
    def encoded(self) -> Tuple[str, bytes]:
        """Format and bytes, drawn once: a second drawing may be laid out differently."""
        data = io.BytesIO()
        kind, options = ("jpeg", PHOTO) if self.is_photo else ("png", PLOT)
        self.figure.savefig(data, format=kind, dpi=PICTURE_DPI, **options)
        return kind, data.getvalue()


@dataclass(frozen=True)
class Warnings:
    """Warnings.

    Attributes
    ----------
    lines : sequence of str
    """

    lines: Sequence[str]


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
class Folded:
    """Blocks that are shown after a click on their title.

    Attributes
    ----------
    title : str
    blocks : sequence of Block
    """

    title: str
    blocks: Sequence[Block]


Block = Union[str, Lines, Table, Picture, Warnings, Fragment, Folded]


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

    Returns
    -------
    str
        A complete HTML document without external resources; all texts are escaped.
    """
    links = [f'<li><a href="#s{i}">{escaped(one.title)}</a></li>' for i, one in enumerate(sections)]
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "" if reload_s is None else f'<meta http-equiv="refresh" content="{reload_s}">',
        f"<style>{STYLE}{style}</style></head><body>",
        f'<h1>{escaped(title)}</h1><p class="about">{escaped(about)}</p>',
        f"<nav><ul>{''.join(links)}</ul></nav>" if len(sections) > 1 else "",
    ]
    for i, section in enumerate(sections):
        parts.append(f'<section><h2 id="s{i}">{escaped(section.title)}</h2>')
        parts += [_rendered(block) for block in section.blocks]
        parts.append("</section>")
    parts.append("</body></html>\n")
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


def _rendered(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return _picture(block)
    if isinstance(block, str):
        return f"<p>{escaped(block)}</p>"
    if isinstance(block, Fragment):
        return block.html
    if isinstance(block, Folded):
        inside = "".join(map(_rendered, block.blocks))
        return f"<details><summary>{escaped(block.title)}</summary>{inside}</details>"
    return _lines(block)


def _lines(block: Union[Lines, Warnings]) -> str:
    if not block.lines:
        return ""
    lines = f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in block.lines)}</ul>"
    is_warning = isinstance(block, Warnings)
    return f'<div class="warnings" role="note">{lines}</div>' if is_warning else lines


def _table(table: Table) -> str:
    columns = list(zip(*table.rows)) or [()] * len(table.header)
    marks = [
        ' class="number"' if cells and all(_is_number(cell) for cell in cells) else ""
        for cells in columns
    ]
    head = "".join(f"<th{mark}>{escaped(name)}</th>" for name, mark in zip(table.header, marks))
    body: List[str] = []
    for row in table.rows:
        cells = "".join(f"<td{mark}>{_cell(value)}</td>" for value, mark in zip(row, marks))
        body.append(f"<tr>{cells}</tr>")
    caption = f"<caption>{escaped(table.caption)}</caption>" if table.caption else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _picture(picture: Picture) -> str:
    kind, data = picture.encoded
    encoded = base64.b64encode(data).decode("ascii")
    caption = escaped(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/{kind};base64,{encoded}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


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
