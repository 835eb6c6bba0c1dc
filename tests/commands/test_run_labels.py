"""Labels of the imports of a template, and templates with two pickers in place of three."""

import json

import pytest

from repic_plugin.workflow import read_workflow

IMPORT = "ProtRepicImportPicks"


@pytest.fixture
def labels(tmp_path):
    """Labels of the imports of a template, given its folders of picks, in the order of these."""

    def read(*folders, template="consensus", micrographs="micrographs"):
        values = ["pixel=1"]
        for name, value in zip(
            ("micrographs", "picks1", "picks2", "picks3"), (micrographs, *folders)
        ):
            (tmp_path / value).mkdir(parents=True, exist_ok=True)
            values.append(f"{name}={tmp_path / value}")
        protocols = read_workflow(template, values).protocols
        return [one["object.label"] for one in protocols if one["object.className"] == IMPORT]

    return read


@pytest.mark.parametrize("template", ["consensus", "consensus-classes", "facility-picks"])
def test_they_are_the_names_of_the_folders(labels, template):
    assert labels("p/topaz", "q/cryolo", "log", template=template) == ["topaz", "cryolo", "log"]


@pytest.mark.parametrize("template", ["consensus", "consensus-classes"])
def test_two_pickers_are_enough(labels, tmp_path, template):
    assert labels("topaz", "cryolo", template=template) == ["topaz", "cryolo"]
    values = [f"micrographs={tmp_path}", f"picks1={tmp_path}", f"picks2={tmp_path}", "pixel=1"]
    (consensus,) = (
        one
        for one in read_workflow(template, values).protocols
        if one["object.className"] == "ProtRepicConsensus"
    )
    assert consensus["inputCoordinates"] == ["2.outputCoordinates", "3.outputCoordinates"]
    with pytest.raises(ValueError, match=r"needs picks2=; .*picks3=none"):
        read_workflow(template, values[:2])


def test_where_names_are_the_same_the_part_that_differs_counts(labels):
    assert labels("topaz/picks", "cryolo/picks") == ["topaz", "cryolo"]
    assert labels("a/x/picks", "a/y/picks", "b/y/other") == ["picker 1", "picker 2", "picker 3"]
    assert labels("one", "one") == ["picker 1", "picker 2"]


def test_the_label_of_another_protocol_is_not_taken(labels):
    assert labels("topaz/particles", "cryolo/other") == ["topaz", "cryolo"]


def test_a_label_of_the_template_stays(tmp_path):
    entries = [
        {"object.className": IMPORT, "object.id": "1", "picksFolder": "~A||6|a~"},
        {"object.className": IMPORT, "object.id": "2", "picksFolder": "~B||6|b~"},
    ]
    entries[0]["object.label"] = "Topaz, general model"
    path = tmp_path / "mine.json.template"
    path.write_text("Two.\n" + json.dumps(entries, indent=1))
    (tmp_path / "b").mkdir()
    first, second = read_workflow(str(path), [f"a={tmp_path}", f"b={tmp_path / 'b'}"]).protocols
    assert (first["object.label"], second["object.label"]) == ("Topaz, general model", "b")
