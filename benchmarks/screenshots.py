"""Pictures of Scipion's windows and forms for the documentation: `make screenshots`.

A project of simulated micrographs is made and opened on a virtual screen by the driver of the
windows' tests, which clicks through it; docs/images/ gets the pictures. Needs Xvfb, openbox and
ImageMagick.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from repic_plugin.commands.demos.consensus import PIXEL_SIZE_ANGSTROM, PRECISION, RECALL
from repic_plugin.commands.demos.environment import set_environment
from repic_plugin.commands.simulate import write_micrographs, write_pickers
from repic_plugin.simulation import simulate_picks

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.virtual_screen import VIRTUAL, a_screen, window_manager

ROOT = Path(__file__).parents[1]
DRIVER = ROOT / "tests" / "protocols" / "window_driver.py"
SCREEN = "1500x1100"
N_MICROGRAPHS, SIZE_PX, N_PARTICLES, BOX_PX, SIDE_PX, N_CLASSES = 3, (2560, 2560), 90, 180, 64, 6
NAMES = ("careful", "greedy", "weak")
# the picture of a form, and its protocol
FORMS = {
    "consensus": "ProtRepicConsensus",
    "import": "ProtRepicImportPicks",
    "by-hand": "ProtRepicByHand",
    "ctfs": "ProtRepicImportCtfs",
    "iterative": "ProtRepicIterative",
    "extract": "ProtRepicExtract",
    "evaluate": "ProtRepicEvaluate",
    "classify": "ProtAckMeans2D",
    "stream": "ProtAckMeans2DStream",
    "fsc": "ProtRepicCrossFsc",
    "train": "ProtTemplateTrain",
    "pick": "ProtTemplatePick",
    "deeppicker-train": "ProtDeepPickerTrain",
    "deeppicker-pick": "ProtDeepPickerPick",
    "subsets": "ProtRepicSubsets",
    "labels": "ProtRepicLabels",
}
VALUES = {
    "import": {"picksFolder": "/data/session1/topaz"},
    "ctfs": {"ctfsPath": "/data/session1/micrographs_ctf.star"},
    "iterative": {"picker1": "template", "picker2": "log"},
}
# what the driver calls its pictures of other windows, and what they are called here
WINDOWS = {
    "project": "screen-project.png",
    "ProtRepicConsensus": "window.jpg",
    "ProtRepicConsensus_more_1_agreement": "screen-agreement.png",
    "preview_quorum": "screen-preview.jpg",
    "classes": "screen-classes.png",
}
# their streaming is the consensus's
ALIKE = ("form-extract-1", "form-pick-1", "form-stream-1", "form-import-1", "form-ctfs-1")
# of few colours a picture has a fifth of the size, which is hardly to be seen
OPTIONS = {".png": ["-colors", "128", "+dither"], ".jpg": ["-quality", "85"]}
KINDS = {".png": "PNG8:", ".jpg": "JPEG:"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=ROOT / "docs" / "images", type=Path, metavar="DIR")
    out = parser.parse_args().out.resolve()  # Scipion changes the folder
    for program in ("Xvfb", "openbox", "import", "convert"):
        if shutil.which(program) is None:
            raise SystemExit(f"no {program}; install xvfb, openbox and imagemagick")
    os.environ.pop("DISPLAY", None)  # never somebody's own
    with tempfile.TemporaryDirectory(prefix="screenshots-") as name:
        folder = Path(name)
        set_environment(folder)
        path, plan = project(folder)
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        (folder / "pictures").mkdir()
        with a_screen(SCREEN) as screen, window_manager(screen):
            if screen != VIRTUAL:
                raise SystemExit("there is no virtual screen")
            drive(folder, path)
        keep(folder / "pictures", out)


def project(folder: Path):
    """The path of a project with all runs and forms, and what the driver should do."""
    from repic_plugin.workflow import ScipionProject  # noqa: PLC0415 - needs the environment

    simulated = simulate_picks(
        N_MICROGRAPHS,
        n_particles=N_PARTICLES,
        micrograph_size_px=SIZE_PX,
        box_size_px=BOX_PX,
        recall=RECALL,
        precision=PRECISION,
        picker_names=NAMES,
    )
    write_pickers(folder / "picks", simulated.picks, BOX_PX)
    write_micrographs(folder / "micrographs", simulated, PIXEL_SIZE_ANGSTROM, 0)
    made = ScipionProject("simulated")
    micrographs = made.micrographs(folder / "micrographs", PIXEL_SIZE_ANGSTROM)
    pickers = [made.picks(name, folder / "picks" / name, micrographs, BOX_PX) for name in NAMES]
    consensus = made.run("ProtRepicConsensus", "consensus", {"inputCoordinates": pickers}, mode=1)
    extract = made.run(
        "ProtRepicExtract",
        "particles",
        {"inputCoordinates": (consensus, "outputCoordinates")},
        imageSize=SIDE_PX,
    )
    classes = made.run(
        "ProtAckMeans2D",
        "2D classes",
        {"inputParticles": (extract, "outputParticles")},
        numberOfClasses=N_CLASSES,
    )
    runs = {"consensus": consensus, "extract": extract, "classify": classes}
    for name, kind in FORMS.items():
        if name not in runs:
            runs[name] = made.new(kind, **VALUES.get(name, {}))
            runs[name].setObjLabel(runs[name].getClassLabel(prependPackageName=False))
            made.project.saveProtocol(runs[name])
    plan = {
        "analyze": [consensus.getObjId(), classes.getObjId()],
        "open_with": [],
        "forms": {"quorum": consensus.getObjId()},
        "acts": False,
        "looks": [[runs[name].getObjId(), f"form-{name}"] for name in FORMS],
    }
    return made.project.getPath(), plan


def drive(folder: Path, path: str) -> None:
    """Let the driver follow the plan, in a process of its own."""
    files = [folder / "plan.json", folder / "state.json", folder / "pictures"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-O", str(DRIVER), path, *map(str, files)]
    subprocess.run(command, check=False, cwd=path, env=environment, stdout=subprocess.DEVNULL)
    problem = json.loads(files[1].read_text(encoding="utf-8"))["problem"]
    if problem:
        raise SystemExit(f"the driver stopped: {problem}")


def keep(pictures: Path, out: Path) -> None:
    """Copy what the pages show, smaller."""
    named = {f"window_{one}.png": name for one, name in WINDOWS.items()}
    for file in sorted(pictures.glob("window_form-*.png")):
        name = file.stem.replace("window_", "")
        if name not in ALIKE:
            named[file.name] = f"{name[:-2] if name.endswith('-0') else name}.png"
    for one, name in named.items():
        target = out / name
        options, kind = OPTIONS[target.suffix], KINDS[target.suffix]
        command = ["convert", str(pictures / one), "-strip", *options, f"{kind}{target}"]
        subprocess.run(command, check=True)
        print(target)


if __name__ == "__main__":
    main()
