"""The templates of facilities, where the plugins that they use are installed."""

import pytest

from tests.protocols.test_templates import possible_outputs

pytestmark = pytest.mark.pickers

VALUES = ("box=64", "smallest=160", "largest=256", "pixel=5")


def workflow(name, folder, *values):
    from repic_plugin.workflow import check_protocols, read_workflow

    folder.joinpath("mics").mkdir()
    found = read_workflow(name, [f"micrographs={folder / 'mics'}", *VALUES, *values])
    check_protocols(found)
    return found.protocols


@pytest.mark.parametrize(
    ("name", "values", "n"),
    [
        ("facility", [], 10),
        ("facility", ["cryolo=false", "ctf=false", "images=false", "blobs=true"], 7),
        ("facility-relion", ["extract=64", "cleaner=false"], 8),
    ],
)
def test_the_plugins_know_what_a_template_says(project, tmp_path, name, values, n):
    protocols = workflow(name, tmp_path, *values)
    assert len(protocols) == n
    classes = {one["object.id"]: project.protocols[one["object.className"]] for one in protocols}
    for one in protocols:
        form = project.new(one["object.className"], "form")
        for parameter, value in one.items():
            if parameter.startswith("object."):
                continue
            assert form.getParam(parameter) is not None, (one["object.label"], parameter)
            references = value if isinstance(value, list) else [value]
            for reference in references if parameter.startswith(("input", "ctfRel")) else ():
                number, output = str(reference).split(".") if "." in str(reference) else ("", "")
                if number in classes and hasattr(classes[number], "_possibleOutputs"):
                    assert output in possible_outputs(classes[number]), reference


def test_a_cleaner_that_is_not_installed_can_be_left_out(project, tmp_path):
    if "XmippProtDeepMicrographScreen" in project.protocols:
        pytest.skip("Xmipp is installed")
    with pytest.raises(ValueError, match=r"install scipion-em-xmipp, or .* with cleaner=false"):
        workflow("facility-relion", tmp_path, "extract=64")
