"""`repic-plugin consensus --mode probabilistic`, and what `evaluate` makes of its result."""

import re

import numpy as np
import pytest

from repic_plugin.commands.simulate import write_pickers
from repic_plugin.consensus import expected_scores
from repic_plugin.consensus.ensemble import fit as ensemble_fit
from repic_plugin.formats import read_consensus_tables, read_ensemble, read_picker_folder
from repic_plugin.simulation import simulate_picks
from tests.commands.helpers import (
    PREFIX,
    assert_refused,
    box_rows,
    command,
    csv_header,
    csv_rows,
    write_picks,
)

BOX_PX = 100
RECALL, PRECISION = (0.9, 0.6, 0.85), (0.9, 0.7, 0.6)
N_MICROGRAPHS = 6
WARNING = "repic-plugin: warning: "
ENSEMBLE = {"pickers.csv", "ensemble.npz"}


def probabilistic(picks, out, *options):
    return command(
        *("consensus", picks, "--box-size", BOX_PX, "--out", out, "--mode", "probabilistic"),
        *options,
    )


@pytest.fixture(scope="module", autouse=True)
def _few_replicates():
    """No test here asks how good the intervals are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble_fit, "N_REPLICATES", 5)
        yield


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Folder with picks and reference, of pickers that are known."""
    folder = tmp_path_factory.mktemp("simulated")
    made = simulate_picks(
        N_MICROGRAPHS,
        n_particles=120,
        micrograph_size_px=(2500, 2500),
        box_size_px=BOX_PX,
        recall=RECALL,
        precision=PRECISION,
        picker_names=("a", "b", "c"),
        random_state=1,
    )
    write_pickers(folder / "picks", made.picks, BOX_PX)
    write_pickers(folder, made.truth, BOX_PX)
    return folder


@pytest.fixture(scope="module")
def default(simulated):
    """How the command ended, and the folder that it wrote."""
    out = simulated / "default"
    return probabilistic(simulated / "picks", out), out


@pytest.fixture(scope="module")
def described(simulated):
    """The same with a table of defocus, in which the last micrograph has no value."""
    table, out = simulated / "defocus.csv", simulated / "described"
    rows = [f"Movies/mic_{m:03d}.mrc,{10000 + 1000 * m}\n" for m in range(N_MICROGRAPHS - 1)]
    table.write_text("micrograph,defocus\n" + "".join(rows) + "elsewhere.mrc,90000\n")
    return probabilistic(simulated / "picks", out, "--quality", table), out


def test_tables_hold_particles_of_one_picker_and_more(default, simulated):
    outcome, out = default
    assert (outcome.code, outcome.err) == (0, ())
    found, model = read_consensus_tables(out), read_ensemble(out)
    assert set(np.unique(found.n_members)) == {1, 2, 3}
    assert (found.overlap[found.n_members == 1] == 0).all()
    assert (found.overlap[found.n_members > 1] > 0.3).all()
    assert found.weight.min() == pytest.approx(model.threshold)
    assert found.n_cut == 0
    for row in np.flatnonzero(found.n_members == 1):
        picker = int(np.argmax(found.members[row] >= 0))
        file = f"{found.micrograph_names[found.micrograph[row]]}.box"
        picks = box_rows(simulated / "picks" / found.picker_names[picker] / file)
        corner = picks[found.members[row, picker] - 1, :2]
        assert corner + BOX_PX / 2 == pytest.approx([found.x[row], found.y[row]], abs=1e-3)


def test_no_pick_is_in_two_particles(default):
    found = read_consensus_tables(default[1])
    for members in found.members.T:
        used = np.column_stack([found.micrograph, members])[members >= 0]
        assert len(np.unique(used, axis=0)) == len(used)
    assert (found.n_unmatched >= 0).all()
    assert found.n_unmatched.sum() > 0


def test_the_files_of_the_particles_hold_the_probabilities(default):
    out = default[1]
    found = read_consensus_tables(out)
    files = [box_rows(out / f"{name}.box")[:, 4] for name in found.micrograph_names]
    assert np.concatenate(files) == pytest.approx(found.weight, abs=1e-6)
    assert all((np.diff(one) <= 0).all() for one in files)


def test_the_pickers_are_known_without_a_label(default):
    rows = csv_rows(default[1] / "pickers.csv")
    assert [row["picker"] for row in rows] == ["a", "b", "c"]
    assert [float(row["recall"]) for row in rows] == pytest.approx(RECALL, abs=0.08)
    assert [float(row["precision"]) for row in rows] == pytest.approx(PRECISION, abs=0.08)


def test_what_is_printed(default):
    outcome, out = default
    found, model = read_consensus_tables(out), read_ensemble(out)
    assert outcome.out[0].startswith("agreement beyond chance: ")
    assert outcome.out[2].split()[:4] == ["picker", "picks", "used", "in"]
    for place, name in enumerate(model.picker_names):
        (line,) = (line for line in outcome.out if line.startswith(f"{name} "))
        numbers = [float(text) for text in re.findall(r"\d\.\d+", line)]
        wanted = [model.precision[place], *model.precision_interval[place]]
        wanted += [model.recall[place], *model.recall_interval[place], model.f1[place]]
        assert numbers == pytest.approx(wanted, abs=6e-4)
    (line,) = (line for line in outcome.out if line.startswith("consensus: "))
    assert f"consensus: {len(found):,} particles on 6 of 6 micrographs" in line
    assert f"expected precision {found.weight.mean():.3f}" in line
    assert f"recall {found.weight.sum() / model.n_particles:.3f}" in line
    assert f"at least {model.threshold:.3f} (highest expected F1 score)" in line
    assert not any("recommended" in line for line in outcome.out)
    low, high = model.n_particles_interval
    kept = f"of {len(found):,} kept, about {found.weight.sum():,.0f} are expected to be true"
    assert any(line.endswith(kept) for line in outcome.out)
    assert any(
        f"{model.n_particles:,.0f} true particles ({low:,.0f} to {high:,.0f})" in line
        for line in outcome.out
    )


def test_expectations_follow_the_number_of_micrographs(default):
    found, model = read_consensus_tables(default[1]), read_ensemble(default[1])
    here = expected_scores(found.weight, model, N_MICROGRAPHS)
    half = expected_scores(found.weight[:100], model, N_MICROGRAPHS // 2)
    assert here.n_particles == model.n_particles
    assert half.n_particles == pytest.approx(model.n_particles / 2)
    assert half.n_particles_interval == pytest.approx(model.n_particles_interval / 2)
    assert half.recall == pytest.approx(2 * found.weight[:100].sum() / model.n_particles)
    nothing = expected_scores([], model, N_MICROGRAPHS)
    assert nothing.n_particles == model.n_particles
    assert np.isnan(nothing.precision)
    assert nothing.recall == 0


def test_no_more_true_particles_are_kept_than_are_estimated(default):
    model = read_ensemble(default[1])
    n = int(2 * model.n_particles_interval[1])
    sure = expected_scores(np.full(n, 0.9), model, model.n_micrographs)
    assert sure.n_true == pytest.approx(0.9 * n)
    assert sure.n_particles == sure.n_true > model.n_particles
    assert sure.n_particles_interval == (model.n_particles_interval[0], sure.n_particles)
    assert (sure.precision, sure.recall) == pytest.approx((0.9, 1))
    junk = expected_scores(np.full(n, 0.01), model, model.n_micrographs)
    assert junk.n_particles == model.n_particles  # many are kept, few are there


def test_calibration_against_the_reference(default, simulated, tmp_path):
    out, plot = default[1], tmp_path / "scores.png"
    outcome = command(
        *("evaluate", simulated / "picks", simulated / "truth", "--box-size", BOX_PX),
        *("--consensus", out, "--plot", plot),
    )
    assert outcome.code == 0, outcome.err
    found = read_consensus_tables(out)
    lines = [line for line in outcome.out if re.match(r"\d\.\d to \d\.\d ", line)]
    rows = [re.findall(r"[\d.]+", line.replace(",", "")) for line in lines]
    low, high, count, mean, share = np.array(rows, dtype=float).T
    assert count.sum() == len(found)
    assert (count > 0).all()
    assert ((low <= mean + 5e-4) & (mean <= high + 5e-4)).all()
    assert count @ mean / count.sum() == pytest.approx(found.weight.mean(), abs=1e-3)
    (scores,) = (line.split() for line in outcome.out if line.startswith("consensus "))
    assert count @ share / count.sum() == pytest.approx(float(scores[5]), abs=1e-3)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "scores.png",
        "scores_reliability.png",
    ]
    assert outcome.out[-1] == f"written to {tmp_path / 'scores_reliability.png'}"


def test_no_calibration_without_probabilities(run, simulated, tmp_path):
    arguments = ("--box-size", BOX_PX, "--mode", "quorum")
    run("consensus", simulated / "picks", "--out", tmp_path / "quorum", *arguments)
    assert not ENSEMBLE & {path.name for path in (tmp_path / "quorum").iterdir()}
    outcome = run(
        *("evaluate", simulated / "picks", simulated / "truth", "--box-size", BOX_PX),
        *("--consensus", tmp_path / "quorum"),
    )
    assert outcome.code == 0
    assert outcome.out[-1].startswith("reference: ")


def test_a_table_of_quality(described, default):
    outcome, out = described
    assert (outcome.code, outcome.err) == (0, ())
    rows = [row for row in csv_rows(out / "pickers.csv") if row["group"] == "quality"]
    assert {row["picker"] for row in rows} == {"a", "b", "c"}
    ends = [float(row[name]) for row in rows for name in ("from", "to")]
    assert (min(ends), max(ends)) == (10000, 14000)  # what names no micrograph is passed over
    assert (out / "consensus.csv").read_bytes() == (default[1] / "consensus.csv").read_bytes()


def test_a_target_precision(default, simulated, tmp_path):
    expected = read_consensus_tables(default[1]).weight.mean()
    target = round((1 + expected) / 2, 3)
    outcome = probabilistic(simulated / "picks", tmp_path / "out", "--target-precision", target)
    found = read_consensus_tables(tmp_path / "out")
    assert target <= found.weight.mean() < target + 0.01
    assert any(f"(expected precision of {target:g})" in line for line in outcome.out)


def test_a_number_of_particles(simulated, tmp_path):
    out = tmp_path / "out"
    outcome = probabilistic(simulated / "picks", out, "--num-particles", 30)
    found = read_consensus_tables(out)
    assert np.bincount(found.micrograph).tolist() == [30] * N_MICROGRAPHS
    assert found.n_cut > 0
    assert any(line.endswith("; kept: the best 30 per micrograph") for line in outcome.out)


def test_the_tables_are_not_taken_for_picks(simulated, tmp_path):
    out = tmp_path / "out"
    probabilistic(simulated / "picks", out, "--format", "csv", "--num-particles", 10)
    assert {path.name for path in out.iterdir()} > ENSEMBLE
    found = read_picker_folder(out)
    assert found.picks.n_micrographs == N_MICROGRAPHS
    assert len(found.picks) == 10 * N_MICROGRAPHS
    assert found.ignored == ()


def test_another_mode_replaces_the_result_and_leaves_nothing_of_it(simulated, tmp_path):
    out = tmp_path / "out"
    for mode in ("all", "probabilistic", "all"):
        outcome = probabilistic(simulated / "picks", out, "--mode", mode, "--overwrite")
        assert outcome.code == 0
        left = ENSEMBLE & {path.name for path in out.iterdir()}
        assert left == (ENSEMBLE if mode == "probabilistic" else set())


def test_what_speaks_against_the_estimates_is_a_warning(simulated, tmp_path):
    two = tmp_path / "two"
    two.mkdir()
    for name in "ab":
        (two / name).symlink_to(simulated / "picks" / name)
    outcome = probabilistic(two, tmp_path / "out")
    told = read_ensemble(tmp_path / "out").warnings
    assert any("two pickers" in line for line in told)
    assert outcome.code == 0
    assert outcome.err == tuple(WARNING + line for line in told)


def test_a_target_that_cannot_be_had(simulated, tmp_path):
    out = tmp_path / "out"
    outcome = probabilistic(simulated / "picks", out, "--target-precision", 1 - 1e-15)
    assert outcome.code == 0
    assert len(read_consensus_tables(out)) == 0
    assert any("lower --target-precision" in line for line in outcome.err)
    assert any("expected precision - and recall 0.000" in line for line in outcome.out)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--mode", "all", "--target-precision", 0.9), "choose mode probabilistic"),
        (("--target-precision", 95), "between 0 and 1"),
        (("--quorum", 2), "choose mode quorum"),
        (("--quality", "nowhere.csv"), "no such file"),
    ],
)
def test_refused(simulated, tmp_path, options, word):
    outcome = probabilistic(simulated / "picks", tmp_path / "out", *options)
    assert_refused(outcome, word)
    assert not (tmp_path / "out").exists()


def test_quality_of_other_micrographs_is_refused(simulated, tmp_path):
    table = tmp_path / "q.csv"
    table.write_text("micrograph,defocus\nelsewhere,1\n")
    outcome = probabilistic(simulated / "picks", tmp_path / "out", "--quality", table)
    assert_refused(outcome, "q.csv", "elsewhere", "mic_000", "make the names the same")


def test_quality_in_another_mode_is_refused(described, simulated, tmp_path):
    options = ("--mode", "all", "--quality", simulated / "defocus.csv")
    outcome = probabilistic(simulated / "picks", tmp_path / "out", *options)
    assert_refused(outcome, "--quality has", "choose mode probabilistic")


def test_two_pickers_without_scores_are_refused(run, tmp_path):
    text = "100 100 50 50\n400 400 50 50\n"
    picks = write_picks(tmp_path / "picks", {name: {"m.box": text} for name in "ab"})
    outcome = probabilistic(picks, tmp_path / "out")
    assert outcome.code == 2
    assert outcome.err[-1].startswith(PREFIX)
    assert "choose mode all or quorum" in outcome.err[-1]


def test_a_micrograph_may_not_take_the_name_of_a_table(run, tmp_path):
    text = "100 100 50 50 0.5\n"
    picks = write_picks(tmp_path / "picks", {name: {"pickers.box": text} for name in "ab"})
    arguments = ("consensus", picks, "--box-size", 50, "--out", tmp_path / "out")
    assert_refused(run(*arguments, "--format", "csv"), "pickers.csv", "choose another --format")
    assert run(*arguments).code == 0


def test_the_columns_of_the_table_are_as_in_other_modes(run, default, simulated, tmp_path):
    run("consensus", simulated / "picks", "--out", tmp_path / "all", "--box-size", BOX_PX)
    for name in ("consensus.csv", "summary.csv"):
        assert csv_header(tmp_path / "all" / name) == csv_header(default[1] / name)
