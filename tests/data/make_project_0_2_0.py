"""Make the project, the workflow and the table of names of version 0.2.0 beside this file.

``PYTHONPATH=CHECKOUT:CHECKOUT/tests/protocols python make_project_0_2_0.py CHECKOUT`` with a
checkout of version 0.2.0 (its last commit before pickers were kept by name). Everything is made in
/tmp/project, which must not exist: paths that end in the project are the same wherever it is made.
"""

# ruff: noqa: E402, F401, I001 - variables come before imports
import json
import os
import shutil
import sqlite3
import sys
import tarfile
from pathlib import Path

import mrcfile
import numpy as np

WORK, HERE, CHECKOUT = Path("/tmp/project"), Path(__file__).parent, Path(sys.argv[1])
(WORK / "data" / "projects").mkdir(parents=True)
sys.path.insert(0, str(CHECKOUT))
import conftest  # sets the variables of Scipion

os.environ.update(SCIPION_HOME=str(WORK), SCIPION_USER_DATA=str(WORK / "data"))
from faults import faults
from iterative_runs import after_the_kill, iterative, kill, wait_for_stage
from scipion_project import Project, write_picker

import repic_plugin.protocols.iterative_form  # only version 0.2.0 has it
from repic_plugin.simulation import phantom_map, simulate_exposures

BOX, PIXEL_SIZE, N_MICROGRAPHS, N_PARTICLES = 32, 8.0, 6, 12
KEPT_LOGS = {"run.db", "steps.sqlite"}
KILL = "1 26"  # before this file operation of its step: the set is there, the tables are not


def write_material():
    """Micrographs in bytes, which are small, and three pickers' folders."""
    exposures = simulate_exposures(
        phantom_map(BOX),
        N_MICROGRAPHS,
        pixel_size_angstrom=PIXEL_SIZE,
        n_particles=N_PARTICLES,
        micrograph_size_px=(256, 256),
        snr=0.3,
        n_junk=1,
        random_state=0,
    )
    rng, truth = np.random.default_rng(0), {}
    (WORK / "micrographs").mkdir()
    for number, one in enumerate(exposures):
        image = one.micrograph - one.micrograph.mean()
        with mrcfile.new(WORK / "micrographs" / f"m{number}.mrc") as file:
            file.set_data(np.clip(3 * image / image.std(), -127, 127).round().astype(np.int8))
        truth[f"m{number}"] = np.asarray(one.centers)
    for picker in ("one", "two", "three"):
        found = {
            name: (rows + rng.normal(0, 2, rows.shape))[rng.random(len(rows)) < 0.9].round()
            for name, rows in truth.items()
        }
        scores = {name: rng.random(len(rows)).round(3) for name, rows in found.items()}
        write_picker(WORK / picker, found, BOX, scores)


def killed(project, pickers):
    """A consensus that ended half way."""
    protocol, places = project.consensus(pickers, "killed", mode=1), WORK / "places"
    with faults(places, kill=KILL):
        project.project.launchProtocol(protocol, wait=True)
    print("killed before", places.read_text())
    after_the_kill(project, protocol)


def stopped(project, micrographs):
    """An iterative run, killed with its children as its first consensus begins."""
    protocol = iterative(project, micrographs, label="stopped", numParticles=N_PARTICLES)
    project.project.launchProtocol(protocol, wait=False)
    wait_for_stage(project, protocol, "iter 0 - consensus")
    kill(protocol, with_children=True)
    after_the_kill(project, protocol)


def make_runs(project):
    """Every run of the project."""
    micrographs = project.finished(
        "ProtImportMicrographs",
        "micrographs",
        filesPath=str(WORK / "micrographs"),
        filesPattern="*.mrc",
        samplingRate=PIXEL_SIZE,
        copyFiles=True,
    )
    on = {"inputMicrographs": (micrographs, "outputMicrographs")}
    pickers = [project.picks(one, micrographs, WORK / one) for one in ("one", "two", "three")]
    agreed = project.run(project.consensus(pickers, "consensus", mode=1))
    killed(project, pickers)
    values = {"boxSize": BOX, "maxPerMicrograph": N_PARTICLES}
    picked = project.finished("ProtTemplatePick", "templates", on, **values)
    where = {"inputCoordinates": (agreed, "outputCoordinates")}
    particles = project.finished("ProtRepicExtract", "particles", where, imageSize=16)
    inputs = {"inputParticles": (particles, "outputParticles")}
    project.finished("ProtAckMeans2D", "classes", inputs, numberOfClasses=2, numberOfThreads=1)
    stopped(project, micrographs)
    choices = {"picker1": 6, "picker2": 5, "picker3": 4, "picker4": 3, "picker5": 2, "picker6": 1}
    chosen = project.new("ProtRepicIterative", "chosen", on, boxSize=BOX, **choices)
    chosen.pickRun1.set(picked)
    project.project.saveProtocol(chosen)


def write_names(project, path):
    """Parameters and outputs of each protocol of this plugin."""
    found = {}
    for name, one in sorted(project.protocols.items()):
        if one.__module__.startswith("repic_plugin."):
            outputs = one._possibleOutputs
            named = outputs if isinstance(outputs, dict) else [each.name for each in outputs or ()]
            form = one()._definition
            found[name] = {
                "parameters": {key: type(param).__name__ for key, param in form.iterParams()},
                "outputs": sorted(named),
            }
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def write_outputs(runs, path):
    """State and outputs of each run, with the number of items."""
    found = {
        run.getObjLabel(): {
            "status": run.getStatus(),
            "outputs": {name: one.getSize() for name, one in run.iterOutputAttributes()},
        }
        for run in runs
    }
    path.write_text(json.dumps(found, indent=1) + "\n")


def strip(folder):
    """Take out logs and pictures, and the name of the machine."""
    for path in sorted(folder.rglob("*")):
        is_log = path.parent.name == "logs" and path.name not in KEPT_LOGS
        if path.is_file() and (is_log or path.suffix in (".log", ".png")):
            path.unlink()
        elif path.name in ("project.sqlite", "run.db"):
            with sqlite3.connect(path) as database:
                names = "UPDATE Objects SET value = 'localhost' WHERE name LIKE '%.hostFullName'"
                database.execute(names)
            database.execute("VACUUM")
            database.close()


def main():
    write_material()
    project = Project("old")
    make_runs(project)
    runs = project.project.getRuns(refresh=True, checkPids=True)
    for run in runs:
        if run.isActive():  # it was killed before it had begun
            run.setAborted()
            project.project._storeProtocol(run)
    project.project.getRunsGraph(refresh=True)
    workflow = HERE / "workflow_0_2_0.json"
    project.project.exportProtocols(runs, str(workflow))
    write_names(project, HERE / "names_0_2_0.json")
    write_outputs(runs, HERE / "runs_0_2_0.json")
    project.project.closeMapper()
    folder = WORK / "data" / "projects" / "old"
    os.chdir(WORK)
    strip(folder)
    with tarfile.open(HERE / "project_0_2_0.tar.xz", "w:xz") as archive:
        archive.add(folder, "project_0_2_0", filter=nobody)
    shutil.rmtree(WORK)


def nobody(entry):
    """An entry of the archive without the user that made it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
