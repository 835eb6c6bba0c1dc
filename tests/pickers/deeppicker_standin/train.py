"""A stand-in for DeepPicker's train.py; see common.py."""

import os
import sys
from optparse import OptionParser

from common import fails_by, micrographs_in, read_micrograph, report


def options():
    parser = OptionParser()
    for name in ("train_inputDir", "validation_inputDir", "coordinate_symbol", "model_load_file",
                 "model_save_dir", "model_save_file"):  # fmt: skip
        parser.add_option(f"--{name}")
    for name in ("train_type", "particle_size", "batch_size"):
        parser.add_option(f"--{name}", type="int")
    parser.add_option("--model_retrain", action="store_true", default=False)
    return parser.parse_args()[0]


def labels_in(folder, symbol):
    """The brightness of each labelled place."""
    found = []
    for micrograph in micrographs_in(folder):
        # DeepPicker does so with the whole path
        star = micrograph.replace(".mrc", symbol + ".star")
        if not os.path.isfile(star):
            continue
        with open(star) as file:
            lines = [line.split() for line in file]
        rows = read_micrograph(micrograph)
        centres = [line for line in lines if len(line) == 2 and line[0][0].isdigit()]
        found += [rows[int(float(y))][int(float(x))] for x, y in centres]
    return found


def main():
    report()
    if fails_by("crash"):
        sys.exit("Traceback: out of memory")
    opt = options()
    training = labels_in(opt.train_inputDir, opt.coordinate_symbol)
    validation = labels_in(opt.validation_inputDir, opt.coordinate_symbol)
    # what DeepPicker's own loops cannot do
    if opt.train_type != 1 or 2 * len(training) <= opt.batch_size:
        raise ZeroDivisionError("integer division or modulo by zero")
    if 2 * len(validation) < opt.batch_size:
        raise ValueError("Cannot feed value: the validation set is smaller than a batch")
    if fails_by("nothing"):
        return
    path = os.path.join(opt.model_save_dir, opt.model_save_file)
    for ending in (".index", ".meta", ".data-00000-of-00001"):
        with open(path + ending, "w") as file:
            file.write(f"{min(training)}\n")


if __name__ == "__main__":
    main()
