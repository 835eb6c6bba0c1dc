"""Pages of made-up sessions."""

import numpy as np

from repic_plugin.consensus import MicrographQuality, Thresholds, accepted
from repic_plugin.formats import JudgedMicrographs
from repic_plugin.reports import PickersByClass, SessionClasses, SessionHistory, SessionPage

NOW = 1_764_547_200.0
EVIL = "<script>alert(\"1\")</script> & 'Co'"


def some_classes(k=5, box=32, score=None, is_good=None, **others):
    """Classes of noise, the later ones brighter in the middle."""
    random = np.random.default_rng(3)
    averages = random.normal(size=(k, box, box)).astype(np.float32)
    score = np.linspace(0.1, 0.9, k) if score is None else np.asarray(score, float)
    is_good = score > 0.5 if is_good is None else np.asarray(is_good, bool)
    return SessionClasses(averages, np.arange(10, 10 + k), score, is_good, **others)


def some_micrographs(n=120, fall_at=80, names=("a", "b"), thresholds=None):
    """Agreement of 0.7 that falls to 0.3."""
    random = np.random.default_rng(4)
    agreement = np.where(np.arange(n) < fall_at, 0.7, 0.3) + 0.03 * random.normal(size=n)
    unknown, micrographs = np.full(n, np.nan), tuple(f"m{i}" for i in range(n))
    score = np.full((n, len(names)), np.nan)
    number = np.full(n, 100)
    quality = MicrographQuality(
        micrographs, names, agreement, number, unknown, unknown, unknown, score
    )
    used = thresholds or Thresholds()
    return JudgedMicrographs(quality, used, accepted(quality, used))


def a_page(k=5, names=("topaz", "log"), **others):
    """A page with all parts."""
    classes = some_classes(k)
    counts = np.arange(k * len(names)).reshape(k, len(names))
    times = NOW - 7200 + np.arange(25) * 300.0
    seen = np.arange(25) * 1000
    parts = {
        "counts": [("particles received", 24_000), ("good", 9_876)],
        "waiting": ["12 micrographs wait for their CTF."],
        "remarks": ["Averages were refreshed."],
        "history": SessionHistory(times, seen, seen // 2),
        "classes": classes,
        "pickers": PickersByClass(names, counts),
        "micrographs": some_micrographs(names=names),
    }
    return SessionPage("Session 7", NOW, **{"is_open": True, **parts, **others})
