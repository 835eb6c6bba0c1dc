"""Consensus by probability in a real Scipion project."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.consensus import find_consensus
from repic_plugin.convert import read_micrographs
from repic_plugin.formats import ENSEMBLE_NAMES, micrograph_name, read_ensemble
from repic_plugin.simulation import simulate_picks
from tests.protocols.growing_sets import Feeder
from tests.protocols.iterative_runs import (
    PIXEL_SIZE,
    after_the_kill,
    children,
    iterative,
    kill,
    places,
    write_material,
)
from tests.protocols.pwem_sets import write_ctfs
from tests.protocols.scipion_project import write_images, write_picker
from tests.protocols.test_streaming import ended, launched, n_done, until

pytestmark = pytest.mark.slow

N_MICROGRAPHS, N_FIRST, BOX_PX = 36, 32, 40
PICKERS = ("good", "fair", "weak")


def check_same(one, other):
    """Two models say the same of everything."""
    np.testing.assert_equal(vars(one), vars(other))


@pytest.fixture(scope="module")
def simulated():
    return simulate_picks(
        N_MICROGRAPHS,
        len(PICKERS),
        n_particles=15,
        micrograph_size_px=(512, 512),
        box_size_px=BOX_PX,
        recall=[0.9, 0.8, 0.5],
        precision=[0.9, 0.8, 0.6],
        picker_names=PICKERS,
    )


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    names = [f"m{i:02d}" for i in range(N_MICROGRAPHS)]
    folder = write_images(tmp_path_factory.mktemp("probable") / "images", names, 4096)
    return project.micrographs("probable", folder)


@pytest.fixture(scope="module")
def pickers(project, micrographs, simulated, tmp_path_factory):
    folder, picks = tmp_path_factory.mktemp("pickers"), simulated.picks
    made = []
    for number, name in enumerate(PICKERS):
        rows = {f"m{i:02d}": (picks.picker == number) & (picks.micrograph == i)
                for i in range(N_MICROGRAPHS)}  # fmt: skip
        centres = {m: np.column_stack((picks.x[k], picks.y[k])).round() for m, k in rows.items()}
        scores = {m: picks.score[k].round(4) for m, k in rows.items()}
        write_picker(folder / name, centres, BOX_PX, scores)
        made.append(project.picks(name, micrographs, folder / name))
    return made


@pytest.fixture(scope="module")
def picks(pickers):
    """What the project holds of them."""
    from repic_plugin.convert import PickerInput, read_picks

    sets = [one.outputCoordinates for one in pickers]
    inputs = [PickerInput(*one, constants.PICK_SCORE) for one in zip(PICKERS, sets)]
    return read_picks(inputs)[0]


@pytest.fixture(scope="module")
def ctfs(project, micrographs):
    """Of all micrographs but the last two; the defocus rises with the number."""
    return write_ctfs(project, micrographs, lambda name: 1e4 + 100 * int(name[1:3]), n_left_out=2)


@pytest.fixture(scope="module")
def at_once(project, pickers, picks, ctfs):
    """Of closed sets; `picks` are read before the sets are taken back."""
    protocol = project.consensus(pickers, "by probability", mode=2, unmatchedOutput=True)
    protocol.inputCTFs.set(ctfs)
    protocol.inputCTFs.setExtended("outputCTF")
    assert protocol.validate() == []
    run = project.run(protocol)
    assert run.isFinished(), run.getErrorMessage()
    return run


def found_by(run):
    """Micrograph, position, probability and pickers of every particle, as the set has them."""
    return sorted(
        (
            micrograph_name(item.getMicName()),
            item.getX(),
            item.getY(),
            getattr(item, constants.WEIGHT).get(),
            getattr(item, constants.N_PICKERS).get(),
        )
        for item in run.outputCoordinates
    )


def told_by(result):
    """The same of a result."""
    names = [result.micrograph_names[m] for m in result.micrograph]
    position = (np.floor(axis + 0.5).astype(int).tolist() for axis in (result.x, result.y))
    return sorted(zip(names, *position, result.weight.tolist(), result.n_members.tolist()))


def defocus():
    value = 1e4 + 100.0 * np.arange(N_MICROGRAPHS)
    value[-2:] = np.nan
    return value


def test_it_is_one_call_of_the_function(at_once, picks):
    expected = find_consensus(picks, BOX_PX, mode="probabilistic", micrograph_quality=defocus())
    assert found_by(at_once) == told_by(expected)
    assert {n for *_, n in found_by(at_once)} >= {1, 3}
    assert at_once.outputUnmatched.getSize() == expected.is_unmatched.sum()
    model = read_ensemble(at_once._getExtraPath())
    check_same(model, expected.ensemble)
    assert model.quality_recall.shape == (3, 3)


def test_the_summary_tells_what_the_pickers_are_worth(at_once, simulated):
    model = read_ensemble(at_once._getExtraPath())
    summary = at_once._summary()
    n, n_true = len(found_by(at_once)), sum(row[3] for row in found_by(at_once))
    assert summary[0].startswith(
        f"*{n:,} particles* kept, on {N_MICROGRAPHS} of {N_MICROGRAPHS} micrographs; about "
        f"{n_true:,.0f} of them are expected to be true, of an estimated total of "
        f"{model.n_particles:,.0f} true particles ("
    )
    assert summary[0].endswith("), including those that no picker found.")
    assert summary[1] == (
        f"Expected precision {n_true / n:.3f}, recall {n_true / model.n_particles:.3f} "
        f"(threshold {model.threshold:.3f}, highest expected F1 score)."
    )
    about = (
        f"About {round(model.n_particles / N_MICROGRAPHS)} particles per micrograph are expected."
    )
    assert summary[2] == about
    for name, precision, recall, line in zip(PICKERS, model.precision, model.recall, summary[3:]):
        assert line.startswith(f"{name}: precision {precision:.3f} (")
        assert f", recall {recall:.3f} (" in line
    assert model.n_particles == pytest.approx(len(simulated.truth), rel=0.05)
    assert not any("Recommended" in line or "fitted to" in line for line in summary)
    (methods,) = at_once._methods()
    assert "[Cameron2024]" in methods
    assert "[DawidSkene1979]" in methods
    assert "DawidSkene1979" in at_once._citations()


def test_it_follows_what_grows_and_a_kill_changes_nothing(project, pickers, picks, at_once):
    feeders = [Feeder(project, one) for one in pickers]
    ids = sorted(feeders[0].rows)
    try:
        for feeder in feeders[:2]:
            feeder.feed(*ids)
        feeders[2].feed(*ids[: N_FIRST - 10])
        run = launched(project, pickers, "grows", mode=2, targetPrecision=0.99)
        file = project.folder(run) / "summary.json"
        until(file.is_file, "it waits", run)
        (line, *_) = json.loads(file.read_text())["summary"]
        assert "once all pickers have picked 30 of them" in line
        assert n_done(project, run) == 0
        feeders[2].feed(*ids[N_FIRST - 10 : N_FIRST])
        until(lambda: n_done(project, run) == N_FIRST, "the first are done", run)
        kill(run, with_children=True)
        run = after_the_kill(project, run)
        # the output may be behind the record: then its batches are written again
        (project.folder(run).parent / "coordinates.sqlite").unlink(missing_ok=True)
        project.project.launchProtocol(run, wait=False)
    finally:
        feeders[2].feed(*ids[N_FIRST:])
        for feeder in feeders:
            feeder.close()
    finished = ended(project, run)
    part = picks.take(picks.micrograph < N_FIRST)
    part = replace(part, micrograph_names=part.micrograph_names[:N_FIRST])
    asked = {"mode": "probabilistic", "target_precision": 0.99}
    model = find_consensus(part, BOX_PX, **asked).ensemble
    check_same(read_ensemble(finished._getExtraPath()), model)
    expected = find_consensus(picks, BOX_PX, ensemble=model, **asked)
    assert found_by(finished) == told_by(expected)
    assert f"The model was fitted to {N_FIRST} of the micrographs" in " ".join(finished._summary())
    assert len(expected) < len(found_by(at_once))


# without a run


def test_the_model_is_kept_with_the_record(tmp_path, at_once):
    from repic_plugin.protocols.consensus.stream_record import StreamRecord

    model = read_ensemble(at_once._getExtraPath())
    StreamRecord(tmp_path / "stream", "{}").keep_model(model)
    check_same(StreamRecord(tmp_path / "stream", "{}").model, model)
    assert StreamRecord(tmp_path / "stream", '{"others": 1}').model is None


def test_micrographs_to_judge_the_pickers_on():
    from repic_plugin.protocols.consensus.fit_subset import FIT_MICROGRAPHS, micrographs_to_fit

    assert micrographs_to_fit(range(29), False) == []
    assert micrographs_to_fit(range(30), False) == list(range(30))
    assert micrographs_to_fit([7, 3], True) == [7, 3]
    assert micrographs_to_fit([], True) == []
    many = micrographs_to_fit(range(1000), True)
    assert len(set(many)) == FIT_MICROGRAPHS == 400
    assert (many[0], many[-1]) == (0, 999)
    assert set(np.diff(many)) == {2, 3}


@pytest.mark.parametrize("value", [1.0, -0.1])
def test_a_precision_that_cannot_be_is_told_before_the_run(project, pickers, value):
    (message,) = project.consensus(pickers, mode=2, targetPrecision=value)._validate()
    assert f"below 1, got {value:g}" in message
    assert project.consensus(pickers, mode=1, targetPrecision=value)._validate() == []


def test_two_pickers_without_scores_are_told_before_the_run(project, pickers):
    from repic_plugin.protocols.consensus.settings import check_settings

    settings = project.consensus(pickers[:2], mode=2).run_settings()
    check_settings(settings)
    with pytest.raises(ValueError, match="cannot be estimated without scores of both"):
        check_settings({**settings, "score_attributes": [None, None]})


def test_other_modes_depend_on_nothing_of_this_one(project, pickers, ctfs):
    plain = project.consensus(pickers, mode=1)
    other = project.consensus(pickers, mode=1, targetPrecision=0.9)
    other.inputCTFs.set(ctfs)
    other.inputCTFs.setExtended("outputCTF")
    assert other.run_settings() == plain.run_settings()
    assert "DawidSkene1979" not in plain._citations()


def test_the_preview_leaves_the_mode_and_writes_the_target(project, pickers):
    from repic_plugin.plots.preview import PreviewSettings
    from repic_plugin.wizards import form_settings, write_settings

    values = {}
    protocol = project.consensus(pickers, mode=2, numParticles=4, targetPrecision=0.9)
    assert form_settings(protocol, 3) == PreviewSettings(2, 0.3, 4, 0.9)
    form = SimpleNamespace(protocol=protocol, setVar=values.__setitem__)
    write_settings(form, PreviewSettings(3, 0.4, 9, 0.95), 3)
    assert values == {"minOverlap": 0.4, "numParticles": 9, "targetPrecision": 0.95}


def test_a_restart_forgets_the_pickers(project, at_once):
    from repic_plugin.protocols.consensus.stream_outputs import forget_results

    run = project.consensus([], "forgetful")
    project.project.saveProtocol(run)
    run.makePathsAndClean()
    left = [project.folder(run) / name for name in ENSEMBLE_NAMES]
    for file in left:
        file.touch()
    forget_results(run, ["outputCoordinates"])
    assert not any(file.exists() for file in left)


# iterative picking


def test_the_worst_picker_has_the_lowest_estimated_f1(at_once, tmp_path):
    from repic_plugin.consensus import MODES
    from repic_plugin.formats import write_ensemble, write_iterations
    from repic_plugin.iteration import IterationRow
    from repic_plugin.protocols.iterative.stages import Stages

    model = read_ensemble(at_once._getExtraPath())
    assert PICKERS[int(np.argmin(model.f1))] == "weak"
    write_ensemble(tmp_path, model)
    names = ("A", "B", "C", "consensus")  # as the lines of the form are called
    agreement = dict(zip(names, (0.1, 0.5, 0.9, np.nan)))
    rows = [IterationRow(1, name, "all", 36, 500, agreement[name], *[np.nan] * 3) for name in names]
    write_iterations(tmp_path / "iterations.csv", rows)
    stages = Stages.__new__(Stages)
    child = SimpleNamespace(_getExtraPath=lambda: str(tmp_path))
    stages._children = SimpleNamespace(project=SimpleNamespace(getObject={5: child}.get))
    stages._state = SimpleNamespace(get=lambda *_: (5, "outputCoordinates"))
    lines = [SimpleNamespace(label=name, picker=SimpleNamespace(trainable=True)) for name in "ABC"]
    stages._active = lambda: lines
    worst = {}
    for number, mode in enumerate(MODES):
        stages._protocol = SimpleNamespace(
            mode=SimpleNamespace(get=lambda number=number: number),
            table_file=lambda: str(tmp_path / "iterations.csv"),
        )
        worst[mode] = stages._worst(1)
    assert worst == {"all": "A", "quorum": "A", "probabilistic": "C"}
    lines[2].picker.trainable = False
    assert stages._worst(1) == ("A", "B")[int(np.argmin(model.f1[:2]))]


@pytest.mark.thorough
def test_pickers_learn_from_what_is_probable(project, tmp_path):
    images, _ = write_material(tmp_path)
    simulated = project.micrographs("simulated for probability", images, sampling=PIXEL_SIZE)
    values = {"mode": 2, "numParticles": 0, "numIterations": 2, "retrainWorst": True}
    run = project.run(iterative(project, simulated, label="probable", **values))
    assert run.isFinished(), run.getErrorMessage()
    made = children(project, run)
    names = read_micrographs(made["micrographs to train and test on"].outputTraining).names
    training = set(map(micrograph_name, names))
    kept = {
        (f"{row[0]}.mrc", *row[1:3])
        for row in found_by(made["iter 1 - consensus"])
        if row[0] in training
    }
    assert set(places(made["iter 1 - labels"].outputCoordinates)) == kept
    model = read_ensemble(made["iter 1 - consensus"]._getExtraPath())
    worst = f"Template ({1 + int(np.argmin(model.f1))})"
    assert [name for name in made if name.startswith("iter 2") and "train" in name] == [
        f"iter 2 - {worst} train"
    ]
    last = read_ensemble(made["iter 2 - consensus"]._getExtraPath())
    named = f"Template ({1 + int(np.argmin(last.f1))}), estimated F1 {last.f1.min():.3f}"
    assert f"Worst picker: {named}." in run._summary()
    assert read_ensemble(run._getExtraPath()).picker_names == ("Template (1)", "Template (2)")
    assert "DawidSkene1979" in run._citations()
