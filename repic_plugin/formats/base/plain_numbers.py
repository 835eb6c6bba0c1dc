"""Compiled reading of the rows of text tables; whatever is unusual is left to a plain reader."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from repic_plugin.compiled import compiled

NOT_PLAIN = -1
SPACE, TAB, LINE_FEED, HASH, DOUBLE_QUOTE, QUOTE, COMMA, DELETE = b" \t\n#\"',\x7f"
PLUS, MINUS, DOT, ZERO, NINE, UPPER_E, LOWER_E = b"+-.09Ee"
MISSING = np.frombuffer(b"<NA>", dtype=np.uint8)  # of crYOLO
MAX_DIGITS = 19  # of a number below 2 to the power of 64
EXACT_POWER = 22  # powers of ten up to this one are floats themselves
EXACT_INTEGER = np.uint64(1 << 53)
TENS = 10.0 ** np.arange(EXACT_POWER + 1)
MAX_POWER = 308  # of ten, in the table of powers of five
MAX_EXPONENT = 1022  # of two; beyond it numbers have fewer digits, or overflow
MAX_WRITTEN = 999  # power of ten of a number that is read to its end


def _powers_of_five() -> NDArray[np.uint64]:
    """The leading 128 bits of the powers -`MAX_POWER` to `MAX_POWER`, in two halves; Lemire 2021.

    Those of positive powers and of small negative ones are cut, others are rounded up.
    """
    bits = []
    for power in range(-MAX_POWER, MAX_POWER + 1):
        five = 5 ** abs(power)
        if power >= 0:
            bits.append((five << 128) >> five.bit_length())
        else:
            size = (five - 1).bit_length()
            value = (1 << (size + 127 if power >= -27 else 2 * size + 128)) // five + 1
            bits.append(value >> max(value.bit_length() - 128, 0))
    return np.array([divmod(value, 1 << 64) for value in bits], dtype=np.uint64)


FIVES = _powers_of_five()


@compiled
def _product(a, b):  # type: ignore[no-untyped-def]
    """Upper and lower half of the product of two integers of 64 bits."""
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    a1, a0, b1, b0 = a >> half, a & low, b >> half, b & low
    middle = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (other >> half), a * b


@compiled
def _scaled(digits, power):  # type: ignore[no-untyped-def]
    """The float nearest to ``digits * 10**power``, NaN where that is not certain.

    Lemire 2021, Number parsing at a gigabyte per second, doi:10.1002/spe.2984, section 5 and
    algorithm 1; the simple case is Clinger's.
    """
    if digits <= EXACT_INTEGER and abs(power) <= EXACT_POWER:
        value = np.float64(digits)
        return value / TENS[-power] if power < 0 else value * TENS[power]
    if abs(power) > MAX_POWER:
        return np.nan
    one, leading = np.uint64(1), 0
    while digits < (one << np.uint64(63)):
        digits <<= one
        leading += 1
    five = FIVES[power + MAX_POWER]
    upper, lower = _product(digits, five[0])
    if upper & np.uint64(0x1FF) == np.uint64(0x1FF):
        more, _ = _product(digits, five[1])
        lower += more
        if more > lower:
            upper += one
    if lower == np.uint64(0xFFFFFFFFFFFFFFFF) and not -27 <= power <= 55:
        return np.nan
    is_large = upper >> np.uint64(63)
    dropped = is_large + np.uint64(9)
    mantissa = upper >> dropped
    exponent = ((217706 * power) >> 16) + 63 + np.int64(is_large) - leading
    if abs(exponent) >= MAX_EXPONENT:
        return np.nan
    is_tie = lower <= one and -4 <= power <= 23 and mantissa & np.uint64(3) == one
    if is_tie and mantissa << dropped == upper:
        mantissa -= one
    mantissa = (mantissa + (mantissa & one)) >> one
    return math.ldexp(np.float64(mantissa), exponent - 52)


@compiled
def _number(data, at, end):  # type: ignore[no-untyped-def]
    """The number at a place, NaN where there is none or it is unusual, and where it ends."""
    is_negative = at < end and data[at] == MINUS
    if is_negative or (at < end and data[at] == PLUS):
        at += 1
    digits, n_digits, n_seen, power, is_fraction = np.uint64(0), 0, 0, np.int64(0), False
    while at < end:
        if ZERO <= data[at] <= NINE:
            digits = digits * np.uint64(10) + np.uint64(data[at] - ZERO)
            n_digits += n_digits > 0 or data[at] != ZERO
            n_seen += 1
            power -= is_fraction
        elif data[at] == DOT and not is_fraction:
            is_fraction = True
        else:
            break
        at += 1
    if n_seen == 0 or n_digits > MAX_DIGITS:
        return np.nan, at
    if at < end and (data[at] == LOWER_E or data[at] == UPPER_E):
        at += 1
        falls = at < end and data[at] == MINUS
        if falls or (at < end and data[at] == PLUS):
            at += 1
        first, exponent = at, np.int64(0)
        while at < end and ZERO <= data[at] <= NINE and exponent <= MAX_WRITTEN:
            exponent = exponent * np.int64(10) + np.int64(data[at] - ZERO)
            at += 1
        if at == first:
            return np.nan, at
        power += -exponent if falls else exponent
    value = 0.0 if digits == np.uint64(0) else _scaled(digits, power)
    return -value if is_negative else value, at


@compiled
def _cell(data, at, delimiter):  # type: ignore[no-untyped-def]
    """Begin and end of the value at a place, and where it stops; -1 for what is not plain.

    A value in quotes is what is between them. White space separates where `delimiter` is 0.
    """
    quote = data[at]
    is_quoted = (quote == DOUBLE_QUOTE and delimiter != TAB) or (quote == QUOTE and delimiter == 0)
    end = at + is_quoted
    while data[end] != LINE_FEED:
        one = data[end]
        if is_quoted:
            if one == quote and not (delimiter == COMMA and data[end + 1] == quote):
                break
            end += one == quote
        elif one == delimiter or (delimiter == 0 and (one == SPACE) | (one == TAB)):
            return at, end, end
        elif delimiter == 0 and (one < SPACE or one >= DELETE):
            return at, end, NOT_PLAIN
        end += 1
    if not is_quoted:
        return at, end, end
    after = data[end + (data[end] != LINE_FEED)]
    is_last = (after == LINE_FEED) | (after == delimiter)
    is_last |= (delimiter == 0) & ((after == SPACE) | (after == TAB))
    return at + 1, end, end + 1 if is_last and data[end] == quote else NOT_PLAIN


@compiled
def _stripped(data, begin, end):  # type: ignore[no-untyped-def]
    while begin < end and (data[begin] == SPACE or data[begin] == TAB):
        begin += 1
    while begin < end and (data[end - 1] == SPACE or data[end - 1] == TAB):
        end -= 1
    return begin, end


@compiled
def _is_missing(data, begin, end):  # type: ignore[no-untyped-def]
    if end - begin != len(MISSING):
        return begin == end
    same = 0
    while same < len(MISSING) and data[begin + same] == MISSING[same]:
        same += 1
    return same == len(MISSING)


@compiled
def _after_blanks(data, at):  # type: ignore[no-untyped-def]
    while data[at] == SPACE or data[at] == TAB:
        at += 1
    return at


@compiled
def _read_row(  # type: ignore[no-untyped-def]  # noqa: PLR0912
    data, at, delimiter, number_at, word_at, may_be_missing, numbers, words, row
):
    """Read the row at a place; returns where it ends, -1 if it is not plain."""
    for column in range(len(number_at)):
        if column > 0 and delimiter != 0:
            if data[at] != delimiter:
                return NOT_PLAIN
            at += 1
        elif delimiter == 0:
            at = _after_blanks(data, at)
            if data[at] == LINE_FEED:
                return NOT_PLAIN
        first = at
        if number_at[column] >= 0 and word_at[column] < 0:
            value, end = _number(data, at, len(data))
            is_end = (data[end] == LINE_FEED) | (data[end] == delimiter)
            is_end |= (delimiter == 0) & ((data[end] == SPACE) | (data[end] == TAB))
            if is_end and not np.isnan(value):
                numbers[number_at[column], row] = value
                at = end
                continue
        begin, end, at = _cell(data, at, delimiter)
        is_quoted = begin > first
        if at == NOT_PLAIN:
            return NOT_PLAIN
        if number_at[column] >= 0:
            first, last = _stripped(data, begin, end)
            value, stop = _number(data, first, last)
            is_missing = may_be_missing[column] and _is_missing(data, first, last)
            if not is_missing and (np.isnan(value) or stop < last):
                return NOT_PLAIN
            numbers[number_at[column], row] = np.nan if is_missing else value
        if word_at[column] >= 0:
            for i in range(begin, end):
                if is_quoted and data[i] == DOUBLE_QUOTE and delimiter == COMMA:
                    return NOT_PLAIN  # two stand for one
            words[word_at[column], row, 0] = begin
            words[word_at[column], row, 1] = end
    if delimiter == 0:
        at = _after_blanks(data, at)
    return at if data[at] == LINE_FEED else NOT_PLAIN


@compiled
def read_plain_rows(  # type: ignore[no-untyped-def]
    data, start, stop, delimiter, has_comments, number_at, word_at, may_be_missing, numbers, words
):
    """Read the rows of a table.

    Parameters
    ----------
    data : ndarray of uint8
        UTF-8 text that ends with a line feed.
    start, stop : int
        The table's lines.
    delimiter : int
        0 for white space.
    has_comments : bool
    number_at, word_at : ndarray of int64, shape (n_columns,)
        Place of a column in `numbers` and in `words`, -1 where it has none.
    may_be_missing : ndarray of bool, shape (n_columns,)
    numbers : ndarray of float64, shape (n_numbers, n_lines)
        Filled; NaN for a missing value.
    words : ndarray of int64, shape (n_words, n_lines, 2)
        Filled with the begin and end of each word.

    Returns
    -------
    int
        Number of rows; -1 where one is wrong or unusual.
    """
    at, n_rows = np.int64(0), np.int64(0)
    for line in range(stop):
        begin = at
        at = _after_blanks(data, at)
        if line < start or data[at] == LINE_FEED or (has_comments and data[at] == HASH):
            while data[at] != LINE_FEED:
                at += 1
        elif data[at] < SPACE or data[at] >= DELETE:
            return NOT_PLAIN  # may be white space of another kind
        else:
            at = _read_row(
                data,
                at if delimiter == 0 else begin,
                delimiter,
                number_at,
                word_at,
                may_be_missing,
                numbers,
                words,
                n_rows,
            )
            if at == NOT_PLAIN:
                return NOT_PLAIN
            n_rows += 1
        at += 1
    return n_rows
