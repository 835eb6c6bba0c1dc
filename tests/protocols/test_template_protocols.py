"""Template training and picking in a real Scipion project."""

import re
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.spatial import cKDTree

from repic_plugin import constants
from repic_plugin.formats import read_picked_micrographs
from repic_plugin.protocols.common.micrograph_batches import average_images, labels_on
from tests.protocols.faults import killed
from tests.protocols.iterative_runs import run_again
from tests.protocols.scipion_project import write_picker
from tests.protocols.template_runs import (
    LABELLED,
    NAMES,
    PIXEL_SIZE,
    centres,
    finished,
    label,
    picking,
    training,
    write_micrographs,
    write_noise,
)
from tests.template_picking.material import BOX, GRID

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return write_micrographs(tmp_path_factory.mktemp("template") / "mics")


@pytest.fixture(scope="module")
def truth(material):
    return material[1]


@pytest.fixture(scope="module")
def micrographs(project, material):
    return project.micrographs("template mics", material[0], PIXEL_SIZE)


@pytest.fixture(scope="module")
def labels(project, micrographs, truth, tmp_path_factory):
    labelled = {name: truth[name] for name in LABELLED}
    return label(project, micrographs, labelled, tmp_path_factory.mktemp("labels") / "picks")


@pytest.fixture(scope="module")
def trained(project, micrographs, labels):
    return finished(project, training(project, micrographs, labels))


@pytest.fixture(scope="module")
def picked(project, micrographs, trained):
    return finished(project, picking(project, micrographs, trained))


@pytest.fixture(scope="module")
def noise(project, tmp_path_factory):
    """Micrographs of nothing, more than a step takes."""
    folder = write_noise(tmp_path_factory.mktemp("noise") / "mics", 52)
    return project.micrographs("noise", folder, PIXEL_SIZE)


def found_of(protocol, truth, radius=BOX / 4):
    """Part of the particles that were found, and part of the picks that are particles."""
    found = centres(protocol)
    near = [cKDTree(found[name]).query(truth[name])[0] < radius for name in truth if name in found]
    right = [cKDTree(truth[name]).query(found[name])[0] < radius for name in found]
    n_particles = sum(map(len, truth.values()))
    return np.concatenate(near).sum() / n_particles, np.concatenate(right).mean()


# What comes out


def test_training_leaves_templates_at_the_reduced_pixel_size(trained):
    averages = trained.outputAverages
    n_labels = len(LABELLED) * len(GRID)
    assert averages.getSize() == n_labels // 30
    assert averages.getSamplingRate() == 2 * PIXEL_SIZE
    assert averages.getDim()[:2] == (BOX // 2, BOX // 2)
    sizes = [getattr(item, constants.CLASS_SIZE).get() for item in averages]
    assert 0.8 * n_labels <= sum(sizes) <= n_labels
    assert [item.getIndex() for item in averages] == list(range(1, len(sizes) + 1))
    with mrcfile.open(averages.getFirstItem().getFileName()) as stack:
        assert len(stack.data) == len(sizes)
        assert stack.voxel_size.x == pytest.approx(2 * PIXEL_SIZE)


def test_training_tells_what_it_did(trained):
    line, values = trained._summary()
    n = sum(getattr(item, constants.CLASS_SIZE).get() for item in trained.outputAverages)
    assert f"*{trained.outputAverages.getSize()} templates* of {n} particles" in line
    n_ignored = len(LABELLED) * len(GRID) - n
    assert ("ignored" in line) == bool(n_ignored)
    assert not n_ignored or f"of {n} particles; {n_ignored:,} " in line
    assert f'"Number of templates" {trained.outputAverages.getSize()}' in values
    assert "[Xu2016]" in trained._methods()[0]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((21, 0), "of 21 particles"),
        ((1, 1), "of 1 particle; 1 is ignored"),
        ((2000, 2), "of 2,000 particles; 2 are ignored"),
    ],
)
def test_particles_in_no_template_are_said_where_there_are_some(project, numbers, text):
    from repic_plugin.protocols.picking.protocol_template_train import _used_text

    assert _used_text(*numbers) == text


def test_only_results_are_left_on_the_disk(trained, picked):
    assert [file.name for file in Path(trained._getExtraPath()).iterdir()] == ["templates.mrcs"]
    left = {file.name for file in Path(picked._getExtraPath()).rglob("*.*")}
    assert left == {"micrographs.csv", "settings.json", "remarks.json", "finished.json"}


def test_particles_are_found_on_all_micrographs(picked, truth):
    assert set(centres(picked)) == set(NAMES)
    recall, precision = found_of(picked, truth)
    assert recall > 0.9
    assert precision > 0.9
    assert picked.outputCoordinates.getBoxSize() == BOX  # that of the templates


def test_picks_carry_their_scores(picked):
    scores = [getattr(item, constants.CORRELATION).get() for item in picked.outputCoordinates]
    assert 0 < min(scores) < max(scores) < 1
    whose = {getattr(item, constants.PICKERS).get() for item in picked.outputCoordinates}
    assert whose == {"picking"}


def test_the_threshold_taken_and_what_is_masked_are_told(picked):
    rows = read_picked_micrographs(picked._getExtraPath("micrographs.csv"))
    assert [row.micrograph for row in rows] == list(NAMES)
    assert sum(row.n_picks for row in rows) == picked.outputCoordinates.getSize()
    levels = [row.min_score for row in rows]
    assert min(levels) > 0
    _, masked, values = picked._summary()
    assert masked == "Masked: 0.0 % blank, 0.0 % contamination (at most 0 % of one)."
    assert f'"Minimum score" {min(levels):.3f} to {max(levels):.3f} (median' in values
    assert re.search(r'"Particle diameter \(Å\)" \d+ Å', values)
    log = Path(picked.getStdoutLog()).read_text() + Path(picked.getStderrLog()).read_text()
    assert "particles with a minimum score of" in log


@pytest.mark.thorough
def test_masks_are_kept_as_files_at_the_reduced_pixel_size(project, trained, tmp_path):
    folder, _ = write_micrographs(tmp_path / "bordered", NAMES[:1])
    with mrcfile.open(folder / "a.mrc", "r+") as file:
        file.data[:80] = 0
    bordered = project.micrographs("bordered", folder, PIXEL_SIZE)
    done = finished(project, picking(project, bordered, trained, "masks", keepMasks=True))
    with mrcfile.open(done._getExtraPath("masks", "a_mask.mrc")) as file:
        assert file.data.mean() == pytest.approx(0.2, abs=0.01)
        assert file.voxel_size.x == pytest.approx(2 * PIXEL_SIZE)
    assert "Masked: 20" in done._summary()[1]
    assert min(centres(done)["a"][:, 1]) > 80


def test_outputs_point_to_their_sources(project, micrographs, labels, trained, picked):
    source = picked.outputCoordinates.getMicrographs()
    assert source.getObjId() == micrographs.outputMicrographs.getObjId()
    (parent,) = project.project.getSourceParents(trained.outputAverages)
    assert parent.getObjId() == labels.getObjId()


def test_summary_and_methods_of_picking_are_true(picked, trained):
    n, k = picked.outputCoordinates.getSize(), trained.outputAverages.getSize()
    assert picked._summary()[0] == f"*{n:,} particles* found with {k} templates."
    assert f"{n:,} particles were picked" in picked._methods()[0]


def test_before_the_run_there_is_nothing_to_tell(project, micrographs, labels):
    assert "not ready" in training(project, micrographs, labels)._summary()[0]
    assert training(project, micrographs, labels)._methods() == []
    assert picking(project, micrographs)._methods() == []


def test_without_templates_a_blob_is_looked_for(project, micrographs, truth):
    blob = picking(project, micrographs, boxSize=BOX, maxPerMicrograph=len(GRID), name="blob")
    done = finished(project, blob)
    assert all(len(found) <= len(GRID) for found in centres(done).values())
    assert found_of(done, truth)[1] > 0.6
    assert "a round blob" in done._summary()[0]


@pytest.mark.thorough
def test_labels_at_another_pixel_size_are_rescaled(project, micrographs, truth, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    for name in LABELLED:
        with mrcfile.new(small / f"{name}.mrc") as file:
            file.set_data(np.zeros((200, 240), np.int8))
    binned = project.micrographs("binned", small, 2 * PIXEL_SIZE)
    half = {name: truth[name] / 2 for name in LABELLED}
    labels = label(project, binned, half, tmp_path / "picks", "half", BOX // 2)
    protocol = training(project, micrographs, labels, "rescaled")
    assert protocol._box_size() == BOX
    found = labels_on(micrographs.outputMicrographs, labels.outputCoordinates)
    for name, centers in zip(LABELLED, found):
        np.testing.assert_allclose(centers, truth[name], atol=1)  # Scipion keeps whole px
    assert len(found[3]) == 0


@pytest.mark.thorough
def test_light_particles_need_inverted_templates(project, trained, tmp_path):
    folder, truth = write_micrographs(tmp_path / "light", NAMES[:1], contrast=-1.0)
    light = project.micrographs("light", folder, PIXEL_SIZE)
    inverted = finished(project, picking(project, light, trained, "inverted", invert=True))
    assert found_of(inverted, truth)[0] > 0.9


# What goes wrong


@pytest.mark.thorough
def test_a_micrograph_that_cannot_be_read_is_left_out_and_told(project, trained, tmp_path):
    folder, truth = write_micrographs(tmp_path / "some", NAMES[:2])
    some = project.micrographs("some damaged", folder, PIXEL_SIZE)
    damaged = [one.getFileName() for one in some.outputMicrographs][1]
    Path(damaged).unlink()
    Path(damaged).write_bytes(b"no micrograph")
    done = finished(project, picking(project, some, trained, "one damaged"))
    assert set(centres(done)) == {"a"}
    assert "1 micrograph could not be used" in done._summary()[1]
    lines = Path(done.getStdoutLog()).read_text() + Path(done.getStderrLog()).read_text()
    (line,) = {one for one in lines.splitlines() if "it is skipped" in one}
    assert "b.1.mrc: an MRC file has a header of 1024 bytes, got 13" in line
    labels = label(project, some, truth, tmp_path / "picks", "of some")
    learnt = finished(project, training(project, some, labels, "one damaged"))
    assert f"of {len(GRID)} particles" in learnt._summary()[0]


@pytest.mark.thorough
def test_when_no_micrograph_can_be_read_the_run_fails(project, trained, tmp_path):
    folder, _ = write_micrographs(tmp_path / "all", NAMES[:1])
    gone = project.micrographs("all gone", folder, PIXEL_SIZE)
    file = next(iter(gone.outputMicrographs)).getFileName()
    kept = Path(file).resolve()
    shutil.move(kept, tmp_path / "away")
    broken = project.run(picking(project, gone, trained, "gone"))
    assert broken.isFailed()
    assert "a.mrc" in broken.getErrorMessage()
    shutil.move(tmp_path / "away", kept)
    mended = project.run(broken)
    assert mended.isFinished(), mended.getErrorMessage()
    assert mended.outputCoordinates.getSize() > 0.8 * len(GRID)


def test_continue_repeats_no_batch(project, noise, tmp_path):
    protocol = picking(project, noise, name="in batches", boxSize=16, minScore=-1.0)
    broken, place = killed(project, protocol, "1 8", tmp_path)
    assert place
    on_record = Path(broken._getExtraPath("stream")).glob("batch_*.npz")
    assert [file.name for file in on_record] == ["batch_000000.npz"]
    mended = run_again(project, broken)
    assert mended.isFinished(), mended.getErrorMessage()
    log = Path(mended.getStdoutLog()).read_text() + Path(mended.getStderrLog()).read_text()
    assert log.count("micrographs 1 to 50 of 52:") == 1
    assert log.count("micrographs 51 to 52 of 52:") == 1
    assert len({item.getMicId() for item in mended.outputCoordinates}) == 52


@pytest.mark.thorough
def test_a_changed_value_is_not_skipped_by_continue(project, micrographs, labels):
    again = finished(project, training(project, micrographs, labels, "changed"))
    again.numberOfTemplates.set(1)
    again = project.run(again)
    assert again.isFinished(), again.getErrorMessage()
    assert again.outputAverages.getSize() == 1


def test_junk_and_disabled_averages_are_not_looked_for(trained, tmp_path):
    from pwem.objects import Particle, SetOfAverages
    from pyworkflow.object import Boolean

    path = trained.outputAverages.getFirstItem().getFileName()
    averages = SetOfAverages(filename=str(tmp_path / "averages.sqlite"))
    for number, (junk, enabled) in enumerate([(False, True), (True, True), (False, False)], 1):
        item = Particle()
        item.setLocation(number, path)
        item.setEnabled(enabled)
        setattr(item, constants.IS_JUNK, Boolean(junk))
        averages.append(item)
    averages.write()
    with mrcfile.open(path) as stack:
        np.testing.assert_array_equal(average_images(averages), stack.data[:1])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"boxSize": 8}, ["Box size", "16", "8"]),
        ({"numberOfTemplates": -1}, ["Number of templates", "-1"]),
    ],
)
def test_bad_values_of_training_are_one_line(project, micrographs, labels, values, words):
    (message,) = training(project, micrographs, labels, **values)._validate()
    assert "\n" not in message
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"boxSize": 8}, ["Box size", "16", "8"]),
        ({"minScore": 2.0}, ["Minimum score", "-1 to 1", "2"]),
        ({"minDistance": -1.0}, ["Minimum distance", "0 to 2", "-1"]),
        ({"maxPerMicrograph": -1}, ["Particles to keep", "-1"]),
        ({"angularStep": 0.0}, ["Angular step", "0.0"]),
    ],
)
def test_bad_values_of_picking_are_one_line(project, micrographs, trained, values, words):
    (message,) = picking(project, micrographs, trained, **values)._validate()
    assert "\n" not in message
    assert all(word in message for word in words)


def test_a_blob_needs_a_box_size(project, micrographs):
    (message,) = picking(project, micrographs)._validate()
    assert '"Box size (px)" must be' in message


def test_labels_elsewhere_are_one_line_before_the_run(project, noise, labels):
    (message,) = training(project, noise, labels)._validate()
    assert "no micrograph in common" in message


def test_labels_whose_boxes_stick_out_end_with_one_line(project, micrographs, tmp_path):
    corner = write_picker(tmp_path / "picks", {"a": [(3, 3)]}, BOX)
    labels = project.picks("corner", micrographs, corner)
    broken = project.run(training(project, micrographs, labels, "corner"))
    assert broken.isFailed()
    assert f"no box of {BOX} px" in broken.getErrorMessage()


def test_forms_are_labelled_and_their_citations_known(project):
    import bibtexparser

    from repic_plugin import bibtex

    known = {entry["ID"] for entry in bibtexparser.loads(bibtex.__doc__).entries}
    for name in ("ProtTemplateTrain", "ProtTemplatePick"):
        protocol = project.new(name, name)
        assert set(protocol._citations()) <= known
        for param_name, param in protocol.getDefinition().iterParams():
            assert param.label.get(), param_name
