"""Particle images to classes: known views are found, and what may not matter does not matter."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from scipy import fft

from repic_plugin.classification import (
    ALIGNMENTS,
    RULES,
    Classification,
    classify_particles,
    contrast_transfer,
    final_poses,
)
from repic_plugin.classification.normalisation import Normaliser, background, energy_limit
from repic_plugin.classification.preparation import prepare_images
from repic_plugin.evaluation import score_classes
from repic_plugin.formats import open_stack, write_stack
from tests.classification.particles import (
    agreement,
    classified,
    layout,
    particles,
    same_class,
    same_result,
    usual_sizes,
)


def with_images(found, images):
    return replace(found, images=np.ascontiguousarray(images))


def quarter_turn(images):
    """Content turned by 90 degrees from x towards y about the pixel (box // 2, box // 2)."""
    turned = np.rot90(images, -1, axes=(1, 2))
    return np.roll(turned, 1, axis=2) if images.shape[-1] % 2 == 0 else turned


def mirrored(images):
    """Content at x moved to -x."""
    flipped = images[:, :, ::-1]
    return np.roll(flipped, 1, axis=2) if images.shape[-1] % 2 == 0 else flipped


def degrees_apart(a, b):
    return np.abs((a - b + 180) % 360 - 180)


# what is found


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_clear_views_are_told_apart_in_every_way(method, alignment):
    # K-means depends on where it begins: the best of some seeds, by its own objective; in a
    # subspace, which differs by seed, objectives cannot be compared
    found = particles(4, 20, 1.0)
    results = [
        classified(found, method=method, alignment=alignment, random_state=seed)
        for seed in range(1 if method in ("ack", "eqk") else 24 if alignment == "msa" else 5)
    ]
    by = (lambda r: -agreement(r.labels, found.view)) if alignment == "msa" else None
    best = min(results, key=by or (lambda r: r.records[-1].objective))
    scores = score_classes(best.labels, found.directions(), view=found.view)
    assert scores.perfect_fraction == 1
    assert scores.pair_fraction > 0.93
    assert agreement(best.labels, found.view) > 0.9


@pytest.mark.parametrize("method", ["ack", "eqk"])
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_borne(method, seed):
    found = particles(4, 40, 0.1, random_state=seed)
    assert agreement(classified(found, method=method).labels, found.view) > 0.8


@pytest.mark.parametrize("ctf_mode", ["weight", "flip"])
def test_the_ctf_is_needed_and_used(ctf_mode):
    # far from focus, phases flip within the rings, elsewhere for each image
    found = particles(5, 20, 0.3, defocus_range_angstrom=(20_000.0, 200_000.0))
    known = classified(found, ctf_mode=ctf_mode)
    unknown = classified(found, ctf_mode="none")
    assert agreement(known.labels, found.view) > 0.9
    assert agreement(unknown.labels, found.view) < 0.6
    assert same_result(unknown, classified(replace(found, ctf=None)))


def test_flipped_phases_are_honoured():
    # premultiplying by the sign of the CTF is what 'flip' does first
    found = particles(4, 20, 1.0)
    y, x = fft.fftfreq(32, 8.0)[:, None], fft.rfftfreq(32, 8.0)[None, :]
    signs = np.where(contrast_transfer(found.ctf, *np.broadcast_arrays(x, y)) < 0, -1, 1)
    flipped = fft.irfft2(fft.rfft2(found.images) * signs, s=(32, 32)).astype(np.float32)
    for ctf_mode in ("flip", "weight"):
        expected = classified(found, ctf_mode=ctf_mode)
        again = classified(with_images(found, flipped), ctf_mode=ctf_mode, phase_flipped=True)
        # flipping changes the background that images are normalised by, a little
        assert np.array_equal(again.labels, expected.labels)
        assert np.corrcoef(again.averages.ravel(), expected.averages.ravel())[0, 1] > 0.99
        twice = classified(with_images(found, flipped), ctf_mode=ctf_mode)
        assert not np.allclose(twice.averages, expected.averages, atol=1e-2)


def test_poses_bring_images_onto_each_other():
    # (a view that looks much like itself turned by half may be found both ways: not these)
    found = particles(4, 20, 1.0, spread_deg=0.0)
    result = classified(found, random_state=1)
    assert agreement(result.labels, found.view) == 1
    for k in range(4):
        rows = result.labels == k
        turn = np.deg2rad(result.rotation_deg[rows])
        x, y = (found.shift_px[rows] + result.shift_px[rows]).T
        place = np.column_stack(
            (np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y)
        )
        assert np.abs(place - np.median(place, axis=0)).max() < 0.6
        angle = result.rotation_deg[rows] - found.euler_deg[rows, 2]
        assert degrees_apart(angle, angle[0]).max() < 8
    assert not result.mirror.any()


# mirror images


def half_mirrored(snr=3.0):
    found = particles(3, 40, snr)
    is_flipped = np.random.default_rng(0).random(len(found)) < 0.5
    images = np.where(is_flipped[:, None, None], mirrored(found.images), found.images)
    return with_images(found, images), is_flipped


def test_mirror_views_share_a_class_where_they_may():
    found, is_flipped = half_mirrored()
    result = classified(found, mirror=True)
    assert agreement(result.labels, found.view) > 0.97
    for k in range(3):
        rows = result.labels == k
        same = result.mirror[rows] == is_flipped[rows]
        assert same.all() or not same.any()


def test_mirror_views_are_kept_apart_otherwise():
    found, is_flipped = half_mirrored()
    result = classified(found, 6)
    assert agreement(result.labels, 2 * found.view + is_flipped) > 0.95
    assert not result.mirror.any()


# populations


@pytest.mark.slow
def test_sizes_follow_uneven_populations_where_classes_are_traded():
    found = particles(24, 20, 1.0, uneven=1.0)
    populations = np.sort(np.bincount(found.view, minlength=24))
    off, agreements = {}, {}
    for trade in (True, False):
        result = classified(found, 24, trade=trade)
        off[trade] = np.abs(np.sort(result.sizes) - populations).sum() / len(found)
        agreements[trade] = agreement(result.labels, found.view)
    assert off[True] < 0.25 < off[False]
    assert agreements[True] > agreements[False] + 0.1


@pytest.mark.parametrize("method", ["ack", "eqk"])
def test_sizes_are_even_where_classes_are_not_traded(method):
    found = particles(4, 20, 0.5, uneven=1.5)
    result = classified(found, 4, method=method, trade=False)
    assert np.ptp(np.bincount(found.view)) > 30
    assert np.ptp(result.sizes) <= (0 if method == "eqk" else 16)


@pytest.mark.parametrize("options", [{"method": "kmeans"}, {"alignment": "msa"}])
def test_trades_are_for_ack_means_with_mra_only(options):
    found = particles(4, 20, 0.5, uneven=1.0)
    options = {"max_iterations": 12, **options}
    assert same_result(
        classified(found, 4, trade=True, **options), classified(found, 4, trade=False, **options)
    )


def test_more_weight_makes_sizes_more_even():
    found = particles(4, 20, 0.5, uneven=1.5)
    spreads = [classified(found, 4, beta=beta, trade=False).sizes.std() for beta in (0.0, 0.2, 1.0)]
    assert max(spreads[1:]) < spreads[0] / 3


# junk


@pytest.mark.parametrize("snr, seed", [(1.0, 0), (1.0, 1), (0.3, 0), (0.3, 1)])
def test_noise_ends_in_classes_that_are_flagged(snr, seed):
    found = particles(4, 30, snr, junk_fraction=0.2, random_state=seed)
    result = classified(found, 5)
    is_junk = result.is_junk[result.labels]
    assert is_junk[found.view < 0].mean() > 0.9
    assert is_junk[found.view >= 0].mean() < 0.03


def test_nothing_is_flagged_where_there_is_no_junk():
    for seed in range(3):
        assert not classified(particles(4, 30, 0.3, random_state=seed)).is_junk.any()


def test_what_is_explained_and_what_is_not_make_up_the_sum_of_squares():
    found = particles(4, 20, 1.0)
    result = classified(found)
    grid, radius, edge = layout(32, None, None)
    images = prepare_images(
        found.images,
        grid,
        mask_radius_px=radius,
        mask_edge_px=edge,
        pixel_size_angstrom=8.0,
        ctf=found.ctf,
        normaliser=Normaliser(background(32, radius + edge), np.inf),
    )
    images, _ = images.capped(energy_limit(images.energy))
    rest = np.bincount(result.labels, result.dissimilarity) / result.sizes
    total = np.bincount(result.labels, images.energy) / result.sizes
    assert np.allclose(rest + result.explained, total, rtol=1e-4)
    assert (result.explained > 0.5 * total).all()


# empty images


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_empty_images_are_put_aside_and_the_rest_is_as_without_them(alignment):
    found = particles(4, 20, 1.0)
    empty = np.array([0, 1, 17, 50, 83])
    n = len(found) + len(empty)
    rest = np.setdiff1d(np.arange(n), empty)
    images = np.empty((n, 32, 32), dtype=np.float32)
    images[rest] = found.images
    images[empty] = np.array([0.0, 7.5, -3.0, 1e6, 0.1], dtype=np.float32)[:, None, None]
    among = np.zeros(n, dtype=np.int64)
    among[rest] = np.arange(len(found))
    mixed = replace(found, images=images, ctf=found.ctf.take(among), view=found.view)
    result, expected = (classified(some, 4, alignment=alignment) for some in (mixed, found))
    assert result.labels[empty].tolist() == [-1] * 5
    assert np.isnan(result.dissimilarity[empty]).all()
    assert not result.rotation_deg[empty].any()
    assert not result.shift_px[empty].any()
    assert not result.mirror[empty].any()
    assert len(result) == n
    assert np.array_equal(result.labels[rest], expected.labels)
    assert np.allclose(result.shift_px[rest], expected.shift_px)
    assert degrees_apart(result.rotation_deg[rest], expected.rotation_deg).max() < 1e-6
    assert np.allclose(result.dissimilarity[rest], expected.dissimilarity, rtol=1e-4)
    assert np.allclose(result.averages, expected.averages, atol=1e-4)
    assert result.sizes.tolist() == expected.sizes.tolist()
    assert result.sizes.sum() == len(found)


# what may not matter


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mirror": True},
        {"alignment": "rfa"},
        pytest.param({"alignment": "msa"}, marks=pytest.mark.slow),
        pytest.param({"method": "eqk", "ctf_mode": "flip"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_any_number_of_threads_gives_the_same_to_the_last_bit(options):
    # more images than are handled at a time
    found = particles(4, 130, 0.3)
    results = [classified(found, n_threads=n, max_iterations=3, **options) for n in (1, 2, 3)]
    assert all(same_result(result, results[0]) for result in results[1:])


def test_any_number_of_threads_makes_the_same_trades():
    found = particles(6, 25, 1.0, uneven=1.2)
    results = [classified(found, n_threads=n) for n in (1, 3)]
    trades = [r.fraction_changed for r in results[0].records if r.stage == "trade"]
    assert max(trades) > 0
    assert same_result(*results)


def test_the_seed_decides_and_nothing_else():
    found = particles(4, 20, 0.3)
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    first = classified(found, random_state=1)
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(6)
    assert same_result(classified(found, random_state=1), first)
    other = classified(found, random_state=2)
    assert not np.array_equal(other.labels, first.labels)


@pytest.mark.parametrize(
    "unit, alignment", [(2.0**-10, "mra"), (2.0**12, "mra"), (2.0**12, "msa"), (2.0**-10, "rfa")]
)
def test_the_unit_of_grey_values_does_not_matter(unit, alignment):
    found = particles(4, 20, 0.3)
    expected = classified(found, alignment=alignment)
    scaled = classified(with_images(found, found.images * np.float32(unit)), alignment=alignment)
    assert np.array_equal(scaled.labels, expected.labels)
    assert np.array_equal(scaled.rotation_deg, expected.rotation_deg)
    assert np.array_equal(scaled.shift_px, expected.shift_px)
    assert np.allclose(scaled.averages, expected.averages, rtol=1e-5)
    assert np.allclose(scaled.dissimilarity, expected.dissimilarity, rtol=1e-5)
    assert np.array_equal(scaled.is_junk, expected.is_junk)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_the_brightness_of_images_does_not_matter(alignment):
    found = particles(4, 20, 1.0)
    expected = classified(found, alignment=alignment)
    same = classified(with_images(found, found.images + 100), alignment=alignment)
    offsets = np.random.default_rng(0).uniform(-50, 50, (len(found), 1, 1)).astype(np.float32)
    varied = classified(with_images(found, found.images + offsets), alignment=alignment)
    for result in (same, varied):
        assert np.array_equal(result.labels, expected.labels)
        assert np.allclose(result.shift_px, expected.shift_px)
        assert np.allclose(result.averages, expected.averages, atol=1e-2)


def test_images_that_are_all_turned_are_sorted_alike():
    found = particles(4, 20, 1.0)
    expected = classified(found)
    result = classified(with_images(found, quarter_turn(found.images)))
    assert np.array_equal(same_class(result.labels), same_class(expected.labels))
    assert agreement(result.labels, found.view) > 0.97


@pytest.mark.parametrize("change", [mirrored, lambda images: np.roll(images, (1, -1), (1, 2))])
def test_views_are_found_in_images_that_are_all_mirrored_or_moved(change):
    found = particles(4, 20, 1.0)
    result = classified(with_images(found, change(found.images)))
    assert agreement(result.labels, found.view) > 0.93


@pytest.mark.parametrize("trade", [True, False])
def test_the_order_of_images_decides_no_more_than_the_random_partition_does(trade):
    found = particles(4, 20, 1.0)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(found))
        shuffled = replace(
            found,
            images=found.images[order],
            view=found.view[order],
            ctf=found.ctf.take(order),
        )
        assert agreement(classified(shuffled, trade=trade).labels, shuffled.view) > 0.97


class Frames:
    """Has a shape and gives arrays when sliced or indexed, no more; notes how much at once."""

    def __init__(self, images):
        self._images = images
        self.shape = images.shape
        self.most = 0

    def __getitem__(self, rows):
        chunk = self._images[rows]
        self.most = max(self.most, len(chunk))
        return chunk


def test_images_may_come_from_anywhere(tmp_path):
    found = particles(4, 20, 1.0)
    expected = classified(found)
    write_stack(tmp_path / "stack.mrcs", found.images, found.pixel_size_angstrom)
    for images in (
        Frames(found.images),
        found.images.astype(np.float64),
        np.asfortranarray(found.images),
        open_stack(tmp_path / "stack.mrcs"),
    ):
        result = classify_particles(images, 4, ctf=found.ctf, **usual_sizes(found))
        assert same_result(result, expected)


def test_whole_numbers_will_do():
    found = particles(4, 20, 1.0)
    grey = np.rint(20 * found.images)
    results = [
        classified(with_images(found, grey.astype(dtype))) for dtype in (np.int16, np.float32)
    ]
    assert same_result(*results)


def test_stacks_are_read_in_chunks():
    found = particles(4, 140, 0.3)
    frames = Frames(found.images)
    classify_particles(frames, 4, pixel_size_angstrom=8.0, ctf=found.ctf, max_iterations=1)
    assert 0 < frames.most <= 500 < len(found)


def test_images_stay_as_they_are():
    found = particles(4, 20, 1.0)
    images = found.images.copy()
    classify_particles(images, 4, pixel_size_angstrom=8.0, ctf=found.ctf)
    assert np.array_equal(images, found.images)


# sizes of everything


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_two_classes(alignment):
    found = particles(2, 20, 1.0)
    result = classified(found, alignment=alignment)
    assert agreement(result.labels, found.view) > 0.9


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_as_many_classes_as_images(method, alignment):
    found = particles(4, 3, 1.0)
    result = classified(found, 12, method=method, alignment=alignment, max_iterations=12)
    assert result.sizes.sum() == 12
    assert np.isfinite(result.averages).all()
    assert np.isfinite(result.dissimilarity).all()
    assert (result.averages[result.sizes == 0] == 0).all()
    if method == "eqk":
        assert result.sizes.tolist() == [1] * 12


@pytest.mark.parametrize("box", [16, 31, 33, 48])
def test_other_boxes(box):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:box, :box] - box // 2
    shapes = [np.abs(y) < box / 12, np.abs(np.hypot(x, y) - box / 4) < box / 16]
    images = np.repeat(np.array(shapes, dtype=np.float32), 15, axis=0)
    images = images + rng.normal(scale=0.3, size=images.shape)
    result = classify_particles(images, 2)
    assert agreement(result.labels, np.repeat([0, 1], 15)) == 1
    assert result.averages.shape == (2, box, box)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("method", RULES)
def test_images_that_are_all_the_same(method, alignment):
    image = particles(4, 20, 1.0).images[:1]
    options = {"method": method, "alignment": alignment, "max_iterations": 12}
    result = classify_particles(np.repeat(image, 12, axis=0), 3, **options)
    assert result.sizes.sum() == 12
    assert np.isfinite(result.averages).all()
    assert np.isfinite(result.dissimilarity).all()


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_images_that_show_nothing_on_the_rings(alignment):
    # something outside of the mask: not empty, but nothing to compare
    images = np.zeros((12, 32, 32), dtype=np.float32)
    images[np.arange(12), 0, np.arange(12)] = 1
    result = classify_particles(images, 3, alignment=alignment)
    assert result.sizes.sum() == 12
    assert np.isfinite(result.dissimilarity).all()


def test_noise_alone_is_sorted_without_complaint():
    images = np.random.default_rng(0).normal(size=(60, 32, 32))
    result = classify_particles(images, 3)
    assert result.sizes.sum() == 60
    assert np.isfinite(result.averages).all()


@pytest.mark.parametrize("max_shift_px", [0.0, 0.5, 1.0, 16.0])
def test_greatest_shift(max_shift_px):
    found = particles(4, 10, 1.0)
    result = classified(found, max_shift_px=max_shift_px, max_iterations=4)
    shift = np.hypot(*result.shift_px.T)
    # the global search, the local one and the last touch
    assert shift.max() <= max_shift_px + min(0.75, max_shift_px) + 2**0.5 * min(0.25, max_shift_px)
    assert max_shift_px == 0 or shift.max() > 0


def test_no_shift_is_searched_where_none_is_allowed():
    assert not classified(particles(4, 10, 1.0), max_shift_px=0).shift_px.any()


@pytest.mark.parametrize("n_rings", [4, 8, 14])
def test_rings(n_rings):
    found = particles(4, 20, 3.0)
    assert agreement(classified(found, n_rings=n_rings).labels, found.view) > 0.7


def test_mask():
    # what lies outside of the mask is not seen
    found = particles(4, 20, 3.0)
    images = found.images.copy()
    y, x = np.mgrid[-16:16, -16:16]
    outside = np.hypot(x, y) > 15
    images[:, outside] += np.random.default_rng(0).normal(scale=30, size=(80, outside.sum()))
    wide, narrow = (
        classified(replace(with_images(found, images), ctf=None), mask_diameter_px=d)
        for d in (None, 20.0)
    )
    for result in (wide, narrow):
        assert agreement(result.labels, found.view) > 0.6


# the form of the result


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_the_result_is_of_the_form_that_is_described(alignment):
    found = particles(4, 20, 0.3)
    result = classified(found, alignment=alignment, mirror=True)
    assert isinstance(result, Classification)
    n = len(found)
    for name, dtype, shape in (
        ("labels", np.int64, (n,)),
        ("rotation_deg", np.float64, (n,)),
        ("shift_px", np.float64, (n, 2)),
        ("mirror", np.bool_, (n,)),
        ("dissimilarity", np.float64, (n,)),
        ("averages", np.float32, (4, 32, 32)),
        ("sizes", np.int64, (4,)),
        ("explained", np.float64, (4,)),
        ("is_junk", np.bool_, (4,)),
    ):
        array = getattr(result, name)
        assert (array.dtype, array.shape) == (dtype, shape), name
    assert (result.rotation_deg >= -180).all()
    assert (result.rotation_deg < 180).all()
    assert np.array_equal(result.sizes, np.bincount(result.labels, minlength=4))
    assert isinstance(result.converged, bool)
    assert [record.iteration for record in result.records] == list(
        range(1, len(result.records) + 1)
    )
    assert len(result) == n


def test_turns_are_less_than_180_degrees():
    # some angles are rounded to a little more than half a turn
    turns = np.concatenate([2 * np.pi * np.arange(n) / n for n in range(16, 1700, 16)])
    degrees = final_poses.turns_back(turns)
    assert (degrees >= -180).all()
    assert (degrees < 180).all()
    assert degrees_apart(degrees, -np.rad2deg(turns)).max() < 1e-9


@pytest.mark.parametrize("n", [1, 4, 7])
def test_the_number_of_iterations_ends_it(n):
    found = particles(4, 20, 0.05)
    result = classified(found, max_iterations=n, tolerance=0.0)
    assert not result.converged
    assert len(result.records) == n
    assert np.isfinite(result.averages).all()


def test_on_iteration_sees_every_state_and_progress_every_image():
    found = particles(4, 140, 0.3)
    states, read = [], []
    result = classified(
        found,
        max_iterations=4,
        on_iteration=states.append,
        progress=lambda done, total: read.append((done, total)),
    )
    assert [state.iteration for state in states] == [1, 2, 3, 4]
    assert states[-1].records == result.records
    assert read[-1] == (560, 560)
    assert [done for done, _ in read] == sorted(done for done, _ in read)


def test_an_error_in_on_iteration_is_not_swallowed():
    class Stop(Exception):
        pass

    def stop(state):
        if state.iteration == 2:
            raise Stop

    with pytest.raises(Stop):
        classified(particles(), on_iteration=stop)


def test_defaults_are_the_paper_s_and_the_documented_ones():
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(classify_particles).parameters.items()
    }
    assert defaults["beta"] == 0.5
    assert defaults["tolerance"] == 0.01
    assert defaults["method"] == "ack"
    assert defaults["alignment"] == "mra"
    sizes = ("particle_diameter_angstrom", "max_shift_px", "n_rings", "mask_diameter_px")
    assert all(defaults[name] is None for name in sizes)
    assert defaults["mirror"] is False
    assert defaults["random_state"] == 0
