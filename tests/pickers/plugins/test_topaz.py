"""The real Topaz on a CPU, through the unmodified scipion-em-topaz."""

import pytest

pytestmark = pytest.mark.pickers

# small and short, for a CPU
TRAIN_EXTRA = "--units 32 --epoch-size 140 --learning-rate 0.001 --minibatch-balance 0.25"
OPTIONS = {"modelFit": "0", "generalModel": "3", "trainExtra": TRAIN_EXTRA}
LEAST_GAIN = 0.15
LEAST_F1 = 0.65


@pytest.fixture(scope="module")
def picker(exposures):
    from repic_plugin.pickers.topaz import TopazPicker

    found = TopazPicker(exposures.settings("Topaz", options=OPTIONS))
    if found.problems():
        pytest.skip(found.problems()[0])
    return found


@pytest.fixture(scope="module")
def trained(picker, exposures):
    protocol = picker.training(exposures.new, exposures.training, exposures.labels)
    return exposures.run(protocol, "Topaz train")


@pytest.fixture(scope="module")
def start(picker, exposures):
    """F1 of the model that comes with Topaz."""
    protocol = picker.picking(exposures.new, exposures.testing, None)
    done = exposures.run(protocol, "Topaz start")
    return exposures.f1(picker.picks(done).get(), picker.score_attribute)


def test_training_leaves_a_model(picker, trained):
    assert trained.isFinished(), trained.getErrorMessage()
    assert type(picker.model(trained).get()).__name__ == picker.model_class


def test_training_helps(picker, exposures, trained, start):
    protocol = picker.picking(exposures.new, exposures.testing, picker.model(trained))
    done = exposures.run(protocol, "Topaz pick")
    coordinates = picker.picks(done).get()
    assert coordinates.getBoxSize() == exposures.box_size_px
    f1 = exposures.f1(coordinates, picker.score_attribute)
    print(f"Topaz: F1 {start:.2f} as it comes, {f1:.2f} trained")
    assert f1 > LEAST_F1
    assert f1 > start + LEAST_GAIN
