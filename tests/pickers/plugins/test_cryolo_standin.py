"""Delegation to crYOLO through the unmodified scipion-em-sphire, with a stand-in for crYOLO.

What is shown is that the plugin gets what it needs and that failures are seen; crYOLO itself is
not run.
"""

import json
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.pickers

LEAST_F1 = 0.3


@pytest.fixture(autouse=True)
def orders(monkeypatch):
    """What the stand-in is told; crYOLO would need a GPU to train."""
    monkeypatch.setenv("REPIC_GPU", "yes")
    path = Path(os.environ["CRYOLO_STANDIN_ORDERS"])
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def picker(training):
    from repic_plugin.pickers.cryolo import CryoloPicker

    os.environ["REPIC_GPU"] = "yes"
    found = CryoloPicker(training.settings("crYOLO's stand-in"))
    problems = found.problems() + (found.start_problems() if not found.problems() else [])
    del os.environ["REPIC_GPU"]
    if problems:
        pytest.skip(problems[0])
    return found


@pytest.fixture(scope="module")
def trained(picker, training):
    protocol = picker.training(training.new, training.micrographs, training.truth)
    return training.run(protocol, "stand-in train")


def _picked(picker, testing, model, label, **values):
    protocol = picker.picking(testing.new, testing.micrographs, model)
    for name, value in values.items():
        protocol.setAttributeValue(name, value)
    done = testing.run(protocol, label)
    assert done.isFinished(), done.getErrorMessage()
    return done


def test_it_is_trained_as_the_paper_says(trained, training):
    assert trained.isFinished(), trained.getErrorMessage()
    config = json.loads(Path(trained._getExtraPath("config.json")).read_text())
    size_px = training.box_size_px
    assert config["model"]["anchors"] == [size_px, size_px]
    assert config["model"]["filter"] == [pytest.approx(0.1), "filtered"]
    assert config["train"]["batch_size"] == 2
    assert config["train"]["pretrained_weights"] == ""
    asked = json.loads(Path(trained.outputModel.getPath()).read_text())["asked"]
    assert (asked["warm_up"], asked["early_stop"], asked["fine_tune"]) == (5, 32, False)
    assert asked["gpus"] == [0]


def test_labels_and_picks_lie_where_they_should(picker, testing, trained):
    done = _picked(picker, testing, picker.model(trained), "stand-in pick")
    coordinates = picker.picks(done).get()
    assert coordinates.getBoxSize() == testing.box_size_px
    f1 = testing.f1(coordinates, picker.score_attribute)
    print(f"crYOLO's stand-in: F1 {f1:.2f}")
    assert f1 > LEAST_F1


def test_it_picks_without_a_gpu_and_untrained(picker, testing, monkeypatch):
    monkeypatch.setenv("REPIC_GPU", "no")
    done = _picked(picker, testing, None, "stand-in start")
    assert not done.useGpu
    assert picker.picks(done).get().getSize()


def test_a_failed_training_is_seen(picker, training, orders):
    from repic_plugin.pickers import PickerFailed

    orders.write_text("train")
    protocol = picker.training(training.new, training.micrographs, training.truth)
    done = training.run(protocol, "no model")
    with pytest.raises(PickerFailed, match="no model ended without a model"):
        picker.model(done)


@pytest.mark.parametrize("order", ["predict", "empty"])
def test_picking_nothing_is_a_failure_though_it_finishes(picker, testing, trained, orders, order):
    from repic_plugin.pickers import PickerFailed

    orders.write_text(order)
    done = _picked(picker, testing, picker.model(trained), f"told {order}")
    with pytest.raises(PickerFailed, match=f"told {order} ended without a single coordinate"):
        picker.picks(done)


def test_picking_a_part_is_a_failure_though_it_finishes(picker, testing, trained, orders):
    from repic_plugin.pickers import PickerFailed

    orders.write_text("part")
    values = {"streamingBatchSize": 2}
    done = _picked(picker, testing, picker.model(trained), "told part", **values)
    assert done.outputCoordinates.getSize()
    with pytest.raises(PickerFailed, match="skipped micrographs on which crYOLO failed"):
        picker.picks(done)


def test_a_model_of_another_run_is_taken(picker, trained, testing):
    from pyworkflow.object import Pointer

    path = picker.model(trained).get().getPath()
    imported = testing.run(testing.new("SphireProtCryoloImport", modelPath=path), "stand-in model")
    done = _picked(picker, testing, Pointer(imported, extended="outputModel"), "transferred")
    assert picker.picks(done).get().getSize()
    assert imported.outputModel.getPath() in done.getInputModel()
