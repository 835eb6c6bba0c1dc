"""The format of 2D transforms: by choice, or by what the particles come from."""

from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.slow


def particles(path, attribute):
    from pwem.objects import Particle, SetOfParticles
    from pyworkflow.object import Float

    items = SetOfParticles(filename=str(path))
    items.setSamplingRate(1.0)
    item = Particle()
    item.setLocation(1, "stack.mrcs")
    if attribute:
        setattr(item, attribute, Float(1.0))
    items.append(item)
    items.write()
    items.close()
    return items


def protocol(items, package="repic_plugin", chosen=2):
    maker = type("Maker", (), {"__module__": f"{package}.protocols.some"})()
    pointer = SimpleNamespace(get=lambda: items, getObjValue=lambda: maker)
    return SimpleNamespace(inputParticles=pointer, shiftOrder=SimpleNamespace(get=lambda: chosen))


@pytest.mark.parametrize(
    ("attribute", "package", "program", "order"),
    [
        ("", "repic_plugin", None, "after"),
        ("", "pwem", None, "after"),
        ("", "relion", "RELION", "before"),
        ("", "cryosparc2", "cryoSPARC", "before"),
        ("", "xmipp3", "Xmipp", "after"),
        ("", "eman2", "EMAN2", "after"),
        ("_rlnRandomSubset", "pwem", "RELION", "before"),
        ("_xmipp_zScore", "pwem", "Xmipp", "after"),
        ("_rlnRandomSubset", "repic_plugin", "RELION", "before"),
    ],
)
def test_the_particles_decide(project, tmp_path, attribute, package, program, order):
    from repic_plugin.protocols.classification.output_format import (
        format_text,
        origin,
        shift_order,
    )

    one = protocol(particles(tmp_path / "p.sqlite", attribute), package)
    assert origin(one) == program
    assert shift_order(one) == order
    text = format_text(one)
    assert text.endswith(f"(the particles are of {program})" if program else "is not known)")
    assert ("RELION, cryoSPARC" in text) == (order == "before")


@pytest.mark.parametrize(("chosen", "order"), [(0, "after"), (1, "before")])
def test_numbers_of_saved_projects_keep_their_meaning(project, tmp_path, chosen, order):
    from repic_plugin.protocols.classification.output_format import CHOICES, shift_order

    for attribute in ("", "_rlnRandomSubset", "_xmipp_zScore"):
        items = particles(tmp_path / f"p{attribute}.sqlite", attribute)
        assert shift_order(protocol(items, chosen=chosen)) == order
    assert CHOICES[:2] == ["Xmipp, EMAN2, SPIDER", "RELION, cryoSPARC, extract coordinates"]
    for name in ("ProtAckMeans2D", "ProtAckMeans2DStream"):
        field = project.new(name, name).getDefinition().getParam("shiftOrder")
        assert [str(one) for one in field.choices] == CHOICES
        assert int(field.default.get()) == 2


def test_particles_that_cannot_be_read_are_of_no_known_program(project, tmp_path):
    from repic_plugin.protocols.classification.output_format import origin

    gone = SimpleNamespace(getFileName=lambda: str(tmp_path / "gone.sqlite"))
    assert origin(protocol(gone, "pwem")) is None
