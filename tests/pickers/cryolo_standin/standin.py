"""A stand-in for crYOLO: it honours crYOLO's contract with scipion-em-sphire, and is not crYOLO.

crYOLO's licence allows non-commercial research only, so it is no dependency of these tests. What
they show with the stand-in is that the plugin is asked for the right things, not how well crYOLO
picks: inside is a round template.

The file that CRYOLO_STANDIN_ORDERS names, if it is there, holds one of these orders:

train    fail to train
predict  fail to pick
part     fail to pick on every batch but the first
empty    pick nothing: files with a header and no row
"""

import json
import os
import sys
from pathlib import Path

import mrcfile
import numpy as np
from scipy import fft, ndimage

SHRINK = 4
COLUMNS = ("_CoordinateX", "_CoordinateY", "_CoordinateZ", "_Width", "_Height", "_Depth")
COLUMNS += ("_EstWidth", "_EstHeight", "_Confidence", "_NumBoxes", "_Angle")


def ordered(order):
    path = Path(os.environ.get("CRYOLO_STANDIN_ORDERS", ""))
    return path.is_file() and path.read_text("utf-8").strip() == order


def fail(what):
    sys.exit(f"crYOLO's stand-in fails at {what}, as it was told to")


def read_image(path):
    """Shrunk, and with the slow changes taken out."""
    image = mrcfile.read(path).astype(np.float32)
    height, width = (side // SHRINK * SHRINK for side in image.shape)
    blocks = image[:height, :width].reshape(height // SHRINK, SHRINK, width // SHRINK, SHRINK)
    small = blocks.mean(axis=(1, 3))
    return small - ndimage.gaussian_filter(small, 12)


def round_profile(images, centers, box_px):
    """Mean at each distance from the centres, in shrunk px."""
    half = box_px // SHRINK // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    total, n = 0, 0
    for image, points in zip(images, centers):
        for column, row in np.rint(np.asarray(points) / SHRINK - 0.5).astype(int):
            patch = (
                image[row + y[:, :1], column + x[:1]] if _inside(image, row, column, half) else 0
            )
            total, n = total + patch, n + np.any(patch)
    radius = np.rint(np.hypot(x, y)).astype(int)
    return ndimage.mean(total / max(n, 1), radius, range(half + 1)).tolist()


def _inside(image, row, column, half):
    height, width = image.shape
    return half <= row < height - half and half <= column < width - half


def find(image, profile, box_px):
    """Lower corners and confidences, best first."""
    half = len(profile) - 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    template = np.interp(np.hypot(x, y), np.arange(half + 1), profile, right=0)
    template -= template.mean()
    shape = [fft.next_fast_len(n + 2 * half) for n in image.shape]
    spectrum = fft.rfft2(image, shape) * fft.rfft2(template[::-1, ::-1], shape)
    match = fft.irfft2(spectrum, shape)[half:, half:][: image.shape[0], : image.shape[1]]
    spread = ndimage.uniform_filter(image**2, 2 * half + 1) ** 0.5
    match = match / np.maximum(spread, 1e-6) / np.linalg.norm(template) / (2 * half + 1)
    peaks = match == ndimage.maximum_filter(match, half + 1)
    rows, columns = np.nonzero(peaks & (match > 0))
    confidence = np.clip(match[rows, columns], 0, 1)
    order = np.argsort(-confidence)
    corners = (np.column_stack([columns, rows])[order] + 0.5) * SHRINK - box_px / 2
    return corners, confidence[order]


def write_cbox(path, corners, confidence, box_px):
    lines = ["", "data_global", "", "_cbox_format_version 1.0", "", "data_cryolo", "", "loop_"]
    lines += [f"{name} #{i}" for i, name in enumerate(COLUMNS, 1)]
    for (x, y), value in zip(corners.tolist(), confidence.tolist()):
        lines.append(f"{x} {y} <NA> {box_px} {box_px} 1 {box_px} {box_px} {value:.6f} 1 <NA>")
    path.write_text("\n".join([*lines, "", ""]), "utf-8")


def read_config(path):
    return json.loads(Path(path).read_text("utf-8"))
