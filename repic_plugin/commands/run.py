"""Run a workflow or a template in a Scipion project, or resume it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Iterator, List, Optional

from repic_plugin.commands.options import output_file, print_table
from repic_plugin.workflow import (
    CORRECTIONS,
    KIND,
    LOCK,
    Workflow,
    check_new_name,
    check_same,
    locked,
    open_command,
    project_folder,
    read_imports,
    read_placeholders,
    read_record,
    read_workflow,
    set_user_environment,
    template_names,
    template_purpose,
)

INTERRUPTED, TERMINATED = 130, 143
SUMMARY, LOG = "repic-run-summary.json", "repic-run.log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "workflow",
        nargs="?",
        metavar="WORKFLOW.json|TEMPLATE",
        help="workflow exported from Scipion, or one of the templates "
        + ", ".join(template_names()),
    )
    parser.add_argument(
        "values", nargs="*", metavar="name=value", help="values of the template; see --list"
    )
    parser.add_argument("--project", metavar="NAME", help="project to create, or to resume")
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="stop all protocols after this time (exit code 124)",
    )
    parser.add_argument(
        "--summary",
        metavar="FILE.json",
        help="file for the state of each protocol, kept up to date",
    )
    parser.add_argument(
        "--list", action="store_true", help="list the templates, or the values of one"
    )
    _allow_values_after_options(parser)


def _allow_values_after_options(parser: argparse.ArgumentParser) -> None:
    """Argparse takes positional arguments after options only if asked to mix them."""
    at_once = parser.parse_known_args

    def mixed(arguments: Any = None, namespace: Any = None) -> Any:
        parser.parse_known_args = at_once  # type: ignore[method-assign]
        try:
            return parser.parse_known_intermixed_args(arguments, namespace)
        finally:
            parser.parse_known_args = mixed  # type: ignore[method-assign,assignment]

    parser.parse_known_args = mixed  # type: ignore[method-assign,assignment]


def run(args: argparse.Namespace) -> int:
    """Check, load and run a workflow; return the exit code."""
    if args.list:
        _list(args.workflow)
        return 0
    if not args.workflow or not args.project:
        raise ValueError("a workflow or template and --project NAME are required; see --help")
    workflow = read_workflow(args.workflow, args.values)
    if args.timeout is not None and not args.timeout > 0:
        raise ValueError(f"--timeout must be a positive number of seconds, got {args.timeout:g}")
    summary = output_file("--summary", args.summary) if args.summary else None
    check_new_name(args.project)
    set_user_environment()
    folder = project_folder(args.project)
    folder.mkdir(parents=True, exist_ok=True)
    with _no_empty_folder(folder), locked(folder, args.project):
        record = read_record(folder)
        if record is not None:  # before Scipion is loaded, which takes seconds
            check_same(record, workflow, args.project)
        files = [folder / SUMMARY, *([summary] if summary else [])]
        return _run(workflow, folder, files, args.timeout)


def _run(workflow: Workflow, folder: Path, files: List[Path], timeout: Optional[float]) -> int:
    terminal = sys.stdout

    def tell(line: str) -> None:
        try:
            print(line, file=terminal, flush=True)
        except BrokenPipeError:  # the reader has left; the runs go on
            os.dup2(os.open(os.devnull, os.O_WRONLY), terminal.fileno())

    tell(f"project {folder}")
    with _signals(), _scipion_output_to(folder / LOG):
        from repic_plugin.workflow import (  # noqa: PLC0415 - Scipion
            Watch,
            WorkflowProject,
            check_protocols,
        )

        watch = None
        try:
            check_protocols(workflow)
            watch = Watch(WorkflowProject(folder, workflow), tell, files, timeout)
            code = watch.run()
        except KeyboardInterrupt as interrupt:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # stopping takes a moment
            tell("interrupted: running protocols are stopped; run the command again to resume")
            code = TERMINATED if isinstance(interrupt, _Terminated) else INTERRUPTED
            if watch is not None:
                watch.stop_all()
                watch.write_summary(code)
    if (folder / "project.sqlite").is_file():
        tell(f"project: open it in Scipion with\n  {open_command(folder.name)}")
    tell(f"exit code {code}, summary {files[-1]}")
    return code


@contextmanager
def _no_empty_folder(folder: Path) -> Iterator[None]:
    """Remove the folder if no project was created in it."""
    try:
        yield
    finally:
        if not (folder / "project.sqlite").exists():
            for name in (LOCK, LOG):
                if (folder / name).exists():
                    (folder / name).unlink()
            with suppress(OSError):  # not ours
                folder.rmdir()


class _Terminated(KeyboardInterrupt):
    """SIGTERM."""


def _terminate(_number: int, _frame: Any) -> None:
    raise _Terminated


@contextmanager
def _signals() -> Iterator[None]:
    """Handle SIGTERM as Ctrl-C, also in background jobs of a shell, which ignore it."""
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _scipion_output_to(path: Path) -> Iterator[None]:
    with open(path, "a", encoding="utf-8", buffering=1) as file:
        handler = logging.StreamHandler(file)
        logging.getLogger().addHandler(handler)
        try:
            with redirect_stdout(file), redirect_stderr(file):
                yield
        finally:
            logging.getLogger().removeHandler(handler)


def _list(source: Optional[str]) -> None:
    if not source:
        width = max(map(len, template_names()))
        for name in template_names():
            print(f"{name:{width}}  {template_purpose(name)}")
        return
    rows = [[one.name, one.default, KIND[one.kind], one.title] for one in read_placeholders(source)]
    print_table(["name", "default", "type", "description"], rows)
    folders = read_imports(source)
    if folders:
        endings = ", ".join(f".{name}={value}" for name, value in CORRECTIONS.items())
        print(f"\ncorrections of coordinates, named after {', '.join(folders)}: {endings}")
