"""Reports of runs in a real Scipion project."""

import os
from pathlib import Path

import pytest

from repic_plugin import __version__
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow
CENTRES = {"a": [(20, 20), (44, 40)], "b": [(30, 30)], "c": []}


@pytest.fixture(scope="module")
def pickers(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    micrographs = project.micrographs("mics", write_images(folder / "images", CENTRES))
    moved = {name: [(x + 1, y) for x, y in rows] for name, rows in CENTRES.items()}
    picks = {"first & best": CENTRES, "second": {**moved, "b": [(50, 10)]}}
    return [
        project.picks(name, micrographs, write_picker(folder / name, centres))
        for name, centres in picks.items()
    ]


@pytest.fixture(scope="module")
def done(project, pickers):
    run = project.run(project.consensus(pickers, "with a report", writeReport=True))
    assert run.isFinished(), run.getErrorMessage()
    return run


def test_a_run_writes_its_report_if_it_is_asked_to(done):
    html = Path(done._getExtraPath("report.html")).read_text("utf-8")
    assert "with a report: consensus picking" in html
    assert "first &amp; best.outputCoordinates, second.outputCoordinates" in html
    assert "<td>Consensus mode</td><td>all pickers</td>" in html
    assert "<td>Write a report</td><td>yes</td>" in html
    assert html.count('<img class="photo"') == 2  # c has no pick
    assert "a: best agreement." in html
    assert "b: worst agreement." in html
    assert "10.1038/s42003-024-07045-0" in html
    assert html.index("b: worst agreement.") < html.index("<summary>Parameters</summary>")
    assert f'<td class="short">{__version__}</td></tr>' in html


def test_without_being_asked_there_is_none(project, pickers):
    run = project.run(project.consensus(pickers, "plain"))
    assert run.isFinished(), run.getErrorMessage()
    assert not Path(run._getExtraPath("report.html")).exists()


def test_a_project_has_a_section_for_each_run(project, done):
    from repic_plugin.reports.project import project_sections

    before = os.getcwd()
    sections = project_sections(project.project.path)
    assert os.getcwd() == before
    assert "with a report: consensus picking" in [one.title for one in sections]
    assert not any("mics" in one.title for one in sections)
    table = sections[0].blocks[0]
    assert sections[0].title == "All consensus runs"
    mine = dict(zip(table.header, next(row for row in table.rows if row[0] == "with a report")))
    assert (mine["mode"], mine["micrographs"]) == ("all pickers", 3)
    assert mine["Å/px"] == done.getInputMicrographs().getSamplingRate()


def test_a_micrograph_that_is_gone_is_told(project, done):
    from repic_plugin.reports import Picture, Warnings
    from repic_plugin.reports.project import run_section

    file = next(iter(done.outputCoordinates.getMicrographs())).getFileName()
    kept = Path(file).with_suffix(".kept")
    Path(file).rename(kept)
    try:
        blocks = run_section(done).blocks
    finally:
        kept.rename(file)
    told = [line for one in blocks if isinstance(one, Warnings) for line in one.lines]
    assert any("a.mrc" in line for line in told)
    assert any("b: worst" in one.caption for one in blocks if isinstance(one, Picture))


def test_a_killed_run_leaves_the_report_of_the_others(project, done, pickers):
    from repic_plugin.reports import render_report
    from repic_plugin.reports.project import project_sections

    killed = project.run(project.consensus(pickers, "without its results"))
    Path(project.project.path, killed._getExtraPath("summary.csv")).unlink()
    sections = {one.title: one for one in project_sections(project.project.path)}
    (page,) = [
        render_report("t", "a", [one])
        for title, one in sections.items()
        if "without its results" in title
    ]
    assert "These results cannot be read" in page
    assert "summary.csv" in page
    (whole,) = [one for title, one in sections.items() if "with a report" in title]
    assert "cannot be read" not in render_report("t", "a", [whole])
    project.project.deleteProtocol(killed)
