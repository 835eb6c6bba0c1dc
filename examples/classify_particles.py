"""2D classification of simulated noisy particle images, compared with the ground truth."""

from repic_plugin.classification import classify_particles
from repic_plugin.evaluation import score_classes
from repic_plugin.simulation import directions_from_euler, phantom_map, simulate_particles

N_VIEWS, PIXEL_SIZE_ANGSTROM = 8, 5.0

simulated = simulate_particles(
    phantom_map(48), N_VIEWS, 40, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM, snr=0.2
)
truth = directions_from_euler(simulated.euler_deg)

for method in ("kmeans", "ack"):
    found = classify_particles(
        simulated.images,
        N_VIEWS,
        pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
        ctf=simulated.ctf,
        method=method,
    )
    scores = score_classes(found.labels, truth)
    print(
        f"{method:6s} classes of {found.sizes.min()} to {found.sizes.max()} particles, "
        f"{scores.pair_fraction:.0%} of the pairs within {scores.max_angle_deg:g} degrees, "
        f"{len(found.records)} iterations"
    )
