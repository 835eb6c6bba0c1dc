"""Rows of tables as text: compiled for usual numbers, with the plain formatting for all others."""

from __future__ import annotations

import math
from typing import Callable, Dict, List, NamedTuple, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.compiled import compiled

WORD, WHOLE, FIXED, SHORT, DIGITS, POINTED = range(6)  # styles
SHORT_DECIMALS, FIXED_DECIMALS, N_DIGITS = 4, 6, 9
LEAST_POWER = -4  # of ten, in numbers without an exponent
MAX_CELL = 24  # bytes of a number and what separates it from the next
TOO_LARGE = 999_999_999.0  # for the compiled formatting: nine digits hold what is below
TOO_SMALL = 1e-13  # of numbers with nine digits
DECIMALS = np.array([0, 0, FIXED_DECIMALS, SHORT_DECIMALS, N_DIGITS - 1, N_DIGITS - 1])  # by style
TENS = 10.0 ** np.arange(23)
SPLIT = 134217729.0  # 2**27 + 1 halves a float (Dekker 1971)
UNUSUAL = -1
LINE_FEED, MINUS, DOT, ZERO, LOWER_E = b"\n-.0e"


class Cells(NamedTuple):
    """The cells of a column.

    Attributes
    ----------
    values : ndarray of float64, shape (n_rows,)
        Numbers, NaN for an empty cell; of words their places in `words`.
    style : int
    words : sequence of str
    """

    values: NDArray[np.float64]
    style: int
    words: Sequence[str] = ()


def word_cells(words: Sequence[str], places: ArrayLike) -> Cells:
    """Cells with some words, finished for the file, by their places among `words`."""
    return Cells(np.asarray(places, dtype=np.float64), WORD, words)


def whole_cells(values: ArrayLike, missing: float = math.nan) -> Cells:
    """Cells with whole numbers; empty where one is `missing`."""
    column = np.asarray(values, dtype=np.float64)
    return Cells(np.where(column == missing, np.nan, column), WHOLE)


def fixed_cells(values: NDArray[np.float64]) -> Cells:
    """Cells with six decimals."""
    return Cells(values, FIXED)


def coordinate_cells(values: NDArray[np.float64]) -> Cells:
    """Cells with integers as integers, other numbers with up to four decimals.

    1e-4 px is far below what any picker resolves.
    """
    return Cells(np.round(values, SHORT_DECIMALS) + 0.0, SHORT)  # adding 0 turns -0 into 0


def score_cells(values: NDArray[np.float64]) -> Cells:
    """Cells with nine significant digits, more than a picker's single precision holds."""
    return Cells(values, DIGITS)


def pointed_cells(values: NDArray[np.float64]) -> Cells:
    """As `score_cells`, for STAR files: every number with a point or an exponent.

    Scipion's reader takes a column's type from its first row: 1 would make an integer column, in
    which the next row's 0.5 is an error.
    """
    return Cells(values, POINTED)


def rows_text(columns: Sequence[Cells], separator: str) -> bytes:
    """The rows of a table, each with a line feed, UTF-8."""
    n_rows = len(columns[0].values)
    if not n_rows:
        return b""
    values = np.stack([column.values for column in columns])
    words: List[bytes] = []
    width = MAX_CELL * len(columns)
    for number, column in enumerate(columns):
        if column.style == WORD:
            values[number] += len(words)
            words += [word.encode() for word in column.words]
            width += max(map(len, words))
    out = np.empty(n_rows * width, dtype=np.uint8)
    n_bytes = _format_rows(
        values,
        np.array([column.style for column in columns]),
        ord(separator),
        np.frombuffer(b"".join(words) or b" ", dtype=np.uint8),
        np.cumsum([0, *map(len, words)]),
        out,
    )
    if n_bytes == UNUSUAL:
        return plain_rows(columns, separator)
    return out[:n_bytes].tobytes()


def plain_rows(columns: Sequence[Cells], separator: str) -> bytes:
    """As `rows_text`, with Python's formatting of numbers."""
    texts = [
        [column.words[int(place)] for place in column.values]
        if column.style == WORD
        else ["" if math.isnan(value) else PLAIN[column.style](value) for value in column.values]
        for column in columns
    ]
    return "".join(separator.join(row) + "\n" for row in zip(*texts)).encode()


def _short(value: float) -> str:
    return f"{value:.{SHORT_DECIMALS}f}".rstrip("0").rstrip(".")


def _pointed(value: float) -> str:
    text = f"{value:.{N_DIGITS}g}"
    return text if "." in text or "e" in text else f"{text}.0"


PLAIN: Dict[int, Callable[[float], str]] = {
    WHOLE: "{:.0f}".format,
    FIXED: f"{{:.{FIXED_DECIMALS}f}}".format,
    SHORT: _short,
    DIGITS: f"{{:.{N_DIGITS}g}}".format,
    POINTED: _pointed,
}


@compiled
def _rounded(value, power):  # type: ignore[no-untyped-def]
    """``value * 10**power``, rounded as if it were exact, halves to even."""
    ten = TENS[power]
    product = value * ten
    nearest = np.rint(product)
    rest = product - nearest
    if abs(rest) == 0.5:  # then what the product lacks decides (Dekker 1971)
        high = value * SPLIT - (value * SPLIT - value)
        ten_high = ten * SPLIT - (ten * SPLIT - ten)
        low, ten_low = value - high, ten - ten_high
        error = ((high * ten_high - product) + high * ten_low + low * ten_high) + low * ten_low
        if rest > 0 and error > 0:
            nearest += 1
        elif rest < 0 and error < 0:
            nearest -= 1
    return np.int64(nearest)


@compiled
def _write_decimals(out, at, number, n_decimals, is_short):  # type: ignore[no-untyped-def]
    """Write a number given in units of its last decimal; returns its end."""
    while is_short and n_decimals > 0 and number % 10 == 0:
        number //= 10
        n_decimals -= 1
    n_digits, rest = 1, number // 10
    while rest > 0 or n_digits <= n_decimals:
        rest //= 10
        n_digits += 1
    end = at + n_digits + (n_decimals > 0)
    place = end - 1
    for digit in range(n_digits):
        if digit == n_decimals and digit > 0:
            out[place] = DOT
            place -= 1
        out[place] = ZERO + number % 10
        number //= 10
        place -= 1
    return end


@compiled
def _write_number(out, at, value, style):  # type: ignore[no-untyped-def]
    """Write a number; returns its end, -1 where it is unusual."""
    if np.signbit(value):
        out[at] = MINUS
        at += 1
        value = -value
    is_scaled = style >= DIGITS and value > 0
    if not value < TOO_LARGE or (is_scaled and value < TOO_SMALL):
        return UNUSUAL
    power, decimals = np.int64(0), DECIMALS[style]
    if is_scaled:
        power = np.int64(np.floor(np.log10(value)))
        decimals = N_DIGITS - 1 - power
    number = _rounded(value, decimals)
    if is_scaled and number >= np.int64(TENS[N_DIGITS]):  # rounded up to the next power
        number, power, decimals = number // 10, power + 1, decimals - 1
        if power == N_DIGITS:
            return UNUSUAL
    if power < LEAST_POWER:
        end = _write_decimals(out, at, number, decimals + power, style != FIXED)
        out[end] = LOWER_E
        out[end + 1] = MINUS
        out[end + 2] = ZERO + -power // 10
        out[end + 3] = ZERO + -power % 10
        return end + 4
    end = _write_decimals(out, at, number, decimals, style != FIXED)
    if style == POINTED and number % np.int64(TENS[decimals]) == 0:
        out[end] = DOT
        out[end + 1] = ZERO
        end += 2
    return end


@compiled
def _format_rows(values, styles, separator, words, ends, out):  # type: ignore[no-untyped-def]
    """Write the rows of a table; the number of bytes, -1 where a number is unusual.

    `ends` are those of the words, after a 0.
    """
    at, last = np.int64(0), len(styles) - 1
    for row in range(values.shape[1]):
        for column in range(len(styles)):
            value = values[column, row]
            if styles[column] == WORD:
                for i in range(ends[np.int64(value)], ends[np.int64(value) + 1]):
                    out[at] = words[i]
                    at += 1
            elif not np.isnan(value):
                at = _write_number(out, at, value, styles[column])
                if at == UNUSUAL:
                    return UNUSUAL
            out[at] = LINE_FEED if column == last else separator
            at += 1
    return at
