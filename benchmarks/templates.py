"""Template matching: all templates at once against scikit-image, one after the other."""

import time

import numpy as np
from skimage.feature import match_template

from repic_plugin.template_picking import TemplateBank

SIDE_PX, TEMPLATE_PX = 820, 36  # a reduced micrograph, and a reduced box
N_TEMPLATES = 288  # 6 averages at 24 rotations, and mirrored
N_TIMED = 24  # of scikit-image's, which are all alike


def main():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(SIDE_PX, SIDE_PX)).astype(np.float32)
    templates = rng.normal(size=(N_TEMPLATES, TEMPLATE_PX, TEMPLATE_PX)).astype(np.float32)
    bank = TemplateBank(templates)
    bank.scores(image)  # the templates' own transforms are made once, not for each micrograph
    ours = seconds(lambda: bank.scores(image))
    theirs = seconds(lambda: [one_by_one(image, template) for template in templates[:N_TIMED]])
    theirs *= N_TEMPLATES / N_TIMED
    print(f"{N_TEMPLATES} templates on {SIDE_PX} x {SIDE_PX} px, one thread: {ours:.1f} s")
    print(f"skimage.feature.match_template: {theirs / ours:.0f} times as long")


def one_by_one(image, template):
    return match_template(image, template, pad_input=True, mode="symmetric")


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
