"""Sets of simulated particles, as a Scipion project imports them."""

import sqlite3
from contextlib import closing

import numpy as np

from repic_plugin.formats import read_class_tables, write_stack
from repic_plugin.simulation import phantom_map, simulate_particles

PIXEL_SIZE = 5.0
SCIPION = 4  # ProtImportParticles.IMPORT_FROM_SCIPION


def simulated(box_size_px=48, n_views=4, per_view=20, snr=1.0, **options):
    return simulate_particles(
        phantom_map(64),
        n_views,
        per_view,
        pixel_size_angstrom=PIXEL_SIZE,
        box_size_px=box_size_px,
        snr=snr,
        max_shift_px=2.0,
        **options,
    )


def write_particle_set(folder, images, ctf=None, n_stacks=2, first_id=1, phase_flipped=False):
    """Stacks and the SQLite file of a set of particles that are in them; returns that file."""
    from pwem.objects import Acquisition, CTFModel, Particle, SetOfParticles

    folder.mkdir(parents=True, exist_ok=True)
    acquisition = Acquisition(
        voltage=300.0, sphericalAberration=2.7, amplitudeContrast=0.1, magnification=50000.0
    )
    particles = SetOfParticles(filename=str(folder / "particles.sqlite"))
    particles.setSamplingRate(PIXEL_SIZE)
    particles.setAcquisition(acquisition)
    particles.setHasCTF(ctf is not None)
    particles.setIsPhaseFlipped(phase_flipped)
    number = 0
    for stack, rows in enumerate(np.array_split(np.arange(len(images)), n_stacks), 1):
        path = folder / f"stack_{stack}.mrcs"
        write_stack(path, images[rows], PIXEL_SIZE)
        for index, row in enumerate(rows.tolist(), 1):
            item = Particle()
            item.setObjId(first_id + number)
            item.setLocation(index, str(path))
            item.setAcquisition(acquisition)
            if ctf is not None:
                model = CTFModel()
                model.setStandardDefocus(
                    float(ctf.defocus_u_angstrom[row]),
                    float(ctf.defocus_v_angstrom[row]),
                    float(ctf.defocus_angle_deg[row]),
                )
                if ctf.phase_shift_deg.any():
                    model.setPhaseShift(float(ctf.phase_shift_deg[row]))
                item.setCTF(model)
            particles.append(item)
            number += 1
    particles.write()
    particles.close()
    return folder / "particles.sqlite"


def loaded(file):
    """The set in a file that `write_particle_set` wrote."""
    from pwem.objects import SetOfParticles

    particles = SetOfParticles(filename=str(file))
    particles.loadAllProperties()
    return particles


def aligned(image, matrix):
    """An image whose content at p stands at `matrix` p, about the pixel (box // 2, box // 2)."""
    from scipy import ndimage

    linear, shift = matrix[:2, :2], matrix[:2, 3]
    inverse = np.linalg.inv(linear)
    centre = np.array(image.shape) // 2
    rows_first = inverse[::-1, ::-1]  # arrays are indexed y, x
    offset = centre - rows_first @ centre - (inverse @ shift)[::-1]
    return ndimage.affine_transform(image, rows_first, offset, order=3)


def import_set(project, label, file):
    """What a project makes of a file of `write_particle_set`."""
    values = {"importFrom": SCIPION, "sqliteFile": str(file), "samplingRate": PIXEL_SIZE}
    return project.finished("ProtImportParticles", label, **values)


def classification(project, imported, label, **values):
    """The protocol, not yet run."""
    inputs = {"inputParticles": (imported, "outputParticles")}
    return project.new("ProtAckMeans2D", label, inputs, **{"numberOfThreads": 1, **values})


def classify(project, imported, label, **values):
    """The protocol, finished."""
    protocol = project.run(classification(project, imported, label, **values))
    assert protocol.isFinished(), protocol.getErrorMessage()
    return protocol


def tables(protocol):
    return read_class_tables(protocol.classes_folder())


def members(protocol):
    """Id of each member with its class and matrix."""
    found = {
        item.getObjId(): (one.getObjId(), item.getTransform().getMatrix().copy())
        for one in protocol.outputClasses
        for item in one
    }
    protocol.outputClasses.close()  # Scipion would read on in a file that is written anew
    return found


def change(particles, statement, *arguments):
    """Change the file of a set with SQL in which {label} is an attribute's column."""
    particles.close()
    with closing(sqlite3.connect(particles.getFileName())) as connection, connection:
        rows = connection.execute("SELECT label_property, column_name FROM Classes")
        columns = {label.replace(".", ""): column for label, column in rows}
        connection.execute(statement.format(**columns), arguments)
    return loaded(particles.getFileName())


def poses(rng, n, mirrored=True):
    """Rotations in degrees, shifts in px, mirrors."""
    mirror = rng.random(n) < 0.5 if mirrored else np.zeros(n, dtype=bool)
    return rng.uniform(-180, 180, n), rng.uniform(-4, 4, (n, 2)), mirror
