"""A picker from runs of the project: the stand-in for DeepPicker, and protocols that are not one.

It is the copying that is tested here, not DeepPicker.
"""

import pytest

from tests.pickers.deeppicker_material import (
    BOX_PX,
    BRIGHT,
    FAINT,
    GOOD,
    JUNK,
    found,
    on_each,
    pointer,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def from_project():
    def make(train_run, pick_run, **options):
        from repic_plugin.pickers import PICKERS, PickerSettings

        settings = PickerSettings(
            "mine", 99, 1.0, 5, options=options, train_run=train_run, pick_run=pick_run
        )
        return PICKERS["project"](settings)

    return make


@pytest.fixture
def said_finished(project):
    """A run that looks finished, to be judged only."""

    def make(class_name, inputs=(), status="finished", **values):
        protocol = project.new(class_name, "a run", **values)
        for name, source in dict(inputs).items():
            getattr(protocol, name).copy(source)
        project.project.saveProtocol(protocol)
        protocol.setStatus(status)
        return protocol

    return make


def test_copies_train_and_pick_with_new_inputs(
    project, trained, picked, pre_trained, micrographs, from_project, new
):
    picker = from_project(trained, picked)
    all_that_there_is = picker.picks(pre_trained)
    assert picker.trainable
    assert picker.problems() == []
    training = picker.training(new, micrographs, all_that_there_is)
    training.setObjLabel("copy of the training")
    training = project.run(training)
    assert training.isFinished(), training.getErrorMessage()
    assert training.getObjId() != trained.getObjId()

    model = picker.model(training)
    assert model.getUniqueId() == f"{training.getObjId()}.outputModel"
    picking = picker.picking(new, micrographs, model)
    picking.setObjLabel("copy of the picking")
    picking = project.run(picking)
    assert picking.isFinished(), picking.getErrorMessage()
    # the run that was copied had left out what is faint
    assert found(picker.picks(picking).get()) == on_each((GOOD, BRIGHT), (JUNK, FAINT))
    for run in (trained, picked):
        assert project.project.getProtocol(run.getObjId()).isFinished()


def test_a_copy_has_the_values_of_the_run(trained, picked, labels, from_project, new):
    picker = from_project(trained, picked, **{"pick.threshold": "0.25", "seed": "7"})
    elsewhere = pointer(labels.getObjValue(), "outputMicrographs")
    training = picker.training(new, elsewhere, labels)
    assert training.inputMicrographs.getUniqueId() == elsewhere.getUniqueId()
    assert training.inputCoordinates.getUniqueId() == labels.getUniqueId()
    assert training.boxSize.get() == BOX_PX
    assert training.gpuList.get() == "1 3"
    assert (trained.seed.get(), training.seed.get()) == (1, 7)
    assert training.getObjId() is None
    picking = picker.picking(new, elsewhere, None)
    assert picking.inputModel.getUniqueId() == picked.inputModel.getUniqueId()
    assert picking.inputMicrographs.getUniqueId() == elsewhere.getUniqueId()
    assert picking.threshold.get() == 0.25


def test_a_training_without_its_model_has_failed(trained, picked, from_project, new, labels):
    from repic_plugin.objects import DeepPickerModel
    from repic_plugin.pickers import PickerFailed

    picker = from_project(trained, picked)
    training = picker.training(new, labels, labels)
    training.setObjLabel("copy")
    with pytest.raises(PickerFailed, match="copy ended without outputModel"):
        picker.model(training)
    training.outputModel = DeepPickerModel("nowhere")
    with pytest.raises(PickerFailed, match="copy ended without outputModel"):
        picker.model(training)


def test_a_picker_that_is_not_trained(labels, micrographs, from_project, new):
    imported = labels.getObjValue()
    picker = from_project(None, imported)
    assert not picker.trainable
    assert picker.problems() == []
    elsewhere = pointer(imported, "outputMicrographs")
    picking = picker.picking(new, elsewhere, None)
    assert picking.inputMicrographs.getUniqueId() == elsewhere.getUniqueId()
    assert picking.picksFolder.get() == imported.picksFolder.get()
    assert picker.picks(imported).getUniqueId() == labels.getUniqueId()


def test_what_cannot_be_copied_is_one_line(
    trained, picked, labels, micrographs, from_project, said_finished
):
    def problem(train_run, pick_run, **options):
        (line,) = from_project(train_run, pick_run, **options).problems()
        assert line.startswith("mine: ")
        assert "\n" not in line
        return line

    inputs = {"inputMicrographs": micrographs, "inputModel": picked.inputModel}
    assert "no picking run" in problem(trained, None)
    aborted = said_finished("ProtDeepPickerPick", inputs, status="aborted")
    assert "picking run a run is aborted, not finished" in problem(trained, aborted)
    unlinked = said_finished("ProtDeepPickerPick", {"inputMicrographs": micrographs})
    assert "uses nothing from training run training" in problem(trained, unlinked)
    alone = said_finished("ProtDeepPickerPick", {"inputModel": picked.inputModel})
    assert "has no replaceable input of class SetOfMicrographs" in problem(trained, alone)
    assert "training run picking has no replaceable input of class SetOfCoordinates" in problem(
        picked, said_finished("ProtDeepPickerPick", {**inputs, "inputModel": pointer(picked, "")})
    )
    asking = said_finished("ProtDeepPickerPick", inputs)
    asking.setInteractive(True)
    assert "is interactive" in problem(trained, asking)
    assert "option nonsense: no parameter of" in problem(trained, picked, nonsense="1")


def test_two_sets_for_one_input_are_ambiguous(micrographs, from_project, said_finished):
    from pyworkflow.object import Pointer

    same = said_finished("ProtSubSet", {"inputFullSet": micrographs, "inputSubSet": micrographs})
    assert from_project(None, same).problems() == []
    other = Pointer(micrographs.get())
    both = said_finished("ProtSubSet", {"inputFullSet": micrographs, "inputSubSet": other})
    (line,) = from_project(None, both).problems()
    assert "is ambiguous: inputFullSet and inputSubSet are different inputs of class" in line


def test_a_protocol_that_is_gone_is_said(picked, from_project):
    from pyworkflow.protocol import LegacyProtocol

    gone = LegacyProtocol()
    gone.setObjLabel("old")
    (line,) = from_project(None, gone).problems()
    assert "picking run old is of a protocol that is not installed" in line
