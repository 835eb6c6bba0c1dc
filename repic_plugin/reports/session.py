"""Page of a session that is running, which a browser loads again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from repic_plugin.consensus import fall_lines, falls_of, shares_in_good_classes
from repic_plugin.formats import JudgedMicrographs, PathLike, atomic_write
from repic_plugin.plots import micrographs_figure
from repic_plugin.reports import class_tiles as tiles
from repic_plugin.reports import course
from repic_plugin.reports.document import (
    Block,
    Folded,
    Fragment,
    Lines,
    Section,
    Table,
    Warnings,
    escaped,
    render_report,
)
from repic_plugin.reports.pictures import Picture
from repic_plugin.wording import counted

RELOAD_S = 30
LATEST = 50  # micrographs, whose medians stand beside those of all

STYLE = f"""
body {{ max-width: 84rem; padding: 1.2rem 1rem 3rem; }}
h2 {{ margin-top: 1.8rem; }}
nav ul {{ columns: auto; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0;
  list-style: none; }}
.counts {{ display: grid; gap: .8rem; margin: .8rem 0;
  grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }}
.counts div {{ border: 1px solid var(--line); padding: .5rem .7rem; min-width: 0; }}
.counts dt {{ color: var(--quiet); font-size: .88rem; overflow-wrap: anywhere; }}
.counts dd {{ margin: 0; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }}
.bars {{ display: grid; gap: .7rem; margin: .8rem 0; max-width: 44rem; }}
.bars p {{ margin: 0; overflow-wrap: anywhere; }}
.bars .track {{ border: 1px solid var(--rule); height: .8rem; }}
.bars .part {{ display: block; height: 100%; background: var(--bar); }}
@media print {{ .counts {{ grid-template-columns: repeat(4, 1fr); }} .part {{
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }} }}
{tiles.STYLE}{course.STYLE}"""


class PickersByClass(NamedTuple):
    """Particles of each picker in each class; those that several found count for each.

    Attributes
    ----------
    picker_names : sequence of str, length p
    counts : ndarray of int64, shape (k, p)
    """

    picker_names: Sequence[str]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SessionPage:
    """What the page shows; parts that are absent are left out.

    Attributes
    ----------
    title : str
    written_at : float
        Now, in seconds since the epoch.
    is_open : bool
        Whether the session is running; the page then loads itself again.
    counts : sequence of (str, int)
        What is counted, and the number, the most important first.
    waiting : sequence of str
        What is waited for, see `waiting_line`.
    remarks : sequence of str
    history : SessionHistory, optional
    classes : SessionClasses, optional
    pickers : PickersByClass, optional
        Of the same classes.
    micrographs : JudgedMicrographs, optional
        Quality of the micrographs in the order of acquisition, see `read_micrograph_quality`.
    """

    title: str
    written_at: float
    is_open: bool
    counts: Sequence[Tuple[str, Union[int, float]]] = ()
    waiting: Sequence[str] = ()
    remarks: Sequence[str] = ()
    history: Optional[course.SessionHistory] = None
    classes: Optional[tiles.SessionClasses] = None
    pickers: Optional[PickersByClass] = None
    micrographs: Optional[JudgedMicrographs] = None

    def __post_init__(self) -> None:
        if self.pickers is None:
            return
        k = 0 if self.classes is None else len(self.classes.sizes)
        shape = (k, len(self.pickers.picker_names))
        if np.shape(self.pickers.counts) != shape:
            raise ValueError(
                f"counts of the pickers must have shape {shape}, a row for each class and a "
                f"column for each picker, got {np.shape(self.pickers.counts)}"
            )


def write_session_page(path: PathLike, page: SessionPage) -> None:
    """Write the page as one HTML file, which replaces an earlier one in one step.

    Parameters
    ----------
    path : str or path
    page : SessionPage

    Raises
    ------
    OSError
        If the file cannot be written; an earlier page is then as before.
    """
    atomic_write(path, session_html(page))


def session_html(page: SessionPage) -> str:
    """The page as HTML."""
    made = (_now(page), _classes(page), _pickers(page), _course(page), _micrographs(page))
    return render_report(
        page.title,
        _about(page),
        [section for section in made if section.blocks],
        style=STYLE,
        reload_s=RELOAD_S if page.is_open else None,
    )


def _about(page: SessionPage) -> str:
    written = f"Written at {course.time_text(page.written_at)}."
    if not page.is_open:
        return f"{written} The session has ended."
    return (
        f"{written} The session is running: this page loads itself again every {RELOAD_S} s, and "
        "is written after each batch."
    )


def _now(page: SessionPage) -> Section:
    """Counts, what is wrong, what is waited for."""
    cells = "".join(
        f"<div><dt>{escaped(str(what))}</dt><dd>{escaped(_number(n))}</dd></div>"
        for what, n in page.counts
    )
    blocks: List[Block] = [Fragment(f'<dl class="counts">{cells}</dl>')] if cells else []
    for block in (Warnings(_doubts(page)), Lines(page.waiting), Lines(page.remarks)):
        blocks += [block] if block.lines else []
    return Section("Now" if page.is_open else "At the end", blocks)


def _doubts(page: SessionPage) -> List[str]:
    lines = []
    if page.classes is not None and len(page.classes.sizes) and not np.any(page.classes.is_good):
        lines.append("No class is good: all are rejected.")
    if page.micrographs is not None:
        quality = page.micrographs.quality
        falls = fall_lines(quality, falls_of(quality))
        lines += [f"{line[0].upper()}{line[1:]}." for line in falls]
    return lines


def _classes(page: SessionPage) -> Section:
    classes = page.classes
    if classes is None or not len(classes.sizes):
        return Section("2D classes", [])
    k, n_good = len(classes.sizes), int(np.sum(classes.is_good))
    about = (
        f"{n_good:,} of {counted(k, 'class')} good, {k - n_good:,} rejected "
        "(dashed), the highest score first."
    )
    if classes.pixel_size_angstrom > 0:
        width = np.shape(classes.averages)[1] * classes.pixel_size_angstrom
        about += f" Each image is {width:,.0f} Å wide."
    return Section("2D classes", [about, tiles.class_tiles(classes)])


def _pickers(page: SessionPage) -> Section:
    """Share of each picker's particles in rejected classes, and their numbers by class."""
    found, title = page.pickers, "Which picker finds junk"
    if found is None or page.classes is None or not len(found.picker_names):
        return Section(title, [])
    is_good = np.asarray(page.classes.is_good, bool)
    by_picker = np.asarray(found.counts, np.int64).T[:, :, None]
    n, share = shares_in_good_classes(by_picker, is_good)
    bars = [
        _bar(str(name), int(total), 1 - float(good))
        for name, total, good in zip(found.picker_names, n[:, 0], share[:, 0])
    ]
    about = (
        "Share of each picker's particles that lies in rejected classes. A particle that several "
        "pickers found counts for each of them."
    )
    order = page.classes.order
    rows = [
        [int(i) + page.classes.first_number, "good" if is_good[i] else "rejected"]
        + [int(one) for one in found.counts[i]]
        for i in order
    ]
    table = Table(["class", "verdict", *map(str, found.picker_names)], rows)
    bars_block = Fragment(f'<div class="bars">{"".join(bars)}</div>')
    return Section(title, [about, bars_block, Folded("Numbers by class", [table])])


def _bar(name: str, n: int, junk: float) -> str:
    if not n:
        return f"<p>{escaped(name)}: no particles in classes</p>"
    text = f"{name}: {junk:.0%} of {n:,} in rejected classes"
    part = f'<span class="part" style="width: {100 * junk:.1f}%"></span>'
    return f'<div><p>{escaped(text)}</p><div class="track">{part}</div></div>'


def _course(page: SessionPage) -> Section:
    title = "Particles over time"
    if page.history is None:
        return Section(title, [])
    lines = course.rate_lines(page.history, _end(page))
    plot = course.course_plot(page.history)
    blocks: List[Block] = [Lines(lines)] if lines else []
    return Section(title, [*blocks, *([] if plot is None else [plot])])


def _end(page: SessionPage) -> float:
    """Until when time without particles counts: to the last note of a session that has ended."""
    history = page.history
    if page.is_open or history is None or not len(history.seconds):
        return page.written_at
    return float(history.rising[-1])


def _micrographs(page: SessionPage) -> Section:
    title, judged = "Micrographs", page.micrographs
    if judged is None or not len(judged.quality.names):
        return Section(title, [])
    n, n_accepted = len(judged.is_accepted), int(np.sum(judged.is_accepted))
    about = f"{n_accepted:,} of {counted(n, 'micrograph')} accepted, {n - n_accepted:,} rejected."
    if not any(judged.thresholds):
        about = f"{counted(n, 'micrograph')}. No threshold is set, so that none is rejected."
    caption = (
        "Quality of the micrographs in the order of acquisition: lines are running medians, "
        "vertical lines sudden falls, and orange points rejected micrographs."
    )
    figure = micrographs_figure(judged.quality, judged.thresholds)
    return Section(title, [about, _medians(judged), Picture(figure, caption)])


def _medians(judged: JudgedMicrographs) -> Table:
    quality = judged.quality
    known = (
        ("agreement", quality.agreement),
        ("expected precision", quality.precision),
        ("particles", quality.number),
        ("share of junk", quality.junk),
    )
    rows = [
        [name, _median(values), _median(values[-LATEST:])]
        for name, values in known
        if not np.isnan(values).all()
    ]
    return Table(["median", "of all", f"of the latest {LATEST}"], rows)


def _median(values: NDArray[np.float64]) -> str:
    """Empty where none is known."""
    values = values[~np.isnan(values)]
    median = float(np.median(values)) if len(values) else 0.0
    return f"{median:,.0f}" if median > 1 else f"{median:.2f}" if len(values) else ""


def _number(value: Union[int, float]) -> str:
    number = float(value)
    return f"{int(value):,}" if number.is_integer() else f"{number:,.3f}"
