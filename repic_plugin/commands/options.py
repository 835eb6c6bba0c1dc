"""What several commands share: names of options, values by picker, progress, tables."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Match, Optional, Sequence, Union

from repic_plugin.formats import FormatError, PicksDir, low_scores

# An argument of ours is a word with an underscore that is no part of a path or of a quoted value,
# or the first word where the message goes on as one about an argument.
ARGUMENT = r"(?<![\w/.'-])\w+_\w+(?![\w/'-]|\.\w)|^\w+(?= (?:must|needs|has|\d|'))"
COUNT_OR_UNIT = r"^n_|_(?:px|angstrom|deg|s|kv|mm)$"


def option_names(parser: argparse.ArgumentParser, more: Mapping[str, str]) -> Dict[str, str]:
    """Options of a command by the arguments that they set, without ``n_`` and unit.

    As ``--box-size`` by `box_size`, for `box_size_px`; `more` are those named differently.
    """
    names = {
        re.sub(COUNT_OR_UNIT, "", action.dest): (action.option_strings or [action.metavar])[-1]
        for action in parser._actions
    }
    return {**names, "random_state": "--seed", **more}


@contextmanager
def naming_options(names: Mapping[str, str]) -> Iterator[None]:
    """Errors of the block name options, see `with_options`; those of files are left alone."""
    try:
        yield
    except FormatError:
        raise
    except ValueError as error:
        raise ValueError(with_options(str(error), names)) from error


def with_options(message: str, names: Mapping[str, str]) -> str:
    """A message in which arguments have the `names` of the options that set them."""

    def option(match: Match[str]) -> str:
        return names.get(match[0]) or names.get(re.sub(COUNT_OR_UNIT, "", match[0])) or match[0]

    return re.sub(ARGUMENT, option, message)


def output_file(option: str, path: Union[str, Path]) -> Path:
    """The absolute path, or an error that names the option where no file can be written."""
    place = Path(path).absolute()
    if place.is_dir() or not place.parent.is_dir():
        raise ValueError(f"{option} {path}: must be a file in an existing folder; choose another")
    return place


def number(text: str, what: str) -> float:
    """The number that `text` is, or an error that names the option."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{what} must be a number, got {text!r}; correct it") from None


def per_picker(
    option: str, texts: Optional[Sequence[str]], convert: Callable[[str, str], Any]
) -> Union[Any, Dict[str, Any], None]:
    """``VALUE`` for all pickers, or a dict of those of ``PICKER=VALUE``; None if not given.

    `convert` gets text and `option`, whose name is for messages.
    """
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return convert(texts[0], option)
    values = {}
    for text in texts:
        picker, equals, value = text.rpartition("=")
        if not equals or not picker:
            raise ValueError(f"{option} must be VALUE or PICKER=VALUE, got {text!r}; correct it")
        if picker in values:
            raise ValueError(f"{option} names picker {picker} twice; give it once")
        values[picker] = convert(value, option)
    return values


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[..., None]]:
    """A function ``update(n_done=None, n_total=None)`` that advances a bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from tqdm import tqdm  # noqa: PLC0415 - not for who sees no bar

    with tqdm(desc=what, unit=unit, leave=False, delay=1.0) as bar:

        def update(n_done: Any = None, n_total: Optional[int] = None) -> None:
            if n_total is not None:
                bar.total = n_total
            bar.update(n_done - bar.n if isinstance(n_done, int) else 1)

        yield update


def warn_of_input(loaded: PicksDir) -> None:
    """Warn of what was noticed in folders of picks."""
    for note in loaded.notes:
        warnings.warn(note, stacklevel=2)


def warn_of_low_scores(
    loaded: PicksDir,
    min_score: Union[float, Dict[str, float], None],
    instead: str = "",
) -> None:
    """Warn of picks below their picker's own threshold, where no --min-score is given for it.

    `instead` is what else may be done, before the option.
    """
    for low in low_scores(loaded):
        if min_score is None or (isinstance(min_score, dict) and low.picker not in min_score):
            option = f"--min-score {low.picker}={low.threshold:g}"
            warnings.warn(f"{low}; {instead}{option} discards them", stacklevel=2)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: the first left-aligned, the others right-aligned."""
    lines: List[Sequence[str]] = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        print("  ".join(cells).rstrip())
