"""A Scipion project as sections of a report: the runs of this plugin, oldest first."""

from __future__ import annotations

import math
import os
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator, List, Sequence

from pwem import Domain
from pyworkflow import Config
from pyworkflow.object import Boolean, Pointer
from pyworkflow.project import Project
from pyworkflow.protocol import Protocol

from repic_plugin.convert import open_micrograph
from repic_plugin.formats import PathLike, atomic_write, read_consensus_tables
from repic_plugin.plots import overlay_figure
from repic_plugin.reports import consensus
from repic_plugin.reports.comparison import RunRow, compared, run_row
from repic_plugin.reports.consensus import telling_micrographs
from repic_plugin.reports.document import (
    Block,
    Folded,
    Lines,
    Link,
    Section,
    Table,
    Warnings,
    render_report,
    unreadable,
)
from repic_plugin.reports.folder import find_results
from repic_plugin.reports.pictures import Picture
from repic_plugin.reports.versions import made_by

PLUGIN = "repic_plugin"
OVERLAY_PX = 1100
LINK = re.compile(r"\[\[(.*?)\]\[(.*?)\]\]")
# Parameters of how a run was started, not of what it did.
HOW_STARTED = {"runName", "runMode", "hostName", "expertLevel", "_useQueue", "gpuList", "useGpu"}


def project_sections(folder: PathLike) -> List[Section]:
    """A section for each run of this plugin that left results, after a comparison.

    Parameters
    ----------
    folder : str or path
        Of the project.

    Raises
    ------
    ValueError
        If no run of this plugin has left any.
    """
    with _inside(folder):
        Config.setDomain("pwem")  # not set outside Scipion
        project = Project(Domain, os.getcwd())
        project._loadDb(None)  # load() would need hosts and settings
        try:
            sections = _sections([run for run in _our_runs(project) if _has_results(run)])
        finally:
            project.closeMapper()
    if not sections:
        raise ValueError(f"{folder}: no run of this plugin has left results yet; run one first")
    return sections


def write_run_report(run: Protocol, path: PathLike) -> None:
    """Write the report of one run, from inside the project's folder."""
    place = Path(path).parent
    text = render_report(run.getObjLabel(), made_by(), _sections([run]), place=place)
    atomic_write(path, text)


def _sections(runs: Sequence[Protocol]) -> List[Section]:
    """A section for each run, and the comparison of those that are a consensus."""
    rows = {at: row for at, run in enumerate(runs) for row in _rows(run)}
    return compared([run_section(run) for run in runs], [*rows.values()], *[*rows][:1])


def _rows(run: Protocol) -> List[RunRow]:
    """The row of a consensus whose tables can be read; its section says so if they cannot."""
    try:
        return [_row(run)] if _is_consensus(run) else []
    except (ValueError, OSError):
        return []


def _is_consensus(run: Protocol) -> bool:
    return (Path(run._getExtraPath()) / consensus.MARKER).is_file()


def _row(run: Protocol) -> RunRow:
    """A consensus in comparison; what earlier versions did not record is that of the form."""
    row = run_row(str(run.getObjLabel()), Path(run._getExtraPath()))
    micrographs = run.getInputMicrographs() if hasattr(run, "getInputMicrographs") else None
    if micrographs is not None and not row.pixel_size_angstrom > 0:
        row = replace(row, pixel_size_angstrom=float(micrographs.getSamplingRate() or math.nan))
    return row if row.mode or not hasattr(run, "mode") else replace(row, mode=_mode(run))


def _mode(run: Protocol) -> str:
    """As in the form; the number of a quorum, which may be automatic there, is not told."""
    return _value(run, "mode", run.getParam("mode"))


def _our_runs(project: Project) -> List[Protocol]:
    """Runs of this plugin, without asking for their processes or changing anything."""
    runs = project.mapper.selectAllBatch(objectFilter=lambda one: isinstance(one, Protocol))
    ours = [run for run in runs if type(run).__module__.startswith(PLUGIN)]
    for run in ours:
        run.setProject(project)
    return sorted(ours, key=lambda run: run.getObjId())


def run_section(run: Protocol) -> Section:
    """Results of a run, then its parameters, from inside the project's folder."""
    folder = Path(run._getExtraPath())
    failed = [f"The run failed: {run.getErrorMessage()}"] if run.isFailed() else []
    summary = Lines([LINK.sub(r"\2", line).replace("*", "") for line in run.summary()])
    page = _page(run)
    blocks: List[Block] = [_about(run), Warnings(failed), *page, *([summary] if page else [])]
    for place, kind in find_results(folder):
        try:
            blocks += kind.blocks(place)
        except (ValueError, OSError) as error:  # a run that was killed, or is still writing
            blocks.append(unreadable(error))
    if hasattr(run, "overlay_model") and _is_consensus(run):
        blocks += _overlays(run, folder)
    blocks += [
        *([] if page else [Folded("Summary", [summary])]),
        Folded("Parameters", [_parameters(run)]),
        "Please cite:",
        Lines([_plain(text) for text in run.getCitations().values()]),
    ]
    return Section(f"{run.getObjLabel()}: {run.getClassLabel(False)}", blocks)


def _page(run: Protocol) -> List[Block]:
    """The page of a session, beside which the summary tells what it counts."""
    if not hasattr(run, "page") or not Path(run.page()).is_file():
        return []
    return [Link("Page of the session:", os.path.abspath(run.page()))]


def _overlays(run: Protocol, folder: Path) -> List[Block]:
    """Overlays of the micrographs with the best, the median and the worst agreement."""
    try:
        model = run.overlay_model()
        telling = telling_micrographs(read_consensus_tables(folder))
    except (ValueError, OSError) as error:
        return [Warnings([f"Overlays are missing: {error}"])]
    blocks: List[Block] = []
    for word, place in telling.items():
        model.go_to(place)
        try:
            pixels = open_micrograph(model.file)
        except (ValueError, OSError) as error:
            blocks.append(Warnings([f"The overlay of {model.name} is missing: {error}"]))
            continue
        figure = overlay_figure(pixels, model.layers(), size_px=OVERLAY_PX)
        blocks.append(
            Picture(figure, f"{model.name}: {word} agreement{_shown(model.scale)}.", True)
        )
    return blocks


def _shown(scale: float) -> str:
    return "" if scale == 1 else f" (boxes shown at {scale:.0%} of their size)"


def _has_results(run: Protocol) -> bool:
    folder = Path(run._getExtraPath())
    return folder.is_dir() and bool(_page(run) or find_results(folder))


def _about(run: Protocol) -> str:
    started = str(run.initTime.get() or "")[:19]
    return f"Run {run.getObjId()}, {run.getStatus()}, started {started or 'never'}."


def _parameters(run: Protocol) -> Table:
    """The values of the form by their labels, with those used for automatic ones."""
    used = run.values_used() if hasattr(run, "values_used") else {}
    rows = [
        [str(param.label.get()), value]
        for name, param in run._definition.iterAllParams()
        if name not in HOW_STARTED
        for value in [used.get(name) or _value(run, name, param)]
        if value
    ]
    return Table(["parameter", "value"], rows)


def _value(run: Protocol, name: str, param: Any) -> str:
    """A value as the form shows it; nothing where it does not apply."""
    attribute = getattr(run, name, None)
    if attribute is None or not run.evalParamCondition(name):
        return ""
    if isinstance(attribute, list):
        return ", ".join(_pointed(one) for one in attribute)
    if isinstance(attribute, Pointer):
        return _pointed(attribute) if attribute.hasValue() else ""
    choices = getattr(param, "choices", None)
    if choices and attribute.get() is not None:
        return str(choices[attribute.get()])
    if isinstance(attribute, Boolean):
        return "yes" if attribute.get() else "no"
    return str(attribute.get("") if attribute.hasValue() else "")


def _plain(citation: str) -> str:
    """A citation without Scipion's marks for links."""
    return LINK.sub(r"\2 (\1)", " ".join(citation.split()))


def _pointed(pointer: Pointer) -> str:
    target = pointer.getObjValue()
    return f"{target.getObjLabel() or target.getNameId()}.{pointer.getExtended()}"


@contextmanager
def _inside(folder: PathLike) -> Iterator[None]:
    """Work in the folder of the project: Scipion's paths are relative to it."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
