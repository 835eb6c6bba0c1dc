"""Consensus of particle picks: `find_consensus` and the records it takes and returns."""

from repic_plugin.consensus.arguments import MODES, default_quorum, required_pickers
from repic_plugin.consensus.batch import POSITIONS
from repic_plugin.consensus.boxes import BoxSize, box_sizes, inside_micrograph
from repic_plugin.consensus.chance.apply import with_rates
from repic_plugin.consensus.chance.control import MOST_MICROGRAPHS
from repic_plugin.consensus.chance.record import (
    Agreement,
    agreement_from_arrays,
    agreement_line,
    agreement_to_arrays,
    agreement_warnings,
    none_kept,
)
from repic_plugin.consensus.ensemble.expected import ExpectedScores, expected_scores
from repic_plugin.consensus.ensemble.fit import choose_threshold
from repic_plugin.consensus.ensemble.model import (
    EnsembleModel,
    model_from_arrays,
    model_to_arrays,
)
from repic_plugin.consensus.falls import Fall, running_median, sudden_falls
from repic_plugin.consensus.fates import FATES
from repic_plugin.consensus.find import MIN_JACCARD, find_consensus, ranked_scores
from repic_plugin.consensus.geometry import Correction, Misfit, corrected, find_misfits
from repic_plugin.consensus.given_classes import (
    FoundAgain,
    GivenParticles,
    chosen_shares,
    find_again,
    fitting_scale,
    never_chosen,
    without_chosen,
)
from repic_plugin.consensus.inspection import micrograph_graph, pickers_at
from repic_plugin.consensus.messages import scarce_pickers
from repic_plugin.consensus.micrographs import (
    AGREEMENT,
    N_PARTICLES,
    PRECISION,
    SCORES,
    MicrographQuality,
    Thresholds,
    accepted,
    fall_lines,
    falls_of,
    joined,
    median_scores,
    micrograph_quality,
    shares_of_junk,
)
from repic_plugin.consensus.patterns import Pattern, find_pattern, parse_patterns
from repic_plugin.consensus.picks import (
    Picks,
    picks_from_arrays,
    picks_to_arrays,
)
from repic_plugin.consensus.result import (
    RANKINGS,
    ConsensusResult,
    MicrographCounts,
    ranking,
    recommended_num_particles,
    recommended_number,
    result_from_arrays,
    result_to_arrays,
)
from repic_plugin.consensus.scores import (
    MinScore,
    ScoreTransform,
    above_min_score,
    choose_transforms,
    comparable_scores,
    stated_transform,
)
from repic_plugin.consensus.smaller import SmallerGroups, merged, smaller_line
from repic_plugin.consensus.solvers import SOLVERS, SolverError
from repic_plugin.consensus.spacing import find_copies, spacing_px
from repic_plugin.consensus.strangers import Stranger, find_strangers
from repic_plugin.consensus.with_images import (
    ALL_CANDIDATES,
    GOOD_CLASS,
    NOTHING,
    ImageClasses,
    Judged,
    candidates_to_look_at,
    is_by_images,
    judge_by_images,
    picker_classes,
    rows_of_kept,
    shares_in_good_classes,
    shows_no_particles,
)

__all__ = [
    "AGREEMENT",
    "ALL_CANDIDATES",
    "FATES",
    "GOOD_CLASS",
    "MIN_JACCARD",
    "MODES",
    "MOST_MICROGRAPHS",
    "NOTHING",
    "N_PARTICLES",
    "POSITIONS",
    "PRECISION",
    "RANKINGS",
    "SCORES",
    "SOLVERS",
    "Agreement",
    "BoxSize",
    "ConsensusResult",
    "Correction",
    "EnsembleModel",
    "ExpectedScores",
    "Fall",
    "FoundAgain",
    "GivenParticles",
    "ImageClasses",
    "Judged",
    "MicrographCounts",
    "MicrographQuality",
    "MinScore",
    "Misfit",
    "Pattern",
    "Picks",
    "ScoreTransform",
    "SmallerGroups",
    "SolverError",
    "Stranger",
    "Thresholds",
    "above_min_score",
    "accepted",
    "agreement_from_arrays",
    "agreement_line",
    "agreement_to_arrays",
    "agreement_warnings",
    "box_sizes",
    "candidates_to_look_at",
    "choose_threshold",
    "choose_transforms",
    "chosen_shares",
    "comparable_scores",
    "corrected",
    "default_quorum",
    "expected_scores",
    "fall_lines",
    "falls_of",
    "find_again",
    "find_consensus",
    "find_copies",
    "find_misfits",
    "find_pattern",
    "find_strangers",
    "fitting_scale",
    "inside_micrograph",
    "is_by_images",
    "joined",
    "judge_by_images",
    "median_scores",
    "merged",
    "micrograph_graph",
    "micrograph_quality",
    "model_from_arrays",
    "model_to_arrays",
    "never_chosen",
    "none_kept",
    "parse_patterns",
    "picker_classes",
    "pickers_at",
    "picks_from_arrays",
    "picks_to_arrays",
    "ranked_scores",
    "ranking",
    "recommended_num_particles",
    "recommended_number",
    "required_pickers",
    "result_from_arrays",
    "result_to_arrays",
    "rows_of_kept",
    "running_median",
    "scarce_pickers",
    "shares_in_good_classes",
    "shares_of_junk",
    "shows_no_particles",
    "smaller_line",
    "spacing_px",
    "stated_transform",
    "sudden_falls",
    "with_rates",
    "without_chosen",
]
