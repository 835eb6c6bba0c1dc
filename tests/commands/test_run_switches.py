"""Protocols of a template that a value leaves out."""

import json

import pytest

from repic_plugin.workflow import read_workflow

PARTS = [
    {"object.className": "A", "object.id": "1", "object.use": "log=~LoG|true|1|log~"},
    {"object.className": "B", "object.id": "2", "object.use": "topaz=~Topaz|true|1|topaz~"},
    {"object.className": "B", "object.id": "3", "object.use": "picks=~Picks|none|6|picks~"},
    {
        "object.className": "ProtRepicConsensus",
        "object.id": "4",
        "inputCoordinates": ["1.out", "2.out", "3.out"],
        "minOverlap": "2.5",
    },
    {
        "object.className": "Clean",
        "object.id": "5",
        "object.use": "cleaner=~Cleaner|true|1|cleaner~",
        "object.instead": "4.coordinates",
        "input": "4.coordinates",
    },
    {"object.className": "C", "object.id": "6", "input": "5.cleaned", "ctfs": "7.ctfs"},
    {
        "object.className": "D",
        "object.id": "7",
        "object.use": "classes=~Number|0|3|classes~",
        "object.instead": "3.ctfs",
    },
]


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "parts.json.template"
    path.write_text("Parts that can be left out.\n" + json.dumps(PARTS, indent=1))
    return str(path)


def read(template, *values):
    return {one["object.id"]: one for one in read_workflow(template, values).protocols}


def test_what_is_left_out_is_referred_to_by_nobody(template, tmp_path):
    found = read(template)
    assert list(found) == ["1", "2", "4", "5", "6"]
    assert found["4"]["inputCoordinates"] == ["1.out", "2.out"]
    assert "ctfs" not in found["6"]
    found = read(template, f"picks={tmp_path}", "log=false", "classes=3")
    assert list(found) == ["2", "3", "4", "5", "6", "7"]
    assert found["4"]["inputCoordinates"] == ["2.out", "3.out"]
    assert found["6"]["ctfs"] == "7.ctfs"


def test_what_takes_its_place_is_referred_to_instead(template, tmp_path):
    assert read(template)["6"]["input"] == "5.cleaned"
    assert read(template, "cleaner=false")["6"]["input"] == "4.coordinates"
    # what takes the place of the seventh is left out, or there
    assert read(template, f"picks={tmp_path}")["6"]["ctfs"] == "3.ctfs"


def test_other_values_with_a_dot_stay(template):
    assert read(template, "cleaner=false")["4"]["minOverlap"] == "2.5"


def test_a_consensus_with_one_picker_is_refused_with_the_names_of_the_others(template):
    with pytest.raises(ValueError, match=r"2 pickers or more, got 1 picker; .* log, topaz, picks"):
        read(template, "topaz=false")


def test_a_folder_that_may_be_left_out_must_exist_if_it_is_given(template):
    with pytest.raises(ValueError, match=r"picks .* does not exist"):
        read(template, "picks=/not/there")
