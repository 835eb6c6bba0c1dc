"""What "Analyze results" finds."""

import pytest


@pytest.mark.parametrize(
    "name, viewer",
    [
        ("ProtRepicConsensus", "RepicOverlayViewer"),
        ("ProtRepicImportPicks", "RepicOverlayViewer"),
        ("ProtAckMeans2D", "RepicClassesViewer"),
        ("ProtAckMeans2DStream", "RepicClassesViewer"),
        ("ProtRepicIterative", "RepicIterationsViewer"),
        ("ProtRepicLabels", "RepicOverlayViewer"),
        ("ProtTemplatePick", "RepicOverlayViewer"),
    ],
)
def test_our_viewer_comes_first(project, name, viewer):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from pyworkflow.viewer import DESKTOP_TKINTER

    domain = project.project.getDomain()
    found = domain.findViewers(project.new(name, name), DESKTOP_TKINTER)
    assert found[0].__name__ == viewer
