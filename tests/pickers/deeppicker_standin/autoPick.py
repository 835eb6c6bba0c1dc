"""A stand-in for DeepPicker's autoPick.py; see common.py."""

import os
import sys
from optparse import OptionParser

from common import fails_by, micrographs_in, read_micrograph, report

BRIGHTEST = 10.0
HEADER = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnAutopickFigureOfMerit #3\n"


def options():
    parser = OptionParser()
    for name in ("inputDir", "pre_trained_model", "outputDir", "coordinate_symbol"):
        parser.add_option(f"--{name}")
    parser.add_option("--particle_size", type="int")
    parser.add_option("--threshold", type="float", default=0.5)
    return parser.parse_args()[0]


def particles(micrograph, least):
    """Column, row and score of pixels that are bright enough."""
    for y, row in enumerate(read_micrograph(micrograph)):
        for x, value in enumerate(row):
            if value >= least:
                yield x, y, value / BRIGHTEST


def main():
    report()
    if fails_by("crash"):
        sys.exit("Traceback: no such checkpoint")
    if fails_by("nothing"):
        return
    opt = options()
    with open(opt.pre_trained_model + ".index") as file:
        least = float(file.read())
    if not os.path.isdir(opt.outputDir):
        os.mkdir(opt.outputDir)
    for micrograph in micrographs_in(opt.inputDir):
        name = os.path.basename(micrograph)[:-4] + opt.coordinate_symbol + ".star"
        with open(os.path.join(opt.outputDir, name), "w") as file:
            file.write(HEADER)
            for x, y, score in [] if fails_by("none") else particles(micrograph, least):
                if score > opt.threshold:
                    file.write(f"{x} {y} {score}\n")
    with open(os.path.join(opt.outputDir, "autopick_results.pickle"), "w") as file:
        file.write("a pickle\n")


if __name__ == "__main__":
    main()
