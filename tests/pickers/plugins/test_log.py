"""The real Laplacian-of-Gaussian picker of RELION, through the unmodified scipion-em-relion."""

import pytest

pytestmark = pytest.mark.pickers

# picks at random have 0.05
LEAST_F1 = 0.35


@pytest.fixture(scope="module")
def clean(simulate):
    from tests.pickers.plugins.simulated import CLEAN

    return simulate("clean", 3, 3, **CLEAN)


def _picker(clean, **options):
    from repic_plugin.pickers.log import LogPicker

    picker = LogPicker(clean.settings("LoG", options=options))
    if picker.problems():
        pytest.skip(picker.problems()[0])
    return picker


def test_particles_are_found(clean):
    picker = _picker(clean)
    done = clean.run(picker.picking(clean.new, clean.micrographs, None), "LoG pick")
    assert done.isFinished(), done.getErrorMessage()
    coordinates = picker.picks(done).get()
    assert coordinates.getBoxSize() == clean.box_size_px
    f1 = clean.f1(coordinates, picker.score_attribute)
    print(f"LoG: F1 {f1:.2f}")
    assert f1 > LEAST_F1


def test_options_reach_relion_and_no_output_is_a_failure(clean):
    from repic_plugin.pickers import PickerFailed

    picker = _picker(clean, threshold="50")  # so high that nothing is found
    done = clean.run(picker.picking(clean.new, clean.micrographs, None), "LoG none")
    with pytest.raises(PickerFailed, match="LoG none ended without a single coordinate"):
        picker.picks(done)
