"""The command `repic-plugin`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import Any, Iterator, NoReturn, Optional, Sequence

from repic_plugin import __version__
from repic_plugin.commands import COMMANDS, n_started


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> Optional[str]:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"repic-plugin: error: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands; a command is a module with ``add_arguments`` and ``run``."""
    parser = _Parser(
        prog="repic-plugin",
        description="Optimal consensus of particle pickers (REPIC) and balanced 2D classes.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").strip()
        command = commands.add_parser(
            name,
            help=summary.splitlines()[0],
            description=summary,
            formatter_class=_Formatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0, 2 after bad input (one line on stderr says what, where and the remedy), 130 when
        interrupted, 143 or 129 when ended by SIGTERM or SIGHUP, 141 when the reader of the output
        went away; what `run` says of its own.
    """
    args = build_parser().parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):  # a terminal that lacks some letters of names
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings(), _ending_signals():
            warnings.filterwarnings("default", category=UserWarning, module="repic_plugin")
            warnings.showwarning = _show_warning
            code = int(args.run(args) or 0)
            _flush_output()
            return code
    except BrokenPipeError:  # who reads our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except MemoryError:
        print(
            "repic-plugin: error: more memory is needed than there is; ask for less at a time",
            file=sys.stderr,
        )
        return 2
    except (ValueError, OSError) as error:
        print(f"repic-plugin: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print("repic-plugin: interrupted; nothing was written", file=sys.stderr)
        return 128 + (interrupt.number if isinstance(interrupt, _Ended) else signal.SIGINT)


class _Ended(KeyboardInterrupt):
    """A signal that ends the process, handled as Ctrl-C: what is half done is removed."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _ending_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `_Ended`; not in a thread, nor where a starter has other plans."""

    def end(number: int, _frame: Any) -> None:
        raise _Ended(number)

    is_main = threading.current_thread() is threading.main_thread()
    numbers = [signal.SIGTERM, signal.SIGHUP] if is_main and n_started() == 1 else []
    before = [(one, signal.getsignal(one)) for one in numbers]
    default = [one for one, handler in before if handler == signal.SIG_DFL]
    for one in default:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in default:
            signal.signal(one, signal.SIG_DFL)


def _flush_output() -> None:
    """Print what is still waiting; a disk that is full is reported, and ends no process twice."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(
            f"what the command prints cannot be written ({error.strerror}); its files are complete"
        ) from error


def _show_warning(message: Any, *_args: Any, **_kwargs: Any) -> None:
    print(f"repic-plugin: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
