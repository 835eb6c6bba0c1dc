"""What both scripts of the stand-in for DeepPicker need.

A stand-in: it takes the command line of DeepPicker (as patched by REPIC's authors), reads and
writes the same files and has the same limits, but "learns" only how bright a particle is. It checks
the delegation to DeepPicker, not DeepPicker. STANDIN_DEEPPICKER tells it to fail: "crash" ends with
an error, "nothing" ends well without a result, "none" finds no particle.
"""

import os
import struct
import sys

HEADER_BYTES = 1024


def fails_by(how):
    return os.environ.get("STANDIN_DEEPPICKER", "") == how


def report():
    """Say how it was called, where the test asks for it."""
    path = os.environ.get("STANDIN_REPORT")
    if path:
        with open(path, "a") as file:
            activated = os.environ.get("STANDIN_ACTIVATED", "no")
            gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "unset")
            file.write("\t".join([activated, gpus, *sys.argv[1:]]) + "\n")


def read_micrograph(path):
    """Rows of a micrograph; as DeepPicker, only mode 2 with nothing but the header before it."""
    with open(path, "rb") as file:
        data = file.read()
    columns, rows, _, mode = struct.unpack("4i", data[:16])
    if mode != 2:
        raise ValueError(f"{path}: mode {mode}")
    numbers = struct.unpack(f"{rows * columns}f", data[HEADER_BYTES:])
    return [numbers[row * columns : (row + 1) * columns] for row in range(rows)]


def micrographs_in(folder):
    return sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".mrc"))
