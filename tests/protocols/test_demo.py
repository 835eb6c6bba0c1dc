"""The demo: a real project, a table, a picture."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from repic_plugin.cli import main
from repic_plugin.workflow import open_command

pytestmark = pytest.mark.slow
PROGRAM = Path(sys.executable).with_name("repic-plugin")
DOCS = Path(__file__).parents[2] / "docs" / "use"


def demo(*options):
    """Its lines, run as a user would: no variable of Scipion's is set."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SCIPION")}
    return subprocess.run(
        [str(word) for word in (PROGRAM, "demo", *options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment,
    )


def scores(lines, name):
    """Precision, recall and F1 of a row of the table."""
    row = next(line for line in lines if line.startswith(name))
    return [float(number) for number in re.findall(r"\d\.\d{3}", row)]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The folder of the demo, and what it printed."""
    folder = tmp_path_factory.mktemp("simulated") / "demo"
    answer = demo("--out", folder)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    return folder, answer.stdout.splitlines()


def test_simulated(simulated):
    folder, lines = simulated
    pickers = [scores(lines, name) for name in ("careful", "greedy", "weak")]
    all_agree, majority = (
        scores(lines, "consensus of all 3"),
        scores(lines, "consensus of at least"),
    )
    assert all_agree[0] > max(precision for precision, _, _ in pickers) + 0.1
    assert scores(lines, "probabilistic consensus")[2] > majority[2] + 0.02
    assert majority[2] > max(f1 for _, _, f1 in pickers) + 0.05
    assert imread(folder / "overlay.png").shape[1] >= 1000
    assert (folder / "scipion" / "projects" / "repic_demo" / "project.sqlite").is_file()
    assert "-m scipion project repic_demo" in lines[-1]


def test_the_table_is_that_of_the_page(simulated):
    _, lines = simulated
    page = (DOCS / "demos.md").read_text("utf-8")
    (table,) = re.findall(r"^```\n(set .*?)^```", page, re.M | re.S)
    heading, *rows = table.splitlines()
    at = [" ".join(line.split()) for line in lines].index(" ".join(heading.split()))
    for ours, printed in zip(rows, lines[at + 1 :]):
        assert re.sub(r"[\d.,%]+", "", ours).split() == re.sub(r"[\d.,%]+", "", printed).split()
        f1 = [float(row.split()[-1]) for row in (ours, printed)]
        assert abs(f1[0] - f1[1]) < 0.02


@pytest.mark.thorough
def test_pictures_of_the_report_have_the_numbers_of_the_page(simulated, tmp_path):
    """By which text they follow: `looking.md` says which number is which picture."""
    from repic_plugin.reports import Picture, project_sections

    project = simulated[0] / "scipion" / "projects" / "repic_demo"
    out = ("--out", tmp_path / "report.html", "--pictures", tmp_path / "pictures")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SCIPION")}
    words = [str(word) for word in (PROGRAM, "report", project, *out)]
    subprocess.run(words, check=True, capture_output=True, timeout=300, env=environment)
    sections = project_sections(project)
    page = (DOCS / "looking.md").read_text("utf-8")
    assert "3-2.png and 3-1.png" in page and "5-2.jpeg" in page
    for name, caption in (
        ("3-2.png", "Weights of the particles"),
        ("3-1.png", "Number of particles found by each"),
        ("5-2.jpeg", "2D classes of the candidates"),
    ):
        section, number = map(int, re.findall(r"\d+", name))
        pictures = [one for one in sections[section - 1].blocks if isinstance(one, Picture)]
        assert pictures[number - 1].caption.startswith(caption)
        assert (tmp_path / "pictures" / name).is_file()


# What a plain installation has not, but an editable one and some other packages bring.
WITHOUT_UTIL = """
import importlib, sys
sys.modules.pop("importlib.util", None)
vars(importlib).pop("util", None)
"""


def test_the_printed_command_works_where_nothing_has_imported_importlib_util(tmp_path, monkeypatch):
    for name in ("SCIPION_HOME", "SCIPION_USER_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_UTIL, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = open_command("any")
    assert command.endswith(" project any")
    answer = subprocess.run(
        command.replace(" project any", " version"),
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0].startswith("Scipion v")


@pytest.mark.thorough
def test_given_picks_and_a_second_run(tmp_path):
    size = ("--micrographs", 2, "--particles", 6, "--micrograph-size", 400, 400, "--box-size", 40)
    main([str(word) for word in ("simulate", tmp_path / "data", *size)])
    for _ in range(2):  # the second replaces what the first left
        answer = demo("--picks", tmp_path / "data" / "picks", "--out", tmp_path / "demo")
        assert answer.returncode == 0, answer.stderr
        assert "no --micrographs given: the picks are shown on plain grey" in answer.stdout
        assert (tmp_path / "demo" / "overlay.png").is_file()


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "dear").touch()
    answer = demo("--out", tmp_path)
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dear"]
