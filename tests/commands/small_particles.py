"""A small set of simulated particles, and how to read what `classify` wrote of it."""

import io
import re
from typing import NamedTuple, Tuple

import numpy as np

from repic_plugin.commands.simulate_particles import write_particles
from repic_plugin.formats import read_particles, write_stack
from repic_plugin.plots import montage_figure
from repic_plugin.simulation import phantom_map, simulate_particles
from tests.commands.helpers import csv_rows

N_VIEWS, PER_VIEW, BOX, PIXEL_SIZE = 4, 10, 32, 5.0
N = N_VIEWS * PER_VIEW
FILES = ["assignments.csv", "class_averages.mrcs", "classes.csv", "classes.png", "classes.star"]
FILES += ["convergence.csv", "references.json", "sizes.csv"]
ITERATION = re.compile(
    r"iteration (\d+) \((\w+)\): ([\d.]+)% changed class, sizes ([\d,]+) to ([\d,]+)"
)


class Told(NamedTuple):
    """One line of the log of a run."""

    iteration: int
    stage: str
    fraction_changed: float
    sizes: Tuple[int, int]


def small_particles(folder, *, snr=5.0, ctf=True, random_state=0, n_per_view=PER_VIEW, **options):
    """Write particles.mrcs, particles.star and truth.csv; return what was simulated."""
    made = simulate_particles(
        phantom_map(BOX),
        N_VIEWS,
        n_per_view,
        pixel_size_angstrom=PIXEL_SIZE,
        snr=snr,
        max_shift_px=2,
        random_state=random_state,
        **({} if ctf else {"defocus_range_angstrom": None}),
        **options,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_particles(folder, made)
    return made


def with_images(folder, change):
    """Change the images of a stack in place: `change` gets a copy of all of them."""
    images = read_particles(folder / "particles.star").images[:].copy()
    change(images)
    write_raw(folder / "particles.mrcs", images)


def write_raw(path, images):
    """A stack that may hold what `write_stack` refuses."""
    finite = np.where(np.isfinite(images), images, 0)
    write_stack(path, finite, PIXEL_SIZE)
    raw = path.read_bytes()
    header = len(raw) - images.size * 4
    path.write_bytes(raw[:header] + np.ascontiguousarray(images, "<f4").tobytes())


def with_optics(text, label, value):
    """A STAR file's text with one more column in its optics table."""
    head, rest = text.split("data_particles")
    lines = head.rstrip().splitlines()
    last = max(i for i, line in enumerate(lines) if line.startswith("_rln"))
    number = int(lines[last].split("#")[1]) + 1
    rows = [f"{line} {value}" for line in lines[last + 1 :] if line.strip()[:1].isdigit()]
    lines = [*lines[: last + 1], f"_{label} #{number}", *rows]
    return "\n".join(lines) + "\n\ndata_particles" + rest


def old_star(table):
    """The text of the same particles as RELION 3.0 wrote them."""
    labels = ["ImageName", "DefocusU", "DefocusV", "DefocusAngle", "Voltage"]
    labels += ["SphericalAberration", "AmplitudeContrast", "DetectorPixelSize", "Magnification"]
    ctf = table.ctf
    columns = [table.names, ctf.defocus_u_angstrom, ctf.defocus_v_angstrom, ctf.defocus_angle_deg]
    columns += [ctf.voltage_kv, ctf.spherical_aberration_mm, ctf.amplitude_contrast]
    columns += [[5.0] * len(table), [5e4 / table.pixel_size_angstrom] * len(table)]
    header = [f"_rln{label} #{i}" for i, label in enumerate(labels, 1)]
    rows = [" ".join(map(str, row)) for row in zip(*columns)]
    return "\n".join(["", "data_", "", "loop_", *header, *rows, ""])


def labels_of(out):
    """The classes in assignments.csv."""
    return np.array([int(row["class"]) for row in csv_rows(out / "assignments.csv")])


def log_of(lines):
    """What the lines about iterations say; all lines must be such."""
    told = []
    for line in lines:
        match = ITERATION.fullmatch(line)
        assert match, line
        iteration, stage, percent, smallest, largest = match.groups()
        sizes = int(smallest.replace(",", "")), int(largest.replace(",", ""))
        told.append(Told(int(iteration), stage, float(percent) / 100, sizes))
    return told


def star_columns(path, name="particles"):
    """Columns of a table of a STAR file, by label, as text."""
    text = path.read_text().split(f"data_{name}\n")[1].split("\ndata_")[0]
    labels = re.findall(r"^_(\w+)", text, re.M)
    rows = [line.split() for line in text.splitlines() if line and line[0] not in "_#l"]
    return dict(zip(labels, zip(*rows)))


def draw_once():
    """The first picture of a process may warn of what matplotlib is made of."""
    montage_figure(np.zeros((2, 16, 16)), [1, 1]).savefig(io.BytesIO())
