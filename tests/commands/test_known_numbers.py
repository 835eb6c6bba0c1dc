"""The command line on the real picks of EMPIAR-10017, against what REPIC 1.0.0 finds on them."""

from itertools import groupby

import numpy as np
import pytest

from repic_plugin.cli import main
from repic_plugin.formats import AGREEMENT_NAMES
from tests.commands.helpers import box_rows, csv_header, csv_rows, jaccard, without_seconds

PICKERS = ["crYOLO", "deepPicker", "topaz"]
BOX_SIZE_PX = 180


@pytest.fixture(scope="module")
def real(shared_data):
    folder = shared_data / "empiar-10017"
    if not folder.is_dir():
        pytest.skip(f"no real picks at {folder}")
    return folder


@pytest.fixture(scope="module")
def found(real, tmp_path_factory):
    """The folder of their consensus."""
    folder = tmp_path_factory.mktemp("known") / "consensus"
    assert main(["consensus", str(real), "--box-size", str(BOX_SIZE_PX), "--out", str(folder)]) == 0
    return folder


def test_summary_equals_repic(real, found):
    summary = csv_rows(found / "summary.csv")
    reference = csv_rows(real / "repic_reference.csv")
    assert [row["micrograph"] for row in summary] == [row["micrograph"] for row in reference]
    for row, expected in zip(summary, reference):
        assert row["n_cliques"] == expected["n_cliques"]
        assert row["n_selected"] == expected["n_selected"]
        assert float(row["objective"]) == pytest.approx(float(expected["objective"]), abs=1e-4)
        assert row["is_optimal"] == "true"


def test_summary_columns(found):
    counts = [f"{count}_{picker}" for count in ("n_picks", "n_copies") for picker in PICKERS]
    rest = ["n_edges", "n_cliques", "n_selected", "objective", "is_optimal", "rank_by", "seconds"]
    assert csv_header(found / "summary.csv") == ["micrograph", *counts, *rest]


def test_summary_counts_the_picks_of_the_files(real, found):
    for row in csv_rows(found / "summary.csv"):
        for picker in PICKERS:
            n_lines = len(box_rows(real / picker / f"{row['micrograph']}.box"))
            assert int(row[f"n_picks_{picker}"]) == n_lines


def test_consensus_columns(found):
    columns = ["micrograph", "x_center", "y_center", "weight", "overlap", "score", "n_pickers"]
    columns += ["false_agreement"]
    assert csv_header(found / "consensus.csv") == columns + PICKERS


def test_row_numbers_lead_to_picks_that_overlap(real, found):
    particles = csv_rows(found / "consensus.csv")
    files = {
        (picker, row["micrograph"]): box_rows(real / picker / f"{row['micrograph']}.box")
        for picker in PICKERS
        for row in csv_rows(found / "summary.csv")
    }
    used = set()
    for row in particles:
        assert row["n_pickers"] == "3"
        particle = float(row["x_center"]), float(row["y_center"])
        for picker in PICKERS:
            number = int(row[picker])
            assert number >= 1
            x, y, width, height, _ = files[picker, row["micrograph"]][number - 1]
            assert jaccard(particle, (x + width / 2, y + height / 2), BOX_SIZE_PX) > 0.3
            used.add((picker, row["micrograph"], number))
    assert len(used) == 3 * len(particles), "a pick is in two particles"


def test_one_box_file_for_each_micrograph(real, found):
    names = {row["micrograph"] for row in csv_rows(real / "repic_reference.csv")}
    tables = {"consensus.csv", "summary.csv", "run.csv", "micrographs.csv", *AGREEMENT_NAMES}
    boxes = {f"{name}.box" for name in names}
    assert {path.name for path in found.iterdir()} == {"smaller_groups.csv", *boxes, *tables}


def test_box_files_hold_the_particles_best_first(found):
    particles = csv_rows(found / "consensus.csv")
    for name, group in groupby(particles, key=lambda row: row["micrograph"]):
        rows = box_rows(found / f"{name}.box")
        assert rows.shape[1] == 5
        assert (np.diff(rows[:, 4]) <= 0).all()
        columns = ("x_center", "y_center", "weight")
        expected = np.array([[float(row[column]) for column in columns] for row in group])
        assert rows[:, :2] + BOX_SIZE_PX / 2 == pytest.approx(expected[:, :2], abs=1e-4)
        assert (rows[:, 2:4] == BOX_SIZE_PX).all()
        assert rows[:, 4] == pytest.approx(expected[:, 2], rel=1e-8)


def test_weights_add_up_to_the_objective(found):
    for row in csv_rows(found / "summary.csv"):
        rows = box_rows(found / f"{row['micrograph']}.box")
        assert len(rows) == int(row["n_selected"])
        assert rows[:, 4].sum() == pytest.approx(float(row["objective"]), abs=1e-4)


def test_two_threads_write_the_same(run, real, found, out):
    size = ("--box-size", BOX_SIZE_PX)
    assert run("consensus", real, "--out", out, *size, "--threads", 2).code == 0
    assert without_seconds(out) == without_seconds(found)


def test_a_quorum_finds_more(run, real, found, out):
    quorum = ("--mode", "quorum", "--quorum", 2)
    assert run("consensus", real, "--out", out, "--box-size", BOX_SIZE_PX, *quorum).code == 0
    for all_of_them, two in zip(csv_rows(found / "summary.csv"), csv_rows(out / "summary.csv")):
        assert int(two["n_selected"]) > int(all_of_them["n_selected"])
        assert two["n_edges"] == all_of_them["n_edges"]
        assert two["is_optimal"] == "true"
    for row in csv_rows(out / "consensus.csv"):
        assert sum(row[picker] != "" for picker in PICKERS) == int(row["n_pickers"]) >= 2


def test_the_printed_table_tells_the_scores(run, real, out):
    outcome = run("consensus", real, "--out", out, "--box-size", BOX_SIZE_PX)
    (warning,) = outcome.err
    assert "deepPicker has 306 picks per micrograph (median), the other pickers 779" in warning
    lines = {line.split()[0]: line.split() for line in outcome.out if line}
    assert lines["topaz"][1] == "4,747"
    assert [lines[picker][-1] for picker in PICKERS] == ["identity", "identity", "logistic"]
    assert any("1,175 particles on 6 of 6 micrographs" in line for line in outcome.out)
