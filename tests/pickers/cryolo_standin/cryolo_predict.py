#!/usr/bin/env python3
"""Stand-in for crYOLO's cryolo_predict.py; see standin.py."""

import argparse
from pathlib import Path

import standin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", dest="config", required=True)
    parser.add_argument("-w", dest="model", required=True)
    parser.add_argument("-i", dest="images", required=True)
    parser.add_argument("-o", dest="out", required=True)
    parser.add_argument("-t", dest="threshold", type=float, required=True)
    parser.add_argument("-nc", dest="cpus", type=int, required=True)
    parser.add_argument("-g", dest="gpus", type=int, nargs="+")
    parser.add_argument("--cleanup", action="store_true")
    arguments = parser.parse_args()
    images = sorted(Path(arguments.images).glob("*.mrc"))
    if standin.ordered("predict") or (standin.ordered("part") and not _is_first_batch()):
        standin.fail("picking")
    box_px = standin.read_config(arguments.config)["model"]["anchors"][0]
    profile = standin.read_config(arguments.model)["profile"]
    (Path(arguments.out) / "CBOX").mkdir()
    for path in images:
        corners, confidence = standin.find(standin.read_image(path), profile, box_px)
        kept = confidence >= (2 if standin.ordered("empty") else arguments.threshold)
        target = Path(arguments.out) / "CBOX" / f"{path.stem}.cbox"
        standin.write_cbox(target, corners[kept], confidence[kept], box_px)


def _is_first_batch():
    """The plugin makes a folder for each batch, and keeps it."""
    folder = Path.cwd()
    return not any(other != folder for other in folder.parent.glob("micrographs_*"))


main()
