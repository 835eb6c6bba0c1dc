"""A project of which every viewer has something to show."""

import os

import mrcfile
import numpy as np
import psutil

from repic_plugin.commands.simulate_micrographs import MICROGRAPHS, REFERENCE
from repic_plugin.formats import read_picks_file
from repic_plugin.simulation import phantom_map
from tests.protocols.iterative_runs import BOX, PIXEL_SIZE, children, iterative, write_material
from tests.protocols.particle_set import classification, simulated, write_particle_set
from tests.protocols.scipion_project import write_picker

COORDINATES_OF_SCIPION = 5  # ProtImportCoordinates.IMPORT_FROM_SCIPION
PARTICLES_OF_SCIPION = 4  # ProtImportParticles.IMPORT_FROM_SCIPION
N_MICROGRAPHS = 6
SIDE_PX = 24  # of extracted particles
# which of each micrograph's particles they find, and how far from their places, px
PICKERS = {"one": (0, 12, (1, 1)), "two": (3, 12, (-3, 2)), "three": (0, 7, (2, -4))}


def finished(project, **protocols):
    """Launched together, as a user does: the runs by label."""
    others = set(psutil.Process().children(recursive=True))
    for label, protocol in protocols.items():
        protocol.setObjLabel(label)
        project.project.launchProtocol(protocol, wait=False)
    started = set(psutil.Process().children(recursive=True)) - others
    _, alive = psutil.wait_procs(started, timeout=400)
    assert not alive
    runs = {run.getObjId(): run for run in project.project.getRuns(refresh=True)}
    made = {label: runs[protocol.getObjId()] for label, protocol in protocols.items()}
    for label, run in made.items():
        assert run.isFinished(), f"{label}: {run.getErrorMessage()}"
    return made


def volumes(project, folder, pattern):
    """Their import, not launched."""
    values = {"filesPath": str(folder), "filesPattern": pattern, "samplingRate": 4.0}
    return project.new("ProtImportVolumes", "", **values)


def imports(project, folder):
    """Micrographs, particles and volumes, by label."""
    write_material(folder / "material", N_MICROGRAPHS)
    images = simulated(box_size_px=32, n_views=3, per_view=15).images
    particles = write_particle_set(folder / "particles", images)
    (folder / "volumes").mkdir()
    density = phantom_map(32)
    noise = density.std() * np.random.default_rng(0).normal(size=(2, *density.shape))
    for number, one in enumerate(noise):
        with mrcfile.new(folder / "volumes" / f"map_{number}.mrc") as file:
            file.set_data(np.float32(density + one))
    return finished(
        project,
        micrographs=project.new(
            "ProtImportMicrographs",
            "",
            filesPath=str(folder / "material" / MICROGRAPHS),
            filesPattern="*.mrc",
            samplingRate=PIXEL_SIZE,
        ),
        particles=project.new(
            "ProtImportParticles",
            "",
            importFrom=PARTICLES_OF_SCIPION,
            sqliteFile=str(particles),
            samplingRate=5.0,
        ),
        maps=volumes(project, folder / "volumes", "*.mrc"),
        reference=volumes(project, folder / "volumes", "map_0.mrc"),
    )


def picks_and_classes(project, imported, folder):
    """Picks of several pickers, classes and curves, by label."""
    truth = folder / "material" / REFERENCE
    tables = {file.stem: read_picks_file(file) for file in sorted(truth.iterdir())}
    folders = {"truth": truth}
    for name, (first, last, away) in PICKERS.items():
        rows = {mic: np.column_stack([one.x, one.y])[first:last] for mic, one in tables.items()}
        scores = {mic: np.linspace(0.9, 0.2, len(some)) for mic, some in rows.items()}
        some = {mic: one + away for mic, one in rows.items()}
        folders[name] = write_picker(folder / name, some, BOX, scores)
    inputs = {"inputMicrographs": (imported["micrographs"], "outputMicrographs")}
    picks = {
        name: project.new("ProtRepicImportPicks", "", inputs, picksFolder=str(one))
        for name, one in folders.items()
    }
    compared = {
        "inputVolumes": [(imported["maps"], "outputVolumes")],
        "referenceVolume": (imported["reference"], "outputVolume"),
    }
    curves = project.new("ProtRepicCrossFsc", "", compared)
    classes = classification(project, imported["particles"], "", numberOfClasses=3)
    return finished(project, **picks, curves=curves, classes=classes)


def compared_picks(project, imported, first_runs):
    """What is made of the picks, by label."""
    mics = {"inputMicrographs": (imported["micrographs"], "outputMicrographs")}
    truth, pickers = first_runs["truth"], [first_runs[name] for name in PICKERS]
    compared = {
        "inputCoordinates": [(one, "outputCoordinates") for one in pickers],
        "referenceCoordinates": (truth, "outputCoordinates"),
    }
    foreign = project.new(
        "ProtImportCoordinates",
        "",
        mics,
        importFrom=COORDINATES_OF_SCIPION,
        filesPath=os.path.abspath(truth.outputCoordinates.getFileName()),
        boxSize=BOX,
    )
    return finished(
        project,
        agreed=project.consensus(pickers, mode=1),
        strict=project.consensus(pickers, mode=0),
        hand=project.new("ProtRepicByHand", "", mics, boxSize=BOX),
        scored=project.new("ProtRepicEvaluate", "", compared),
        foreign=foreign,
    )


def last_runs(project, imported, first_runs, second_runs):
    """Iterative picking, and particles, by label."""
    initial = {
        f"coordinates{line}": (first_runs[name], "outputCoordinates")
        for line, name in ((1, "one"), (2, "three"))
    }
    begun = iterative(project, imported["micrographs"], first_runs["truth"], inputs=initial)
    particles = {"inputCoordinates": (second_runs["agreed"], "outputCoordinates")}
    extract = project.new("ProtRepicExtract", "", particles, imageSize=SIDE_PX)
    made = finished(project, loop=begun, extract=extract)
    stages = children(project, made["loop"])
    return {
        **made,
        "labels": stages["iter 1 - labels"],
        "trained": stages["iter 1 - Template (1) train"],
        "templates": stages["iter 1 - Template (1) pick"],
    }


def saved_runs(project, imported, first_runs):
    """Runs of which there are only forms, by label."""
    pickers = [first_runs[name] for name in PICKERS]
    saved = {
        "probable": project.consensus(pickers, mode=2),
        "planned": iterative(project, imported["micrographs"]),
    }
    for label, run in saved.items():
        run.setObjLabel(label)
        project.project.saveProtocol(run)
    return saved
