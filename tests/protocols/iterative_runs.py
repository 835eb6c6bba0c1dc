"""Micrographs, truth and runs of the iterative protocol that its tests share, and their kills."""

import threading
from contextlib import suppress
from pathlib import Path

import psutil

from repic_plugin.commands.simulate_micrographs import MICROGRAPHS, REFERENCE, write_exposures
from repic_plugin.simulation import phantom_map, simulate_exposures

PIXEL_SIZE = 8.0
BOX = 32
N_PARTICLES = 12
TEMPLATE = "template"
# the same picker twice: it is there on every machine
LINES = {
    "picker1": TEMPLATE,
    "picker2": TEMPLATE,
    "options1": "train.numberOfTemplates=3",
    "options2": "train.numberOfTemplates=1; angularStep=30",
}


def write_material(folder, n_micrographs=9, seed=0):
    """Small simulated micrographs and where their particles are."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    exposures = simulate_exposures(
        phantom_map(BOX),
        n_micrographs,
        pixel_size_angstrom=PIXEL_SIZE,
        n_particles=N_PARTICLES,
        micrograph_size_px=(256, 256),
        snr=0.3,
        n_junk=1,
        random_state=seed,
    )
    write_exposures(folder, exposures)
    return folder / MICROGRAPHS, folder / REFERENCE


def iterative(project, micrographs, truth=None, label="iterative", inputs=None, **values):
    """The protocol with two template pickers, not launched."""
    pointers = {"inputMicrographs": (micrographs, "outputMicrographs"), **(inputs or {})}
    if truth is not None:
        pointers["referenceCoordinates"] = (truth, "outputCoordinates")
    settings = {
        "numIterations": 1,
        "numParticles": N_PARTICLES,
        "numValidation": 0,
        "trainingPercent": 34,
        "boxSize": BOX,
        **LINES,
        **values,
    }
    return project.new("ProtRepicIterative", label, pointers, **settings)


def run_again(project, protocol):
    """Launch, wait, and read it back: what the project holds in memory may be of the run before."""
    project.project.launchProtocol(protocol, wait=True)
    runs = project.project.getRuns(refresh=True)
    return next(run for run in runs if run.getObjId() == protocol.getObjId())


def children(project, protocol):
    """Labels and ids of the runs that a protocol made, by id."""
    token = protocol._state.token
    runs = project.project.getRuns(refresh=True)
    mine = [run for run in runs if f"repic-{token}-" in str(run.getObjComment())]
    return {run.getObjLabel(): run for run in sorted(mine, key=lambda run: run.getObjId())}


def places(coordinates):
    """What a set holds, in a form that can be compared."""
    return sorted((item.getMicName(), item.getX(), item.getY()) for item in coordinates)


def stop(project, protocol):
    """As a user does: nothing that the protocol has started goes on."""
    started = psutil.Process().children(recursive=True)
    project.project.stopProtocol(protocol)
    gone, alive = psutil.wait_procs(started, timeout=60)
    assert gone
    assert not alive
    runs = {run.getObjId(): run for run in project.project.getRuns(refresh=True)}
    stopped = runs[protocol.getObjId()]
    assert stopped.isAborted(), stopped.getStatus()
    return stopped


def wait_for_stage(project, protocol, stage):
    """Until a child of this name has begun."""
    pause = threading.Event()
    for _ in range(1200):
        if stage in children(project, protocol):
            return
        alive = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
        assert alive, f"it ended before {stage}: {told(project, protocol)}"
        pause.wait(0.1)
    raise AssertionError(f"{stage} did not begin")


def told(project, protocol):
    """The last words of a run."""
    runs = project.project.getRuns(refresh=True)
    return next(run for run in runs if run.getObjId() == protocol.getObjId()).getErrorMessage()


def kill(protocol, with_children):
    """SIGKILL to the protocol, and to what it has started or not."""
    everything = psutil.Process().children(recursive=True)
    own = [one for one in everything if f" {protocol.strId()} " in " ".join(command(one))]
    assert own
    for process in everything if with_children else own:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everything if with_children else own, timeout=60)


def command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def after_the_kill(project, protocol):
    """The protocol as the project knows it when somebody looks."""
    dead = project.project.getProtocol(protocol.getObjId())
    project.project._updateProtocol(dead)
    project.project.checkPid(dead)
    dead.runMode.set(0)
    return dead
