"""What the tests of the commands share: small data sets, and how to read what was written."""

import contextlib
import csv
import io
import warnings
from typing import NamedTuple, Tuple

import numpy as np

from repic_plugin.cli import main

PREFIX = "repic-plugin: error: "

# Boxes of 100 px, corner x and y. On m1 all three pickers agree once and two once more, and one
# box sticks out; on m2 two agree and topaz found nothing; on m3 only crYOLO found anything.
TINY = {
    "crYOLO": {
        "m1.box": "100 100 100 100 0.9\n500 500 100 100 0.6\n-30 -20 100 100 0.5\n",
        "m2.box": "300 300 100 100 0.9\n",
        "m3.box": "10 10 100 100 0.4\n",
    },
    "deepPicker": {
        "m1.box": "520 500 100 100 0.8\n104 100 100 100 0.7\n",
        "m2.box": "310 300 100 100 0.5\n",
        "m3.box": "",
    },
    "topaz": {"m1.box": "100 106 100 100 0.8\n", "m2.box": "", "m3.box": ""},
}
# Jaccard indices of the three boxes that agree: dx = 4, dy = 6; both together give 9024 / 10976
CRYOLO_DEEPPICKER, CRYOLO_TOPAZ = 9600 / 10400, 9400 / 10600
TRIPLE_WEIGHT = CRYOLO_TOPAZ * 0.8  # medians of the overlaps and of 0.9, 0.7, 0.8
PAIR_WEIGHT = 8000 / 12000 * 0.7  # dx = 20; 0.6 and 0.8
M2_WEIGHT = 9000 / 11000 * 0.7  # dx = 10; 0.9 and 0.5


class Outcome(NamedTuple):
    """How a command ended: exit code, lines of stdout and of stderr."""

    code: int
    out: Tuple[str, ...]
    err: Tuple[str, ...]


def command(*arguments):
    """Run a command outside of a test's own capture, for fixtures of the whole file."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("default")
        code = main([str(argument) for argument in arguments])
    return Outcome(code, tuple(out.getvalue().splitlines()), tuple(err.getvalue().splitlines()))


def each(option, *values):
    """An option that is given once for each value."""
    return [word for value in values for word in (option, value)]


def write_picks(folder, pickers):
    """Write {picker: {file name: text}} and return the folder."""
    for picker, files in pickers.items():
        for name, text in files.items():
            path = folder / picker / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def box_text(centers, size_px):
    """A BOX file without scores, given the centres."""
    return "".join(
        f"{x - size_px / 2}\t{y - size_px / 2}\t{size_px}\t{size_px}\n" for x, y in centers
    )


def csv_rows(path):
    """The rows of a CSV table, as dictionaries."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def csv_header(path):
    with open(path, encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def box_rows(path):
    """The rows of a BOX file, shape (n, 4) or (n, 5)."""
    rows = [[float(word) for word in line.split()] for line in path.read_text().splitlines()]
    return np.array(rows) if rows else np.zeros((0, 5))


def jaccard(first, second, size_px):
    """Of two boxes of one size, given their centres; slow and obvious."""
    width = max(0.0, size_px - abs(first[0] - second[0]))
    height = max(0.0, size_px - abs(first[1] - second[1]))
    return width * height / (2 * size_px**2 - width * height)


def tree(folder):
    """Everything below a folder, hidden entries too: {path: bytes, None for a folder}."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def without_seconds(folder):
    """The files of a consensus, but for the time it took."""
    files = tree(folder)
    files["summary.csv"] = [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in csv_rows(folder / "summary.csv")
    ]
    return files


def assert_refused(outcome, *words):
    """Exit code 2 and one line that says all of `words`."""
    assert outcome.code == 2
    assert len(outcome.err) == 1, outcome.err
    line = outcome.err[0]
    assert line.startswith(PREFIX)
    for word in words:
        assert word in line
