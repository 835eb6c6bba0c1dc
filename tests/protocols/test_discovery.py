"""Scipion finds the plugin after a plain installation."""

import subprocess
import sys
from pathlib import Path

import bibtexparser
import pytest

import repic_plugin
from repic_plugin import bibtex

HERE = Path(repic_plugin.__file__).parent


@pytest.mark.slow
def test_scipion_lists_the_protocols():
    scipion = Path(sys.executable).with_name("scipion")
    answer = subprocess.run(
        [scipion, "protocols"], capture_output=True, text=True, check=True, timeout=120
    )
    for name in ("ProtRepicConsensus", "ProtRepicImportPicks"):
        assert name in answer.stdout


def test_the_group_stands_under_particles_picking(project):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    import pwem
    from pyworkflow.gui.project.viewprotocols_extra import ProtocolTreeConfig

    base = Path(pwem.__file__).with_name("protocols.conf")
    views = ProtocolTreeConfig.load(project.project.getDomain(), str(base))
    paths = list(_paths(views["Protocols SPA"]))
    group = ("Particles", "Picking", "Consensus (REPIC)")
    assert (*group, "ProtRepicConsensus") in paths
    assert (*group, "ProtRepicImportPicks") in paths


def _paths(node, above=()):
    for child in node.childs:
        path = (*above, child.value or child.text)
        yield path
        yield from _paths(child, path)


def test_what_scipion_asks_of_a_package():
    assert repic_plugin.Plugin.__name__ == "Plugin"
    assert (HERE / repic_plugin._logo).is_file()
    known = {entry["ID"] for entry in bibtexparser.loads(bibtex.__doc__).entries}
    assert set(repic_plugin._references) <= known


def test_the_forms_are_labelled_and_their_citations_known(project):
    for name in ("ProtRepicConsensus", "ProtRepicImportPicks"):
        protocol = project.new(name, name)
        assert protocol.getPlugin().getName() == "repic_plugin"
        cited = {entry["ID"] for entry in bibtexparser.loads(bibtex.__doc__).entries}
        assert set(protocol._citations()) <= cited
        for param_name, param in protocol.getDefinition().iterParams():
            assert param.label.get(), param_name


def test_workflows_can_be_wired_to_every_output_ahead_of_the_run(project):
    consensus = project.new("ProtRepicConsensus", "ahead")
    assert list(consensus._possibleOutputs) == [
        *("outputCoordinates", "outputUnmatched"),
        *("outputMicrographs", "outputMicrographsRejected"),
    ]
    picks = project.new("ProtRepicImportPicks", "ahead")
    assert list(picks._possibleOutputs) == ["outputCoordinates"]


def our_protocols():
    from repic_plugin import protocols

    return {name: one for name, one in vars(protocols).items() if name.startswith("Prot")}


def test_every_protocol_says_how_mature_it_is():
    from pyworkflow import BETA, NEW

    for name, one in our_protocols().items():
        assert vars(one)["_devStatus"] == (BETA if "DeepPicker" in name else NEW), name


def test_the_help_of_every_protocol_has_its_parts_and_its_outputs():
    for name, one in our_protocols().items():
        text = one.getHelpText()
        assert 8 <= len(text.strip().splitlines()) <= 26, name
        for part in ("*Input", "*Output", "*Main parameter", "*Look at*"):
            assert part in text, (name, part)
        outputs = getattr(one, "_possibleOutputs", None) or {}
        for output in outputs:
            assert getattr(output, "name", output) in text, (name, output)
