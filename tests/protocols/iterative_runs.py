"""Micrographs, truth and runs of the iterative protocol that its tests share."""

from pathlib import Path

from repic_plugin.commands.simulate_micrographs import MICROGRAPHS, REFERENCE, write_exposures
from repic_plugin.pickers import PICKERS
from repic_plugin.simulation import phantom_map, simulate_exposures

PIXEL_SIZE = 8.0
BOX = 32
N_PARTICLES = 12
TEMPLATE = 1 + list(PICKERS).index("template")
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
    mine = [run for run in runs if str(run.getObjComment()).startswith(f"repic-{token}-")]
    return {run.getObjLabel(): run for run in sorted(mine, key=lambda run: run.getObjId())}


def places(coordinates):
    """What a set holds, in a form that can be compared."""
    return sorted((item.getMicName(), item.getX(), item.getY()) for item in coordinates)
