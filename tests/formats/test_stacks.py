import os
import struct
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repic_plugin.formats import FormatError, ImageStacks, open_stack, read_map
from repic_plugin.formats.images import stacks

KINDS = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def raw_mrc(data, order="<", mode=2, pixel_size=(1.5, 1.5, 1.5), **given):
    """An MRC file, byte by byte: its header knows nothing of the code under test."""
    nz, ny, nx = data.shape
    fields = {"mz": 1, "axes": (1, 2, 3), "ispg": 0, "extended": b"", "stamp": None, "imod": (0, 0)}
    fields.update(given)
    cell = [size * n for size, n in zip(pixel_size, (nx, ny, fields["mz"]))]
    head = struct.pack(f"{order}10i6f3i3f", nx, ny, nz, mode, 0, 0, 0, nx, ny, fields["mz"],
                       *cell, 90, 90, 90, *fields["axes"], 0, -1, -2)  # fmt: skip
    head += struct.pack(f"{order}2i", fields["ispg"], len(fields["extended"]))
    head += bytes(8) + b"\0\0\0\0" + struct.pack(f"{order}i", 20140)
    head = head.ljust(152, b"\0") + struct.pack(f"{order}2i", *fields["imod"])
    stamp = fields["stamp"] or (b"DD\0\0" if order == "<" else b"\x11\x11\0\0")
    head = head.ljust(208, b"\0") + b"MAP " + stamp + struct.pack(f"{order}fi", -1, 0)
    return head.ljust(1024, b"\0") + fields["extended"] + data.tobytes()


def ramp(n, box, kind="f4", start=0):
    return (np.arange(n * box * box).reshape(n, box, box) % 100 + start).astype(kind)


@pytest.fixture
def stack_at(tmp_path):
    """Write a stack of float32 below a fresh folder and return its path."""

    def write(name, n=3, box=4, **given):
        path = tmp_path / name
        path.write_bytes(raw_mrc(ramp(n, box), **given))
        return path

    return write


@pytest.mark.parametrize("extended", [b"", b"x" * 80, b"x" * 131])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", KINDS)
def test_modes_byte_orders_and_extended_headers(tmp_path, mode, order, extended):
    data = ramp(5, 6, order + KINDS[mode], start=-50 if mode != 6 else 65000)
    path = tmp_path / "a.mrcs"
    path.write_bytes(raw_mrc(data, order, mode, extended=extended))
    with mrcfile.open(path) as other:
        np.testing.assert_array_equal(other.data, data)
    images = open_stack(path)
    assert images.shape == (5, 6, 6)
    assert images[:].dtype == images.dtype == np.float32
    np.testing.assert_array_equal(images[:], data.astype(np.float32))
    assert open_stack(path).pixel_size_angstrom == 1.5


def test_bytes_of_imod_are_unsigned_where_its_stamp_says_so(tmp_path):
    data = ramp(2, 4, "u1", start=150)
    for flags, expected in ((0, data), (1, data.astype("i1"))):
        for order in "<>":
            path = tmp_path / "a.st"
            path.write_bytes(raw_mrc(data, order, 0, imod=(1146047817, flags)))
            np.testing.assert_array_equal(open_stack(path)[:], expected.astype(np.float32))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_wrong_machine_stamp_does_not_matter(tmp_path, order):
    path = tmp_path / "a.mrcs"
    path.write_bytes(raw_mrc(ramp(2, 4, order + "f4"), order, stamp=b"\0\0\0\0"))
    np.testing.assert_array_equal(open_stack(path)[:], ramp(2, 4))


@pytest.mark.parametrize("name", ["a.mrcs", "a.mrc", "a.st", "A.MRCS", "b.mrc:mrcs"])
def test_a_volume_of_square_sections_is_a_stack(stack_at, name):
    path = stack_at(name.split(":")[0], mz=3, ispg=1)
    images = open_stack(path.parent / name)
    np.testing.assert_array_equal(images[:], ramp(3, 4))


def test_more_bytes_than_promised_are_left_alone(stack_at):
    path = stack_at("a.mrcs")
    path.write_bytes(path.read_bytes() + b"more")
    assert open_stack(path).shape == (3, 4, 4)


@pytest.mark.parametrize("cell", [(0, 0, 0), (np.nan, 1, 1), (-1, 1, 1)])
def test_a_pixel_size_that_is_not_there_is_zero(stack_at, cell):
    assert open_stack(stack_at("a.mrcs", pixel_size=cell)).pixel_size_angstrom == 0
    assert open_stack(stack_at("a.mrcs", pixel_size=cell)).pixel_size_angstrom == 0


def test_the_pixel_size_has_no_noise_of_single_precision(stack_at):
    stack = open_stack(stack_at("a.mrcs", pixel_size=(1.77, 1.77, 1.77)))
    assert stack.pixel_size_angstrom == 1.77


keys = st.one_of(
    st.slices(12),
    st.lists(st.integers(-12, 11), max_size=20).map(lambda rows: np.array(rows, np.int64)),
    st.lists(st.integers(0, 11), min_size=1, max_size=3),
    st.integers(-12, 11),
    st.lists(st.booleans(), min_size=12, max_size=12).map(np.array),
)


@settings(deadline=None, max_examples=80)
@given(data=st.data(), lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4), key=keys)
def test_rows_come_in_the_order_asked_for(tmp_path_factory, data, lengths, key):
    folder = tmp_path_factory.mktemp("stacks")
    arrays = [ramp(n, 3, "i2", start=100 * i) for i, n in enumerate(lengths)]
    paths = [folder / f"{i}.mrcs" for i in range(len(arrays))]
    for path, array in zip(paths, arrays):
        path.write_bytes(raw_mrc(array, mode=1))
    stack = data.draw(st.lists(st.integers(0, len(paths) - 1), min_size=12, max_size=12))
    index = [data.draw(st.integers(0, lengths[i] - 1)) for i in stack]
    whole = np.array([arrays[i][j] for i, j in zip(stack, index)], np.float32)
    images = ImageStacks(paths, stack, index)
    found = images[key]
    np.testing.assert_array_equal(found, whole[key])
    assert found.dtype == np.float32
    assert (len(images), images.shape) == (12, (12, 3, 3))


def test_rows_that_are_not_there(stack_at):
    images = open_stack(stack_at("a.mrcs"))
    for key in ([3], -4, np.array([0, 99])):
        with pytest.raises(IndexError):
            images[key]
    for key in (np.zeros((2, 2), int), (0, 0), 1.0, [0.5]):
        with pytest.raises((IndexError, TypeError)):
            images[key]
    assert images[[]].shape == (0, 4, 4)


def test_a_stack_larger_than_the_memory_is_read_image_by_image(tmp_path):
    path, n, box = tmp_path / "a.mrcs", 200_000, 512
    head = raw_mrc(np.zeros((1, box, box), "f4"))[:1024]
    with open(path, "wb") as file:  # 200 GB of holes
        file.write(head[:8] + struct.pack("<i", n) + head[12:])
        file.truncate(1024 + n * box * box * 4)
        file.seek(1024 + (n - 1) * box * box * 4)
        file.write(np.full((box, box), 7, "f4").tobytes())
    images = open_stack(path)
    assert images.shape == (n, box, box)
    assert images[[n - 1, 0]].mean(axis=(1, 2)).tolist() == [7, 0]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open files here")
def test_thousands_of_stacks_need_few_open_files(tmp_path, monkeypatch):
    n = 300
    reads = []
    monkeypatch.setattr(stacks, "read_header", lambda p: reads.append(p) or read_header(p))
    for i in range(n):
        (tmp_path / f"{i}.mrcs").write_bytes(raw_mrc(np.full((2, 2, 2), i, "f4")))
    before = len(os.listdir("/proc/self/fd"))
    images = ImageStacks([tmp_path / f"{i}.mrcs" for i in range(n)], range(n), [1] * n)
    assert len(reads) == n  # each header once
    rows = np.random.default_rng(0).permutation(n)
    assert images[rows][:, 0, 0].tolist() == rows.tolist()
    assert images[:][:, 0, 0].tolist() == list(range(n))
    assert len(os.listdir("/proc/self/fd")) - before <= stacks.MAX_OPEN_STACKS
    assert len(reads) == n


read_header = stacks.read_header


def damaged(path, at, form, value):
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, at, value)
    path.write_bytes(content)
    return path


def assert_one_line(caught, path, *parts):
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ["1024 bytes", "got 0 bytes", "empty"]),
        (b"x" * 1000, ["1024 bytes", "got 1000", "write it again"]),
        (b"x" * 2000, ["is no MRC file"]),
        (bytes(2000), ["is no MRC file"]),
        (b"data_\nloop_\n_rlnImageName #1\n" * 60, ["is no MRC file"]),
        (raw_mrc(ramp(3, 4))[:-1], ["3 x 4 x 4", "1216 bytes", "got 1215", "cut short"]),
        (raw_mrc(ramp(3, 4)[:, :, :3]), ["square", "3 x 4 px"]),
        (raw_mrc(ramp(3, 4), ispg=401, mz=3), ["stack of volumes", "401"]),
        (raw_mrc(ramp(3, 4), mode=101), ["0, 1, 2, 6, 12", "got 101", "convert"]),
        (raw_mrc(ramp(3, 4), mode=4), ["got 4"]),
    ],
)
def test_a_bad_stack_is_one_line(tmp_path, content, said):
    path = tmp_path / "a.mrcs"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        open_stack(path)
    assert_one_line(caught, path, *said)


def test_a_damaged_length_of_the_extended_header(stack_at):
    path = damaged(stack_at("a.mrcs"), 92, "<i", -5)
    with pytest.raises(FormatError) as caught:
        open_stack(path)
    assert_one_line(caught, path, "extended header", "-5")


def test_no_file_a_folder_and_another_suffix(tmp_path):
    (tmp_path / "b.mrcs").mkdir()
    said = {"a.mrcs": "no such file", "b.mrcs": "cannot be read", "c.hdf": ".mrcs, .mrc, .st"}
    for name, part in {**said, "d": "got ''", "e.stk": "convert it to MRC"}.items():
        with pytest.raises(FormatError) as caught:
            open_stack(tmp_path / name)
        assert_one_line(caught, tmp_path / name, part)


def test_stacks_have_one_box_and_one_pixel_size(stack_at):
    first = stack_at("a.mrcs")
    other = stack_at("b.mrcs", box=6)
    with pytest.raises(FormatError) as caught:
        ImageStacks([first, other], [0, 1], [0, 0])
    assert_one_line(caught, other, "one size", "6 px", "4 px", str(first))
    other = stack_at("b.mrcs", pixel_size=(2.5, 2.5, 2.5))
    with pytest.raises(FormatError) as caught:
        ImageStacks([first, other], [0, 1], [0, 0])
    assert_one_line(caught, other, "one pixel size", "2.5", "1.5", str(first))
    unknown = stack_at("c.mrcs", pixel_size=(0, 0, 0))
    close = stack_at("d.mrcs", pixel_size=(1.5005, 1.5005, 1.5005))
    assert ImageStacks([unknown, first, close], [0, 1, 2], [0] * 3).pixel_size_angstrom == 1.5


def test_a_stack_shorter_than_asked_for(stack_at):
    path = stack_at("a.mrcs", n=3)
    for number in (3, -1):
        with pytest.raises(FormatError) as caught:
            ImageStacks([path], [0, 0], [2, number])
        assert_one_line(caught, path, f"image {number + 1} ", "1 to 3", "extract it again")


def test_arguments_that_do_not_fit(stack_at):
    path = stack_at("a.mrcs")
    bad = [([path], [], []), ([path], [0, 0], [0]), ([path], [1], [0]), ([path], [-1], [0])]
    for arguments in [*bad, ([path], [0.0], [0]), ([path], 0, 0), ([], [], [])]:
        with pytest.raises(ValueError, match="stack"):
            ImageStacks(*arguments)


def test_a_stack_that_is_cut_while_it_is_used(stack_at):
    path = stack_at("a.mrcs")
    images = open_stack(path)
    os.truncate(path, 1100)
    with pytest.raises(FormatError, match="shorter since it was opened"):
        images[:]
    path.unlink()
    with pytest.raises(FormatError, match="can no longer be read"):
        images[:]


@settings(deadline=None, max_examples=60)
@given(at=st.integers(0, 255), value=st.integers(-(2**31), 2**31 - 1), length=st.integers(0, 1300))
def test_whatever_the_header_it_is_images_or_one_line(tmp_path_factory, at, value, length):
    path = tmp_path_factory.mktemp("damaged") / "a.mrcs"
    path.write_bytes(raw_mrc(ramp(3, 4)))
    damaged(path, 4 * at, "<i", value)
    os.truncate(path, length)
    for read in (lambda p: open_stack(p)[:], lambda p: read_map(p)[0]):
        try:
            assert read(path).dtype == np.float32
        except FormatError as exc:
            assert str(exc).isprintable()
            assert str(path) in str(exc)


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (3, 1, 2), (0, 0, 0)])
def test_a_map_comes_as_z_y_x(tmp_path, axes):
    density = np.arange(24, dtype="f4").reshape(2, 3, 4)  # z, y, x
    letters = ["_xyz"[axis] for axis in (axes if any(axes) else (1, 2, 3))]
    stored = np.einsum(f"zyx->{''.join(reversed(letters))}", density)
    path = tmp_path / "a.map"
    # the header's cell is along x, y, z; its grid is written for the stored order, so size it alike
    content = bytearray(raw_mrc(np.ascontiguousarray(stored), ispg=1, mz=2, axes=axes))
    struct.pack_into("<3i3f", content, 28, 4, 3, 2, 8.0, 6.0, 4.0)
    path.write_bytes(content)
    found, voxel_size = read_map(path)
    np.testing.assert_array_equal(found, density)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert voxel_size == 2.0


def test_maps_that_cannot_be_used(tmp_path):
    path = tmp_path / "a.mrc"
    nan = ramp(2, 4)
    nan[0, 0, :2] = np.nan
    for content, said in [
        (raw_mrc(ramp(1, 4)), ["must be a map", "single image"]),
        (raw_mrc(ramp(4, 4), ispg=401, mz=2), ["stack of volumes"]),
        (raw_mrc(ramp(2, 4), mz=2, pixel_size=(1, 1, 2)), ["cubes", "1 x 1 x 2"]),
        (raw_mrc(nan), ["finite", "2 NaN"]),
        (raw_mrc(ramp(2, 4))[:-4], ["cut short"]),
    ]:
        path.write_bytes(content)
        with pytest.raises(FormatError) as caught:
            read_map(path)
        assert_one_line(caught, path, *said)


def test_a_real_map_without_a_voxel_size(shared_data):
    density, voxel_size = read_map(shared_data / "ribosome_70s_65.mrc")
    assert (density.shape, voxel_size) == ((65, 65, 65), 0)
    np.testing.assert_array_equal(density, mrcfile.read(shared_data / "ribosome_70s_65.mrc"))
