"""Packages of pickers as their authors install them: a module, and what pip writes beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
OUTER = """
from repic_plugin.pickers import PICK, TRAIN, Picker


class Outer(Picker):
    name, title = "outer", "Outer picker"
    protocols = {TRAIN: "ProtTemplateTrain", PICK: "ProtTemplatePick"}
    model_class = "SetOfAverages"
    _model_output = "outputAverages"

    def training(self, new, micrographs, labels):
        protocol = self._protocol(new, TRAIN, boxSize=self.settings.box_size_px)
        protocol.inputMicrographs.copy(micrographs)
        protocol.inputCoordinates.copy(labels)
        return protocol

    def picking(self, new, micrographs, model):
        protocol = self._protocol(new, PICK, boxSize=self.settings.box_size_px)
        protocol.inputMicrographs.copy(micrographs)
        if model is not None:
            protocol.inputAverages.copy(model)
        return protocol

    def _model_path(self, model):
        from pathlib import Path

        return Path(model.getFirstItem().getFileName()) if model.getSize() else None
"""


def install(site, package, module, source, *points):
    """Write a package with entry points of the group, each ``name = module:class``."""
    (site / f"{module}.py").write_text(source)
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[repic_plugin.pickers]", *points, ""]))


def install_outer(site):
    """The picker "outer", as a package of its own."""
    site.mkdir()
    install(site, "my-outer", "my_outer", OUTER, "outer = my_outer:Outer")
    return site


def ask(site, code):
    """What a fresh Python with a folder of packages prints as JSON, and its log."""
    path = os.pathsep.join([str(site), str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    answer = subprocess.run(
        [sys.executable, "-c", f"import json\n{code}"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1]), answer.stderr.splitlines()
