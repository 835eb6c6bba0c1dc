"""Images to polar samples: exact transforms, masks, contrast transfer, bad pixels."""

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.classification import CtfParameters, contrast_transfer, preparation
from repic_plugin.classification.polar import polar_grid
from repic_plugin.classification.preparation import prepare_images, soft_mask
from repic_plugin.formats import open_stack
from tests.classification.pictures import Scene, draw, onto, polar_samples, scene

BOX, PIXEL = 32, 5.0


def grid_of(box=BOX, last_ring=6):
    return polar_grid(box, last_ring, 0.8 * box)


def prepare(images, grid=None, **options):
    images = np.asarray(images)
    box = images.shape[-1]
    usual = {"mask_radius_px": 0.4 * box, "mask_edge_px": 0.05 * box, "pixel_size_angstrom": PIXEL}
    return prepare_images(images, grid or grid_of(box), **{**usual, **options})


def noise(n, box=BOX, seed=0):
    return np.random.default_rng(seed).standard_normal((n, box, box)).astype(np.float32)


def some_ctf(n, seed=0):
    rng = np.random.default_rng(seed)
    u = rng.uniform(20_000, 40_000, n)
    return CtfParameters.from_columns(
        u,
        u - rng.uniform(0, 3_000, n),
        rng.uniform(-90, 90, n),
        voltage_kv=300,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
    )


def balanced(seed):
    """A scene of mean 0, so that taking the mean off changes nothing."""
    here = scene(seed, radius_px=6.0)
    return Scene(here.places, here.masses - here.masses.mean())


def close(first, second, tolerance):
    return np.linalg.norm(first - second) <= tolerance * np.linalg.norm(second)


@settings(max_examples=25)
@given(st.integers(40, 75), st.integers(8, 14), st.integers(0, 50))
def test_samples_are_the_transform_about_the_centre(box, last_ring, seed):
    # boxes of every parity; most are cropped in Fourier space, some not
    grid = polar_grid(box, last_ring, 30.0)
    pictures = [balanced(seed), onto(balanced(seed), 40.0, (2.0, -1.0))]
    pixels = [draw(picture, box, 3.0) for picture in pictures]
    found = prepare(pixels, grid, mask_radius_px=2 * box)
    assert found.samples.dtype == np.complex64
    # the little that there is beyond the rings is cut off
    assert close(found.samples, polar_samples(grid, pictures, 3.0), 5e-3)


def slow_samples(image, grid, mask):
    """The masked DFT, pixel by pixel, in double precision."""
    box = len(image)
    along = np.arange(box) - box // 2
    y, x = np.meshgrid(along, along, indexing="ij")
    turns = np.multiply.outer(grid.frequencies()[0], x) + np.multiply.outer(
        grid.frequencies()[1], y
    )
    values = (image - image.mean()) * mask
    return np.tensordot(np.exp(-2j * np.pi * turns), values, 2)


@pytest.mark.parametrize("box", [20, 21])
def test_with_all_rings_nothing_is_cropped(box):
    grid = grid_of(box, box // 2 - 1)
    images = noise(4, box).astype(np.float64)
    found = prepare(images, grid)
    mask = soft_mask(box, 0.4 * box, 0.05 * box)
    expected = np.stack([slow_samples(image, grid, mask) for image in images])
    assert close(found.samples, expected, 1e-5)


@pytest.mark.parametrize("box", [48, 49])
def test_cropped_noise_is_nearly_what_the_whole_mask_shows(box):
    # the mask is applied to the cropped image, whose fine detail it would have folded back
    grid = grid_of(box, 6)
    images = noise(6, box, 1)
    found = prepare(images, grid, mask_radius_px=0.35 * box, mask_edge_px=0.1 * box)
    mask = soft_mask(box, 0.35 * box, 0.1 * box)
    expected = np.stack([slow_samples(image.astype(float), grid, mask) for image in images])
    assert close(found.samples, expected, 0.2)
    assert np.allclose(np.abs(found.samples).std(), np.abs(expected).std(), rtol=0.03)


@pytest.mark.parametrize("box, last_ring", [(41, 6), (41, 19), (33, 10)])
def test_mirrored_and_turned_pixels(box, last_ring):
    grid = grid_of(box, last_ring)
    images = noise(3, box)  # in odd boxes the order of the pixels can be turned about the centre
    found = prepare(images, grid)
    turned = prepare(images[:, ::-1, ::-1], grid)
    assert close(turned.samples, found.samples.conj(), 1e-5)
    kept = grid.coefficients(found.samples)
    mirrored = grid.coefficients(prepare(images[:, :, ::-1], grid).samples)
    assert close(mirrored, kept.conj(), 1e-5)
    quarter = grid.coefficients(prepare(np.rot90(images, -1, (1, 2)), grid).samples)
    assert close(quarter, kept * (-1j) ** grid.order, 1e-5)  # x towards y


@pytest.mark.parametrize("box", [40, 41])
def test_nothing_outside_of_the_mask_counts(box):
    mask = soft_mask(box, 0.3 * box, 0.1 * box)
    speck = np.zeros((1, box, box))
    speck[0, 2, 3] = 1.0
    assert mask[2, 3] == 0
    inside = np.zeros((1, box, box))
    inside[0, box // 2 + 1, box // 2] = 1.0
    options = {"mask_radius_px": 0.3 * box, "mask_edge_px": 0.1 * box}
    outer, inner = (prepare(image, **options).energy[0] for image in (speck, inside))
    assert outer < 0.01 * inner


def test_the_mask():
    mask = soft_mask(33, 8.0, 4.0)
    assert mask.dtype == np.float32
    assert mask[16, 16] == mask[16, 24] == mask[8, 16] == 1
    assert mask[16, 26] == pytest.approx(0.5)
    assert mask[16, 28] == pytest.approx(0, abs=1e-7)
    assert mask[16, 29] == 0
    assert np.array_equal(mask, mask.T)
    assert np.array_equal(mask, mask[::-1, ::-1])
    even = soft_mask(32, 8.0, 4.0)  # about the pixel (16, 16)
    assert np.array_equal(even[1:, 1:], even[:0:-1, :0:-1])
    assert set(np.unique(soft_mask(8, 2.0, 0.0)).tolist()) == {0.0, 1.0}


def flipped(images, ctf):
    """Multiplied by the sign of the CTF, in double precision and with the whole transform."""
    box = images.shape[-1]
    values = contrast_transfer(ctf, np.fft.fftfreq(box, PIXEL), np.fft.fftfreq(box, PIXEL)[:, None])
    spectra = np.fft.fft2(images.astype(float)) * np.where(values < 0, -1, 1)
    return np.fft.ifft2(spectra).real


@pytest.mark.parametrize("box", [32, 33])
def test_phases_are_flipped_by_the_sign_of_the_ctf(box):
    images, ctf = noise(7, box), some_ctf(7)
    found = prepare(images, ctf=ctf)
    expected = prepare(flipped(images, ctf))
    assert close(found.samples, expected.samples, 1e-4)
    assert np.allclose(found.energy, expected.energy, rtol=1e-3)
    assert not close(found.samples, prepare(images).samples, 0.3)
    assert (found.weight == 1).all()


def test_phases_that_have_been_flipped_stay():
    images, ctf = noise(5), some_ctf(5)
    found = prepare(images, ctf=ctf, flip=False, weight=True)
    assert np.array_equal(found.samples, prepare(images).samples)
    weighted = prepare(flipped(images, ctf), ctf=ctf, flip=False, weight=True)
    both = prepare(images, ctf=ctf, weight=True)
    assert close(weighted.samples, both.samples, 1e-4)
    assert np.array_equal(weighted.weight, both.weight)


def test_weights_are_the_ctf_on_the_rings():
    grid, ctf = grid_of(), some_ctf(6)
    found = prepare(noise(6), ctf=ctf, weight=True)
    frequency = grid.rings / (BOX * PIXEL)
    for i in range(6):
        one = ctf.take(slice(i, i + 1))
        mean = (one.defocus_u_angstrom + one.defocus_v_angstrom) / 2
        even = CtfParameters.from_columns(
            mean, voltage_kv=300, spherical_aberration_mm=2.7, amplitude_contrast=0.1
        )
        expected = np.abs(contrast_transfer(even, frequency, 0.0)[0])
        assert np.allclose(found.weight[i], expected, atol=1e-6)
    assert (prepare(noise(2), weight=True).weight == 1).all()


def test_energy_is_the_sum_of_squares_on_the_rings():
    grid = grid_of()
    found = prepare(noise(5))
    expected = (np.abs(grid.coefficients(found.samples)) ** 2).sum(axis=1)
    assert np.allclose(found.energy, expected, rtol=1e-5)
    # white noise: each pixel of the mask gives each Fourier pixel of the rings its share
    area = soft_mask(BOX, 0.4 * BOX, 0.05 * BOX).astype(float)
    rings = 2 * np.pi * grid.rings.sum() / BOX**2
    many = prepare(noise(400, seed=2)).energy.mean()
    assert many == pytest.approx(rings * (area**2).sum(), rel=0.05)


def test_constant_images_are_put_aside():
    images = noise(5)
    images[1], images[3] = 0.1, -1e7 / 3
    found = prepare(images)
    assert found.is_empty.tolist() == [False, True, False, True, False]
    assert not found.samples[[1, 3]].any()
    assert not found.energy[[1, 3]].any()
    assert (found.energy[[0, 2, 4]] > 0).all()
    assert close(found.samples[::2], prepare(images[::2]).samples, 1e-6)
    nearly = np.zeros((1, BOX, BOX))
    nearly[0, 0, 0] = 1e-6
    assert not prepare(nearly).is_empty[0]


@pytest.mark.parametrize("offset", [-3.0, 100.0, 10_000.0])
def test_the_grey_level_of_the_background_changes_nothing(offset):
    # cut out of micrographs and not normalised: a mask would make a disc of the background
    images = noise(4)
    levels = offset * np.array([1.0, 0.5, 2.0, 0.0])[:, None, None]
    found, expected = prepare(images + levels), prepare(images)
    assert close(found.samples, expected.samples, 1e-7 * abs(offset) + 1e-5)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_the_grey_levels(scale):
    found, expected = prepare(noise(3) * np.float32(scale)), prepare(noise(3))
    assert close(found.samples / scale, expected.samples, 1e-5)
    assert np.allclose(found.energy / scale**2, expected.energy, rtol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 4, 9])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_pixels_that_are_not_finite(monkeypatch, bad, row, n_threads):
    monkeypatch.setattr(preparation, "IMAGES_PER_CHUNK", 3)
    images = noise(10)
    images[row, 5, 6] = bad
    images[9, 0, 0] = bad  # the first is named
    with pytest.raises(ValueError) as error:
        prepare(images, n_threads=n_threads)
    assert f"image {row + 1} " in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64, ">f4"])
def test_other_numbers(dtype):
    images = np.clip(np.rint(20 * noise(3) + 100), 0, 250)
    expected = prepare(images.astype(np.float32))
    assert np.array_equal(prepare(images.astype(dtype)).samples, expected.samples)
    assert np.array_equal(prepare(np.asfortranarray(images)).samples, expected.samples)


def test_stacks_on_the_disk_are_as_arrays(tmp_path):
    images, ctf = noise(7), some_ctf(7)
    with mrcfile.new(tmp_path / "some.mrcs") as mrc:
        mrc.set_data(images)
        mrc.set_image_stack()
    stack = open_stack(tmp_path / "some.mrcs")
    found = prepare_images(
        stack, grid_of(), mask_radius_px=13, mask_edge_px=2, pixel_size_angstrom=PIXEL, ctf=ctf
    )
    expected = prepare(images, ctf=ctf, mask_radius_px=13, mask_edge_px=2)
    assert np.array_equal(found.samples, expected.samples)


def test_images_are_not_changed():
    images, ctf = noise(3) + 5, some_ctf(3)
    before = images.copy()
    prepare(images, ctf=ctf, weight=True)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("limit", ["IMAGES_PER_CHUNK", "PIXELS_PER_CHUNK"])
def test_chunks_and_threads_change_nothing(monkeypatch, limit):
    images, ctf = noise(11), some_ctf(11)
    whole = prepare(images, ctf=ctf)
    monkeypatch.setattr(preparation, limit, 4 if limit == "IMAGES_PER_CHUNK" else 5 * BOX**2)
    counts = []
    one = prepare(images, ctf=ctf, progress=lambda done, of: counts.append((done, of)))
    assert counts == [(4, 11), (8, 11), (11, 11)]
    counts.clear()
    three = prepare(images, ctf=ctf, n_threads=3, progress=lambda *count: counts.append(count))
    assert [of for _, of in counts] == [11, 11, 11]
    assert sorted(counts) == counts
    assert counts[-1][0] == 11
    assert np.array_equal(one.samples, three.samples)
    assert np.array_equal(one.energy, three.energy)
    assert close(one.samples, whole.samples, 1e-6)


def test_some_of_the_images():
    images = noise(6)
    images[2] = 1
    found = prepare(images, ctf=some_ctf(6), weight=True)
    assert len(found) == 6
    for rows in (slice(1, 4), np.array([4, 2]), np.arange(6) % 2 == 0):
        part = found.take(rows)
        for name in ("samples", "weight", "energy", "is_empty"):
            assert np.array_equal(getattr(part, name), getattr(found, name)[rows])
        assert part.grid is found.grid


def test_recentred_images_have_their_content_elsewhere(monkeypatch):
    monkeypatch.setattr(preparation, "IMAGES_PER_CHUNK", 2)
    box, shifts = 48, np.array([(2.0, 0.0), (-1.5, 3.0), (0.0, 0.0)])
    grid = grid_of(box, 8)
    pictures = [balanced(seed) for seed in range(3)]
    free = {"mask_radius_px": 2 * box}
    before = prepare([draw(picture, box) for picture in pictures], grid, **free)
    moved = [onto(picture, shift_px=shift) for picture, shift in zip(pictures, shifts)]
    found = before.recentred(shifts)
    assert close(found.samples, polar_samples(grid, moved), 5e-3)
    assert np.array_equal(found.samples[2], before.samples[2])
    assert np.array_equal(found.energy, before.energy)
    assert not np.array_equal(found.samples[0], before.samples[0])
