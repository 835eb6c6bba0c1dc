"""Agreement of templates learnt from two halves of the particles: low if they show noise."""

from __future__ import annotations

from typing import Callable, List, Tuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.template_picking.correlation import TemplateBank
from repic_plugin.template_picking.thresholds import phase_randomised

# Rotations and shifts at which two templates are compared.
STEP_DEG = 10.0
MAX_SHIFT_PX = 3
# Copies with random phases, which the agreement must exceed.
N_NULL = 20

Images = NDArray[np.float32]
Floats = NDArray[np.float64]


def half_set_agreement(
    templates: Images,
    halves: Tuple[Images, Images],
    bank_of: Callable[[Images], TemplateBank],
    random_state: int,
) -> Tuple[Floats, Floats]:
    """Correlation of the templates of two halves, and that of templates with random phases.

    Parameters
    ----------
    templates : ndarray of float32, shape (k, side, side)
        From all particles. Each is represented by the most similar one of each half.
    halves : (ndarray, ndarray) of float32, shapes (m, side, side), (n, side, side)
        Templates learnt from each half alone.
    bank_of : callable
        From one image to the bank of all its rotations.
    random_state : int

    Returns
    -------
    agreement : ndarray of float64, shape (k,)
        In [-1, 1].
    null : ndarray of float64, shape (k,)
        Highest of 20 agreements with the phases of one half at random.
    """
    banks = [bank_of(one) for one in halves[0]]
    others = [bank_of(one) for one in halves[1]]
    agreement, null = [], []
    for template in templates:
        bank = banks[_most_similar(banks, template)]
        image = halves[1][_most_similar(others, template)]
        agreement.append(_likeness(bank, image))
        seeds = range(random_state, random_state + N_NULL)
        null.append(max(_likeness(bank, phase_randomised(image, seed)) for seed in seeds))
    return np.array(agreement), np.array(null)


def _most_similar(banks: List[TemplateBank], image: Images) -> int:
    return int(np.argmax([_likeness(bank, image) for bank in banks]))


def _likeness(bank: TemplateBank, image: Images) -> float:
    """Highest score of a bank near the centre of an image."""
    middle = len(image) // 2
    near = slice(middle - MAX_SHIFT_PX, middle + MAX_SHIFT_PX + 1)
    return float(bank.scores(image)[near, near].max())
