"""Single images of MRC files, as other programs leave them and as we write them."""

import io
import warnings
from contextlib import redirect_stdout

import mrcfile
import numpy as np
import pytest

from repic_plugin.formats import FormatError, open_mrc, write_mrc

RNG = np.random.default_rng(5)
IMAGE = (RNG.normal(size=(20, 30)) * 20 + 50).astype(np.float32)
KINDS = [np.int8, np.int16, np.uint16, np.float16, np.float32]


def write(path, data, **fields):
    """By mrcfile, with some fields of the header changed afterwards."""
    with warnings.catch_warnings(), mrcfile.new(path) as file:
        warnings.simplefilter("ignore")  # half floats
        file.set_data(data)
        for name, value in fields.items():
            file.header[name] = value
    return path


def permissively(path):
    """What mrcfile makes of a file that need not be right."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mrcfile.mmap(path, mode="r", permissive=True) as file:
            return np.array(file.data)


@pytest.mark.parametrize(
    "fields",
    [
        {"map": b"XXXX"},
        {"machst": (0, 0, 0, 0)},
        {"nversion": 7},
        {"cella": (np.nan, -1, 0)},
        {"mx": 0, "my": -3, "mz": 9},
        {"mapc": 0, "mapr": 9, "maps": 9},
        {"dmin": np.nan, "dmax": -1, "rms": -5},
        {"nlabl": 99},
        {"ispg": 1},
    ],
    ids=str,
)
def test_what_does_not_matter_may_be_wrong_in_the_header(tmp_path, fields):
    path = write(tmp_path / "a.mrc", IMAGE, **fields)
    np.testing.assert_array_equal(open_mrc(path), IMAGE)
    np.testing.assert_array_equal(open_mrc(path), permissively(path).squeeze())


@pytest.mark.parametrize("shape", [(1, 20, 30), (20, 1, 30), (20, 30, 1), (1, 1, 30)])
def test_a_volume_of_one_slice_is_an_image(tmp_path, shape):
    data = RNG.normal(size=shape).astype(np.float32)
    path = write(tmp_path / "a.map", data, ispg=1)
    expected = data[0] if shape[0] == 1 else data.squeeze()
    np.testing.assert_array_equal(open_mrc(path), expected)


@pytest.mark.parametrize("name", ["a.mrc", "a.MRC", "a.mrcs", "a.map", "a.rec", "a.st", "a"])
def test_the_suffix_does_not_matter(tmp_path, name):
    path = write(tmp_path / name, IMAGE)
    np.testing.assert_array_equal(open_mrc(path), IMAGE)
    np.testing.assert_array_equal(open_mrc(f"{path}:mrc"), IMAGE)
    np.testing.assert_array_equal(open_mrc(f"{path}:mrcs", 0), IMAGE)


def test_bytes_behind_the_image_and_before_it(tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, IMAGE) as file:
        file.set_extended_header(np.zeros(512, np.uint8))
    path.write_bytes(path.read_bytes() + b"more")
    np.testing.assert_array_equal(open_mrc(path), IMAGE)


def test_images_of_a_stack_are_counted_from_0(tmp_path):
    stack = RNG.normal(size=(3, 8, 9)).astype(np.float32)
    path = write(tmp_path / "a.mrcs", stack)
    for index, image in enumerate(stack):
        np.testing.assert_array_equal(open_mrc(path, index), image)
    for index in (-1, 3):
        with pytest.raises(FormatError, match=rf"a.mrcs: image {index + 1} must be one of 1 to 3"):
            open_mrc(path, index)
    with pytest.raises(FormatError, match="must hold one image, got 3"):
        open_mrc(path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"mode": 3}, "mode must be one of"), ({"nx": 0}, "is no MRC"), ({"nsymbt": -1}, "damaged")],
)
def test_what_matters_is_named(tmp_path, fields, words):
    path = write(tmp_path / "a.mrc", IMAGE, **fields)
    with pytest.raises(FormatError, match=f"a.mrc: .*{words}"):
        open_mrc(path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_valid_and_comes_back(tmp_path, kind, order):
    image = IMAGE.astype(np.dtype(kind).newbyteorder(order))
    path = tmp_path / "a.mrc"
    write_mrc(path, image, 1.7)
    opened = open_mrc(path)
    np.testing.assert_array_equal(opened, image)
    assert opened.dtype == kind
    said = io.StringIO()
    with redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_valid = mrcfile.validate(str(path))
    assert is_valid or kind == np.float16, said.getvalue()  # whose squares overflow in mrcfile
    with mrcfile.open(path) as file:
        assert file.data.shape == image.shape
        assert file.voxel_size.x == pytest.approx(1.7)
        assert file.header.dmin == image.min()
        assert file.header.dmax == image.max()
        assert file.header.dmean == pytest.approx(image.mean(dtype=float))
        assert file.header.rms == pytest.approx(image.std(dtype=float), rel=1e-5)


def test_the_same_image_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_mrc(tmp_path / name, IMAGE, 2.0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    "image", [IMAGE[None], IMAGE[:0], IMAGE.astype(np.float64), IMAGE.astype(complex)]
)
def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path, image):
    path = tmp_path / "a.mrc"
    path.write_text("dear")
    with pytest.raises(ValueError, match="image must have two axes and be of int8, int16"):
        write_mrc(path, image)
    assert path.read_text() == "dear"
