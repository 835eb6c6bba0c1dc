"""Agreement beyond chance of a consensus in a real Scipion project."""

import numpy as np
import pytest

from repic_plugin import constants
from repic_plugin.consensus import find_consensus
from repic_plugin.formats import read_agreement, read_consensus_tables, read_picks_dir
from repic_plugin.simulation import simulate_picks
from tests.protocols.scipion_project import write_images, write_picker

pytestmark = pytest.mark.slow

N_MICROGRAPHS, SIZE_PX, BOX_PX = 6, 1024, 60
NAMES = [f"m{i}" for i in range(N_MICROGRAPHS)]
CHANCE = "he pickers agree no more than by chance: "


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("agreement") / "images", NAMES, SIZE_PX)
    return project.micrographs("of agreement", folder)


@pytest.fixture(scope="module")
def random_pickers(project, micrographs, tmp_path_factory):
    """Three pickers of random picks."""
    folder, rng = tmp_path_factory.mktemp("random"), np.random.default_rng(0)
    made = []
    for picker in ("one", "two", "three"):
        centres = {name: rng.integers(30, SIZE_PX - 30, (60, 2)) for name in NAMES}
        scores = {name: rng.random(60).round(3) for name in NAMES}
        write_picker(folder / picker, centres, BOX_PX, scores)
        made.append(project.picks(f"random {picker}", micrographs, folder / picker))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of three poor pickers of particles."""
    folder = tmp_path_factory.mktemp("particles")
    values = {"recall": 0.5, "precision": 0.5, "box_size_px": BOX_PX, "n_particles": 50}
    picks = simulate_picks(N_MICROGRAPHS, 3, micrograph_size_px=(SIZE_PX, SIZE_PX), **values).picks
    for picker, rows in zip(("one", "two", "three"), picks.rows_by_group()):
        centres = {name: picks.centers[mine].round() for name, mine in zip(NAMES, rows)}
        scores = {name: picks.score[mine].round(4) for name, mine in zip(NAMES, rows)}
        write_picker(folder / picker, centres, BOX_PX, scores)
    return folder


@pytest.fixture(scope="module")
def pickers(project, micrographs, folder):
    return [project.picks(name, micrographs, folder / name) for name in ("one", "two", "three")]


def test_random_picks_are_warned_of_first(project, random_pickers):
    run = project.run(project.consensus(random_pickers, "random", mode=1))
    assert run.isFinished(), run.getErrorMessage()
    assert run.summary()[0].startswith(f"T{CHANCE}")
    assert read_agreement(project.folder(run)).is_above_chance is False


def test_the_probabilistic_mode_refuses_them(project, random_pickers):
    with pytest.raises(Exception, match=CHANCE) as caught:
        run = project.run(project.consensus(random_pickers, "random probabilistic", mode=2))
        assert run.isFailed()
        raise RuntimeError(run.getErrorMessage())
    assert "mode probabilistic would take them for particles" in str(caught.value)


@pytest.mark.parametrize("mode, name", [(0, "all"), (1, "quorum"), (2, "probabilistic")])
def test_rates_are_those_of_the_function(project, pickers, folder, mode, name):
    run = project.run(project.consensus(pickers, f"rates {name}", mode=mode))
    assert run.isFinished(), run.getErrorMessage()
    expected = find_consensus(read_picks_dir(folder).picks, BOX_PX, mode=name)
    tables = read_consensus_tables(project.folder(run))
    wanted = {
        (x, y, m): rate
        for x, y, m, rate in zip(
            expected.x.tolist(), expected.y.tolist(), expected.micrograph.tolist(),
            expected.false_agreement.tolist(),
        )
    }  # fmt: skip
    for x, y, m, rate in zip(tables.x, tables.y, tables.micrograph, tables.false_agreement):
        place = expected.micrograph_names.index(tables.micrograph_names[m].split(".")[0])
        assert rate == pytest.approx(wanted[x, y, place], abs=1e-6, nan_ok=True)
    assert any(line.startswith("Agreement beyond chance: ") for line in run.summary())


@pytest.mark.parametrize("mode", [1, 2])
def test_particles_that_may_be_chance_are_dropped(project, pickers, mode):
    every, some = (
        project.run(
            project.consensus(pickers, f"up to {rate} {mode}", mode=mode, maxFalseAgreement=rate)
        )
        for rate in (0.0, 0.05)
    )
    assert some.isFinished(), some.getErrorMessage()
    tables = read_consensus_tables(project.folder(every))
    n_kept = int((tables.false_agreement <= 0.05).sum())
    assert 0 < n_kept < len(tables)
    assert some.outputCoordinates.getSize() == n_kept
    line = (
        f"Kept of {len(tables):,} selected: {n_kept:,} whose false-agreement rate is at most 0.05."
    )
    assert line in some.summary()
    assert "exceeded 0.05" in " ".join(some.methods())


def test_a_wrong_rate_is_refused_before_the_run(project, pickers):
    (line,) = project.consensus(pickers, "wrong", maxFalseAgreement=5.0).validate()
    assert 'Maximum false-agreement rate" must lie in (0, 1], got 5.0' in line


@pytest.mark.parametrize(("mode", "what"), [(1, "weight"), (2, "probability")])
def test_particles_below_the_minimum_weight_are_dropped(project, pickers, mode, what):
    every = project.run(project.consensus(pickers, f"all {mode}", mode=mode))
    weights = [getattr(item, constants.WEIGHT).get() for item in every.outputCoordinates]
    least = round(float(np.median(weights)), 3)
    some = project.run(project.consensus(pickers, f"at least {least}", mode=mode, minWeight=least))
    assert some.isFinished(), some.getErrorMessage()
    kept = sorted(one for one in weights if one >= least)
    assert 0 < len(kept) < len(weights)
    found = [getattr(item, constants.WEIGHT).get() for item in some.outputCoordinates]
    assert sorted(found) == pytest.approx(kept)
    line = f"Kept of {len(weights):,} selected: {len(kept):,} whose {what} is at least {least:g}."
    assert line in some.summary()
    assert f"Particles of a {what} below {least:g} were discarded." in " ".join(some.methods())
    (line,) = project.consensus(pickers, "wrong", minWeight=-1.0).validate()
    assert "Minimum weight" in line
