"""The real Laplacian-of-Gaussian picker of RELION, through the unmodified scipion-em-relion."""

import pytest

pytestmark = pytest.mark.pickers

# picks at random have 0.05
LEAST_F1 = 0.25


@pytest.fixture(scope="module")
def picker(exposures):
    from repic_plugin.pickers.log import LogPicker

    found = LogPicker(exposures.settings("LoG"))
    if found.problems():
        pytest.skip(found.problems()[0])
    return found


def test_blobs_are_found(picker, exposures):
    protocol = exposures.run(picker.picking(exposures.new, exposures.testing, None), "LoG pick")
    assert protocol.isFinished(), protocol.getErrorMessage()
    coordinates = picker.picks(protocol).get()
    assert coordinates.getBoxSize() == exposures.box_size_px
    f1 = exposures.f1(coordinates, picker.score_attribute)
    print(f"LoG: F1 {f1:.2f}")
    assert f1 > LEAST_F1


def test_nothing_found_is_a_failure(exposures):
    from repic_plugin.pickers import PickerFailed
    from repic_plugin.pickers.log import LogPicker

    settings = exposures.settings("LoG", options={"threshold": "50"})
    picker = LogPicker(settings)
    if picker.problems():
        pytest.skip(picker.problems()[0])
    protocol = exposures.run(picker.picking(exposures.new, exposures.testing, None), "LoG none")
    assert protocol.isFinished()
    with pytest.raises(PickerFailed, match="LoG none ended without a single coordinate"):
        picker.picks(protocol)
