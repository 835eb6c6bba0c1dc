"""All pictures of docs/images/ from new runs: `make pictures` (MAP=map.mrc REAL=folder).

`MAKERS` names each picture and what makes it. A picture that cannot be made here, for want of a
map, of real micrographs or of a program, is reported in one line and left as it is; so are all of
a maker that fails. Scipion reads its settings once in a process, so the demos and the other
scripts run in processes of their own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
QUALITY = 85  # of JPEG
WIDTHS_PX = {"overlay.jpg": 900, "iterations.jpg": 1320, "picker-classes.jpg": 1200}
REPORT_SIZE_PX = (1280, 1180)  # of the report's top
CHANCE_DPI = 90
# as on the pages
SIMULATED = "--micrographs 12 --recall 0.9 0.9 0.7 --precision 0.85 0.6 0.75"
BOX = "--box-size 100"
PROBABILISTIC = f"{BOX} --mode probabilistic --target-precision 0.95"
QUORUM = f"{BOX} --mode quorum"


class Run(NamedTuple):
    """Folders of one maker: where it works, where its pictures go; the user's data."""

    work: Path
    made: Path
    map: Optional[Path]
    real: Optional[Path]


class Missing(Exception):
    """What the remaining pictures of a maker need, and how to give it."""


class Failed(Exception):
    """A run that should have made pictures."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--map", type=Path, metavar="FILE", help="density map of a 70S ribosome")
    parser.add_argument("--real", type=Path, metavar="DIR", help="real micrographs with labels")
    parser.add_argument("--only", nargs="*", choices=[*MAKERS], default=[*MAKERS])
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="DIR")
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    given = [None if one is None else one.resolve() for one in (args.map, args.real)]
    done = [made_by(name, out, *given) for name in MAKERS if name in args.only]
    return 0 if all(done) else 1


def made_by(name: str, out: Path, density: Optional[Path], real: Optional[Path]) -> bool:
    """Let a maker run and copy its pictures; False if it failed."""
    maker, pictures = MAKERS[name]
    reason, is_ok = "it was not made", True
    with TemporaryDirectory(prefix=f"pictures-{name}-") as folder:
        run = Run(Path(folder, "work"), Path(folder, "made"), density, real)
        run.work.mkdir()
        run.made.mkdir()
        try:
            maker(run)
            check_names(run.made, pictures)
        except Missing as missing:
            reason = str(missing)
        except Failed as failure:
            reason, is_ok = str(failure), False
        ready = [one for one in pictures if is_ok and (run.made / one).is_file()]
        for one in ready:
            shutil.copyfile(run.made / one, out / one)
            print(f"{name}: {out / one}", flush=True)
    left = [one for one in pictures if one not in ready]
    if left:
        print(f"{name}: {reason}; left as they are: {', '.join(left)}", flush=True)
    return is_ok


def check_names(made: Path, pictures: Sequence[str]) -> None:
    found = {file.name for file in made.iterdir()}
    if found != set(pictures):
        wrong = ", ".join(sorted(found ^ set(pictures)))
        raise Failed(f"pictures made and pictures in MAKERS differ ({wrong}); correct the table")


# ---------------------------------------------------------------- makers


def screenshots(run: Run) -> None:
    """Windows and forms of Scipion on a virtual screen."""
    for program in ("Xvfb", "openbox", "import", "convert"):
        needed(program, "xvfb, openbox and imagemagick")
    script("screenshots.py", "--out", run.made)


def demo(run: Run) -> None:
    """The demo, and its report."""
    from repic_plugin.reports import project_sections  # noqa: PLC0415 - Scipion

    command("demo", "--out", run.work / "demo")
    write_jpeg(run.work / "demo" / "overlay.png", run.made / "overlay.jpg")
    project = run.work / "demo" / "scipion" / "projects" / "repic_demo"
    sections = project_sections(project)
    quorum, images = "consensus of at least 2", "the same, with images"
    keep(sections, quorum, "Number of particles found by each", run.made / "agreement.png")
    keep(sections, quorum, "Weights of the particles", run.made / "weights.png")
    keep(sections, images, "2D classes of the candidates", run.made / "picker-classes.jpg")
    command("report", project, "--out", run.work / "report.html")
    photograph(run.work / "report.html", run.made / "report.jpg")


def iterations(run: Run) -> None:
    """Pickers trained on their consensus, on micrographs of the built-in map."""
    command("demo-iterative", "--out", run.work / "demo")
    write_jpeg(run.work / "demo" / "iterations.png", run.made / "iterations.jpg")


def probabilities(run: Run) -> None:
    """The consensus by probability of simulated pickers, and its calibration."""
    from repic_plugin.reports import folder_sections  # noqa: PLC0415 - matplotlib

    found = scored(run, PROBABILISTIC)
    keep(folder_sections(found), "", "Estimated precision", run.made / "pickers.png")
    shutil.copyfile(run.work / "scores_reliability.png", run.made / "calibration.png")


def scores(run: Run) -> None:
    """Simulated pickers and their consensus against the truth."""
    scored(run, QUORUM)
    shutil.copyfile(run.work / "scores.png", run.made / "scores.png")


def figures(run: Run) -> None:
    """Classifications of a simulated ribosome, and Fourier shell correlations of the map."""
    script("figures.py", "--map", given(run.map, "MAP=map.mrc"), "--out", run.made)


def real_picks(run: Run) -> None:
    """Pickers and their consensus on a real micrograph."""
    real = given(run.real, "REAL=folder")
    script("real_picks.py", "--real", real, "--picture", run.made / "real-picks.jpg")


def real_classes(run: Run) -> None:
    """Averages of real particles beside RELION's."""
    real, picture = given(run.real, "REAL=folder"), run.made / "real-classes.jpg"
    needed("relion_refine", "Debian's package relion")
    words = ["--only", "relion", "--seeds", "0", "--picture", picture]
    script("real_classes.py", "--real", real, *words)


def chance(run: Run) -> None:
    """Agreement beyond chance of published picks of β-galactosidase."""
    from real_classes import SETS  # noqa: PLC0415 - numba

    from repic_plugin.consensus import find_consensus  # noqa: PLC0415
    from repic_plugin.formats import read_picks_dir  # noqa: PLC0415
    from repic_plugin.plots import chance_figure  # noqa: PLC0415

    data = SETS["β-galactosidase"]
    folder = given(run.real, "REAL=folder") / data.picks
    if not folder.is_dir():
        raise Missing(f"no picks at {folder}")
    found = find_consensus(read_picks_dir(folder).picks, data.picks_box_px, mode="quorum")
    chance_figure(found.agreement).savefig(run.made / "chance.png", dpi=CHANCE_DPI)


# what makes pictures, and which
MAKERS: Dict[str, Tuple[Callable[[Run], None], Tuple[str, ...]]] = {
    "probabilities": (probabilities, ("pickers.png", "calibration.png")),
    "scores": (scores, ("scores.png",)),
    "chance": (chance, ("chance.png",)),
    "real-picks": (real_picks, ("real-picks.jpg",)),
    "real-classes": (real_classes, ("real-classes.jpg",)),
    "demo": (
        demo,
        ("overlay.jpg", "agreement.png", "weights.png", "picker-classes.jpg", "report.jpg"),
    ),
    "iterations": (iterations, ("iterations.jpg",)),
    "figures": (figures, ("fsc.jpg", "ack-figure1.jpg", "ack-figure2.jpg", "classes.jpg")),
    "screenshots": (
        screenshots,
        (
            "screen-project.png",
            "window.jpg",
            "screen-agreement.png",
            "screen-preview.jpg",
            "screen-classes.png",
            "form-by-hand.png",
            "form-classify.png",
            "form-consensus.png",
            "form-consensus-1.png",
            "form-ctfs.png",
            "form-deeppicker-pick.png",
            "form-deeppicker-train.png",
            "form-evaluate.png",
            "form-extract.png",
            "form-fsc.png",
            "form-import.png",
            "form-iterative.png",
            "form-iterative-1.png",
            "form-iterative-2.png",
            "form-iterative-3.png",
            "form-labels.png",
            "form-pick.png",
            "form-stream.png",
            "form-subsets.png",
            "form-train.png",
        ),
    ),
}


# ---------------------------------------------------------------- steps of makers


def given(path: Optional[Path], words: str) -> Path:
    if path is None:
        raise Missing(f"needs {words}")
    return path


def needed(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise Missing(f"no {program}; install {package}")


def script(name: str, *words: Any) -> None:
    """Run another script of this folder."""
    call([sys.executable, ROOT / "benchmarks" / name, *words])


def command(*words: Any) -> None:
    """Run repic-plugin."""
    call([sys.executable, "-m", "repic_plugin.cli", *words])


def call(arguments: Sequence[Any]) -> None:
    """Run a program; its output is shown if it fails."""
    line: List[str] = [str(one) for one in arguments]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
        raise Failed(f"exit code {done.returncode} of {' '.join(line[1:4])}")


def scored(run: Run, options: str) -> Path:
    """The folder of a consensus of simulated pickers; scores.png is drawn in the working folder."""
    simulated, found = run.work / "simulated", run.work / "consensus"
    command("simulate", simulated, *SIMULATED.split())
    command("consensus", simulated / "picks", *options.split(), "--out", found)
    sets = (simulated / "picks", simulated / "reference", "--consensus", found)
    command("evaluate", *sets, *BOX.split(), "--plot", run.work / "scores.png")
    return found


def keep(sections: Sequence[Any], title: str, caption: str, target: Path) -> None:
    """Write the picture of a report that has this caption, in the section of this title."""
    found = [
        block
        for section in sections
        if section.title.startswith(title)
        for block in section.blocks
        if getattr(block, "caption", "").startswith(caption) and hasattr(block, "encoded")
    ]
    if len(found) != 1:
        raise Failed(f"{len(found)} pictures of a report are called {title!r}, {caption!r}")
    kind, data = found[0].encoded
    if target.suffix == ".jpg":
        write_jpeg(BytesIO(data), target)
    elif kind == "png":
        target.write_bytes(data)
    else:
        raise Failed(f"{target.name}: the report has it as {kind}; call it .jpg")


def write_jpeg(picture: Union[Path, BytesIO], target: Path) -> None:
    """Write a picture as JPEG, in the width that the pages have it."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib

    with Image.open(picture) as image:
        found = image.convert("RGB")
    width_px = WIDTHS_PX.get(target.name)
    if width_px is not None:
        size = (width_px, round(found.height * width_px / found.width))
        found = found.resize(size, Image.Resampling.LANCZOS)
    found.save(target, quality=QUALITY)


def photograph(page: Path, target: Path) -> None:
    """The top of a page as a browser shows it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise Missing("no chromium; install it")
    seen = page.with_suffix(".png")
    size = ",".join(map(str, REPORT_SIZE_PX))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += [f"--user-data-dir={page.parent / 'profile'}", f"--window-size={size}"]
    call([browser, *options, f"--screenshot={seen}", page.as_uri()])
    write_jpeg(seen, target)


if __name__ == "__main__":
    sys.exit(main())
