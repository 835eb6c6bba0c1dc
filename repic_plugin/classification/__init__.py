"""2D classification of particle images."""

from repic_plugin.classification.checks import (
    CTF_MODES,
    DEFAULT_RINGS,
    MASK_FRACTION,
    check_classification_arguments,
    default_rings,
)
from repic_plugin.classification.classify import classify_particles
from repic_plugin.classification.course import ALIGNMENTS
from repic_plugin.classification.ctf import CtfParameters, contrast_transfer
from repic_plugin.classification.estimators import (
    ACKMeans,
    Clustering,
    EQKMeans,
    KMeans,
    SpiderKMeans,
    ack_means,
    eqk_means,
    k_means,
    spider_k_means,
)
from repic_plugin.classification.quality import ClassQuality
from repic_plugin.classification.ranks import ALONE, MpiRanks, Ranks
from repic_plugin.classification.result import Classification
from repic_plugin.classification.rules import RULES
from repic_plugin.classification.state import (
    IterationRecord,
    State,
    state_from_arrays,
    state_to_arrays,
)

__all__ = [
    "ALIGNMENTS",
    "ALONE",
    "CTF_MODES",
    "DEFAULT_RINGS",
    "MASK_FRACTION",
    "RULES",
    "ACKMeans",
    "ClassQuality",
    "Classification",
    "Clustering",
    "CtfParameters",
    "EQKMeans",
    "IterationRecord",
    "KMeans",
    "MpiRanks",
    "Ranks",
    "SpiderKMeans",
    "State",
    "ack_means",
    "check_classification_arguments",
    "classify_particles",
    "contrast_transfer",
    "default_rings",
    "eqk_means",
    "k_means",
    "spider_k_means",
    "state_from_arrays",
    "state_to_arrays",
]
