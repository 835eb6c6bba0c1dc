"""Fourier shell correlations in a real Scipion project."""

import bibtexparser
import mrcfile
import numpy as np
import pytest

from repic_plugin import bibtex
from repic_plugin.evaluation import fourier_shell_correlation, spherical_mask
from repic_plugin.formats import read_fsc_table
from repic_plugin.simulation import phantom_map

pytestmark = pytest.mark.slow

BOX, PIXEL = 32, 4.0
MASK = 3


@pytest.fixture(scope="module")
def densities():
    """A reference, and maps with noise, one of them three px away."""
    reference = phantom_map(BOX)
    noise = reference.std() * np.random.default_rng(0).standard_normal((2, *reference.shape))
    good, poor = (reference + level * one for level, one in zip((1, 4), noise))
    maps = {"reference": reference, "good": good, "poor": poor}
    maps["away"] = np.roll(good, (0, 3, -2), (0, 1, 2))
    return {name: np.float32(data) for name, data in maps.items()}


@pytest.fixture(scope="module")
def volumes(project, densities, tmp_path_factory):
    """Import protocols by name; "pair" holds two maps."""
    folder = tmp_path_factory.mktemp("cross fsc")
    files = {**densities, "small": densities["good"][2:-2, 2:-2, 2:-2]}
    for name, data in files.items():
        with mrcfile.new(folder / f"{name}.mrc", data) as mrc:
            mrc.voxel_size = 1.0  # not Scipion's: what the user says counts
    del files["poor"]
    imported = {name: import_volumes(project, folder, name, PIXEL) for name in files}
    imported["pair"] = import_volumes(project, folder, "pair", PIXEL, pattern="[gp]o*.mrc")
    imported["fine"] = import_volumes(project, folder, "fine", 3.9, pattern="good.mrc")
    path = folder / "mask.mrc"
    with mrcfile.new(path, spherical_mask(BOX, 11, 4)):
        pass
    imported["mask"] = project.finished(
        "ProtImportMask", "mask", maskPath=str(path), samplingRate=PIXEL
    )
    return imported


def import_volumes(project, folder, label, sampling, pattern=None):
    values = {"filesPath": str(folder), "filesPattern": pattern or f"{label}.mrc"}
    return project.finished("ProtImportVolumes", label, samplingRate=sampling, **values)


def output(protocol):
    name = "outputVolume" if hasattr(protocol, "outputVolume") else "outputVolumes"
    return protocol, name


def cross_fsc(project, volumes, label, names, **values):
    inputs = {
        "inputVolumes": [output(volumes[name]) for name in names],
        "referenceVolume": output(volumes["reference"]),
    }
    return project.new("ProtRepicCrossFsc", label, inputs, **values)


def expected(densities, name, **options):
    maps = densities[name], densities["reference"]
    return fourier_shell_correlation(*maps, pixel_size_angstrom=PIXEL, **options)


@pytest.fixture(scope="module")
def compared(project, volumes):
    protocol = cross_fsc(project, volumes, "compared", ["good", "pair"])
    return project.run(protocol)


def test_a_curve_for_each_volume(compared, densities):
    assert compared.isFinished(), compared.getErrorMessage()
    curves = read_fsc_table(compared.table_file())
    assert list(curves) == ["good", "pair #1", "pair #2"]
    for name, source in zip(curves, ("good", "good", "poor")):
        found, curve = curves[name], expected(densities, source)
        np.testing.assert_allclose(found.correlation, curve.correlation, atol=1e-6)
        np.testing.assert_allclose(found.frequency, curve.frequency, rtol=1e-6)


def test_scipions_curves(compared, densities):
    fscs = compared.outputFSCs
    assert [fsc.getObjLabel() for fsc in fscs] == ["good", "pair #1", "pair #2"]
    for fsc, source in zip(fscs, ("good", "good", "poor")):
        x, y = fsc.getData()
        curve = expected(densities, source)
        np.testing.assert_allclose(x, curve.frequency, rtol=1e-6)
        np.testing.assert_allclose(y, curve.correlation, atol=1e-6)
        assert float(fsc.calculateResolution(0.5)) == pytest.approx(curve.resolution(0.5), rel=1e-3)


def test_what_is_said(compared, densities):
    summary = compared._summary()
    assert "against a reference; the relevant threshold is 0.5" in summary[0]
    values = [expected(densities, "poor").resolution(one) for one in (0.5, 0.143)]
    assert summary[3] == f"pair #2: {values[0]:.2f} Å at 0.5, {values[1]:.2f} Å at 0.143"
    assert f"good {expected(densities, 'good').resolution(0.5):.2f} Å" in compared._methods()[0]
    known = {entry["ID"] for entry in bibtexparser.loads(bibtex.__doc__).entries}
    assert compared._citations()
    assert set(compared._citations()) <= known


def test_registered_within_a_mask_as_half_maps(project, volumes, densities):
    values = {"kind": 1, "maskKind": MASK, "doRegister": True}
    protocol = cross_fsc(project, volumes, "registered", ["away"], **values)
    protocol.inputMask.set(volumes["mask"])
    protocol.inputMask.setExtended("outputMask")
    assert protocol._validate() == []
    protocol = project.run(protocol)
    assert protocol.isFinished(), protocol.getErrorMessage()
    (found,) = read_fsc_table(protocol.table_file()).values()
    mask = spherical_mask(BOX, 11, 4)
    apart = expected(densities, "away", mask=mask)
    together = expected(densities, "good", mask=mask)
    assert apart.correlation[4] < 0.5
    np.testing.assert_allclose(found.correlation[1:7], together.correlation[1:7], atol=0.05)
    assert "half maps; the relevant threshold is 0.143" in protocol._summary()[0]


def test_another_box_or_sampling_is_refused(project, volumes):
    protocol = cross_fsc(project, volumes, "refused", ["small", "fine", "good"])
    small, fine = protocol._validate()
    assert small.startswith("small: must have the box of the reference, 32 px, got 28 px")
    assert fine.startswith("fine: must have the pixel size of the reference, 4 angstrom, got 3.9")


def test_a_mask_that_is_missing_is_refused(project, volumes):
    protocol = cross_fsc(project, volumes, "no mask", ["good"], maskKind=MASK)
    (error,) = protocol._validate()
    assert error.startswith('"Volume mask" is missing')


def test_before_there_is_anything(project):
    protocol = project.new("ProtRepicCrossFsc", "empty")
    assert protocol._validate() == []
    assert protocol._summary() == ["The curves are not ready yet."]
    assert protocol._methods() == []
    for name, param in protocol.getDefinition().iterParams():
        assert param.label.get(), name


def test_the_viewer_draws_the_curves(project, compared):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from pyworkflow.viewer import DESKTOP_TKINTER

    found = project.project.getDomain().findViewers(compared, DESKTOP_TKINTER)
    assert found[0].__name__ == "RepicFscViewer"
    (window,) = found[0](project=project.project, protocol=compared)._visualize(compared)
    (draw,) = window.pictures.values()
    texts = [text.get_text() for text in draw().legends[0].get_texts()]
    assert [text.split(":")[0] for text in texts] == ["good", "pair #1", "pair #2"]
    assert " at 0.5, " in texts[0]
