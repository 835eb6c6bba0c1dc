"""Commands of the pages, run as they stand there; `page_table.py` has the others, with reasons."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import mrcfile
import pytest

from repic_plugin.cli import build_parser
from repic_plugin.formats import (
    read_micrograph_names,
    read_picker_folder,
    read_picks_file,
    write_picks_file,
)
from repic_plugin.simulation import phantom_map
from tests.commands.helpers import command
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
from tests.page_table import (
    ELSEWHERE,
    FOLLOWED,
    IN_SCIPION,
    NOT_RUN,
    PROJECT_PAGES,
    SCIPION_RUN,
    TEXTS,
    calls,
    name_of,
)

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


# ------------------------------------------------------------ all pages

SEEN_PICKERS = {"topaz": (4.0, 0.9), "cryolo": (7.0, 0.8), "log picker": (9.0, 0.7)}


@pytest.fixture(scope="module")
def material(source):
    """What stands for the placeholders: names in FOLLOWED, from the program itself."""
    better = ("--recall", 0.9, 0.9, 0.7, "--precision", 0.85, 0.6, 0.75)
    assert not command("simulate", source / "sim", "--micrographs", 4, *better).code
    for number, name in enumerate(SEEN_PICKERS, 1):
        (source / "sim" / "picks" / f"picker_{number}").rename(source / "sim" / "picks" / name)
    for name in ("picks", "reference"):
        (source / name).symlink_to(source / "sim" / name)
    for name in ("particles.star", "particles.mrcs"):
        (source / name).symlink_to(source / "p" / name)
    consensus = ("--box-size", 180, "--mode", "quorum", "--out", source / "consensus")
    assert not command("consensus", source / "picks", *consensus).code
    classes = ("--classes", 8, "--threads", 1, "--out", source / "classes")
    assert not command("classify", source / "particles.star", *classes).code
    with mrcfile.new(source / "map.mrc") as file:
        file.set_data(phantom_map(32))
        file.voxel_size = 5.0
    seen_picks(source)
    return source


def seen_picks(source):
    """Picks on the micrographs, those that all found, and classes of those that two found."""
    seen = source / "seen"
    for picker, name, found, score in simulated_picks(source, SEEN_PICKERS):
        file = seen / "picks" / picker / f"{name}.box"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_picks_file(file, *found.T, box_size_px=BOX, score=score)
    star = ("--micrographs", source / "m" / "micrographs.star", "--format", "particles")
    for mode, out in (("all", "chosen"), ("quorum", "two")):
        more = ("--box-size", BOX, "--mode", mode, "--out", seen / out)
        assert not command("consensus", seen / "picks", *star, *more).code
    rows = iter(range(10**6))
    text = (seen / "two" / "particles.star").read_text("utf-8")
    n_columns = text.count("\n_")
    text = re.sub(r"(\n_\S+ ?#?\d*)(\n(?!_))", rf"\1\n_rlnClassNumber #{n_columns + 1}\2", text)
    text = re.sub(r"(?m)^(\S+\.mrc .*)$", lambda row: f"{row[1]} {next(rows) % 8 + 1}", text)
    (seen / "classified.star").write_text(text, "utf-8")


@contextlib.contextmanager
def in_folder(folder):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def is_run(name, call):
    """Whether a page's command is run when the page is followed."""
    others = [*ELSEWHERE, *NOT_RUN, SCIPION_RUN]
    is_ours = name in FOLLOWED and call.startswith("repic-plugin ")
    return is_ours and not any(re.match(one, call) for one in others)


def written(call, page):
    """A command with what stands for its placeholders."""
    for placeholder, words in page.instead.items():
        call = re.sub(rf"(?<!\w){re.escape(placeholder)}(?![\w.])", words, call)
    return call


def lay_out(page, material, folder):
    """What a reader of a page has, under its names."""
    for given, stands in page.has.items():
        (folder / given).parent.mkdir(parents=True, exist_ok=True)
        (folder / given).symlink_to(material / stands)


@pytest.fixture(scope="module")
def followed(material, tmp_path_factory):
    """From the name of a page to the folder in which it was followed, and what each call said."""
    done = {}

    def follow_once(name):
        if name not in done:
            folder, page = tmp_path_factory.mktemp("page"), FOLLOWED[name]
            lay_out(page, material, folder)
            answers = {}
            with in_folder(folder):
                for call in calls(ROOT / name):
                    if is_run(name, call):
                        _, *words = shlex.split(written(call, page))
                        answer = command(*words)
                        assert answer.code == 0, f"{call}: {answer.err}"
                        answers[call] = answer
            done[name] = (folder, answers)
        return done[name]

    return follow_once


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_gives_what_it_promises(followed, name):
    folder, answers = followed(name)
    assert answers
    assert [one for one in FOLLOWED[name].gives if not any(folder.glob(one))] == []


def test_simulated_pickers_against_their_reference(followed):
    _, answers = followed("docs/use/looking.md")
    (out,) = [one.out for call, one in answers.items() if "--consensus SIM/agreed" in call]
    rows = [row.split() for row in out if re.match(r"\S+( +\d\S+){8}$", row)]
    f1 = {name: float(match_f1) for name, *_, match_f1, _ in rows}
    assert len(f1) == 4
    assert f1.pop("consensus") > max(f1.values())


def test_simulated_particles_and_their_classes(followed):
    folder, answers = followed("docs/use/commands.md")
    (out,) = [one.out for call, one in answers.items() if "simulate-particles" in call]
    assert out[0].startswith("2,000 images")
    assert len([*(folder / "MICROGRAPHS" / "micrographs").iterdir()]) == 12


@pytest.mark.parametrize("name", ["IMAGES", "BY_EYE", "CHOSEN", "SELECTION"])
def test_a_consensus_with_images_and_with_chosen_classes(followed, name):
    folder, _ = followed("docs/understand/images.md")
    assert len(read_picker_folder(folder / name).picks) > 0


def test_every_command_of_the_pages_is_run_or_has_a_reason():
    """None is left out, none is in two tables, and no row of a table is left over."""
    used, twice = set(), []
    for page in TEXTS:
        name = name_of(page)
        for call in calls(page):
            by = [one for one in (*ELSEWHERE, *NOT_RUN) if re.match(one, call)]
            by += [SCIPION_RUN] if SCIPION_RUN.match(call) else []
            by += [name] if is_run(name, call) or re.match(PROJECT_PAGES, name) else []
            used |= {(name, one) if one is SCIPION_RUN else one for one in by}
            twice += [(name, call, by)] if len(by) != 1 else []
    assert twice == []
    scipion = {(name, SCIPION_RUN) for name in IN_SCIPION}
    assert {*ELSEWHERE, *NOT_RUN, *FOLLOWED, *scipion} <= used


def test_tests_that_run_commands_exist():
    for test in ELSEWHERE.values():
        file, function = test.split("::")
        assert f"def {function}(" in (ROOT / file).read_text("utf-8"), test


def not_run(program):
    found = {call for page in TEXTS for call in calls(page) if call.startswith(program)}
    return sorted(call for call in found if "..." not in call)


@pytest.mark.parametrize("call", not_run("make "))
def test_a_dry_run_of_make_uses_what_it_is_given(call):
    _, *words = shlex.split(call)
    answer = subprocess.run(
        ["make", "--dry-run", f"PYTHON={sys.executable}", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    for value in (word.partition("=")[2] for word in words):
        assert value in answer.stdout


@pytest.mark.parametrize("call", not_run("python benchmarks/"))
def test_a_benchmark_has_the_options_of_the_pages(call):
    _, script, *words = shlex.split(call)
    text = (ROOT / script).read_text("utf-8")
    for option in (word for word in words if word.startswith("--")):
        assert f'"{option}"' in text


@pytest.mark.parametrize("call", not_run("repic-plugin "))
def test_the_program_knows_commands_that_are_not_run(call):
    """The others, too: a value such as PX is what stands for it."""
    words = shlex.split(call.replace("--box-size PX", "--box-size 180"))[1:]
    if words[0] != "COMMAND":
        build_parser(words[0]).parse_args(words)


def test_scripts_of_tests_on_the_pages_exist():
    for call in not_run("pytest "):
        assert all((ROOT / file).is_file() for file in call.split()[1:])


# ------------------------------------------------------------ in Scipion


@pytest.mark.thorough
@pytest.mark.parametrize("name", IN_SCIPION)
def test_a_pipeline_of_a_page_runs_to_its_end(material, tmp_path, name):
    page = IN_SCIPION[name]
    (call,) = [one for one in calls(ROOT / name) if SCIPION_RUN.match(one)]
    lay_out(page, material, tmp_path)
    _, *words = shlex.split(written(call, page))
    answer = subprocess.run(
        [sys.executable, "-m", "repic_plugin.cli", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "SCIPION_USER_DATA": str(tmp_path / "scipion")},
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (summary,) = (tmp_path / "scipion").glob("projects/*/repic-run-summary.json")
    assert {one["status"] for one in json.loads(summary.read_text())["protocols"]} == {"finished"}
    assert all((tmp_path / one).is_file() for one in page.gives)
