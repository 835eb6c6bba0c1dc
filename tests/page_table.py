"""Every command on the pages: what stands for its placeholders, or why it is not run."""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Mapping, NamedTuple, Tuple

ROOT = Path(__file__).parents[1]
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = ("repic-plugin", "make", "scipion", "scipion3", "python", "pytest", "pip", "mpirun")
PROGRAMS += ("srun",)
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)
BARE = re.compile(r"(repic-plugin [\w-]+|(scipion3 python -m )?pip install|srun --mpi=\w+)$")
CALL = re.compile(rf"(?:{'|'.join(PROGRAMS)}) \S")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def calls(page):
    """Commands of a page in the order of its text, each on one line and named once.

    Those in blocks, indented lines and inline code that start with a program; a name in the text,
    such as "the command `repic-plugin consensus`", is none.
    """
    text = page.read_text("utf-8").replace("\\\n", " ")
    found = []
    for block in FENCE.finditer(text):
        lines = enumerate(block[1].splitlines())
        found += [(block.start(1) + number, line) for number, line in lines]
    inline = FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
    found += [(one.start(), one[1]) for one in re.finditer(r"^    (\S.*)$", inline, re.M)]
    found += [
        (one.start(), one[1]) for one in re.finditer(r"`([^`]+)`", inline) if not BARE.match(one[1])
    ]
    lines = (" ".join(line.split("  #")[0].split()) for _, line in sorted(found))
    return list(dict.fromkeys(line for line in lines if CALL.match(line)))


class Page(NamedTuple):
    """What a reader of a page has, and what is there after its commands.

    Attributes
    ----------
    has : dict
        From a name on the page to that of the material (`MATERIAL` in test_page_commands.py).
    instead : dict
        From a word on the page to what is written there.
    gives : tuple of str
        Files that the page promises, as patterns.
    """

    has: Mapping[str, str] = MappingProxyType({})
    instead: Mapping[str, str] = MappingProxyType({})
    gives: Tuple[str, ...] = ()


# Pages whose commands are run one after the other, with what stands for their placeholders.
FOLLOWED = {
    "docs/use/commands.md": Page(
        has={
            "PICKS_DIR": "picks",
            "REFERENCE_DIR": "reference",
            "given/particles.star": "particles.star",
            "given/particles.mrcs": "particles.mrcs",
            "MAP": "map.mrc",
            "REFERENCE_MAP": "map.mrc",
        },
        instead={"PARTICLES": "given/particles.star"},
        gives=(
            *("CONSENSUS/*.box", "CONSENSUS/consensus.csv", "CONSENSUS/summary.csv"),
            *("CONSENSUS/micrographs.csv", "PICKS/micrographs/*.mrc", "CLASSES/assignments.csv"),
            *("CLASSES/class_averages.mrcs", "CLASSES/classes.star", "CLASSES/classes.csv"),
            *("CLASSES/convergence.csv", "CLASSES/classes.png", "SELECTED/particles.star"),
            *("FSC/fsc.csv", "FSC/fsc.png", "report.html", "SIMULATED/truth.csv"),
            *("SIMULATED/classes/classes.star", "MICROGRAPHS/micrographs/*.mrc"),
        ),
    ),
    "docs/use/classes.md": Page(
        has={
            "particles.star": "particles.star",
            "particles.mrcs": "particles.mrcs",
            "more.star": "particles.star",
            "all_so_far.star": "particles.star",
            "run_it025_classes.mrcs": "classes/class_averages.mrcs",
        },
        gives=(
            *("classes/classes.png", "selected/particles.star", "more/assignments.csv"),
            *("more_of_relion/classes.star", "session/classes.csv", "session/stream/*"),
        ),
    ),
    "docs/use/facility.md": Page(instead={"NAME": "iterative"}),
    "docs/use/formats.md": Page(
        has={
            "PICKS_DIR": "seen/picks",
            "CtfFind/job003/micrographs_ctf.star": "m/micrographs.star",
        },
        gives=(
            *("ForRelion/autopick.star", "ForRelion/*_autopick.star", "patterns.html"),
            *("Consensus/patterns/topaz_not_cryolo/consensus.csv",),
            *("Consensus/patterns/topaz_not_cryolo/summary.csv", "Consensus/patterns/patterns.csv"),
        ),
    ),
    "docs/use/looking.md": Page(
        has={
            "DIR": "consensus",
            "PROJECT_OR_DIR": "consensus",
            "PICKS": "picks",
            "REFERENCE": "reference",
            "MAP": "map.mrc",
            "REFERENCE_MAP": "map.mrc",
        },
        instead={"PX": "180"},
        gives=("report.html", "FILE.png", "FSC/fsc.csv", "SIM/agreed/consensus.csv", "scores.png"),
    ),
    "docs/understand/chance.md": Page(has={"PICKS_DIR": "picks"}, gives=("DIR/agreement.csv",)),
    "docs/understand/classification.md": Page(
        has={
            "CLASSES": "classes",
            "NEW.star": "particles.star",
            "ALL_SO_FAR.star": "particles.star",
            "particles.mrcs": "particles.mrcs",
        },
        gives=("SELECTED/particles.star", "MORE/assignments.csv", "DIR/stream/*"),
    ),
    "docs/understand/images.md": Page(
        has={
            "PICKS_DIR": "seen/picks",
            "MICROGRAPHS": "m/micrographs",
            "Class2D/job012/run_it025_data.star": "seen/classified.star",
            "Select/job013/particles.star": "seen/chosen/particles.star",
        },
        gives=(
            *("IMAGES/candidate_images.csv", "IMAGES/image_classes.csv"),
            *("IMAGES/picker_classes.csv", "IMAGES/candidate_averages.mrcs"),
            *("BY_EYE/consensus.csv", "CHOSEN/consensus.csv", "SELECTION/consensus.csv"),
        ),
    ),
    "docs/understand/probabilistic.md": Page(
        has={"PICKS_DIR": "picks"},
        gives=(
            *("DIR/pickers.csv", "PRECISE/consensus.csv", "SIM/probable/consensus.csv"),
            *("report.html", "pictures/*.png", "scores.png", "scores_reliability.png"),
        ),
    ),
}

# Pipelines in Scipion, which take more than ten seconds each.
PICKS_OF = {
    "topaz": "seen/picks/topaz",
    "cryolo": "seen/picks/cryolo",
    "log": "seen/picks/log picker",
}
FOLDERS = {"DIR": "m/micrographs", **dict(zip(("DIR1", "DIR2", "DIR3"), PICKS_OF.values()))}
IN_SCIPION = {
    "README.md": Page(FOLDERS),
    "docs/use/commands.md": Page(FOLDERS),
    "docs/use/facility.md": Page(
        {"micrographs": "m/micrographs", **PICKS_OF},
        {"/data/s1": ".", "pixel=0.83": "pixel=1.6"},
        ("summary.json",),
    ),
}
SCIPION_RUN = re.compile(r"repic-plugin run consensus")

# What other tests run: commands that begin so, and the test.
ELSEWHERE = {
    r"make demo$": "tests/protocols/test_demo.py::test_simulated",
    r"make demo PICKS=folder$": "tests/protocols/test_demo.py::test_given_picks_and_a_second_run",
    r"make demo PICKS=folder MICROGRAPHS": (
        "tests/commands/test_demo_material.py::test_given_micrographs_are_used_at_their_pixel_size"
    ),
    r"repic-plugin report demo/scipion": (
        "tests/protocols/test_demo.py::test_pictures_of_the_report_have_the_numbers_of_the_page"
    ),
    r"make docs": "tests/test_site.py::test_every_page_is_built_and_loads_its_own_files_only",
    r"repic-plugin COMMAND --help": "tests/commands/test_program.py::test_help",
    r"scipion3 tests repic_plugin.tests": (
        "tests/protocols/test_scipion_tests.py::test_they_run_in_scipion_and_again"
    ),
    r"scipion3 template repic_plugin-consensus": (
        "tests/protocols/test_templates.py::"
        "test_scipion_makes_a_project_of_a_template_without_its_window"
    ),
    r"repic-plugin run iterative": (
        "tests/protocols/test_templates.py::test_pickers_are_trained_again_and_again"
    ),
    # of an hour and more, and of two hours in minutes
    r"repic-plugin run facility-picks": (
        "tests/protocols/test_session.py::"
        "test_a_session_that_is_killed_ends_as_one_that_is_complete_at_the_start"
    ),
    r"repic-plugin simulate-session": (
        "tests/protocols/test_session.py::"
        "test_a_session_that_is_killed_ends_as_one_that_is_complete_at_the_start"
    ),
    r"repic-plugin run facility micrographs": (
        "tests/pickers/plugins/test_templates.py::test_the_plugins_know_what_a_template_says"
    ),
    r"mpirun -n 4 (--bind-to none )?repic-plugin classify": (
        "tests/commands/test_classify_mpi.py::test_the_files_are_those_of_one_process"
    ),
}
# Pages that tests of their own follow, in projects of RELION and cryoSPARC.
PROJECT_PAGES = r"docs/use/(from|to)-(relion|cryosparc)\.md$"

NOT_RUN = {
    r"make (test|bench|pictures|figures|screenshots|venv|demo-iterative)": (
        "takes minutes or makes an environment; a dry run shows what it would do"
    ),
    r"python benchmarks/": "takes minutes, and mostly images from elsewhere",
    r"pytest tests/": "the tests themselves",
    r"pip install ": "needs a network",
    r"scipion3 (python -m pip install|installp) ": "needs an installation of Scipion and a network",
    r"scipion3 run repic-plugin": "needs an installation of Scipion; `repic-plugin` is run instead",
    r"srun ": "needs SLURM",
    r"repic-plugin simulate-particles map.mrc --views 100": "takes 400 processor seconds",
    r"repic-plugin classify S/particles.star": "takes 400 processor seconds",
    r"repic-plugin consensus \.\.\. --classes": "a part of the command on images.md",
}
