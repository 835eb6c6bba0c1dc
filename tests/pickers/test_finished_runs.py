"""What other people's pickers leave: a run that says finished may hold nothing."""

import pytest
from pyworkflow.object import Integer

from repic_plugin.pickers import PickerFailed, PickerSettings
from repic_plugin.pickers.cryolo import CryoloPicker
from repic_plugin.pickers.log import LogPicker
from repic_plugin.pickers.topaz import TopazPicker

SETTINGS = PickerSettings("mine", 180, 1.77, 100)


class Run:
    """In place of a finished protocol."""

    def __init__(self, folder, model=None, n_picks=None, log=""):
        self.log = folder / "run.stdout"
        self.log.write_text(log)
        if model is not None:
            self.outputModel = model
        self.coordinates = n_picks

    def getObjLabel(self):
        return "iter 1"

    def getStderrLog(self):
        return str(self.log)

    def getLogPaths(self):
        return [str(self.log), "missing.log"]

    def iterOutputAttributes(self, kind):
        if self.coordinates is not None:
            size = Integer(self.coordinates)
            size.getSize = size.get
            yield "outputCoordinates", size


class Model:
    def __init__(self, path):
        self.path = path

    def getPath(self):
        return str(self.path)


@pytest.mark.parametrize("adapter", [TopazPicker, CryoloPicker])
@pytest.mark.parametrize("content", [None, ""])
def test_a_model_that_is_not_there_is_a_failure(adapter, content, tmp_path):
    path = tmp_path / "model.sav"
    if content is not None:
        path.write_text(content)
    for run in (Run(tmp_path), Run(tmp_path, model=Model(path))):
        with pytest.raises(PickerFailed, match=r"iter 1 ended without a model.*run\.stdout"):
            adapter(SETTINGS).model(run)


@pytest.mark.parametrize("adapter", [TopazPicker, CryoloPicker, LogPicker])
@pytest.mark.parametrize("n_picks", [None, 0])
def test_no_coordinates_are_a_failure(adapter, n_picks, tmp_path):
    with pytest.raises(PickerFailed, match="without a single coordinate"):
        adapter(SETTINGS).picks(Run(tmp_path, n_picks=n_picks))


def test_micrographs_that_cryolo_skipped_are_a_failure(tmp_path):
    picker = CryoloPicker(SETTINGS)
    log = "Cryolo has failed for x --> y. Skipping the following mics:Runs/000001/tmp"
    with pytest.raises(PickerFailed, match="skipped micrographs"):
        picker.picks(Run(tmp_path, n_picks=5, log=log))
    assert picker.picks(Run(tmp_path, n_picks=5, log="all is well")).getExtended()
