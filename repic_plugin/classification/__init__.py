"""2D classification of particle images."""

from repic_plugin.classification.assignment import Assignment, Measured, assign_particles
from repic_plugin.classification.checks import (
    CTF_MODES,
    check_classification_arguments,
    few_members,
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
from repic_plugin.classification.members import particle_probabilities
from repic_plugin.classification.normalisation import GreyScale, are_blurred, are_filtered
from repic_plugin.classification.quality import (
    LEAST_BEST,
    ClassQuality,
    member_probability,
    particle_shares,
)
from repic_plugin.classification.ranks import ALONE, MpiRanks, Ranks
from repic_plugin.classification.references import References, references_for
from repic_plugin.classification.result import Classification, Preparation
from repic_plugin.classification.rules import RULES
from repic_plugin.classification.second_look import CandidateJudge, judge_candidates
from repic_plugin.classification.sizes import Sizes, particle_sizes
from repic_plugin.classification.state import (
    IterationRecord,
    State,
    state_from_arrays,
    state_to_arrays,
)
from repic_plugin.classification.streaming import (
    Block,
    ClassStream,
    StreamSettings,
    StreamState,
    first_particles,
    stream_from_arrays,
    stream_memory_bytes,
    stream_to_arrays,
)

__all__ = [
    "ALIGNMENTS",
    "ALONE",
    "CTF_MODES",
    "LEAST_BEST",
    "RULES",
    "ACKMeans",
    "Assignment",
    "Block",
    "CandidateJudge",
    "ClassQuality",
    "ClassStream",
    "Classification",
    "Clustering",
    "CtfParameters",
    "EQKMeans",
    "GreyScale",
    "IterationRecord",
    "KMeans",
    "Measured",
    "MpiRanks",
    "Preparation",
    "Ranks",
    "References",
    "Sizes",
    "SpiderKMeans",
    "State",
    "StreamSettings",
    "StreamState",
    "ack_means",
    "are_blurred",
    "are_filtered",
    "assign_particles",
    "check_classification_arguments",
    "classify_particles",
    "contrast_transfer",
    "eqk_means",
    "few_members",
    "first_particles",
    "judge_candidates",
    "k_means",
    "member_probability",
    "particle_probabilities",
    "particle_shares",
    "particle_sizes",
    "references_for",
    "spider_k_means",
    "state_from_arrays",
    "state_to_arrays",
    "stream_from_arrays",
    "stream_memory_bytes",
    "stream_to_arrays",
]
