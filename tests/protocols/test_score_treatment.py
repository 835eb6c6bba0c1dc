"""The treatment of scores is one, whoever reads them: the command, consensus, iterative picking."""

from types import SimpleNamespace

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.cli import main
from repic_plugin.consensus import stated_transform
from repic_plugin.formats import read_picker_folder
from tests.protocols.scipion_project import write_images

pytestmark = pytest.mark.slow

SIZE = 20
PLACES = np.array([[20.0, 20], [50, 50], [20, 50]])
CORRELATIONS = np.array([0.31, 0.62, 0.18])  # in [0, 1], but no probabilities
STAR = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n{column} #3\n{rows}\n"


def star_text(column, scores):
    rows = (f"{x} {y} {score}" for (x, y), score in zip(PLACES, scores))
    return STAR.format(column=column, rows="\n".join(rows))


def box_text(scores):
    return "".join(
        f"{x - SIZE / 2} {y - SIZE / 2} {SIZE} {SIZE} {score}\n"
        for (x, y), score in zip(PLACES, scores)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Correlations of a template picker and Topaz's scores, as RELION writes both; and crYOLO's."""
    place = tmp_path_factory.mktemp("treatment")
    write_images(place / "mics", ["m1"])
    for name, file, text in (
        ("relion", "m1.star", star_text("_rlnAutopickFigureOfMerit", CORRELATIONS)),
        ("topaz", "m1.star", star_text("_rlnAutopickFigureOfMerit", CORRELATIONS)),
        ("cryolo", "m1.box", box_text(CORRELATIONS)),
    ):
        (place / "picks" / name).mkdir(parents=True)
        (place / "picks" / name / file).write_text(text)
    return place


EXPECTED = {"cryolo": "identity", "relion": "rank", "topaz": "logistic"}


def test_the_command_the_import_and_iterative_picking_agree(project, folder, tmp_path, capsys):
    size = ["--box-size", str(SIZE), "--no-coordinate-check"]
    assert main(["consensus", str(folder / "picks"), "--out", str(tmp_path / "out"), *size]) == 0
    lines = (line.split() for line in capsys.readouterr().out.splitlines())
    assert {line[0]: line[-1] for line in lines if line and line[0] in EXPECTED} == EXPECTED

    mics = project.micrographs("treatment", folder / "mics")
    # labels that do not say which picker it was
    sets = [
        project.picks(f"import {number}", mics, folder / "picks" / name, SIZE)
        for number, name in enumerate(EXPECTED)
    ]
    attributes = {"identity": constants.PICK_SCORE, "rank": constants.CORRELATION}
    attributes["logistic"] = constants.TOPAZ_SCORE
    for one, transform in zip(sets, EXPECTED.values()):
        assert hasattr(one.outputCoordinates.getFirstItem(), attributes[transform])
    protocol = project.consensus(sets, "treatment", checkCoordinates=False)
    assert protocol.run_settings()["options"]["score_transform"] == ["auto", "rank", "logistic"]
    run = project.run(protocol)
    assert run.isFinished(), run.getErrorMessage()
    summary = " ".join(run._summary())
    for number, transform in enumerate(EXPECTED.values()):
        assert (
            f"import {number}: 3 of 3 picks are in the consensus (scores: {transform})" in summary
        )

    from repic_plugin.pickers import PICKERS
    from repic_plugin.protocols.consensus.settings import transform_of
    from repic_plugin.protocols.iterative.sets import consensus_values

    for picker in ("template", "deeppicker", "cryolo", "topaz", "log"):
        lines = [SimpleNamespace(picker=PICKERS[picker](None), consensus_threshold=None)] * 3
        values = consensus_values(lines, [one.outputCoordinates for one in sets])
        asked = values["scoreTransforms"].split()
        names = zip(asked, values["scoreAttributes"].split())
        found = [transform_of(*one, "a run") for one in names]
        assert found[1:] == ["rank", "logistic"], picker


def test_template_correlations_are_ranked_in_both(project):
    from repic_plugin.pickers import PICKERS
    from repic_plugin.protocols.consensus.settings import transform_of

    template = PICKERS["template"]
    assert template.score_attribute == constants.CORRELATION
    assert transform_of(None, constants.CORRELATION, "A") == template.score_transform == "rank"
    assert transform_of("identity", constants.CORRELATION, "A") == "identity"  # as the user says
    for picker in PICKERS.values():  # what an adapter says of its own scores holds by itself too
        own = picker.score_attribute
        if own in constants.SCORE_ATTRIBUTES and own != constants.PICK_SCORE:
            known = transform_of(None, own, picker.title)
            assert known in (picker.score_transform, "auto"), picker


@pytest.mark.parametrize(
    ("name", "stated", "expected"),
    [
        ("relion", "rank", "rank"),
        ("RELION Topaz", "rank", "logistic"),
        ("relion", "logistic", "logistic"),
        ("topaz", None, "auto"),
        ("x", "auto", "auto"),
    ],
)
def test_what_a_file_says_of_its_scores(name, stated, expected):
    assert stated_transform(name, stated) == expected


def test_files_of_a_folder_say_it_together(tmp_path):
    for number in range(2):
        text = star_text("_rlnAutopickFigureOfMerit", CORRELATIONS)
        (tmp_path / f"m{number}.star").write_text(text)
    (tmp_path / "m2.star").write_text("")  # RELION found nothing
    assert read_picker_folder(tmp_path).score_transforms == ("rank",)
    (tmp_path / "m3.box").write_text(box_text(CORRELATIONS))
    assert read_picker_folder(tmp_path).score_transforms == (None,)
