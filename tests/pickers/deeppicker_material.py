"""Micrographs whose particles are single bright pixels, for the stand-in for DeepPicker."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import mrcfile
import numpy as np

STANDIN = Path(__file__).with_name("deeppicker_standin")
BOX_PX = 10
SHAPE = (40, 60)  # rows, columns
# column, row: apart enough in both for none to be taken for another
GOOD = [(12, 30), (25, 8), (33, 17)]
JUNK = [(20, 20), (55, 33)]
BRIGHT, FAINT = 5.0, 2.0  # the stand-in scores a tenth of it
NAMES = ["a", "b c;touch hacked;", "d.1"]


def picture(dtype=np.float32):
    pixels = np.zeros(SHAPE, dtype)
    for places, value in ((GOOD, BRIGHT), (JUNK, FAINT)):
        for column, row in places:
            pixels[row, column] = value
    return pixels


def write_micrographs(folder, names):
    """The first as DeepPicker reads it, the others as it does not."""
    folder.mkdir(parents=True)
    kinds = [(np.float32, False), (np.int8, False), (np.float32, True)]
    for name, (dtype, is_extended) in zip(names, kinds):
        with mrcfile.new(folder / f"{name}.mrc", picture(dtype)) as mrc:
            if is_extended:
                mrc.set_extended_header(np.zeros(64, "V1"))
    return folder


def rename(micrographs, old, new):
    """Give a micrograph of a set a name that Scipion's import would change."""
    from repic_plugin.convert.sets import column_names

    with closing(sqlite3.connect(micrographs.getFileName())) as connection:
        columns = column_names(connection)
        file, name = columns["_filename"], columns["_micName"]
        where = f"WHERE {name} = ?"
        row = connection.execute(f"SELECT {file} FROM Objects {where}", [f"{old}.mrc"]).fetchone()
        moved = Path(row[0]).rename(Path(row[0]).with_name(f"{new}.mrc"))
        connection.execute(
            f"UPDATE Objects SET {file} = ?, {name} = ? {where}",
            [str(moved), moved.name, f"{old}.mrc"],
        )
        connection.commit()


def install(folder):
    """The stand-in and its pre-trained model in a folder; the variables that say so."""
    shutil.copytree(STANDIN, folder)
    model = folder / "trained model"
    Path(f"{model}.index").write_text(f"{FAINT}\n")
    return {
        "DEEPPICKER_HOME": str(folder),
        "DEEPPICKER_ENV_ACTIVATION": "STANDIN_ACTIVATED=yes && export STANDIN_ACTIVATED",
        "DEEPPICKER_MODEL": str(model),
        "STANDIN_REPORT": str(folder / "report"),
    }


def calls(folder):
    """Activation, GPUs and arguments of each call of a script."""
    return [line.split("\t") for line in (folder / "report").read_text().splitlines()]


def value_of(option, call):
    return call[call.index(option) + 1]


def pointer(protocol, output):
    from pyworkflow.object import Pointer

    return Pointer(protocol, extended=output)


def found(coordinates):
    """Column, row and score of all coordinates, by micrograph."""
    by_name = {}
    for item in coordinates:
        score = round(item._repicPickScore.get(), 3)
        by_name.setdefault(item.getMicName(), []).append((item.getX(), item.getY(), score))
    return {name: sorted(places) for name, places in by_name.items()}


def on_each(*kinds):
    """As `found` gives them, places and brightness on all micrographs."""
    places = sorted((x, y, value / 10) for places, value in kinds for x, y in places)
    return {f"{name}.mrc": places for name in NAMES}
