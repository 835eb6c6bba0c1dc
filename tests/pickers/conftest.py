"""The Scipion of the protocols' tests, with a project of these tests' own."""

import pytest

# importing it makes this Scipion
from tests.protocols.conftest import HOME  # noqa: F401  isort: skip
from tests.pickers.deeppicker_material import (
    BOX_PX,
    GOOD,
    NAMES,
    install,
    pointer,
    rename,
    write_micrographs,
)


@pytest.fixture(scope="session")
def project():
    """One project for all tests: making one costs more than running a protocol."""
    from tests.protocols.scipion_project import Project

    return Project("pickers")


@pytest.fixture(scope="session")
def standin(tmp_path_factory):
    """The stand-in for DeepPicker, in a folder that no shell may see unquoted."""
    import repic_plugin

    folder = tmp_path_factory.mktemp("standin") / "Deep Picker; exit 3 #.mrc"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in install(folder).items():
            patch.setenv(name, value)
        repic_plugin.Plugin._defineVariables()  # of this process; a run reads its own
        yield folder
    repic_plugin.Plugin._defineVariables()


@pytest.fixture(scope="session")
def micrographs(project, tmp_path_factory):
    """To the micrographs of the stand-in."""
    plain = ["a", "odd", "d.1"]
    folder = write_micrographs(tmp_path_factory.mktemp("bright") / "mics", plain)
    imported = project.micrographs("bright", folder)
    rename(imported.outputMicrographs, "odd", NAMES[1])
    return pointer(imported, "outputMicrographs")


@pytest.fixture(scope="session")
def labels(project, micrographs, tmp_path_factory):
    """To the good particles of the micrographs of the stand-in."""
    from tests.protocols.scipion_project import write_picker

    centres = dict.fromkeys(NAMES, GOOD)
    folder = write_picker(tmp_path_factory.mktemp("labels") / "labels", centres, BOX_PX)
    picks = project.picks("labels", micrographs.getObjValue(), folder)
    return pointer(picks, "outputCoordinates")


@pytest.fixture(scope="session")
def new(project):
    """As the iterative protocol makes children."""
    return lambda name, **values: project.project.newProtocol(project.protocols[name], **values)


@pytest.fixture(scope="session")
def deep_picker(standin):
    from repic_plugin.pickers import PICKERS, PickerSettings

    options = {"train.seed": "1"}
    settings = PickerSettings("DeepPicker", BOX_PX, 1.0, 5, options=options, gpus="1 3")
    return PICKERS["deeppicker"](settings)


@pytest.fixture(scope="session")
def trained(project, deep_picker, micrographs, labels, new):
    """A finished training of the stand-in."""
    training = deep_picker.training(new, micrographs, labels)
    training.setObjLabel("training")
    assert training.validate() == []
    training = project.run(training)
    assert training.isFinished(), training.getErrorMessage()
    return training


@pytest.fixture(scope="session")
def picked(project, deep_picker, micrographs, trained, new):
    """A finished picking with what the training left."""
    picking = deep_picker.picking(new, micrographs, deep_picker.model(trained))
    picking.setObjLabel("picking")
    assert picking.validate() == []
    picking = project.run(picking)
    assert picking.isFinished(), picking.getErrorMessage()
    return picking


@pytest.fixture(scope="session")
def run_here(project):
    """Run one step of a protocol in this process, which is quicker than a run of its own."""
    from pyworkflow.protocol.executor import StepExecutor

    def run(protocol, label, step, *arguments):
        protocol.setObjLabel(label)
        project.project.saveProtocol(protocol)
        protocol.makePathsAndClean()
        protocol.setStepsExecutor(StepExecutor(None, gpuList=[2]))
        getattr(protocol, step)(*arguments)
        return protocol

    return run


@pytest.fixture(scope="session")
def pre_trained(deep_picker, micrographs, new, run_here, standin):
    """A picking by the stand-in as it comes."""
    picking = deep_picker.picking(new, micrographs, None)
    model = str(standin / "trained model")
    return run_here(picking, "pre-trained", "pickStep", "", model, BOX_PX, 0.15)
