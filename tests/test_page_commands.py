"""Pages whose commands are run as they stand there: those from and to other programs, and more."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repic_plugin.formats import (
    read_micrograph_names,
    read_picker_folder,
    read_picks_file,
    write_picks_file,
)
from tests.exchange import (
    BOX,
    MICROGRAPHS,
    N_MICROGRAPHS,
    STAR,
    cryosparc_project,
    relion_project,
    simulated,
)
from tests.exchange import picks as simulated_picks

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "use"
# further kinds of input, and what is written only where particles are rejected
NOT_THERE = {
    "ManualPick/job004/manualpick.star",
    "Select/job009/particles.star",
    "Selected/rejected.star",
}
BLOCK = re.compile(r"^```\n(.*?)^```", re.M | re.S)
FILE = re.compile(r"`((?:[\w*-]+/)+[\w*-]+\.\w+)`")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    simulated(folder)
    return folder


def follow(page, folder):
    """Run all blocks of a page with a shell that stops at the first error."""
    text = (PAGES / page).read_text("utf-8")
    answer = run_blocks(text, folder)
    assert_files_exist(text, folder)
    return answer


def run_blocks(text, folder):
    """All blocks of a text, in a folder; the answer of the shell."""
    lines = ["set -e", *BLOCK.findall(text)]
    assert sum(line.count("repic-plugin") for line in lines) >= 2
    place = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{place}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    answer = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment,
    )
    assert answer.returncode == 0, answer.stderr
    return answer


def assert_files_exist(text, folder):
    """Those that the page's tables name, unless they are those of other versions or programs."""
    rows = [line for line in text.splitlines() if line.startswith("| ") and "version 3" not in line]
    named = [one for row in rows for one in FILE.findall(row)]
    assert any(any(folder.glob(one)) for one in named)
    assert {one for one in named if not any(folder.glob(one))} <= NOT_THERE


@pytest.fixture(scope="module")
def relion(source, tmp_path_factory):
    """A project of RELION in which the page `from` was followed, and what it printed."""
    folder = tmp_path_factory.mktemp("relion")
    relion_project(source, folder)
    return folder, follow("from-relion.md", folder)


@pytest.fixture(scope="module")
def cryosparc(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cryosparc")
    cryosparc_project(source, folder)
    return folder, follow("from-cryosparc.md", folder)


def n_picks(source):
    return sum(len(found) for _, _, found, _ in simulated_picks(source))


@pytest.mark.parametrize("program", ["relion", "cryosparc"])
def test_all_picks_arrive_and_agree(request, source, program):
    folder, answer = request.getfixturevalue(program)
    loaded = read_picker_folder(folder / "Consensus").picks
    names = {"relion": ("LoG", "Topaz"), "cryosparc": ("blob", "template")}[program]
    rows = [re.search(rf"^{name} +(\d+) ", answer.stdout, re.M) for name in names]
    read = [int(row[1]) for row in rows]  # in the first table, that of the first command
    assert sum(read) == n_picks(source)
    assert len(loaded.micrograph_names) == N_MICROGRAPHS
    n_true = sum(len(read_picks_file(one)) for one in (source / "m" / "truth").iterdir())
    assert 0.5 * n_true < len(loaded) < n_true


def test_relion_finds_the_micrographs_the_coordinates_and_the_images(relion):
    folder, _ = relion
    shutil.rmtree(folder / "Consensus")
    shutil.rmtree(folder / "Classes")
    follow("to-relion.md", folder)
    rows = [
        line.split() for line in (folder / "Consensus" / "autopick.star").read_text().split("\n")
    ]
    rows = [row for row in rows if row and row[0].startswith(MICROGRAPHS)]
    names = read_micrograph_names(folder / STAR, [f"mic_{i:03d}" for i in range(1, 5)])
    assert [row[0] for row in rows] == names
    assert all((folder / row[1]).is_file() for row in rows)
    n_listed = len(read_picks_file(folder / "Consensus" / "autopick.star"))
    assert n_listed == len(read_picks_file(folder / "AllInOne" / "particles.star")) > 0
    images = re.findall(r"^\d+@(\S+)", (folder / "Selected/particles.star").read_text(), re.M)
    assert images and {*images} == {"Extract/job007/particles.mrcs"}
    assert_relion_reads_them(folder, len(images))


def assert_relion_reads_them(folder, n_images):
    """As many images of chosen particles as there are; where RELION is installed."""
    if shutil.which("relion_stack_create") is None:
        pytest.skip("no relion_stack_create to read with; install RELION (Debian: relion)")
    command = ["relion_stack_create", "--i", "Selected/particles.star", "--o", "read"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    rows = re.findall(r"^.*\d+@read\.mrcs.*$", (folder / "read.star").read_text(), re.M)
    assert len(rows) == n_images


def test_cryosparc_finds_the_micrographs_by_their_file_names(cryosparc):
    folder, _ = cryosparc
    shutil.rmtree(folder / "Consensus")
    follow("to-cryosparc.md", folder)
    text = (folder / "Consensus" / "cryosparc.star").read_text()
    written = {*re.findall(r"^(\S+\.mrc) ", text, re.M)}
    assert written == {file.name for file in (folder / "J3" / "motioncorrected").iterdir()}
    assert (folder / "Selected" / "particles.star").is_file()


def test_the_box_of_the_pages_is_that_of_the_projects():
    for page in PAGES.glob("*-*.md"):
        if page.stem.split("-")[0] in ("from", "to"):
            boxes = {*re.findall(r"--box-size (\d+)", page.read_text("utf-8"))}
            assert boxes == {str(BOX)}, page.name


def test_simulated_pickers_against_their_reference(tmp_path):
    """The block of a section that needs no data."""
    text = (PAGES / "looking.md").read_text("utf-8")
    answer = run_blocks(text.split("## Against a reference")[1].split("\n## ")[0], tmp_path)
    rows = [row.split() for row in answer.stdout.splitlines() if re.match(r"\S+( +\d\S+){8}$", row)]
    f1 = {name: float(match_f1) for name, *_, match_f1, _ in rows}
    assert len(f1) == 4
    assert f1.pop("consensus") > max(f1.values())
    assert (tmp_path / "scores.png").is_file()


def test_simulated_particles_and_their_classes(tmp_path):
    text = (PAGES / "commands.md").read_text("utf-8")
    answer = run_blocks(text.split("## Simulated data")[1], tmp_path)
    assert "2,000 images" in answer.stdout
    assert len([*(tmp_path / "MICROGRAPHS" / "micrographs").iterdir()]) == 12


def test_a_consensus_with_images_and_with_chosen_classes(source, tmp_path):
    for picker, name, found, score in simulated_picks(source):
        file = tmp_path / "PICKS_DIR" / picker / f"{name}.box"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_picks_file(file, *found.T, box_size_px=BOX, score=score)
    (tmp_path / "MICROGRAPHS").symlink_to(source / "m" / "micrographs")
    text = (PAGES.parent / "understand" / "images.md").read_text("utf-8")
    run_blocks(text.split("\n## ")[0], tmp_path)
    for name in ("DIR", "OTHER"):
        assert len(read_picker_folder(tmp_path / name).picks) > 0
