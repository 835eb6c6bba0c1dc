"""The command `repic-plugin`."""

from __future__ import annotations

import argparse
import codecs
import io
import os
import signal
import sys
import threading
import unicodedata
import warnings
from contextlib import contextmanager
from typing import Any, Iterator, NoReturn, Optional, Sequence, Tuple

from repic_plugin import __version__
from repic_plugin.commands import (
    COMMANDS,
    command_module,
    n_started,
    naming_options,
    option_names,
    with_options,
)

COMPILER = "llvmlite/binding/"  # where numba's compiler calls Python back
RETRY_S = 0.05  # until a signal that came within such a call is sent again


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Help with defaults, except those that mean only that an option was not given."""

    def _get_help_string(self, action: argparse.Action) -> Optional[str]:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line, as all others do."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"repic-plugin: error: {message}; see {self.prog} --help\n")


def build_parser(only: Optional[str] = None) -> argparse.ArgumentParser:
    """The parser with all commands, or with the arguments of one of them only: that loads faster.

    A command is a module with ``add_arguments`` and ``run``.
    """
    parser = _Parser(
        prog="repic-plugin",
        description="Consensus of particle pickers (REPIC) and balanced 2D classes (ACK-means).",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        if only not in (None, name):
            commands.add_parser(name)
            continue
        module = command_module(name)
        summary = (module.__doc__ or "").strip()
        command = commands.add_parser(
            name, help=summary.splitlines()[0], description=summary, formatter_class=_Formatter
        )
        module.add_arguments(command)
        names = option_names(command, getattr(module, "ARGUMENTS", {}))
        command.set_defaults(run=module.run, option_names=names)
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
        0; 2 after bad input (one line on stderr with the problem, the place and the remedy); 130
        if interrupted, 143 or 129 if ended by SIGTERM or SIGHUP; 141 if the reader of the output
        has closed it; or the code of `run`.
    """
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    words = sys.argv[1:] if arguments is None else arguments
    args = build_parser(words[0] if words[:1] and words[0] in COMMANDS else None).parse_args(words)

    def show(message: Any, *_args: Any, **_kwargs: Any) -> None:
        line = with_options(str(message), args.option_names)
        print(f"repic-plugin: warning: {line}", file=sys.stderr)

    try:
        with warnings.catch_warnings(), naming_options(args.option_names), _ending_signals():
            warnings.filterwarnings("default", category=UserWarning, module="repic_plugin")
            warnings.showwarning = show
            code = int(args.run(args) or 0)
            _flush_output()
            return code
    except BrokenPipeError:  # such as `| head`
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

    def end(number: int, frame: Any) -> None:
        if _is_called_back(frame):
            again = threading.Timer(RETRY_S, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
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


def _is_called_back(frame: Any) -> bool:
    """Whether numba's compiler has called Python back: an error there is printed, and lost."""
    while frame is not None:
        if COMPILER in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


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


def _plain(error: Any) -> Tuple[str, int]:
    """Characters that a terminal lacks: letters without their marks (Å as A), others escaped."""
    letters = unicodedata.normalize("NFKD", error.object[error.start : error.end])
    bare = "".join(one for one in letters if not unicodedata.combining(one))
    return bare.encode("ascii", "backslashreplace").decode("ascii"), error.end


if __name__ == "__main__":
    sys.exit(main())
