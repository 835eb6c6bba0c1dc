"""Parts of a micrograph that are left out."""

import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.template_picking import find_mask, prepare_micrograph
from tests.template_picking.material import BOX, SIZE, exposures, one_body

DIAMETER = 30.0
WIDTH, HEIGHT = SIZE


def micrograph(seed=0):
    return np.array(one_body(seed)[0])


def zeros(image, n):
    image[-n:] = 0


def constant(image, n):
    image[:, :n] = 900.5


def smeared(image, n):
    image[:n] = image[n]


def smeared_columns(image, n):
    image[:, -n:] = image[:, -n - 1 : -n] + 0.01 * np.random.default_rng(0).normal(size=(HEIGHT, n))


BORDERS = [zeros, constant, smeared, smeared_columns]


@pytest.mark.parametrize("kind", BORDERS)
@pytest.mark.parametrize("n", [10, 80])
def test_blank_borders_are_found_to_the_pixel(kind, n):
    image = micrograph()
    kind(image, n)
    mask = find_mask(image, BOX, DIAMETER)
    changed = image != micrograph()
    expected = changed.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3)) > 0.9
    wrong = mask.blank != expected
    assert wrong.mean() < 0.006  # a line at the edge
    assert mask.blank_share == pytest.approx(expected.mean(), abs=0.006)
    assert mask.contamination_share == 0


@pytest.mark.parametrize("kind", BORDERS)
@pytest.mark.parametrize("n", [10, 80])
def test_what_is_not_blank_is_prepared_as_without_the_border(kind, n):
    image = micrograph()
    expected = prepare_micrograph(image, BOX)
    kind(image, n)
    found = prepare_micrograph(image, BOX)
    valid = ~find_mask(image, BOX, DIAMETER, contamination=False).blank
    assert not found[~valid].any()
    inner = ndimage.binary_erosion(valid, iterations=4)
    assert np.corrcoef(found[inner], expected[inner])[0, 1] > 0.97
    assert found[valid].std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "image",
    [
        micrograph(),
        np.rint(3 * micrograph()),  # few grey levels
        ndimage.gaussian_filter(micrograph(), 3),
        micrograph() + np.arange(WIDTH),
        np.random.default_rng(0).poisson(0.3, (HEIGHT, WIDTH)),  # counts
    ],
    ids=["noise", "grey levels", "smooth", "slope", "counts"],
)
def test_an_image_is_not_blank(image):
    assert find_mask(image, BOX, DIAMETER).blank_share == 0


def test_a_dead_column_and_a_blank_corner_are_found():
    image = micrograph()
    image[:, 201] = 0
    image[:60, :50] = 7
    blank = find_mask(image, BOX, DIAMETER).blank
    assert blank[:, 100].all()
    assert blank[:29, :24].all()
    assert blank.mean() == pytest.approx((30 * 25 + 200) / blank.size, abs=0.004)


@pytest.mark.parametrize("n", [250, HEIGHT])
def test_a_micrograph_that_is_mostly_or_wholly_blank(n):
    image = micrograph()
    zeros(image, n)
    mask = find_mask(image, BOX, DIAMETER)
    assert mask.blank_share == pytest.approx(n / HEIGHT, abs=0.01)


def crystal(image, x, y, radius):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = np.hypot(columns - x, rows - y) < radius
    image[inside] -= 6 * image.std()
    return inside


def test_contamination_is_masked_and_particles_are_not():
    image, centers = one_body(3)
    assert find_mask(image, BOX, DIAMETER).contamination_share == 0
    inside = crystal(image, 240, 200, 60)
    mask = find_mask(image, BOX, DIAMETER)
    assert mask.excluded[inside[::2, ::2]].mean() > 0.98
    rim = np.hypot(*(centers - (240, 200)).T)
    assert mask.contains(centers[rim < 55]).all()
    assert not mask.contains(centers[rim > 60 + 1.5 * DIAMETER]).any()
    off = find_mask(image, BOX, DIAMETER, contamination=False)
    assert off.contamination_share == 0


def test_carbon_is_masked():
    """Another thickness and texture beyond an edge, in noise."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(600, 600))
    rows, columns = np.mgrid[:600, :600]
    carbon = columns + 0.3 * rows > 560
    assert find_mask(image, BOX, DIAMETER).contamination_share == 0
    texture = ndimage.gaussian_filter(rng.normal(size=image.shape), 2)
    image += np.where(carbon, 4 * texture - 0.5, 0)
    mask = find_mask(image, BOX, DIAMETER)
    assert mask.excluded[carbon[::2, ::2]].mean() > 0.75
    assert mask.excluded[~carbon[::2, ::2]].mean() < 0.1


@pytest.mark.parametrize("snr", [0.3, 3.0])
def test_a_single_particle_is_not_contamination(snr):
    centers = np.array([(100.0, 100.0), (350.0, 120.0), (240.0, 300.0)])
    image, centers = one_body(6, snr=snr, centers=centers)
    assert not find_mask(image, BOX, DIAMETER).contains(centers).any()


def test_simulated_particles_are_not_masked():
    for image, centers in exposures(3, 2):
        assert not find_mask(image, 32, 22.4).contains(centers).any()


def test_brightness_and_contrast_do_not_matter():
    image = micrograph()
    crystal(image, 240, 200, 60)
    expected = find_mask(image, BOX, DIAMETER).excluded
    found = find_mask(-3e4 + 250 * image, BOX, DIAMETER).excluded
    assert (found != expected).mean() < 1e-3


def test_the_mask_of_a_network_on_a_real_aggregate(shared_data):
    """MicrographCleaner's mask (Sanchez-Garcia et al. 2020, doi:10.1016/j.jsb.2020.107498)."""
    import mrcfile

    folder = shared_data / "real" / "cleaner"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    with mrcfile.open(folder / "Ucsf_stack_1142_DW.mrc", permissive=True) as file:
        image = file.data.copy()
    with np.load(folder / "mask_times_255.npz") as file:
        theirs = file["mask"] > 127
    mask = find_mask(image, 72, 43.0)
    height, width = mask.blank.shape
    theirs = theirs[::2, ::2][:height, :width]
    assert mask.contamination[theirs].mean() > 0.95
    assert theirs[mask.contamination].mean() > 0.7
    assert mask.blank_share == 0


@pytest.mark.parametrize("diameter", [0, -1, np.nan])
def test_bad_diameters_are_refused(diameter):
    with pytest.raises(ValueError, match="particle_diameter_px must be positive"):
        find_mask(micrograph(), BOX, diameter)
