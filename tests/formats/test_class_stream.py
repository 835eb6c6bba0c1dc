"""The folder of a classification in a stream: all that was kept, whatever is killed when."""

import numpy as np
import pytest

from repic_plugin.classification import ClassStream, assign_particles, stream_to_arrays
from repic_plugin.formats import (
    FormatError,
    StreamFolder,
    read_class_tables,
    read_particles,
    read_references,
    write_particles_star,
    write_stack,
    write_streamed_files,
)
from repic_plugin.formats.results import class_stream
from tests.classification.test_streaming import labels_of, late_run, made, order, settings

COLUMNS = ("rotation_deg", "shift_px", "mirror", "dissimilarity", "posterior", "fit")


class Killed(Exception):
    """In place of a signal that nothing can handle."""


def advanced(folder):
    """Go on with what is in a folder, to the end."""
    kept = StreamFolder(folder)
    if kept.settings is None:
        kept.begin("of this test")
    stream = ClassStream(settings(5), kept.state)
    images, ctf = made().images[order(True)], made().ctf.take(order(True))
    for block in stream.advance(images, ctf, now=True):
        kept.keep(block, stream.state)
    return kept


def stored(folder):
    """The bytes of all files."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "stream"
    advanced(folder)
    return folder


def test_particles_are_those_of_the_blocks_with_those_that_moved(whole):
    _, blocks = late_run()
    kept = StreamFolder(whole).particles()
    assert any(block.new is not None for block in blocks)
    assert kept.labels.tolist() == labels_of(blocks).tolist()
    first = blocks[0]
    stayed = first.rows[kept.labels[first.rows] == first.found.labels]
    assert len(stayed) > 0.9 * len(first.rows)
    for name in COLUMNS:
        assert np.array_equal(getattr(kept, name)[stayed], getattr(first.found, name)[stayed])


def test_what_a_class_explains_is_the_mean_of_its_members(whole):
    stream, blocks = late_run()
    kept = StreamFolder(whole).particles()
    total, n = np.zeros(len(stream.state)), np.zeros(len(stream.state))
    for found in [b.found for b in blocks] + [b.new.found for b in blocks if b.new is not None]:
        total[: len(found.sizes)] += found.explained * found.sizes
        n[: len(found.sizes)] += found.sizes
    assert (kept.explained > 0).all() and np.allclose(kept.explained, total / n)


def test_the_state_is_read_as_it_was(whole):
    stream, blocks = late_run()
    kept = StreamFolder(whole)
    assert kept.n_blocks == len(blocks) and kept.settings == "of this test"
    now, then = stream_to_arrays(kept.state), stream_to_arrays(stream.state)
    assert all(now[name].tobytes() == then[name].tobytes() for name in then)


@pytest.mark.parametrize("fatal", [0, 1, 2, 5, 8])
def test_a_kill_at_any_write_costs_one_block_and_changes_nothing(
    whole, tmp_path, monkeypatch, fatal
):
    left, write = [fatal], class_stream.write_arrays

    def fail_once(path, arrays):
        if left and not left[0]:
            left.clear()
            raise Killed
        if left:
            left[0] -= 1
        write(path, arrays)

    monkeypatch.setattr(class_stream, "write_arrays", fail_once)
    with pytest.raises(Killed):
        advanced(tmp_path / "stream")
    assert StreamFolder(tmp_path / "stream").n_blocks == fatal // 2
    advanced(tmp_path / "stream")
    assert stored(tmp_path / "stream") == stored(whole)


def test_a_pass_over_all_takes_the_place_of_the_blocks_only_when_it_is_complete(tmp_path):
    kept = advanced(tmp_path / "stream")
    before, n_blocks = stored(tmp_path / "stream"), kept.n_blocks
    _, blocks = late_run()
    again = [block._replace(new=None) for block in blocks]

    def broken():
        yield again[0]
        raise Killed

    with pytest.raises(Killed):
        kept.replace(broken(), lambda: kept.state)
    now = stored(tmp_path / "stream")
    assert {name: now[name] for name in before} == before
    assert StreamFolder(tmp_path / "stream").n_blocks == n_blocks
    kept.replace([again[0]], lambda: kept.state)
    assert len(kept.particles()) == len(again[0].rows)
    assert (kept.n_passes, kept.n_passed) == (1, kept.state.n_seen)
    names = {file.name for file in (tmp_path / "stream").glob("block_*")}
    assert names == {"block_1_000000.npz"}
    assert len(StreamFolder(tmp_path / "stream").particles()) == len(again[0].rows)


def test_other_settings_begin_with_nothing(tmp_path):
    kept = advanced(tmp_path / "stream")
    kept.begin("others")
    assert stored(tmp_path / "stream") == {"settings.json": b"others"}
    assert kept.state is None and kept.n_blocks == 0
    with pytest.raises(ValueError, match="no classes yet"):
        kept.particles()


@pytest.mark.parametrize("name", ["state.npz", "block_0_000001.npz"])
def test_damaged_files_are_named_with_the_remedy(tmp_path, name):
    kept = advanced(tmp_path / "stream")
    file = tmp_path / "stream" / name
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(FormatError, match=f"{name}.*restart the classification"):
        StreamFolder(tmp_path / "stream").particles()
    np.savez(file, other=np.arange(3))
    with pytest.raises(FormatError, match=f"{name}.*is missing|{name}.*damaged"):
        StreamFolder(tmp_path / "stream").particles()
    assert kept.n_blocks


def test_files_are_those_of_a_classification(whole, tmp_path):
    """They are read as such, and further particles can be assigned to the classes."""
    images, n = made().images[order(True)], len(order(True))
    write_stack(tmp_path / "all.mrcs", images, 5.0)
    names = [f"{i + 1:06d}@{tmp_path}/all.mrcs" for i in range(n)]
    write_particles_star(
        tmp_path / "all.star", names, 5.0, images.shape[-1], made().ctf.take(order(True)), False
    )
    kept = StreamFolder(whole)
    found, state = kept.particles(), kept.state
    write_streamed_files(tmp_path, read_particles(tmp_path / "all.star"), found, state, ["one"])
    read = read_class_tables(tmp_path)
    assert read.labels.tolist() == found.labels.tolist() and read.names == names
    assert read.sizes.tolist() == state.sizes.tolist() == np.bincount(found.labels).tolist()
    assert read.is_junk.tolist() == (state.scores.probability < 0.5).tolist()
    assert np.allclose(read.scores.score, state.scores.score, atol=1e-5)
    assert read.used["notes"].tolist() == ["one"]
    again = assign_particles(images, read_references(tmp_path), ctf=made().ctf.take(order(True)))
    assert (again.labels == found.labels).mean() > 0.95


def test_what_a_particle_is_does_not_depend_on_those_beside_it(whole):
    kept = StreamFolder(whole)
    found, state = kept.particles(), kept.state
    every = state.quality(found.labels, found.fit).member_probability
    some = np.arange(0, len(found), 7)
    alone = state.quality(found.labels[some], found.fit[some]).member_probability
    assert np.array_equal(alone, every[some]) and len(np.unique(every)) > len(every) / 2
