"""Delegation to DeepPicker, with a stand-in for it: DeepPicker itself is not tested here."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from repic_plugin.consensus import Picks
from tests.pickers.deeppicker_material import (
    BOX_PX,
    BRIGHT,
    FAINT,
    GOOD,
    JUNK,
    NAMES,
    calls,
    found,
    on_each,
    value_of,
)


def test_part_of_the_labelled_micrographs_is_held_out():
    from repic_plugin.protocols.picking.deeppicker_files import held_out

    micrograph = np.repeat([0, 2, 3, 7, 8, 9], 5)  # 1, 4, 5, 6 have no label
    zeros = np.zeros(len(micrograph))
    picks = Picks.from_columns(
        micrograph, zeros.astype(int), zeros, zeros, micrograph_names=[str(i) for i in range(10)]
    )
    held = held_out(picks, 0.34, random_state=3)
    assert len(np.unique(micrograph[held])) == 2
    assert not set(micrograph[held]) & set(micrograph[~held])
    np.testing.assert_array_equal(held, held_out(picks, 0.34, random_state=3))
    assert any((held != held_out(picks, 0.34, random_state=seed)).any() for seed in range(5))
    assert len(np.unique(micrograph[held_out(picks, 0.001)])) == 1
    assert len(np.unique(micrograph[held_out(picks, 0.999)])) == 5
    with pytest.raises(ValueError, match="2 micrographs or more"):
        held_out(picks.take(micrograph == 2), 0.5)


@pytest.mark.parametrize(
    ("n_training", "n_validation", "batch"),
    [(17, 16, 32), (16, 16, 4), (17, 15, 4), (3, 2, 4)],
)
def test_batches_fit_what_train_can_do(n_training, n_validation, batch):
    from repic_plugin.protocols.picking.deeppicker_files import fitting_batch_size

    assert fitting_batch_size(32, n_training, n_validation) == batch
    assert fitting_batch_size(2, n_training, n_validation) == 2


@pytest.mark.parametrize("few", [(2, 9), (9, 1)])
def test_too_few_labels_are_said(few):
    from repic_plugin.protocols.picking.deeppicker_files import fitting_batch_size

    with pytest.raises(ValueError, match="too few for a batch size of 4; give more labels"):
        fitting_batch_size(32, *few)


def test_a_model_is_one_file_or_several(tmp_path):
    from repic_plugin.objects import DeepPickerModel, checkpoint_file

    several, one, neither = (str(tmp_path / name) for name in ("new", "old", "none"))
    for path in (f"{several}.index", f"{several}.meta", one, f"{one}.meta", f"{one}er.meta"):
        Path(path).write_text("weights")
    Path(neither).touch()
    assert checkpoint_file(several) == Path(f"{several}.index")
    assert checkpoint_file(one) == Path(one)
    assert checkpoint_file(neither) is None
    assert DeepPickerModel(one).getFiles() == {one, f"{one}.meta"}


def test_scipion_knows_the_model(project):
    from pwem import Domain

    assert Domain.getObjects()["DeepPickerModel"].__module__ == "repic_plugin.objects"


@pytest.mark.slow
def test_training_calls_what_the_user_has(trained, standin):
    (call,) = (one for one in calls(standin) if "--train_type" in one)
    assert call[:2] == ["yes", "1,3"]
    assert value_of("--batch_size", call) == "4"  # 32 are too many for nine labels
    assert value_of("--particle_size", call) == str(BOX_PX)
    assert value_of("--coordinate_symbol", call) == ""
    assert value_of("--model_load_file", call) == str(standin / "trained model")
    assert trained.seed.get() == 1


@pytest.mark.slow
def test_picking_uses_the_trained_model(project, trained, picked, deep_picker):
    model = deep_picker.model(trained).get()
    assert type(model).__name__ == deep_picker.model_class
    coordinates = deep_picker.picks(picked).get()
    # it learned from the labels to leave out what is faint
    assert found(coordinates) == on_each((GOOD, BRIGHT))
    assert coordinates.getBoxSize() == BOX_PX
    assert not list(Path(project.project.path).rglob("*hacked"))
    # micrographs that were written anew are not left behind
    for run in (trained, picked):
        assert not list(Path(run._getExtraPath()).rglob("*.mrc"))


@pytest.mark.slow
def test_picking_without_a_model_is_pre_trained(pre_trained, deep_picker, standin):
    (call,) = (one for one in calls(standin) if "0.15" in one)
    assert call[:2] == ["yes", "2"]
    assert value_of("--pre_trained_model", call) == str(standin / "trained model")
    assert value_of("--threshold", call) == "0.15"
    assert found(deep_picker.picks(pre_trained).get()) == on_each((GOOD, BRIGHT), (JUNK, FAINT))


@pytest.mark.slow
def test_where_no_model_is_chosen_the_pre_trained_one_is_meant(
    trained, picked, pre_trained, standin
):
    def model_of(protocol, place):
        protocol._steps = []
        protocol._insertAllSteps()
        return json.loads(protocol._steps[0].argsStr.get())[place]

    assert model_of(pre_trained, 1) == model_of(trained, -1) == str(standin / "trained model")
    assert model_of(picked, 1) == str(Path(trained._getExtraPath("model/deeppicker")).resolve())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "words"),
    [("nothing", "train.py wrote no model in .*extra/model"), ("crash", "non-zero exit status 1")],
)
def test_a_training_without_a_model_fails(
    deep_picker, micrographs, labels, new, run_here, monkeypatch, how, words
):
    from subprocess import CalledProcessError

    from repic_plugin.pickers import PickerFailed

    monkeypatch.setenv("STANDIN_DEEPPICKER", how)
    training = deep_picker.training(new, micrographs, labels)
    with pytest.raises((ValueError, CalledProcessError), match=words):
        run_here(training, how, "trainStep", "", "", BOX_PX, 32, 20.0, 0, "")
    with pytest.raises(PickerFailed, match=f"{how} ended without a model"):
        deep_picker.model(training)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("nothing", r"autoPick.py wrote no file for a.mrc \(one of 3\)"),
        ("none", "autoPick.py found no particles on 3 micrographs"),
        ("crash", "non-zero exit status 1"),
    ],
)
def test_a_picking_without_picks_fails(
    deep_picker, micrographs, new, run_here, monkeypatch, standin, how, words
):
    from subprocess import CalledProcessError

    from repic_plugin.pickers import PickerFailed

    monkeypatch.setenv("STANDIN_DEEPPICKER", how)
    picking = deep_picker.picking(new, micrographs, None)
    model = str(standin / "trained model")
    with pytest.raises((ValueError, CalledProcessError), match=words):
        run_here(picking, how, "pickStep", "", model, BOX_PX, 0.0)
    with pytest.raises(PickerFailed, match=f"{how} ended without a single coordinate"):
        deep_picker.picks(picking)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixel_size_angstrom", "box_px", "left"),
    [
        (1.0, 10, [(12, 30), (25, 8), (33, 17)]),
        (1.0, 18, [(12, 30)]),
        (2.0, 8, [(6, 15), (12.5, 4), (16.5, 8.5)]),
        (2.0, 9, [(6, 15), (16.5, 8.5)]),
        (0.5, 10, []),  # columns beyond the number of rows: DeepPicker leaves them out, too
    ],
)
def test_labels_are_those_whose_boxes_lie_within_at_any_pixel_size(
    micrographs, labels, pixel_size_angstrom, box_px, left
):
    from pwem.objects import SetOfMicrographs

    from repic_plugin.protocols.picking.deeppicker_files import usable_labels

    others = SetOfMicrographs(filename=micrographs.get().getFileName())
    others.loadAllProperties()
    others.setSamplingRate(pixel_size_angstrom)
    taken, table = usable_labels(labels.get(), others, box_px)
    assert sorted(zip(taken.x, taken.y)) == sorted(left * len(NAMES))
    assert set(table.names) == {f"{name}.mrc" for name in NAMES}


def test_what_is_missing_is_said_before_the_run(deep_picker, standin, tmp_path, monkeypatch):
    import repic_plugin

    def problem(variable, value):
        with monkeypatch.context() as changed:
            changed.setenv(variable, str(value))
            repic_plugin.Plugin._defineVariables()
            (line,) = deep_picker.problems()
        repic_plugin.Plugin._defineVariables()
        assert "\n" not in line
        return line

    assert deep_picker.problems() == []
    assert "DeepPicker: DEEPPICKER_HOME is not set" in problem("DEEPPICKER_HOME", "")
    assert "has no autoPick.py" in problem("DEEPPICKER_HOME", os.path.dirname(standin))
    for name in ("autoPick.py", "train.py"):
        (tmp_path / name).write_text("as of its own authors")
    assert "docs/patches/deeppicker" in problem("DEEPPICKER_HOME", tmp_path)


def test_a_picking_without_a_model_is_said_before_the_run(new, standin, monkeypatch):
    import repic_plugin

    picking = new("ProtDeepPickerPick", boxSize=0)
    for value, words in (("", "There is no model"), ("/nowhere/model", "no such model")):
        with monkeypatch.context() as changed:
            changed.setenv("DEEPPICKER_MODEL", value)
            repic_plugin.Plugin._defineVariables()
            size, model = picking._validate()
        repic_plugin.Plugin._defineVariables()
        assert "Box size" in size
        assert words in model
