"""One HTML file of a project's or a folder's results."""

from __future__ import annotations

import argparse
from pathlib import Path

from repic_plugin.formats import atomic_write

PROJECT_FILE = "project.sqlite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "folder",
        metavar="PROJECT_OR_DIR",
        help="a Scipion project, or what --out of other commands named",
    )
    parser.add_argument("--out", metavar="FILE", required=True, help="the HTML file to write")
    parser.add_argument(
        "--pictures", metavar="DIR", help="a folder to write the pictures to as files, too"
    )
    parser.add_argument("--title", help="headline; the folder's name otherwise")


def run(args: argparse.Namespace) -> None:
    """Collect, draw, write."""
    from repic_plugin.reports import (  # noqa: PLC0415 - matplotlib
        folder_sections,
        made_by,
        render_report,
        write_pictures,
    )

    out, folder = Path(args.out), Path(args.folder)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ValueError(f"--out {out}: must be a file in a folder that exists")
    if (folder / PROJECT_FILE).is_file():
        from repic_plugin.reports import project_sections  # noqa: PLC0415 - Scipion

        sections = project_sections(folder)
    else:
        sections = folder_sections(folder)
    title = args.title or folder.resolve().name
    atomic_write(out, render_report(title, made_by(), sections))
    if args.pictures:
        write_pictures(args.pictures, sections)
    print(f"{out}: {len(sections)} sections")
