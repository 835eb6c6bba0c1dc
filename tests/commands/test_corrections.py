"""Coordinates of a picker are checked against the others', and corrected on request."""

import pytest

from repic_plugin.simulation import simulate_picks
from tests.commands.helpers import assert_refused, csv_rows, write_picks

BOX, SIDE = 180, (4096, 3000)


@pytest.fixture(scope="module")
def simulated():
    return simulate_picks(3, n_particles=60, micrograph_size_px=SIDE, box_size_px=BOX)


def folder_of(picks, folder, changed=None, change=None):
    """BOX files, those of one picker with other coordinates."""
    files = {}
    for k, rows in enumerate(picks.rows_by_group()):
        name = picks.picker_names[k]
        for m, mine in enumerate(rows):
            centers = picks.centers[mine]
            if name == changed:
                centers = change(centers)
            lines = [
                f"{x - BOX / 2:g} {y - BOX / 2:g} {BOX} {BOX} {s:g}\n"
                for (x, y), s in zip(centers, picks.score[mine])
            ]
            files.setdefault(name, {})[f"{picks.micrograph_names[m]}.box"] = "".join(lines)
    return write_picks(folder, files)


CASES = {
    "--scale": ("picker_2=8", lambda p: p / 8),
    "--flip-y": (f"picker_2={SIDE[1]}", lambda p: [0, SIDE[1]] + p * [1, -1]),
    "--flip-x": (f"picker_2={SIDE[0]}", lambda p: [SIDE[0], 0] + p * [-1, 1]),
    "--swap-xy": ("picker_2", lambda p: p[:, ::-1]),
    "--offset": ("picker_2=90,90", lambda p: p - 90),
}


@pytest.mark.parametrize("option", CASES)
def test_what_the_error_says_is_what_helps(run, tmp_path, simulated, option):
    value, change = CASES[option]
    right = folder_of(simulated.picks, tmp_path / "right")
    wrong = folder_of(simulated.picks, tmp_path / "wrong", "picker_2", change)
    arguments = ("--box-size", BOX, "--drop-outside", *SIDE)
    assert run("consensus", right, "--out", tmp_path / "a", *arguments).code == 0
    refused = run("consensus", wrong, "--out", tmp_path / "b", *arguments)
    assert_refused(refused, "picker_2", f"add {option} {value},", "--no-coordinate-check")
    assert not (tmp_path / "b").exists()
    done = run("consensus", wrong, "--out", tmp_path / "b", *arguments, option, value)
    assert done.code == 0
    columns = ("micrograph", "picker_1", "picker_2", "picker_3")
    rows = [
        {tuple(row[c] for c in columns) for row in csv_rows(tmp_path / one / "consensus.csv")}
        for one in "ab"
    ]
    assert len(rows[0]) > 50
    assert len(rows[0] ^ rows[1]) <= 2  # files hold rounded numbers
    kept = run("consensus", wrong, "--out", tmp_path / "c", *arguments, "--no-coordinate-check")
    assert kept.code == 0


@pytest.mark.parametrize(
    "option, words",
    [
        (("--scale", "8"), ["--scale", "PICKER=VALUE", "'8'"]),
        (("--scale", "warp=8"), ["no picker warp", "picker_1"]),
        (("--scale", "picker_1=0"), ["scale of picker_1", "positive"]),
        (("--scale", "picker_1=x"), ["--scale", "number", "'x'"]),
        (("--offset", "picker_1=5"), ["--offset", "DX,DY", "'5'"]),
    ],
)
def test_bad_values_are_refused(run, tmp_path, simulated, option, words):
    picks = folder_of(simulated.picks, tmp_path / "right")
    outcome = run("consensus", picks, "--out", tmp_path / "a", "--box-size", BOX, *option)
    assert_refused(outcome, *words)


def test_every_pick_is_labelled_on_request(run, tmp_path, simulated):
    picks = folder_of(simulated.picks, tmp_path / "picks")
    out = tmp_path / "out"
    arguments = ("--box-size", BOX, "--mode", "quorum", "--label-picks")
    assert run("consensus", picks, "--out", out, *arguments).code == 0
    labels = csv_rows(out / "picks.csv")
    assert len(labels) == len(simulated.picks)
    particles = csv_rows(out / "consensus.csv")
    for number, particle in enumerate(particles, 1):
        members = [one for one in labels if one["particle"] == str(number)]
        assert {one["label"] for one in members} == {"in a particle"}
        by = {one["picker"]: one["row"] for one in members}
        for name in simulated.picks.picker_names:
            assert particle[name] == by.get(name, "")
        assert {one["found_by"] for one in members} == {"+".join(sorted(by))}
    assert {one["label"] for one in labels} <= {"in a particle", "alone", "not chosen"}
    # the table is no pick file where the folder is read as one
    evaluated = run("evaluate", out, out, "--box-size", BOX)
    assert evaluated.out[1].split()[1] == str(len(particles))


def test_a_picker_that_no_correction_explains_is_reported(run, tmp_path, simulated):
    picks = folder_of(simulated.picks, tmp_path / "p", "picker_2", lambda p: 0.83 * p)
    words = ("consensus", picks, "--box-size", BOX, "--mode", "quorum", "--out", tmp_path / "o")
    outcome = run(*words)
    assert outcome.code == 0
    assert any("of picker_2's picks meet those of the other pickers" in one for one in outcome.err)
    silent = run(*words, "--overwrite", "--no-coordinate-check").err
    assert not any("picks meet those" in one for one in silent)
