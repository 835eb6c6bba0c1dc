"""Write the results of a project or a folder as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from repic_plugin.commands.options import output_file
from repic_plugin.formats import atomic_write
from repic_plugin.wording import counted

PROJECT_FILE = "project.sqlite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument(
        "folder",
        metavar="PROJECT_OR_DIR",
        help="Scipion project, or output folder of other commands",
    )
    parser.add_argument("--out", metavar="FILE", required=True, help="HTML file")
    parser.add_argument(
        "--pictures", metavar="DIR", help="folder for the figures as separate files"
    )
    parser.add_argument("--title", help="title of the report (default: name of the folder)")


def run(args: argparse.Namespace) -> None:
    """Collect, draw, write."""
    from repic_plugin.reports import (  # noqa: PLC0415 - matplotlib
        folder_sections,
        made_by,
        render_report,
        write_pictures,
    )

    out, folder = Path(args.out), Path(args.folder)
    output_file("--out", out)
    if (folder / PROJECT_FILE).is_file():
        from repic_plugin.reports import project_sections  # noqa: PLC0415 - Scipion

        sections = project_sections(folder)
    else:
        sections = folder_sections(folder)
    title = args.title or folder.resolve().name
    atomic_write(out, render_report(title, made_by(), sections, place=out.parent))
    if args.pictures:
        write_pictures(args.pictures, sections)
    print(f"{out}: {counted(len(sections), 'section')}")
