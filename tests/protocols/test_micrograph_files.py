"""Micrographs are read whatever program has written them."""

import mrcfile
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pwem")

IMAGE = np.arange(12.0, dtype=np.float32).reshape(3, 4)


@pytest.fixture(params=["open_micrograph", "micrograph_pixels"])
def read(request):
    import repic_plugin.convert

    return getattr(repic_plugin.convert, request.param)


@pytest.mark.parametrize("name", ["a.mrc", "a.MRC", "a.mrcs", "a.map", "a.st", "a.rec", "a.ali"])
def test_mrc_files_that_may_not_be_written(read, tmp_path, name):
    path = tmp_path / name
    with mrcfile.new(path, IMAGE[None]) as file:
        file.header.machst = file.header.map = 0
    path.chmod(0o444)
    np.testing.assert_array_equal(read(str(path)), IMAGE)
    np.testing.assert_array_equal(read(f"{path}:mrcs"), IMAGE)


def test_half_floats_become_single_precision_in_memory(tmp_path):
    from repic_plugin.convert import micrograph_pixels
    from repic_plugin.formats import write_mrc

    path = tmp_path / "a.mrc"
    write_mrc(path, IMAGE.astype(np.float16))
    pixels = micrograph_pixels(str(path))
    np.testing.assert_array_equal(pixels, IMAGE)
    assert pixels.dtype == np.float32
    assert type(pixels) is np.ndarray
    assert pixels.flags.owndata


def test_other_formats_by_scipion(read, tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(IMAGE).save(path)
    np.testing.assert_array_equal(read(str(path)), IMAGE)


@pytest.mark.parametrize("name", ["a.mrc", "a.map", "a.tif"])
def test_what_is_no_image_is_named(read, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"nothing to see" * 200)
    with pytest.raises(ValueError, match=rf"^{path}: "):
        read(str(path))
