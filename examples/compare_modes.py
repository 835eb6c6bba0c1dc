"""Consensus of three simulated pickers in all modes, compared with the ground truth."""

from repic_plugin.consensus import find_consensus
from repic_plugin.evaluation import match_scores
from repic_plugin.simulation import simulate_picks

BOX_SIZE_PX = 180

simulated = simulate_picks(
    n_micrographs=1, recall=(0.85, 0.9, 0.7), precision=(0.85, 0.6, 0.75), box_size_px=BOX_SIZE_PX
)
truth = list(zip(simulated.truth.x, simulated.truth.y))

for mode in ("all", "quorum", "probabilistic"):
    result = find_consensus(simulated.picks, BOX_SIZE_PX, mode=mode)
    scores = match_scores(list(zip(result.x, result.y)), truth, radius_px=BOX_SIZE_PX / 4)
    print(
        f"{mode:13s} {len(result):4d} particles, precision {scores.precision:.2f}, "
        f"recall {scores.recall:.2f}, optimal: {result.is_optimal}"
    )
