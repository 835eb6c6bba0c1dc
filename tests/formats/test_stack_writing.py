import warnings

import mrcfile
import numpy as np
import pytest

from repic_plugin.formats import open_stack, write_stack


def assert_valid(path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mrcfile.validate(path), capsys.readouterr().out
        with mrcfile.open(path) as file:
            assert file.is_image_stack() or len(file.data.shape) == 2  # a stack of one
            return np.array(file.data), file.voxel_size.tolist()


@pytest.mark.parametrize("mean", [0, 1000, -3e5])
def test_what_is_written_is_valid_and_comes_back(tmp_path, capsys, mean):
    images = np.random.default_rng(0).normal(mean, 5, (7, 10, 10))
    path = tmp_path / "a.mrcs"
    write_stack(path, images, 1.77)
    data, voxel_size = assert_valid(path, capsys)
    np.testing.assert_array_equal(data, images.astype(np.float32))
    assert voxel_size == pytest.approx((1.77,) * 3)
    np.testing.assert_array_equal(open_stack(path)[:], images.astype(np.float32))
    assert open_stack(path).pixel_size_angstrom == 1.77
    with mrcfile.open(path, header_only=True) as file:
        assert file.header.dmin == data.min()
        assert file.header.dmax == data.max()
        assert file.header.dmean == pytest.approx(data.mean(dtype="f8"))
        assert file.header.rms == pytest.approx(data.std(dtype="f8"))


@pytest.mark.parametrize("n", [1, 2])
def test_constant_images_are_valid(tmp_path, capsys, n):
    write_stack(tmp_path / "a.mrcs", np.zeros((n, 4, 4)), 1)
    assert assert_valid(tmp_path / "a.mrcs", capsys)[0].size == n * 16
    assert open_stack(tmp_path / "a.mrcs").shape == (n, 4, 4)


def test_chunks_are_taken_one_after_the_other(tmp_path, capsys, monkeypatch):
    whole = np.random.default_rng(0).normal(size=(9, 5, 5)).astype("f4")
    taken = []

    def chunks():
        for start, stop in ((0, 4), (4, 4), (4, 9)):
            taken.append(start)
            yield whole[start:stop]

    path = tmp_path / "a.mrcs"
    write_stack(path, chunks(), 2, shape=(9, 5, 5))
    assert taken == [0, 4, 4]
    np.testing.assert_array_equal(assert_valid(path, capsys)[0], whole)
    monkeypatch.setattr("repic_plugin.formats.images.mrc_writing.BLOCK_NUMBERS", 50)
    write_stack(tmp_path / "b.mrcs", open_stack(path), 2)
    assert (tmp_path / "b.mrcs").read_bytes() == path.read_bytes()
    write_stack(path, open_stack(path), 2, shape=(9, 5, 5))  # onto itself
    assert (tmp_path / "b.mrcs").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("images", "shape", "said"),
    [
        (np.zeros((0, 4, 4)), None, "at least one"),
        (np.zeros((2, 4, 5)), None, "square"),
        (np.zeros((4, 4)), None, "square"),
        ([np.zeros((1, 4, 4))], None, "shape must be given"),
        ([np.zeros((1, 4, 4))], (2, 4, 4), "must be 2, as shape says, got 1"),
        ([np.zeros((1, 4, 4))] * 4, (2, 4, 4), "got 3"),
        (np.zeros((1, 4, 4)), (2, 4, 4), "shape must be that of the images"),
        ([np.zeros((1, 5, 5))], (1, 4, 4), "chunk"),
        ([np.zeros((4, 4))], (1, 4, 4), "chunk"),
        (np.full((1, 4, 4), np.nan), None, "finite"),
        (np.full((1, 4, 4), 1e300), None, "finite"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, images, shape, said):
    path = tmp_path / "a.mrcs"
    path.write_text("old")
    with pytest.raises(ValueError, match=said):
        write_stack(path, images, 1.0, shape=shape)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf])
def test_a_stack_needs_a_pixel_size(tmp_path, size):
    with pytest.raises(ValueError, match="pixel_size_angstrom"):
        write_stack(tmp_path / "a.mrcs", np.zeros((1, 4, 4)), size)
    assert not list(tmp_path.iterdir())
