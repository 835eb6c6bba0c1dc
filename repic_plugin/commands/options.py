"""What several commands share: options for one picker or for all, progress, tables."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

from tqdm import tqdm

from repic_plugin.formats import PicksDir


def number(text: str, what: str) -> float:
    """`text` as a number, or an error that names the option."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{what} must be a number, got {text!r}") from None


def per_picker(
    option: str, texts: Optional[Sequence[str]], convert: Callable[[str, str], Any]
) -> Union[Any, Dict[str, Any], None]:
    """``VALUE`` for all pickers, or ``PICKER=VALUE`` for some.

    Parameters
    ----------
    option : str
        Its name, for messages.
    texts : sequence of str, optional
        As given on the command line.
    convert : callable
        From (text, option) to the value.

    Returns
    -------
    object, dict of picker name to object, or None
    """
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return convert(texts[0], option)
    values = {}
    for text in texts:
        picker, equals, value = text.rpartition("=")
        if not equals or not picker:
            raise ValueError(f"{option} must be one VALUE for all or PICKER=VALUE, got {text!r}")
        if picker in values:
            raise ValueError(f"{option} names picker {picker} twice; give it once")
        values[picker] = convert(value, option)
    return values


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[..., None]]:
    """A function ``update(n_done=None, n_total=None)`` that moves a bar on a terminal."""
    quiet = not sys.stderr.isatty()
    with tqdm(desc=what, unit=unit, disable=quiet, leave=False, delay=1.0) as bar:

        def update(n_done: Any = None, n_total: Optional[int] = None) -> None:
            if n_total is not None:
                bar.total = n_total
            bar.update(n_done - bar.n if isinstance(n_done, int) else 1)

        yield update


def warn_of_input(loaded: PicksDir) -> None:
    """Say what is worth knowing of folders of picks."""
    for note in loaded.notes:
        warnings.warn(note, stacklevel=2)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first to the left and the others to the right."""
    lines: List[Sequence[str]] = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        print("  ".join(cells).rstrip())
