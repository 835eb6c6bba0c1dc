"""Options as a user types them."""

import pytest
from pyworkflow.protocol import Protocol, params

from repic_plugin.pickers import option_value, read_options


class Options(Protocol):
    def _defineParams(self, form):
        form.addSection(label="All kinds")
        form.addParam("model", params.EnumParam, choices=["resnet8", "ResNet16"], default=0)
        form.addParam("switch", params.BooleanParam, default=False)
        form.addParam("number", params.IntParam, default=1)
        form.addParam("part", params.FloatParam, default=0.5)
        form.addParam("text", params.StringParam, default="")
        form.addParam("micrographs", params.PointerParam, pointerClass="SetOfMicrographs")


@pytest.fixture(scope="module")
def protocol():
    return Options()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("model", "resnet16", 1),
        ("model", "0", 0),
        ("switch", "yes", True),
        ("switch", "False", False),
        ("number", "-3", -3),
        ("part", "1e-3", 0.001),
        ("text", "--units 32", "--units 32"),
    ],
)
def test_words_become_values(protocol, name, text, value):
    found = option_value(protocol, name, text)
    assert found == value
    assert type(found) is type(value)
    protocol.setAttributeValue(name, found)
    assert protocol.getAttributeValue(name) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("model", "resnet9", "option model: must be one of resnet8, ResNet16, got 'resnet9'"),
        ("model", "2", "must be one of"),
        ("switch", "ture", "option switch: must be yes or no, got 'ture'"),
        ("number", "1.5", "option number: must be a whole number, got '1.5'"),
        ("part", "half", "option part: must be a number, got 'half'"),
        ("micrographs", "12", "option micrographs: it refers to an object of the project"),
    ],
)
def test_what_is_no_value_is_told(protocol, name, text, words):
    with pytest.raises(ValueError, match=words):
        option_value(protocol, name, text)


def test_a_line_holds_many():
    text = "epochs = 5; pick.threshold=-2\nextra=--a=1 --b;;"
    assert read_options(text) == {"epochs": "5", "pick.threshold": "-2", "extra": "--a=1 --b"}
    assert read_options(None) == {}


@pytest.mark.parametrize("text", ["epochs", "=5", "a=1; a=2"])
def test_what_is_no_option_is_told(text):
    with pytest.raises(ValueError, match=r"name=value|twice"):
        read_options(text)
