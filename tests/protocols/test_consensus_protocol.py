"""The consensus protocol in a real Scipion project."""

import csv
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.consensus import find_consensus
from repic_plugin.formats import read_consensus_tables, read_picks_dir
from repic_plugin.simulation import simulate_picks
from tests.protocols.scipion_project import coordinates, write_images, write_picker

pytestmark = pytest.mark.slow

# three pickers on three micrographs; on m2 only A and B agree, on m3 nobody picks but C
CENTRES = {
    "A": {"m1": [(20, 20), (50, 50)], "m2": [(30, 30)], "m3": []},
    "B": {"m1": [(22, 20), (50, 52)], "m2": [(31, 29)], "m3": []},
    "C": {"m1": [(20, 23), (8, 56)], "m2": [(60, 60)], "m3": [(40, 40)]},
}
AGREED_BY_ALL = [("m1.mrc", 20, 20)]
SIZE = 20
SIMULATED_PX = 180


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Micrographs and pick files of the three pickers."""
    folder = tmp_path_factory.mktemp("files")
    write_images(folder / "mics", ["m1", "m2", "m3"])
    for name, centres in CENTRES.items():
        scores = {mic: np.linspace(0.9, 0.6, len(rows)) for mic, rows in centres.items()}
        write_picker(folder / "picks" / name, centres, SIZE, scores)
    return folder


@pytest.fixture(scope="module")
def micrographs(project, folders):
    return project.micrographs("micrographs", folders / "mics")


@pytest.fixture(scope="module")
def pickers(project, folders, micrographs):
    return [project.picks(name, micrographs, folders / "picks" / name) for name in CENTRES]


@pytest.fixture(scope="module")
def of_all(project, pickers):
    return project.run(project.consensus(pickers, "of all", unmatchedOutput=True))


def test_equals_repics_own_result_on_real_picks(project, shared_data, tmp_path):
    source = shared_data / "empiar-10017"
    with open(source / "repic_reference.csv", newline="") as file:
        reference = list(csv.DictReader(file))
    write_images(tmp_path / "mics", [row["micrograph"] for row in reference], 4096)
    mics = project.micrographs("EMPIAR-10017", tmp_path / "mics", sampling=1.77)
    sets = [project.picks(name, mics, source / name) for name in ("crYOLO", "deepPicker", "topaz")]
    protocol = project.run(project.consensus(sets, "real"))
    assert protocol.isFinished(), protocol.getErrorMessage()
    with open(protocol._getExtraPath("summary.csv"), newline="") as file:
        found = {Path(row["micrograph"]).stem: row for row in csv.DictReader(file)}
    assert len(found) == len(reference) == 6
    for row in reference:
        mine = found[row["micrograph"]]
        assert mine["n_cliques"] == row["n_cliques"]
        assert mine["n_selected"] == row["n_selected"]
        assert float(mine["objective"]) == pytest.approx(float(row["objective"]), abs=1e-4)
        assert mine["is_optimal"] == "true"
    assert protocol.outputCoordinates.getSize() == sum(int(row["n_selected"]) for row in reference)
    assert protocol.outputCoordinates.getBoxSize() == 180


def test_output_is_what_the_function_finds(of_all, folders):
    assert coordinates(of_all) == AGREED_BY_ALL
    expected = find_consensus(read_picks_dir(folders / "picks").picks, SIZE)
    item = of_all.outputCoordinates.getFirstItem()
    assert getattr(item, constants.WEIGHT).get() == pytest.approx(expected.weight[0])
    assert getattr(item, constants.SCORE).get() == pytest.approx(expected.score[0])
    assert getattr(item, constants.OVERLAP).get() == pytest.approx(expected.overlap[0])
    assert getattr(item, constants.N_PICKERS).get() == 3
    assert getattr(item, constants.PICKERS).get() == "A, B, C"


def test_particles_have_their_false_agreement_rate(project, of_all):
    items = [one.clone() for one in of_all.outputCoordinates]
    with open(project.folder(of_all) / "consensus.csv", newline="") as file:
        rows = [row["false_agreement"] for row in csv.DictReader(file)]
    told = [getattr(one, constants.FALSE_AGREEMENT).get() for one in items]
    assert told == [pytest.approx(float(one), abs=1e-5) for one in rows]


def test_picks_without_a_partner_are_the_second_output(of_all):
    assert of_all.outputUnmatched.getSize() == 10 - 3
    assert ("m3.mrc", 40, 40) in coordinates(of_all, "outputUnmatched")


def test_output_points_to_the_micrographs_and_its_sources(project, of_all, micrographs, pickers):
    assert of_all.outputCoordinates.getMicrographs().getObjId() == (
        micrographs.outputMicrographs.getObjId()
    )
    assert of_all.outputCoordinates.getBoxSize() == SIZE
    assert of_all.outputCoordinates.getObjComment() == "proven optimal"
    parents = project.project.getSourceParents(of_all.outputCoordinates)
    assert {one.getObjId() for one in parents} == {one.getObjId() for one in pickers}


def test_summary_and_methods_are_true(of_all):
    summary = " ".join(of_all._summary())
    assert "*1 particle* on which all 3 pickers agree" in summary
    assert "1 of 3 micrographs" in summary
    assert "proven optimal" in summary
    assert "A: 1 of 3 picks" in summary
    assert "10 picks of 3 pickers (A, B, C)" in of_all._methods()[0]


def test_summary_before_the_run(project, pickers):
    assert project.consensus(pickers)._summary() == ["The consensus is not ready yet."]


def test_quorum_keeps_what_one_picker_missed(project, pickers):
    protocol = project.run(project.consensus(pickers, "quorum", mode=1, quorum=2))
    assert [mic for mic, _, _ in coordinates(protocol)] == ["m1.mrc", "m1.mrc", "m2.mrc"]
    by_mic = {
        (i.getMicName(), getattr(i, constants.PICKERS).get()) for i in protocol.outputCoordinates
    }
    assert by_mic == {("m1.mrc", "A, B, C"), ("m1.mrc", "A, B"), ("m2.mrc", "A, B")}


def test_best_particles_and_thresholds(project, pickers):
    protocol = project.consensus(pickers, "thresholds", mode=1, numParticles=1, minScores="0.7 - -")
    found = project.run(protocol)
    # A's second pick on m1 (score 0.6) is gone, and one particle of each micrograph is kept
    assert [mic for mic, _, _ in coordinates(found)] == ["m1.mrc", "m2.mrc"]


def test_ranking_by_confidence(project, micrographs, tmp_path):
    # on m1 the pair that overlaps best has the lower scores
    centres = {"A": [(20, 20), (50, 50)], "B": [(20, 20), (44, 50)]}
    scores = {"m1": np.array([0.6, 0.9])}
    sets = [
        project.picks(
            f"{one} ranked",
            micrographs,
            write_picker(tmp_path / one, {"m1": rows}, SIZE, scores),
        )
        for one, rows in centres.items()
    ]
    run = project.run(project.consensus(sets, "by weight", numParticles=1))
    assert read_consensus_tables(project.folder(run)).x.tolist() == [20]
    run.rankBy.set(1)
    ranked = project.run(run)  # Continue
    assert read_consensus_tables(project.folder(ranked)).x.tolist() == [44]
    assert coordinates(ranked) == [("m1.mrc", 44, 50)]
    assert "1 particles of the highest confidence per micrograph" in ranked._methods()[0]
    ranked.mode.set(2)
    assert ranked.validate() == []  # the field is hidden, and ignored


def test_copies_are_counted_in_the_table(project, micrographs, pickers, tmp_path):
    centres = {"m1": [(20, 20), (22, 20), (50, 50)], "m2": [], "m3": [(40, 40), (41, 40), (40, 42)]}
    twice = project.picks("twice", micrographs, write_picker(tmp_path / "p", centres, SIZE))
    run = project.run(project.consensus([pickers[0], twice], "copies"))
    tables = read_consensus_tables(project.folder(run))
    assert tables.n_copies.tolist() == [[0, 1], [0, 0], [0, 2]]
    assert tables.n_picks[:, 1].tolist() == [2, 0, 1]


def test_micrographs_of_another_import_are_matched_by_name(project, folders, pickers, tmp_path):
    # imported in another order, so that the ids differ: position and id would both mislead
    other = tmp_path / "mics"
    other.mkdir()
    for mic in ("m2", "m3"):
        shutil.copy(folders / "mics" / f"{mic}.mrc", other / f"{mic}.mrc")
    mics = project.micrographs("other import", other)
    ids = {mic.getMicName(): mic.getObjId() for mic in mics.outputMicrographs}
    assert ids["m2.mrc"] != 2
    second = project.picks("B again", mics, folders / "picks" / "B")
    protocol = project.run(project.consensus([pickers[0], second], "by name"))
    assert coordinates(protocol) == [("m2.mrc", 30, 30)]


def test_another_pixel_size_is_rescaled(project, pickers, tmp_path):
    mics = project.micrographs("binned", write_images(tmp_path / "m", ["m1", "m2", "m3"], 32), 2.0)
    centres = {"m1": [(10, 10), (25, 25)], "m2": [(15, 15)], "m3": []}
    half = project.picks("binned B", mics, write_picker(tmp_path / "p", centres, SIZE // 2))
    protocol = project.run(project.consensus([pickers[0], half], "rescaled"))
    assert coordinates(protocol) == [("m1.mrc", 20, 20), ("m1.mrc", 50, 50), ("m2.mrc", 30, 30)]
    assert protocol.outputCoordinates.getBoxSize() == SIZE


def test_a_set_without_a_coordinate_is_an_ordinary_case(project, micrographs, pickers, tmp_path):
    empty = project.picks("idle", micrographs, write_picker(tmp_path / "p", {"m1": []}), SIZE)
    assert empty.outputCoordinates.getSize() == 0
    quorum = project.run(project.consensus([*pickers, empty], "idle quorum", mode=1, quorum=3))
    assert quorum.isFinished(), quorum.getErrorMessage()
    assert coordinates(quorum) == AGREED_BY_ALL
    nothing = project.run(project.consensus([*pickers, empty], "idle all"))
    assert nothing.isFinished(), nothing.getErrorMessage()
    assert nothing.outputCoordinates.getSize() == 0
    assert "0 particles" in nothing._summary()[0]


def test_consensus_of_a_consensus_reads_its_score(project, pickers, of_all):
    protocol = project.run(project.consensus([pickers[0], of_all], "again"))
    assert coordinates(protocol) == AGREED_BY_ALL


@pytest.mark.parametrize(
    "step",
    [
        "stream",
        *(
            pytest.param(one, marks=pytest.mark.thorough)
            for one in ("consensus.csv", "summary.csv", "summary.json")
        ),
    ],
)
def test_continue_after_a_failure_at_any_place(project, pickers, step):
    protocol = project.consensus(pickers, f"broken at {step}", unmatchedOutput=True)
    project.project.saveProtocol(protocol)
    blocker = Path(protocol._getExtraPath(step))
    blocker.parent.mkdir(parents=True)
    if step == "stream":
        blocker.touch()  # what the step wants to write into is a file
    else:
        blocker.mkdir()  # and what it wants to write a folder
    broken = project.run(protocol)
    assert broken.isFailed()
    assert broken._summary() == ["The consensus is not ready yet."]
    assert not hasattr(broken, "outputCoordinates")
    blocker.unlink() if step == "stream" else blocker.rmdir()
    mended = project.run(broken)
    assert mended.isFinished(), mended.getErrorMessage()
    assert coordinates(mended) == AGREED_BY_ALL
    assert mended.outputUnmatched.getSize() == 7


def test_what_an_earlier_run_left_is_not_counted(project, pickers):
    protocol = project.consensus(pickers, "after another")
    project.project.saveProtocol(protocol)
    stale = Path(protocol._getExtraPath("stream/batch_000000.npz"))
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half a file")
    assert coordinates(project.run(protocol)) == AGREED_BY_ALL


def test_a_changed_value_is_not_skipped_by_continue(project, pickers):
    protocol = project.run(project.consensus(pickers, "changed"))
    assert protocol.outputCoordinates.getSize() == 1
    protocol.mode.set(1)
    again = project.run(protocol)
    assert again.outputCoordinates.getSize() == 3


def test_continue_after_discarding_particles_at_the_edges(project, micrographs, tmp_path):
    centres = {"m1": [(5, 30), (40, 40)], "m2": [], "m3": []}
    sets = [
        project.picks(f"{one} edge", micrographs, write_picker(tmp_path / one, centres, SIZE))
        for one in "AB"
    ]
    run = project.run(project.consensus(sets, "edges"))
    assert read_consensus_tables(project.folder(run)).x.tolist() == [5, 40]
    run.dropOutside.set(True)
    run = project.run(run)  # Continue
    assert read_consensus_tables(project.folder(run)).x.tolist() == [40]
    run.dropOutside.set(False)
    run = project.run(run)
    assert sorted(read_consensus_tables(project.folder(run)).x.tolist()) == [5, 40]


# Of the form, those without influence on the particles: how the run goes, what it checks, and the
# outputs beside them.
WITHOUT_INFLUENCE = {
    *("checkCoordinates", "streamingSleepOnWait", "lateAfter", "endAfterIdle", "writeReport"),
    *("inputCTFs", "inputCoordinates", "numberOfThreads", "numberOfMpi", "hostName", "runMode"),
    *("runName", "expertLevel", "useGpu", "gpuList"),
}
OF_ANOTHER_STEP = {"maxJunk", "imageClasses", "chosenParticles", "classifiedParticles"}
CHANGED = {
    **{"mode": 1, "boxSize": 22, "numParticles": 1, "rankBy": 1, "minScores": "0.5", "position": 1},
    **{"scoreAttributes": constants.PICK_SCORE, "scoreTransforms": "rank", "minOverlap": 0.4},
    **{"copyDistance": 2.0, "minDistance": 2.0, "dropOutside": True, "largestComponent": True},
    **{"solver": 1, "timeLimit": 5.0, "unmatchedOutput": True},
    **{"patterns": "A, not B", "maxFalseAgreement": 0.05, "minAgreement": 0.3, "minExpected": 5.0},
    "minWeight": 0.5,
}


def test_each_value_of_the_form_that_matters_is_an_argument_of_the_step(project, pickers):
    from repic_plugin.protocols.consensus.settings import stream_settings

    protocol = project.consensus(pickers, "arguments")
    before = stream_settings(protocol, list("ABC"))
    # with the mode that they belong to
    others = {"quorum": (1, 2), "targetPrecision": (2, 0.9), "lookAtImages": (2, True)}
    names = (
        {name for name, _ in protocol._definition.iterParams()}
        - WITHOUT_INFLUENCE
        - OF_ANOTHER_STEP
    )
    assert names == {*CHANGED, *others}
    for name, value in CHANGED.items():
        changed = project.consensus(pickers, "arguments", **{name: value})
        assert stream_settings(changed, list("ABC")) != before, name
    for name, (mode, value) in others.items():
        plain = project.consensus(pickers, "arguments", mode=mode)
        changed = project.consensus(pickers, "arguments", mode=mode, **{name: value})
        settings = [stream_settings(one, list("ABC")) for one in (plain, changed)]
        assert settings[0] != settings[1], name


def test_the_share_of_junk_judges_only_where_classes_decide(project, pickers):
    from repic_plugin.protocols.consensus.settings import stream_settings

    for values, expected in (
        ({"mode": 2}, None),
        ({"mode": 1, "lookAtImages": True}, None),
        ({"mode": 2, "lookAtImages": True}, [0, 0, 0.4]),
    ):
        protocol = project.consensus(pickers, "junk", maxJunk=0.4, **values)
        assert stream_settings(protocol, list("ABC")).get("judge") == expected


def names_in(protocol, output):
    """Names in the file of a set; an object may still have an earlier file open."""
    from repic_plugin.convert.sets import read_item_columns

    file = getattr(protocol, output).getFileName()
    return [name for (name,) in read_item_columns(file, ["_micName"])]


def test_micrographs_are_judged_by_thresholds_only(project, pickers, of_all):
    from repic_plugin.formats import read_micrograph_quality

    assert not hasattr(of_all, "outputMicrographs")
    plain = read_micrograph_quality(project.folder(of_all))
    assert plain.is_accepted.all()
    # m1: two of three particles of A and B alone, and one of all; m3: one pick of C
    run = project.run(project.consensus(pickers, "judged", mode=1, quorum=2, minAgreement=0.7))
    assert names_in(run, "outputMicrographs") == ["m1.mrc"]
    assert names_in(run, "outputMicrographsRejected") == ["m2.mrc", "m3.mrc"]
    found = read_micrograph_quality(project.folder(run))
    np.testing.assert_allclose(found.quality.agreement, [5 / 6, 2 / 3, 0])
    assert found.is_accepted.tolist() == [True, False, False]
    given = run.outputMicrographs
    micrographs = run.getInputMicrographs()
    assert given.getSamplingRate() == micrographs.getSamplingRate()
    assert given[1].getFileName() == micrographs[1].getFileName()
    assert given.isStreamClosed()
    told = " ".join(run._summary())
    assert "1 micrograph accepted, 2 rejected: agreement of at least 0.7." in told
    assert run.outputCoordinates.getSize() == 3  # of all micrographs, whatever they are judged
    run.minAgreement.set(0.0)
    run.minExpected.set(1.0)
    run = project.run(run)  # Continue
    assert names_in(run, "outputMicrographs") == ["m1.mrc", "m2.mrc"]
    run.minExpected.set(0.0)
    run = project.run(run)
    assert not [*Path(project.folder(run)).parent.glob("micrographs*.sqlite")]


def test_batches_of_earlier_versions_have_no_scores(tmp_path):
    from repic_plugin.protocols.consensus.stream_record import StreamRecord

    picks = simulate_picks(3, 3, recall=0.8, precision=0.7).picks
    result = find_consensus(picks, SIMULATED_PX)
    record = StreamRecord(tmp_path / "stream", "{}")
    record.append([1, 2, 3], result.micrographs.n_picks, result, np.arange(len(picks)), None)
    (batch,) = StreamRecord(tmp_path / "stream", "{}").batches()
    assert np.isnan(batch.quality.score).all()
    assert np.isfinite(batch.quality.agreement).all()


def test_a_sudden_fall_is_told():
    rng = np.random.default_rng(0)
    picks = simulate_picks(60, 3, recall=0.9, precision=0.9, box_size_px=SIZE).picks
    is_lost = (picks.micrograph >= 40) & (picks.picker > 0) & (rng.random(len(picks)) < 0.9)
    facts = facts_of(picks.take(~is_lost), mode="quorum", quorum=2)
    (line,) = [one for one in facts["summary"] if "agreement fell" in one]
    assert line.startswith("! Since micrograph 41 (")


def facts_of(picks, box_size_px=SIZE, **options):
    """Facts of a consensus in two batches."""
    from repic_plugin.protocols.consensus.stream_record import batch_of
    from repic_plugin.protocols.consensus.summary import ConsensusTotals, consensus_facts

    totals = ConsensusTotals()
    for micrographs in (range(2), range(2, picks.n_micrographs)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the same line, by batch
            result = find_consensus(picks, box_size_px, micrographs=micrographs, **options)
        result.micrographs.is_optimal[1:] = False
        ids = np.arange(len(picks))
        totals.add(batch_of([*micrographs], result.micrographs.n_picks, result, ids, None, []))
    given = dict.fromkeys(("num_particles", "largest_component", "target_precision"))
    given.update(box_size_px=[SIZE] * 3, min_overlap=0.3, min_score=[None] * 3, position="member")
    settings = {"options": given, "attributes": [None] * 3}
    settings.update(pixel_size_angstrom=1.0, discards_edges=False)
    return consensus_facts(totals, len(picks), settings)


def test_a_result_that_is_not_proven_says_so(folders):
    facts = facts_of(read_picks_dir(folders / "picks").picks)
    assert "NOT proven optimal on 1 micrograph" in " ".join(facts["summary"])
    assert "NOT proven optimal on 1 micrograph" in facts["methods"][0]


def test_a_picker_with_far_fewer_picks_is_named_over_all_batches():
    picks = simulate_picks(6, 3, random_state=1).picks
    rng = np.random.default_rng(0)
    fewer = picks.take((picks.picker != 1) | (rng.random(len(picks)) < 0.3))

    def told(some, **options):
        lines = facts_of(some, box_size_px=SIMULATED_PX, **options)["summary"]
        return [line for line in lines if "picks per micrograph (median)" in line]

    (line,) = told(fewer)
    assert line.startswith(f"! {picks.picker_names[1][0].upper()}{picks.picker_names[1][1:]} has ")
    assert line.endswith("choose mode quorum.")
    assert not told(picks)
    assert not told(fewer, mode="quorum", quorum=2)
    assert not told(fewer, mode="probabilistic")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mode": 1, "quorum": 4}, ["Minimum number of pickers", "2 to 3", "4"]),
        ({"mode": 1, "quorum": 1}, ["Minimum number of pickers", "2 to 3", "1"]),
        ({"boxSize": -3}, ["Box size", "-3"]),
        ({"boxSize": 10**9}, ["Box size", "longest side of the micrographs", "1,000,000,000"]),
        ({"minOverlap": 1.0}, ["overlap", "1.0"]),
        ({"minScores": "0.3 0.5"}, ["Minimum scores", "3", "2"]),
        ({"minScores": "high"}, ["Minimum scores", "numbers", "high"]),
        ({"scoreAttributes": "_nonsense"}, ["Score attributes", "_nonsense", constants.PICK_SCORE]),
        ({"scoreTransforms": "sigmoid"}, ["sigmoid", "logistic"]),
        ({"numParticles": -1}, ["Expected particles per micrograph", "-1"]),
    ],
)
def test_bad_values_are_one_line_before_the_run(project, pickers, values, words):
    (message,) = project.consensus(pickers, **values)._validate()
    assert "\n" not in message
    for word in words:
        assert word in message


def test_bad_inputs_are_one_line_before_the_run(project, pickers, tmp_path):
    (twice,) = project.consensus([pickers[0], pickers[0]])._validate()
    assert "same set" in twice
    mics = project.micrographs("strangers", write_images(tmp_path / "m", ["x1"]))
    stranger = project.picks("stranger", mics, write_picker(tmp_path / "p", {"x1": [(5, 5)]}))
    (apart,) = project.consensus([pickers[0], stranger])._validate()
    assert "no micrograph in common" in apart
    assert "m1.mrc" in apart
    assert "x1.mrc" in apart
    assert project.run(project.consensus([pickers[0]])).isFailed()


def test_a_run_named_as_a_column_is_refused_before_the_run(project, pickers):
    label = pickers[0].getObjLabel()
    protocol = project.consensus(pickers)
    protocol.inputCoordinates[0].getObjValue().setObjLabel("score")
    try:
        (message,) = protocol._validate()
    finally:
        protocol.inputCoordinates[0].getObjValue().setObjLabel(label)
    assert "score" in message


def test_gurobi_that_is_absent_is_said_before_the_run(project, pickers, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gurobipy", None)
    (message,) = project.consensus(pickers, solver=2)._validate()
    assert "gurobipy" in message
    assert "highs" in message
