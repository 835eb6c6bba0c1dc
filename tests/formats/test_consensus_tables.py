"""The tables of a consensus, written and read back."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.consensus import ConsensusResult, MicrographCounts
from repic_plugin.formats import (
    FormatError,
    read_consensus_tables,
    write_consensus_table,
    write_summary_table,
)
from tests.commands.helpers import csv_rows

NAMES = ("m1", "empty", "m 3")
PICKERS = ("crYOLO (1)", "Topaz")
COUNTS = ("n_picks", "n_edges", "n_cliques", "n_selected", "objective", "is_optimal", "seconds")


def made(names=NAMES, pickers=PICKERS, n=5):
    """A consensus of `n` particles, none of them on the second micrograph."""
    rng = np.random.default_rng(3)
    micrograph = np.sort(rng.choice([0, 2], n))
    members = rng.integers(0, 40, (n, len(pickers)))
    members[::2, 0] = -1
    m = len(names)
    counts = MicrographCounts(
        names=names,
        n_picks=rng.integers(n, 3 * n + 9, (m, len(pickers))),
        n_edges=rng.integers(0, 9, m),
        n_cliques=rng.integers(0, 9, m),
        n_selected=np.bincount(micrograph, minlength=m),
        objective=rng.random(m).round(6),
        is_optimal=np.array([True, False, True]),
        seconds=rng.random(m).round(6),
    )
    x, y, weight, overlap, score = rng.random((5, n)).round(4)
    return ConsensusResult(
        micrograph=micrograph,
        x=x * 4000 - 10,
        y=y,
        weight=weight,
        overlap=overlap,
        score=score,
        members=members,
        is_unmatched=np.zeros(40, bool),
        micrographs=counts,
        micrograph_names=names,
        picker_names=pickers,
        score_transforms=("identity",) * len(pickers),
        solver="highs",
        quorum=1,
    )


def written(folder, result, row=None):
    rows = np.arange(1, 41) if row is None else row
    write_consensus_table(folder / "consensus.csv", result, rows)
    write_summary_table(folder / "summary.csv", result)
    return folder


def changed(folder, name, old, new, count=-1):
    text = (folder / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, count), "utf-8")


def assert_same(tables, result, row):
    assert tables.picker_names == result.picker_names
    assert tables.micrograph_names == result.micrographs.names
    for name in ("micrograph", "x", "y", "weight", "overlap", "score"):
        np.testing.assert_allclose(getattr(tables, name), getattr(result, name), atol=1e-9)
    expected = np.where(result.members >= 0, row[result.members], -1)
    np.testing.assert_array_equal(tables.members, expected)
    for name in COUNTS:
        found, wanted = getattr(tables, name), getattr(result.micrographs, name)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


@pytest.mark.parametrize(
    ("names", "pickers"),
    [
        (NAMES, PICKERS),
        (("#1", 'a "b", c', "ö"), ("overlaps", "a,b", "n_picks_x")),  # all need care
        (("-1", "1e5", "nan"), ("x", "y", "z")),
        (NAMES, ("only",)),
    ],
)
def test_what_is_written_is_read_back(tmp_path, names, pickers):
    result = made(names, pickers)
    row = np.random.default_rng(1).permutation(40) + 1000
    tables = read_consensus_tables(written(tmp_path, result, row))
    assert_same(tables, result, row)
    np.testing.assert_array_equal(tables.n_members, result.n_members)


def test_many_rows_are_read_whole_fast_or_carefully(tmp_path):
    result = made(n=70_000)
    row = np.arange(40)
    tables = read_consensus_tables(written(tmp_path, result, row))
    assert_same(tables, result, row)
    changed(tmp_path, "consensus.csv", "m 3", '"m 3"', 1)
    again = read_consensus_tables(tmp_path)
    for name in ("micrograph", "x", "members"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tables, name))


def test_picks_in_no_particle_and_particles_that_were_cut_are_counted(tmp_path):
    result = made()
    tables = read_consensus_tables(written(tmp_path, result))
    matched = [np.count_nonzero(result.members[:, k] >= 0) for k in range(2)]
    expected = result.micrographs.n_picks.sum(axis=0) - matched
    assert tables.n_unmatched.tolist() == expected.tolist()
    assert tables.n_cut == 0
    result.micrographs.n_selected[:] += (4, 0, 1)
    assert read_consensus_tables(written(tmp_path, result)).n_cut == 5


def test_no_particle_at_all(tmp_path):
    result = made(n=0)
    tables = read_consensus_tables(written(tmp_path, result))
    assert len(tables) == 0
    assert tables.members.shape == (0, 2)
    assert tables.micrograph_names == NAMES
    assert tables.n_unmatched.tolist() == result.micrographs.n_picks.sum(axis=0).tolist()


def test_a_table_of_before_the_overlap_was_written(tmp_path):
    result = made()
    written(tmp_path, result)
    lines = (tmp_path / "consensus.csv").read_text().splitlines()
    cells = [line.split(",") for line in lines]
    old = "\n".join(",".join([*row[:4], *row[5:]]) for row in cells) + "\n"
    (tmp_path / "consensus.csv").write_text(old)
    tables = read_consensus_tables(tmp_path)
    assert np.isnan(tables.overlap).all()
    np.testing.assert_allclose(tables.score, result.score, atol=1e-9)
    np.testing.assert_array_equal(tables.members >= 0, result.members >= 0)


def test_the_ranking_is_written_and_read_back(tmp_path):
    result = made()
    tables = read_consensus_tables(written(tmp_path, result))
    assert tables.rank_by == "weight"
    np.testing.assert_array_equal(tables.ranking, tables.weight)
    tables = read_consensus_tables(written(tmp_path, replace(result, rank_by="confidence")))
    assert tables.rank_by == "confidence"
    np.testing.assert_array_equal(tables.ranking, tables.score)


def test_a_summary_of_before_the_ranking_was_written(tmp_path):
    result = made()
    written(tmp_path, result)
    rows = csv_rows(tmp_path / "summary.csv")
    new = [name for name in rows[0] if name.startswith("n_copies_") or name == "rank_by"]
    assert len(new) == 3
    kept = [{name: one for name, one in row.items() if name not in new} for row in rows]
    lines = [[*kept[0]], *(row.values() for row in kept)]
    (tmp_path / "summary.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    tables = read_consensus_tables(tmp_path)
    assert tables.rank_by == "weight"
    assert tables.n_copies is None
    assert_same(tables, result, np.arange(1, 41))


def test_copies_are_written_and_read_back_where_they_are_known(tmp_path):
    result = made()
    assert (read_consensus_tables(written(tmp_path, result)).n_copies == -1).all()
    copies = np.arange(6).reshape(3, 2)
    counts = replace(result.micrographs, n_copies=copies)
    tables = read_consensus_tables(written(tmp_path, replace(result, micrographs=counts)))
    np.testing.assert_array_equal(tables.n_copies, copies)
    assert_same(tables, result, np.arange(1, 41))


def test_false_agreement_is_written_and_read_back_where_it_is_known(tmp_path):
    result = made()
    assert np.isnan(read_consensus_tables(written(tmp_path, result)).false_agreement).all()
    rates = np.array([0.0, 0.25, np.nan, 1.0, 0.5])
    tables = read_consensus_tables(written(tmp_path, replace(result, false_agreement=rates)))
    np.testing.assert_array_equal(tables.false_agreement, rates)


def test_a_table_without_false_agreement_is_read(tmp_path):
    written(tmp_path, made())
    lines = (tmp_path / "consensus.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    place = rows[0].index("false_agreement")
    text = "\n".join(",".join(row[:place] + row[place + 1 :]) for row in rows)
    (tmp_path / "consensus.csv").write_text(f"{text}\n")
    tables = read_consensus_tables(tmp_path)
    assert np.isnan(tables.false_agreement).all()
    assert_same(tables, made(), np.arange(1, 41))


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("consensus.csv", "weight,", "wait,", "consensus.csv, line 1: columns must be micrograph"),
        ("consensus.csv", ",Topaz", ",Topas", "line 1: columns must be .* got .* Topas"),
        ("summary.csv", "n_picks_Topaz", "Topaz", "summary.csv, line 1: columns must be"),
        ("summary.csv", "n_edges", "n_hedges", "summary.csv, line 1: columns must be"),
        ("consensus.csv", "\nm1,", "\nm9,", "line 2: micrograph must be one of summary.csv, got"),
        ("consensus.csv", "\nm1,", "\nm1,1,", "line 2: a row must have 10 values, got 11"),
        ("consensus.csv", "\nm1,", "\nm1,x", "line 2: x_center must be a finite number, got 'x"),
        ("consensus.csv", "\nm1,", "\nm1,nan#,", "line 2: a row must have 10 values"),
        ("summary.csv", "weight", "size", "rank_by must be weight or confidence, got 'size'"),
        ("summary.csv", "true", "yes", "line 2: is_optimal must be true or false, got 'yes'"),
    ],
)
def test_a_damaged_table_is_told_in_one_line(tmp_path, name, old, new, told):
    written(tmp_path, made())
    changed(tmp_path, name, old, new, 1)
    with pytest.raises(FormatError, match=told) as caught:
        read_consensus_tables(tmp_path)
    assert "\n" not in str(caught.value)
    assert "run the consensus again" in str(caught.value)


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        (3, "", "weight must be a finite number, got ''"),
        (3, "inf", "weight must be a finite number, got 'inf'"),
        (6, "2.5", "n_pickers must be a whole number, got '2.5'"),
        (9, "2.5", "Topaz must be a whole number or empty, got '2.5'"),
        (9, "9" * 30, "Topaz must be a whole number or empty, got '999"),
    ],
)
def test_the_line_of_a_wrong_cell_is_told(tmp_path, column, cell, told):
    written(tmp_path, made())
    lines = (tmp_path / "consensus.csv").read_text().splitlines()
    cells = lines[3].split(",")
    cells[column] = cell
    lines[3] = ",".join(cells)
    (tmp_path / "consensus.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(FormatError, match=f"consensus.csv, line 4: {told}"):
        read_consensus_tables(tmp_path)


@pytest.mark.parametrize("name", ["consensus.csv", "summary.csv"])
def test_a_missing_or_empty_table(tmp_path, name):
    written(tmp_path, made())
    (tmp_path / name).write_text("")
    with pytest.raises(FormatError, match=f"{name}: the file is empty"):
        read_consensus_tables(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FormatError, match=f"{name}: no such file"):
        read_consensus_tables(tmp_path)


@pytest.mark.parametrize("name", ["consensus.csv", "summary.csv"])
def test_a_table_that_was_cut_short(tmp_path, name):
    path = written(tmp_path, made()) / name
    path.write_text(path.read_text()[:-2])
    with pytest.raises(FormatError, match=rf"{name}, line \d+: ends within a line; run"):
        read_consensus_tables(tmp_path)


def test_writing_takes_memory_for_some_rows_at_a_time(tmp_path, monkeypatch):
    from repic_plugin.formats.results import consensus_writing as reports

    result, row = made(n=20_000), np.arange(1, 41)
    texts, peaks = [], []
    for n_rows in (1 << 30, 1000):
        monkeypatch.setattr(reports, "ROWS_AT_A_TIME", n_rows)
        tracemalloc.start()
        write_consensus_table(tmp_path / "consensus.csv", result, row)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        texts.append((tmp_path / "consensus.csv").read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].count(b"\n") == 20_001
    assert peaks[1] < peaks[0] / 4
