"""`repic-plugin consensus`: agreement beyond chance, and particles that may be chance."""

import numpy as np
import pytest

from repic_plugin.commands.simulate import write_pickers
from repic_plugin.formats import read_agreement, read_consensus_tables
from repic_plugin.simulation import simulate_picks
from tests.commands.helpers import PREFIX, assert_refused, csv_rows, write_picks

MODES = ("all", "quorum", "probabilistic")
LINE = "agreement beyond chance: "
POOR = {"recall": 0.5, "precision": 0.5}


@pytest.fixture
def random_picks(tmp_path):
    """Three pickers of random picks on ten micrographs."""
    rng = np.random.default_rng(0)

    def text():
        rows = np.column_stack([rng.integers(0, 3900, (200, 2)), rng.random(200)])
        return "".join(f"{x:.0f} {y:.0f} 180 180 {score:.6f}\n" for x, y, score in rows.tolist())

    files = {picker: {f"m{i}.box": text() for i in range(10)} for picker in "ABC"}
    return write_picks(tmp_path / "random", files)


@pytest.fixture
def real_picks(tmp_path):
    """Three poor pickers of particles on six micrographs."""
    folder = tmp_path / "picks"
    picks = simulate_picks(6, 3, box_size_px=100, micrograph_size_px=(2500, 2500), **POOR).picks
    write_pickers(folder, picks, 100)
    return folder


@pytest.mark.parametrize("mode", MODES[:2])
def test_random_picks_are_warned_of_first(run, random_picks, tmp_path, mode):
    outcome = run(
        "consensus", random_picks, "--box-size", 180, "--mode", mode, "--out", tmp_path / "out"
    )
    assert outcome.code == 0
    assert outcome.out[0].startswith(f"{LINE}NONE (")
    assert "warning: the pickers agree no more than by chance: " in outcome.err[0]
    assert read_agreement(tmp_path / "out").is_above_chance is False


@pytest.mark.parametrize("mode", MODES[:2])
def test_nothing_is_kept_where_pickers_agree_by_chance(run, random_picks, tmp_path, mode):
    arguments = ("consensus", random_picks, "--box-size", 180, "--mode", mode)
    outcome = run(*arguments, "--max-false-agreement", 0.95, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert csv_rows(tmp_path / "out" / "consensus.csv") == []
    assert any(": 0 whose" in line and "so that all rates are 1" in line for line in outcome.out)
    assert run(*arguments, "--out", tmp_path / "all").code == 0
    rates = {float(row["false_agreement"]) for row in csv_rows(tmp_path / "all" / "consensus.csv")}
    assert rates == {1.0}


def test_the_probabilistic_mode_refuses_them(run, random_picks, tmp_path):
    arguments = ("--box-size", 180, "--mode", "probabilistic", "--out", tmp_path / "out")
    assert_refused(run("consensus", random_picks, *arguments), "no more than by chance")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", MODES)
def test_the_agreement_is_said_first_and_written(run, real_picks, tmp_path, mode):
    out = tmp_path / "out"
    outcome = run("consensus", real_picks, "--box-size", 100, "--mode", mode, "--out", out)
    assert outcome.code == 0
    agreement = read_agreement(out)
    share = 1 - agreement.n_chance / agreement.n_groups
    assert outcome.out[0].startswith(f"{LINE}{share:.1%} of {agreement.n_groups:,} agreements")
    rows = csv_rows(out / "agreement.csv")
    pairs = [row for row in rows if not row["overlap_from"]]
    names = agreement.picker_names
    assert [(row["picker"], row["other"]) for row in pairs] == [
        (names[0], names[1]),
        (names[0], names[2]),
        (names[1], names[2]),
    ]
    for row, seen, by_chance in zip(pairs, agreement.partners, agreement.chance_partners):
        mine = [one for one in rows if one["overlap_from"] and one["other"] == row["other"]]
        mine = [one for one in mine if one["picker"] == row["picker"]]
        assert float(row["partners"]) == seen.sum() == sum(float(one["partners"]) for one in mine)
        assert float(row["by_chance"]) == pytest.approx(by_chance.sum(), abs=0.01)


@pytest.mark.parametrize("mode", MODES)
def test_particles_that_may_be_chance_are_dropped(run, real_picks, tmp_path, mode):
    arguments = ("consensus", real_picks, "--box-size", 100, "--mode", mode, "--label-picks")
    run(*arguments, "--out", tmp_path / "all")
    outcome = run(*arguments, "--out", tmp_path / "some", "--max-false-agreement", 0.01)
    every, some = (read_consensus_tables(tmp_path / name) for name in ("all", "some"))
    kept = every.false_agreement <= 0.01
    assert 0 < len(some) == kept.sum() < len(every)
    np.testing.assert_array_equal(some.members, every.members[kept])
    assert (
        f"kept of {len(every):,} selected: {len(some):,} whose false-agreement rate is at most 0.01"
        in outcome.out
    )
    fates = [row["label"] for row in csv_rows(tmp_path / "some" / "picks.csv")]
    assert fates.count("in a particle") == (some.members >= 0).sum()
    assert fates.count("left out") >= (every.members[~kept] >= 0).sum()


def test_a_wrong_rate_is_refused(run, real_picks, tmp_path):
    arguments = ("--box-size", 100, "--out", tmp_path / "out", "--max-false-agreement", 5)
    outcome = run("consensus", real_picks, *arguments)
    assert_refused(outcome, "--max-false-agreement must lie in (0, 1], got 5")
    assert outcome.err[0].startswith(PREFIX)


def test_particles_below_the_minimum_weight_are_left_out(run, random_picks, tmp_path):
    arguments = ("consensus", random_picks, "--box-size", 180, "--mode", "quorum")
    assert run(*arguments, "--out", tmp_path / "all").code == 0
    weights = [float(row["weight"]) for row in csv_rows(tmp_path / "all" / "consensus.csv")]
    least = sorted(weights)[len(weights) // 2] - 1e-6  # the table is rounded
    outcome = run(*arguments, "--min-weight", least, "--out", tmp_path / "some")
    kept = [float(row["weight"]) for row in csv_rows(tmp_path / "some" / "consensus.csv")]
    assert sorted(kept) == sorted(one for one in weights if one >= least)
    assert any(f": {len(kept)} whose weight is at least" in line for line in outcome.out)
