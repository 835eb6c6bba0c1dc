"""Particles over the time of a session: rates, and a plot that fits any window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.reports.document import Fragment, escaped

HOUR_S = 3600.0
SHORTEST_S = 60.0  # a rate of less time means nothing
MOST_POINTS = 400  # of a line
UNITS = ((2 * HOUR_S, 60.0, "min"), (96 * HOUR_S, HOUR_S, "h"), (math.inf, 24 * HOUR_S, "days"))
SIDE = 1000  # of the plot in its own units; it is stretched

STYLE = """
.course { margin: .8rem 0; }
.course .frame { position: relative; height: 15rem; margin: .8rem .8rem 1.8rem 4.6rem; }
.course svg { display: block; width: 100%; height: 100%; overflow: visible; }
.course line { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.course polyline { fill: none; vector-effect: non-scaling-stroke; }
.course .seen { stroke: var(--link); stroke-width: 2.5; }
.course .kept { stroke: var(--good); stroke-width: 2.5; stroke-dasharray: 7 4; }
.course .y, .course .x { position: absolute; color: var(--quiet); font-size: .8rem; line-height: 1;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.course .y { right: 100%; transform: translate(-.4rem, 50%); }
.course .x { top: 100%; transform: translate(-50%, .45rem); }
.course .key { display: inline-flex; align-items: center; gap: .4rem; margin: 0 1.2rem .2rem 0; }
.course .key svg { width: 2.4rem; height: .6rem; flex: none; }
"""


@dataclass(frozen=True, eq=False)
class SessionHistory:
    """Numbers of particles over time, in the order in which they were noted.

    Attributes
    ----------
    seconds : ndarray of float64, shape (t,)
        Since the epoch.
    n_seen : ndarray of int64, shape (t,)
        Particles received.
    n_good : ndarray of int64, shape (t,), optional
        Of them in good classes.
    """

    seconds: NDArray[np.float64]
    n_seen: NDArray[np.int64]
    n_good: Optional[NDArray[np.int64]] = None

    def __post_init__(self) -> None:
        for name in ("n_seen", "n_good"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.seconds):
                raise ValueError(f"{name} must have {len(self.seconds)} values, got {len(values)}")
        if not np.isfinite(np.asarray(self.seconds, np.float64)).all():
            raise ValueError("seconds must be finite, got NaN or infinity")

    @property
    def is_set_back(self) -> bool:
        """Whether the clock was set back at some time."""
        return bool((np.diff(np.asarray(self.seconds, np.float64)) < 0).any())

    @property
    def rising(self) -> NDArray[np.float64]:
        """The times as they would be if no clock was set back."""
        return np.maximum.accumulate(np.asarray(self.seconds, np.float64))


class Rates(NamedTuple):
    """Particles per hour; None where the time is too short."""

    mean: Optional[float]
    last_hour: Optional[float]

    @property
    def latest(self) -> Optional[float]:
        """Of the last hour if there was one."""
        return self.mean if self.last_hour is None else self.last_hour


def rates(history: SessionHistory, until: float) -> Rates:
    """Particles received per hour since the first note, and in the hour before `until`.

    Time without new particles up to `until` counts.
    """
    if not len(history.seconds):
        return Rates(None, None)
    times, n = history.rising, np.asarray(history.n_seen, np.float64)
    end = max(until, float(times[-1]))
    length = end - float(times[0])
    mean = (n[-1] - n[0]) / length * HOUR_S if length >= SHORTEST_S else None
    last = n[-1] - np.interp(end - HOUR_S, times, n) if length >= HOUR_S else None
    return Rates(None if mean is None else float(mean), None if last is None else float(last))


def waiting_line(
    n_needed: int, history: SessionHistory, until: float, what: str = "the first classes"
) -> str:
    """What is waited for, and about how long it takes at the present rate.

    Parameters
    ----------
    n_needed : int
        Particles.
    history : SessionHistory
    until : float
        Now, in seconds since the epoch.
    what : str
        What is made of them.
    """
    n = int(history.n_seen[-1]) if len(history.seconds) else 0
    line = f"Waiting for {n_needed:,} particles for {what}, {n:,} so far"
    rate = rates(history, until).latest
    if rate is None or n >= n_needed:
        return f"{line}."
    if rate <= 0:
        return f"{line}; none came lately."
    return f"{line}; about {_duration((n_needed - n) / rate * HOUR_S)} at the present rate."


def rate_lines(history: SessionHistory, until: float) -> List[str]:
    """The rates as text."""
    found = rates(history, until)
    lines = []
    if found.mean is not None:
        lines.append(f"{found.mean:,.0f} particles per hour on average, pauses included.")
    if found.last_hour is not None:
        lines.append(f"{found.last_hour:,.0f} particles in the last hour.")
    if history.is_set_back:
        lines.append("The clock was set back during the session: rates may be wrong.")
    return lines


def time_text(seconds: float) -> str:
    """Local time, with its zone."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def course_plot(history: SessionHistory) -> Optional[Fragment]:
    """Particles over time; None of less than two moments."""
    times = history.rising
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    known = [("seen", "particles received", history.n_seen)]
    if history.n_good is not None:
        known.append(("kept", "of them in good classes", history.n_good))
    top = max(1.0, *(float(np.max(values)) for _, _, values in known))
    length = float(times[-1] - times[0])
    unit, name = next((unit, name) for most, unit, name in UNITS if length <= most)
    ticks_y, ticks_x = _ticks(top, 1.0), _ticks(length / unit)
    across = [tick * unit / length for tick in ticks_x]
    grid = [_line(tick / top) for tick in ticks_y]
    lines = [_polyline(kind, times, values, top) for kind, _, values in known]
    labels = [_label("y", "bottom", tick / top, f"{tick:,.0f}") for tick in ticks_y]
    labels += [_label("x", "left", at, f"{tick:g}") for at, tick in zip(across, ticks_x)]
    keys = "".join(_key(kind, text) for kind, text, _ in known)
    about = f"{name} since {time_text(float(times[0]))}"
    return Fragment(
        f'<div class="course"><div>{keys}</div><div class="frame">'
        f'<svg viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none" role="img" '
        f'aria-label="Particles over time">{"".join(grid + lines)}</svg>{"".join(labels)}</div>'
        f'<p class="about">{escaped(about)}</p></div>'
    )


def _ticks(top: float, least_step: float = 0.0) -> List[float]:
    """From 0 to `top` in at most five round steps."""
    least = max(top / 5, least_step)
    decade = 10.0 ** math.floor(math.log10(least))
    step = next(size * decade for size in (1, 2, 5, 10) if size * decade >= least * (1 - 1e-9))
    return [step * i for i in range(int(top / step + 1e-9) + 1)]


def _line(height: float) -> str:
    y = SIDE * (1 - height)
    return f'<line x1="0" x2="{SIDE}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _polyline(kind: str, times: NDArray[np.float64], values: NDArray[np.int64], top: float) -> str:
    some = np.unique(np.linspace(0, len(times) - 1, MOST_POINTS).astype(np.int64))
    x = (times[some] - times[0]) / (times[-1] - times[0]) * SIDE
    y = SIDE * (1 - np.asarray(values, np.float64)[some] / top)
    points = " ".join(f"{one:.1f},{other:.1f}" for one, other in zip(x, y))
    return f'<polyline class="{kind}" points="{points}"/>'


def _label(axis: str, edge: str, part: float, text: str) -> str:
    return f'<span class="{axis}" style="{edge}: {100 * part:.2f}%">{escaped(text)}</span>'


def _key(kind: str, text: str) -> str:
    sample = f'<polyline class="{kind}" points="0,5 {SIDE},5"/>'
    return (
        f'<span class="key"><svg viewBox="0 0 {SIDE} 10" preserveAspectRatio="none" '
        f'aria-hidden="true">{sample}</svg>{escaped(text)}</span>'
    )


def _duration(seconds: float) -> str:
    sizes: Tuple[Tuple[float, float, str], ...] = (
        (90 * 60, 60, "min"), (48 * HOUR_S, HOUR_S, "h"), (math.inf, 24 * HOUR_S, "days"),
    )  # fmt: skip
    size, name = next((size, name) for most, size, name in sizes if seconds < most)
    return f"{max(1, round(seconds / size)):,} {name}"
