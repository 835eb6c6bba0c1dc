"""The adapter of the template picker, with runs of the real protocols."""

import pytest

from repic_plugin import constants
from tests.protocols.template_runs import (
    PIXEL_SIZE,
    finished,
    label,
    training,
    write_micrographs,
    write_noise,
)
from tests.template_picking.material import BOX, GRID

pytestmark = pytest.mark.slow

NAMES = ("one", "two")


def adapter(**options):
    from repic_plugin.pickers import PICKERS, PickerSettings

    settings = PickerSettings(
        "template (2)", BOX, PIXEL_SIZE, len(GRID), options=options, n_threads=2
    )
    return PICKERS["template"](settings)


def pointer(protocol, output):
    from pyworkflow.object import Pointer

    return Pointer(protocol, extended=output)


@pytest.fixture(scope="module")
def imported(project, tmp_path_factory):
    folder, truth = write_micrographs(tmp_path_factory.mktemp("template") / "mics", NAMES)
    return project.micrographs("template mics", folder, PIXEL_SIZE), truth


@pytest.fixture(scope="module")
def micrographs(imported):
    return pointer(imported[0], "outputMicrographs")


@pytest.fixture(scope="module")
def labels(project, imported, tmp_path_factory):
    run = label(project, *imported, tmp_path_factory.mktemp("labels") / "picks", "true ones")
    return pointer(run, "outputCoordinates")


@pytest.fixture(scope="module")
def trained(project, micrographs, labels, new):
    protocol = adapter().training(new, micrographs, labels)
    protocol.setObjLabel("template training")
    return finished(project, protocol)


def test_it_can_run_everywhere():
    assert adapter().problems() == []
    assert adapter().start_problems() == []


def test_options_are_those_of_the_two_protocols(micrographs, labels, new):
    picker = adapter(**{"numberOfTemplates": "5", "pick.angularStep": "20", "boxSize": "64"})
    assert picker.problems() == []
    train = picker.training(new, micrographs, labels)
    pick = picker.picking(new, micrographs, None)
    assert train.numberOfTemplates.get() == 5
    assert pick.angularStep.get() == 20
    assert train.boxSize.get() == pick.boxSize.get() == 64
    (problem,) = adapter(nonsense="1").problems()
    assert "template (2)" in problem
    assert "nonsense" in problem


def test_box_threads_and_inputs_are_handed_on(micrographs, labels, new, trained):
    picker = adapter()
    train = picker.training(new, micrographs, labels)
    pick = picker.picking(new, micrographs, picker.model(trained))
    assert train.boxSize.get() == pick.boxSize.get() == BOX
    assert train.numberOfThreads.get() == pick.numberOfThreads.get() == 2
    assert pick.maxPerMicrograph.get() >= len(GRID)
    assert train.inputCoordinates.get().getObjId() == labels.get().getObjId()
    assert pick.inputAverages.get().getObjId() == trained.outputAverages.getObjId()
    assert train.validate() == []
    assert pick.validate() == []


def test_it_picks_before_it_is_trained_and_after(project, micrographs, new, trained):
    picker = adapter()
    for model in (None, picker.model(trained)):
        protocol = picker.picking(new, micrographs, model)
        protocol.setObjLabel("template picking")
        done = finished(project, protocol)
        coordinates = picker.picks(done).get()
        assert coordinates.getSize() > 0.6 * len(NAMES) * len(GRID)
        assert hasattr(coordinates.getFirstItem(), picker.score_attribute)
    assert picker.score_attribute in constants.SCORE_ATTRIBUTES


def test_a_training_without_templates_counts_as_failed(project, imported, labels):
    from repic_plugin.pickers import PickerFailed

    never_run = training(project, imported[0], labels.getObjValue(), "never run")
    project.project.saveProtocol(never_run)
    with pytest.raises(PickerFailed, match="never run ended without a model"):
        adapter().model(never_run)


def test_a_picking_without_a_coordinate_counts_as_failed(project, new, tmp_path):
    from repic_plugin.pickers import PickerFailed

    folder = write_noise(tmp_path / "noise", 1, size_px=BOX)
    noise = project.micrographs("one box of noise", folder, PIXEL_SIZE)
    protocol = adapter(minScore="0.99").picking(new, pointer(noise, "outputMicrographs"), None)
    protocol.setObjLabel("nothing found")
    done = finished(project, protocol)
    with pytest.raises(PickerFailed, match="nothing found ended without a single coordinate"):
        adapter().picks(done)
