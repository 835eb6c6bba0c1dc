"""What the adapters of other people's pickers ask for; without their plugins and programs."""

import os
from pathlib import Path

import pytest
from pwem.objects import Coordinate, SetOfCoordinates
from pyworkflow.object import Pointer, String

from repic_plugin.pickers import PICKERS, PickerFailed, PickerSettings, environments
from repic_plugin.pickers.cryolo import CryoloPicker
from repic_plugin.pickers.log import LogPicker
from repic_plugin.pickers.topaz import TopazPicker

OURS = [TopazPicker, CryoloPicker, LogPicker]
MICROGRAPHS = Pointer(String("micrographs"))
MODEL = Pointer(String("model"))


class Asked:
    """In place of a protocol: keeps what it is asked for."""

    def __init__(self, class_name, **values):
        self.class_name, self.values = class_name, values
        self.inputMicrographs, self.inputCoordinates = Pointer(), Pointer()
        self.prevTopazModel, self.inputModel = Pointer(), Pointer()
        self.trainExtra = String(values.get("trainExtra"))

    def hasAttribute(self, name):
        return True

    def getParam(self, name):
        return None

    def setAttributeValue(self, name, value):
        self.values[name] = value
        if name == "trainExtra":
            self.trainExtra.set(value)


class Plugin:
    """In place of the plugin that has the protocols."""

    def __init__(self, **variables):
        self.variables = variables

    def getVar(self, name):
        return self.variables.get(name)

    def getModelFn(self, name):
        return self.variables[name]

    def getCondaActivationCmd(self):
        return ":;"

    def getEnviron(self):
        return dict(os.environ)

    def getSupportedVersions(self):
        return ["4.0", "5.0"]

    def getActiveVersion(self):
        home = os.path.basename(self.variables["RELION_HOME"])
        return next((one for one in self.getSupportedVersions() if one in home), "")


def settings(**values):
    usual = {"label": "mine", "box_size_px": 180, "pixel_size_angstrom": 1.77, "n_expected": 100}
    return PickerSettings(**{**usual, **values})


@pytest.fixture
def labels(tmp_path):
    """Coordinates on three micrographs."""
    coordinates = SetOfCoordinates(filename=str(tmp_path / "labels.sqlite"))
    for micrograph in (3, 5, 9, 9):
        item = Coordinate()
        item.setPosition(10, 12)
        item.setMicId(micrograph)
        coordinates.append(item)
    coordinates.write()
    return Pointer(coordinates)


@pytest.fixture
def plugin(monkeypatch):
    """Puts a plugin in place of the real one; its protocols are taken for installed."""

    def put(picker, **variables):
        found = Plugin(**variables)
        for module in ("topaz", "cryolo", "log"):
            monkeypatch.setattr(f"repic_plugin.pickers.{module}.plugin_of", lambda name: found)
        sample = type(
            "Sample", (), {"hasAttribute": Asked.hasAttribute, "getParam": Asked.getParam}
        )
        known = dict.fromkeys(picker.protocols.values(), sample)
        monkeypatch.setattr("pwem.Domain.getProtocols", lambda: known)
        return found

    return put


def program(folder, name, text="exit 0"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return folder


# ------------------------------------------------------------------ can it run


@pytest.mark.parametrize("adapter", OURS)
def test_adapters_are_there_without_their_plugins(adapter):
    assert PICKERS[adapter.name] is adapter


@pytest.mark.parametrize("adapter", OURS)
def test_a_missing_plugin_is_named_with_the_command_that_installs_it(adapter, monkeypatch):
    monkeypatch.setattr("pwem.Domain.getProtocols", lambda: {})
    (problem,) = adapter(settings()).problems()
    assert problem.startswith("mine: ")
    assert f"scipion installp -p {adapter.plugin}" in problem
    assert "\n" not in problem


@pytest.mark.parametrize("activation", ["exit 1", "", ":"])
def test_an_environment_without_the_program_is_said_with_the_remedy(plugin, activation):
    plugin(TopazPicker, TOPAZ_ENV_ACTIVATION=activation)
    (problem,) = TopazPicker(settings()).problems()
    assert "TOPAZ_ENV_ACTIVATION" in problem
    assert "scipion installb topaz" in problem
    assert "scipion.conf" in problem
    assert "\n" not in problem


def test_a_topaz_that_starts_has_no_problem(plugin, tmp_path):
    folder = program(tmp_path / "bin", "topaz")
    plugin(TopazPicker, TOPAZ_ENV_ACTIVATION=f"export PATH={folder}:$PATH")
    assert TopazPicker(settings()).problems() == []


@pytest.mark.parametrize(("torch", "told", "fails"), [
    ("2.5.1", "", False), ("2.6.0", "", True), ("2.13.0+cpu", "", True), ("2.13.0", "1", False),
])  # fmt: skip
def test_a_topaz_that_cannot_load_its_models_is_said(plugin, tmp_path, torch, told, fails):
    folder = program(tmp_path / "bin", "topaz")
    for name, version in (("topaz_em", "0.2.5"), ("torch", torch)):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    source = tmp_path / "topaz" / "model" / "factory.py"
    source.parent.mkdir(parents=True)
    source.write_text("model = torch.load(path)\n")
    activation = f"export PATH={folder}:$PATH PYTHONPATH={tmp_path}"
    if told:
        activation += f" TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD={told}"
    plugin(TopazPicker, TOPAZ_ENV_ACTIVATION=activation)
    problems = TopazPicker(settings()).problems()
    assert ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1" in one for one in problems] == [True] * fails


def test_several_epochs_of_topaz_are_refused(plugin, tmp_path):
    folder = program(tmp_path / "bin", "topaz")
    plugin(TopazPicker, TOPAZ_ENV_ACTIVATION=f"export PATH={folder}:$PATH")
    (problem,) = TopazPicker(settings(options={"train.numEpochs": "10"})).problems()
    assert "numEpochs=10" in problem
    assert "--epoch-size" in problem
    assert TopazPicker(settings(options={"numEpochs": "1"})).problems() == []


def test_training_of_cryolo_needs_a_gpu(plugin, monkeypatch):
    plugin(CryoloPicker, CRYOLO_ENV_ACTIVATION="exit 1")
    monkeypatch.setenv("REPIC_GPU", "no")
    (problem,) = CryoloPicker(settings()).problems()
    assert "GPU" in problem
    monkeypatch.setenv("REPIC_GPU", "yes")
    (problem,) = CryoloPicker(settings()).problems()
    assert "CRYOLO_ENV_ACTIVATION" in problem
    assert "cryolo_train.py" in problem


def test_cryolo_untrained_needs_its_general_model(plugin, tmp_path):
    found = plugin(CryoloPicker, CRYOLO_GENERIC_MODEL=str(tmp_path / "model.h5"))
    picker = CryoloPicker(settings())
    (problem,) = picker.start_problems()
    assert "scipion installb cryolo_model" in problem
    assert "CRYOLO_GENERIC_MODEL" in problem
    with pytest.raises(PickerFailed, match="general model"):
        picker.picking(Asked, MICROGRAPHS, None)
    Path(found.variables["CRYOLO_GENERIC_MODEL"]).touch()
    assert picker.start_problems() == []


@pytest.mark.parametrize(("home", "words"), [
    ("relion-4.0", []), ("relion-3.1", ["RELION_HOME", "relion-4.0"]),
    ("relion-5.0", ["RELION_HOME", "without the program relion_autopick"]),
])  # fmt: skip
def test_relion_is_looked_for(plugin, tmp_path, monkeypatch, home, words):
    program(tmp_path / "relion-4.0", "relion_autopick")
    monkeypatch.setenv("PATH", str(tmp_path / home))
    plugin(LogPicker, RELION_HOME=str(tmp_path / home))
    problems = LogPicker(settings()).problems()
    assert len(problems) == bool(words)
    for word in words:
        assert word in problems[0]


@pytest.mark.parametrize(("text", "found"), [("echo GPU 0: a", True), ("exit 9", False)])
def test_a_gpu_is_one_that_the_driver_lists(monkeypatch, tmp_path, text, found):
    monkeypatch.delenv("REPIC_GPU", raising=False)
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin', 'nvidia-smi', text)}:/bin")
    assert environments.gpu_found() is found


def test_no_driver_no_gpu(monkeypatch, tmp_path):
    monkeypatch.delenv("REPIC_GPU", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not environments.gpu_found()


# ------------------------------------------------------------ what is asked for


def test_topaz_is_trained_as_in_the_paper(labels):
    asked = TopazPicker(settings()).training(Asked, MICROGRAPHS, labels)
    assert asked.class_name == "TopazProtTraining"
    assert asked.values["numPartPerImg"] == 125
    assert asked.values["scale"] == 4
    assert asked.values["modelFit"] == 1  # resnet16
    assert asked.values["numEpochs"] == 1
    flags = asked.trainExtra.get()
    for flag in ("--no-pretrained", "--units 64", "--minibatch-size 64", "--epoch-size 10000"):
        assert flag in flags
    assert asked.inputMicrographs.get() is MICROGRAPHS.get()
    assert asked.inputCoordinates.get() is labels.get()


def test_topaz_trains_on_the_micrographs_that_have_labels(labels):
    asked = TopazPicker(settings()).training(Asked, MICROGRAPHS, labels)
    assert asked.values["micsForTraining"] == 3


def test_topaz_needs_two_micrographs_with_labels(tmp_path):
    empty = SetOfCoordinates(filename=str(tmp_path / "none.sqlite"))
    with pytest.raises(PickerFailed, match="at least 2 micrographs"):
        TopazPicker(settings()).training(Asked, MICROGRAPHS, Pointer(empty))


@pytest.mark.parametrize(("given", "kept", "gone"), [
    ("--epoch-size 40", ["--epoch-size 40", "--no-pretrained", "--units 64"], ["10000"]),
    ("--units=32 --pretrained", ["--units=32 --pretrained"], ["--no-pretrained", "--units 64"]),
])  # fmt: skip
def test_flags_that_the_user_does_not_name_are_kept(labels, given, kept, gone):
    picker = TopazPicker(settings(options={"trainExtra": given}))
    flags = picker.training(Asked, MICROGRAPHS, labels).trainExtra.get()
    assert all(flag in flags for flag in kept), flags
    assert not any(flag in flags for flag in gone), flags


@pytest.mark.parametrize(("options", "radius"), [({}, 22), ({"scale": "8"}, 11),
                                                 ({"train.scale": "8"}, 22)])  # fmt: skip
def test_topaz_picks_half_a_box_apart(options, radius):
    asked = TopazPicker(settings(options=options)).picking(Asked, MICROGRAPHS, None)
    assert asked.values["radius"] == radius
    assert asked.values["boxSize"] == 180


@pytest.mark.parametrize(("adapter", "choice", "where", "untrained", "trained"), [
    (TopazPicker, "modelInitialization", "prevTopazModel", 1, 0),
    (CryoloPicker, "inputModelFrom", "inputModel", 0, 2),
])  # fmt: skip
def test_picking_takes_the_model_or_a_general_one(
    plugin, tmp_path, adapter, choice, where, untrained, trained
):
    general = tmp_path / "general.h5"
    general.touch()
    plugin(adapter, CRYOLO_GENERIC_MODEL=str(general))
    picker = adapter(settings())
    asked = picker.picking(Asked, MICROGRAPHS, None)
    assert asked.values[choice] == untrained
    assert getattr(asked, where).get() is None
    asked = picker.picking(Asked, MICROGRAPHS, MODEL)
    assert asked.values[choice] == trained
    assert getattr(asked, where).get() is MODEL.get()


@pytest.mark.parametrize(("gpus", "one"), [("0", "0"), ("2 3", "2"), ("1,0", "1"), ("", "0")])
def test_topaz_gets_one_gpu_and_never_an_empty_list(labels, gpus, one):
    picker = TopazPicker(settings(gpus=gpus))
    assert picker.training(Asked, MICROGRAPHS, labels).values["gpuList"] == one
    assert picker.picking(Asked, MICROGRAPHS, None).values["gpuList"] == one


@pytest.mark.parametrize(("gpus", "n_train", "n_pick"), [("0", 1, 1), ("0 1", 2, 3), ("", 1, 1)])
def test_cryolo_gets_threads_for_its_gpus(labels, gpus, n_train, n_pick):
    picker = CryoloPicker(settings(gpus=gpus))
    train = picker.training(Asked, MICROGRAPHS, labels)
    pick = picker.picking(Asked, MICROGRAPHS, MODEL)
    assert train.values["numberOfThreads"] == n_train
    assert pick.values["numberOfThreads"] == n_pick
    assert train.values["gpuList"] == pick.values["gpuList"] == (gpus or "0")


def test_cryolo_is_trained_as_in_the_paper(labels):
    asked = CryoloPicker(settings()).training(Asked, MICROGRAPHS, labels)
    assert asked.class_name == "SphireProtCRYOLOTraining"
    assert asked.values["doFineTune"] is False
    assert asked.values["batchSize"] == 2
    assert asked.values["eFlagParam"] == 32
    assert asked.values["lowPassFilter"] is True
    assert asked.values["absCutOffFreq"] == pytest.approx(17.7)
    assert asked.values["boxSize"] == 180  # 0 would leave picks half a box off


@pytest.mark.parametrize(("gpu", "used"), [("yes", True), ("no", False)])
def test_cryolo_picks_on_the_cpu_where_there_is_no_gpu(monkeypatch, gpu, used):
    monkeypatch.setenv("REPIC_GPU", gpu)
    asked = CryoloPicker(settings()).picking(Asked, MICROGRAPHS, MODEL)
    assert asked.values["useGpu"] is used
    assert asked.values["conservPickVar"] == 0.0


def test_log_looks_for_blobs_somewhat_smaller_than_the_box():
    asked = LogPicker(settings()).picking(Asked, MICROGRAPHS, None)
    assert 0.4 * 318 < asked.values["minDiameter"] < asked.values["maxDiameter"] < 318
    assert asked.values["boxSize"] == 180
    coarse = LogPicker(settings(pixel_size_angstrom=15.0)).picking(Asked, MICROGRAPHS, None)
    assert coarse.values["maxResolution"] == 30.0


def test_log_is_not_trained(labels):
    assert not LogPicker.trainable
    with pytest.raises(PickerFailed, match="cannot be trained"):
        LogPicker(settings()).training(Asked, MICROGRAPHS, labels)


@pytest.mark.parametrize("adapter", OURS)
def test_options_go_over_the_adapters_own_values(adapter):
    picker = adapter(settings(options={"boxSize": "64"}))
    assert picker.picking(Asked, MICROGRAPHS, MODEL).values["boxSize"] == "64"
