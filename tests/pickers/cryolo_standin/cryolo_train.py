#!/usr/bin/env python3
"""Stand-in for crYOLO's cryolo_train.py; see standin.py."""

import argparse
import json
from pathlib import Path

import numpy as np
import standin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", dest="config", required=True)
    parser.add_argument("-w", dest="warm_up", type=int, required=True)
    parser.add_argument("-g", dest="gpus", type=int, nargs="+", required=True)
    parser.add_argument("-nc", dest="cpus", type=int, required=True)
    parser.add_argument("-e", dest="early_stop", type=int, required=True)
    parser.add_argument("--cleanup", action="store_true")
    parser.add_argument("--fine_tune", action="store_true")
    parser.add_argument("-lft", dest="layers", type=int)
    arguments = parser.parse_args()
    if standin.ordered("train"):
        standin.fail("training")
    config = standin.read_config(arguments.config)
    train, box_px = config["train"], config["model"]["anchors"][0]
    images, centers = [], []
    for path in sorted(Path(train["train_annot_folder"]).glob("*.box")):
        boxes = np.loadtxt(path, ndmin=2)
        images.append(standin.read_image(Path(train["train_image_folder"]) / f"{path.stem}.mrc"))
        centers.append(boxes[:, :2] + boxes[:, 2:4] / 2)
    model = {"profile": standin.round_profile(images, centers, box_px), "asked": vars(arguments)}
    Path(train["saved_weights_name"]).write_text(json.dumps(model), "utf-8")


main()
