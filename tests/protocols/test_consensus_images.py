"""Consensus by probability that looks at the images, in a real Scipion project."""

import csv
import json
import shutil

import numpy as np
import pytest
from matplotlib.text import Text

from repic_plugin import cli, constants
from repic_plugin.commands.simulate_micrographs import write_exposures
from repic_plugin.formats import CANDIDATE_FILES, read_ensemble
from repic_plugin.protocols.consensus.stream import BY_AGREEMENT
from repic_plugin.simulation import phantom_map, simulate_exposures
from tests.protocols.faults import killed, outcome, unfinished
from tests.protocols.growing_sets import Feeder
from tests.protocols.iterative_runs import run_again
from tests.protocols.pwem_sets import write_ctfs
from tests.protocols.scipion_project import write_picker
from tests.protocols.test_streaming import current, ended, launched, until

pytestmark = pytest.mark.slow

BOX, PIXEL_SIZE, N_MICROGRAPHS, N_PARTICLES = 32, 8.0, 6, 12
PICKERS = ("good", "ice one", "ice two")  # the latter two share what they pick by mistake


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Micrographs; picks of one good picker, and of two that also pick the same empty places."""
    folder = tmp_path_factory.mktemp("looked at")
    exposures = list(
        simulate_exposures(
            phantom_map(BOX),
            N_MICROGRAPHS,
            pixel_size_angstrom=PIXEL_SIZE,
            n_particles=N_PARTICLES,
            micrograph_size_px=(384, 384),
            snr=0.5,
            n_junk=0,
            random_state=1,
        )
    )
    write_exposures(folder, exposures)
    rng = np.random.default_rng(2)
    picks = {name: {} for name in PICKERS}
    for one, path in zip(exposures, sorted((folder / "micrographs").glob("*.mrc"))):
        empty = rng.uniform(BOX, 384 - BOX, (400, 2))
        far = np.linalg.norm(empty[:, None] - one.centers[None], axis=2).min(axis=1) > BOX
        for name, shared in zip(PICKERS, (0, 16, 16)):
            rows = np.concatenate([one.centers, empty[far][:shared]])
            kept = rng.random(len(rows)) < (0.95 if shared == 0 else 0.8)
            picks[name][path.stem] = (rows + rng.normal(0, 1.5, rows.shape))[kept].round()
    for name, rows in picks.items():
        scores = {mic: rng.random(len(one)).round(3) for mic, one in rows.items()}
        write_picker(folder / "picks" / name, rows, BOX, scores)
    return folder


@pytest.fixture(scope="module")
def pickers(project, material):
    micrographs = project.micrographs("looked at", material / "micrographs", PIXEL_SIZE)
    return [project.picks(name, micrographs, material / "picks" / name) for name in PICKERS]


def looking(project, pickers, label="looks", **values):
    """Not launched."""
    values = {"mode": 2, "lookAtImages": True, "unmatchedOutput": True, **values}
    return project.consensus(pickers, label, **values)


@pytest.fixture(scope="module")
def done(project, pickers):
    run = project.run(looking(project, pickers))
    assert run.isFinished(), run.getErrorMessage()
    return run


@pytest.fixture(scope="module")
def by_command(material, tmp_path_factory):
    """Folder of what the command says of the same picks."""
    out = tmp_path_factory.mktemp("by command") / "out"
    images = str(material / "micrographs")
    args = ["consensus", str(material / "picks"), "--box-size", str(BOX), "--out", str(out)]
    args += ["--mode", "probabilistic", "--images", images, "--pixel-size", str(PIXEL_SIZE)]
    assert cli.main(args) == 0
    return out


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_it_is_what_the_command_finds(project, done, by_command):
    folder = project.folder(done)
    for name in CANDIDATE_FILES:
        assert (folder / name).read_bytes() == (by_command / name).read_bytes(), name
    columns = ("micrograph", "x_center", "y_center", "weight", "n_pickers")
    mine, theirs = (
        [[row[one] for one in columns] for row in rows_of(place / "consensus.csv")]
        for place in (folder, by_command)
    )
    assert mine == theirs
    np.testing.assert_equal(vars(read_ensemble(folder)), vars(read_ensemble(by_command)))


def test_each_particle_has_its_probability_its_class_and_the_score_of_that(project, done):
    folder = project.folder(done)
    particles = rows_of(folder / "consensus.csv")
    candidates = {
        (row["micrograph"], round(float(row["x"])), round(float(row["y"]))): row
        for row in rows_of(folder / "candidate_images.csv")
    }
    classes = rows_of(folder / "image_classes.csv")
    items = [item.clone() for item in done.outputCoordinates.iterItems(orderBy="id")]
    assert len(items) == len(particles) > 0
    n_same_place = 0
    for item, row in zip(items, particles):
        label = getattr(item, constants.IMAGE_CLASS).get()
        score = getattr(item, constants.IMAGE_CLASS_SCORE).get()
        assert getattr(item, constants.WEIGHT).get() == pytest.approx(
            float(row["weight"]), abs=1e-5
        )
        if label >= 0:
            assert score == pytest.approx(float(classes[label]["score"]), rel=1e-4)
        else:
            assert score is None
        place = (row["micrograph"], round(float(row["x_center"])), round(float(row["y_center"])))
        if place in candidates:  # the position may be that of another picker
            n_same_place += 1
            assert int(candidates[place]["class"]) == label
            known = float(candidates[place]["probability"])
            assert known == pytest.approx(float(row["weight"]), abs=1e-5)
    assert n_same_place > len(items) / 3


def test_what_two_pickers_share_by_mistake_is_left_out(project, pickers, done):
    n_true = N_MICROGRAPHS * N_PARTICLES
    assert abs(done.outputCoordinates.getSize() - n_true) < 0.15 * n_true
    agreed = project.run(project.consensus(pickers, "agrees only", mode=2))
    assert agreed.isFinished(), agreed.getErrorMessage()
    assert agreed.outputCoordinates.getSize() > 1.5 * n_true
    item = agreed.outputCoordinates.getFirstItem()
    assert not hasattr(item, constants.IMAGE_CLASS)
    assert not (project.folder(agreed) / CANDIDATE_FILES[0]).exists()


def test_the_summary_says_what_was_seen(project, done):
    lines = done._summary()
    (seen,) = (line for line in lines if line.startswith("Images: "))
    assert "candidates were looked at, in 8 2D classes, of which" in seen
    said = [line for line in lines if line.endswith("lie in classes of particles.")]
    assert [line.split(":")[0] for line in said] == list(PICKERS)
    mine = [row for row in rows_of(project.folder(done) / "picker_classes.csv")
            if row["picker"] == "ice one"]  # fmt: skip
    n, good = (
        [sum(int(row[kind]) for row in some) for kind in ("alone", "shared")]
        for some in (mine, [row for row in mine if row["is_good"] == "1"])
    )
    assert said[1] == (
        f"ice one: {good[0] / n[0]:.0%} of {n[0]} picks that it alone found and "
        f"{good[1] / n[1]:.0%} of {n[1]} shared picks lie in classes of particles."
    )
    assert any("ice one is worse than agreement says" in line for line in lines)
    assert not any("By agreement alone" in line for line in lines)
    assert '"Number of 2D classes" 8' in lines[-1]
    (methods,) = done._methods()
    assert "sorted into 8 classes by ACK-means [Xu2016]" in methods
    assert "placed at the member of the most precise picker." in methods
    assert "Xu2016" in done._citations()


@pytest.mark.parametrize("where", ["1 12", "1 end", "2 start", "2 5", "2 12", "2 end"])
def test_killed_while_it_looks_it_goes_on(project, pickers, done, tmp_path, where):
    run, place = killed(project, looking(project, pickers), where, tmp_path)
    assert place.startswith(where)
    again = run_again(project, run)
    assert again.isFinished(), again.getErrorMessage()
    assert outcome(project, again) == outcome(project, done)
    assert unfinished(project, again) == []


def test_what_cannot_be_looked_at_is_named_and_the_rest_is(project, material, done, tmp_path):
    """A damaged micrograph, and one without a CTF."""
    shutil.copytree(material / "micrographs", tmp_path / "micrographs")
    files = sorted((tmp_path / "micrographs").glob("*.mrc"))
    micrographs = project.micrographs("some damaged", tmp_path / "micrographs", PIXEL_SIZE)
    folder = material / "picks"
    pickers = [project.picks(f"{name}, again", micrographs, folder / name) for name in PICKERS]
    files[0].write_bytes(b"no image")
    ctfs = write_ctfs(project, micrographs, lambda name: 15000.0, n_left_out=1)
    run = looking(project, pickers, "damaged")
    run.inputCTFs.set(ctfs)
    run.inputCTFs.setExtended("outputCTF")
    run = project.run(run)
    assert run.isFinished(), run.getErrorMessage()
    lines = run._summary()
    damaged, without = files[0].stem, files[-1].stem
    assert any(line.startswith("Caution: ") and damaged in line and "not looked at: " in line
               for line in lines)  # fmt: skip
    assert f"Caution: no CTF is known of 1 micrograph ({without}): not looked at." in lines
    assert "by ACK-means [Xu2016], with phase flip and CTF weighting" in run._methods()[0]
    rows = rows_of(project.folder(run) / "candidate_images.csv")
    for name in (damaged, without):
        assert {row["class"] for row in rows if row["micrograph"] == name} == {"-1"}
    assert len({row["class"] for row in rows if row["micrograph"] == files[2].stem}) > 1
    kept = rows_of(project.folder(run) / "consensus.csv")
    assert {damaged, without} <= {row["micrograph"] for row in kept}  # judged by the others
    for file in files[1:3]:
        file.write_bytes(b"no image")
    again = project.run(looking(project, pickers, "worse"))
    assert again.isFailed()
    assert f"{files[1].name}: an MRC file has a header" in again.getErrorMessage()


def test_another_number_of_classes_leaves_the_candidates(project, pickers):
    run = project.run(looking(project, pickers, "other classes"))
    assert run.isFinished(), run.getErrorMessage()
    (model,) = (project.folder(run) / "stream").glob("ensemble.npz")
    before = model.stat().st_mtime_ns
    run.imageClasses.set(4)
    again = run_again(project, run)
    assert again.isFinished(), again.getErrorMessage()
    assert model.stat().st_mtime_ns == before
    assert len(rows_of(project.folder(again) / "image_classes.csv")) == 4


def test_one_class_is_refused(project, pickers):
    (message,) = looking(project, pickers, imageClasses=1)._validate()
    assert message.startswith('"Number of 2D classes" must be 0 (automatic) or at least 2')
    assert looking(project, pickers, imageClasses=1, mode=1)._validate() == []


def test_other_modes_depend_on_nothing_of_this_one(project, pickers):
    plain, other = (looking(project, pickers, mode=1, lookAtImages=one) for one in (False, True))
    assert other.run_settings() == plain.run_settings()
    assert "images" not in json.dumps(looking(project, pickers, lookAtImages=False).run_settings())


def test_the_window_and_the_report_show_the_pickers_by_class(project, done, monkeypatch):
    from repic_plugin.reports.project import run_section
    from repic_plugin.viewers import RepicConsensusViewer

    monkeypatch.chdir(project.project.path)
    viewer = RepicConsensusViewer(project=project.project, protocol=done)
    (window,) = viewer._visualize(done)
    assert [*window.pictures][:2] == ["pickers", "pickers by class"]
    figure = window.pictures["pickers by class"]()
    shown = {text.get_text() for text in figure.findobj(Text)}
    assert {*PICKERS} <= shown
    captions = [getattr(one, "caption", "") for one in run_section(done).blocks]
    assert "2D classes of the candidates, and the picks of each picker in them." in captions


def test_batches_are_written_to_no_output_before_the_images_are_looked_at(done):
    from repic_plugin.protocols.consensus.stream import ConsensusStream

    stream = ConsensusStream.__new__(ConsensusStream)
    stream.protocol, stream.patterns = done, {}
    stream.settings = {"unmatched": True, "box_size_px": BOX}
    assert [one.name for one in stream._outputs()] == ["outputCoordinates", "outputUnmatched"]
    stream.settings["images"] = True
    assert stream._outputs() == []


# the last, as it takes the pickers' sets back
def test_growing_inputs_have_no_outputs_before_the_images_are_looked_at(project, pickers, done):
    expected = outcome(project, done)
    feeders = [Feeder(project, one) for one in pickers]
    try:
        for feeder in feeders:
            feeder.feed(*sorted(feeder.rows)[:4])
        values = {"mode": 2, "lookAtImages": True, "unmatchedOutput": True}
        run = launched(project, pickers, "grows", **values)
        file = project.folder(run) / "summary.json"
        until(file.is_file, "it waits", run)
        assert json.loads(file.read_text())["summary"][0] == BY_AGREEMENT
        assert not [*current(project, run).iterOutputAttributes()]
    finally:
        for feeder in feeders:
            feeder.feed(*[one for one in feeder.rows if one not in feeder.fed])
            feeder.close()
    finished = ended(project, run)
    sets, files = outcome(project, finished)
    assert {name: items[0][:2] for name, items in sets.items()} == {
        name: items[0][:2] for name, items in expected[0].items()
    }
    for name in CANDIDATE_FILES:
        assert files[name] == expected[1][name]
    table = project.folder(finished) / CANDIDATE_FILES[0]
    before = table.stat().st_mtime_ns
    again = run_again(project, finished)
    assert again.isFinished(), again.getErrorMessage()
    assert table.stat().st_mtime_ns == before
