"""A run that fails or is interrupted leaves the disk as it was."""

import errno
import os

import pytest

from repic_plugin.commands import consensus as consensus_module
from repic_plugin.commands import evaluate as evaluate_module
from repic_plugin.commands import out_folder as options_module
from repic_plugin.commands import simulate as simulate_module
from repic_plugin.formats.base import atomic
from tests.commands.helpers import TINY, assert_refused, tree

WRITERS = ("write_particle_files", "write_consensus_table", "write_summary_table")
SIMULATE = ("--micrographs", 2, "--particles", 3, "--micrograph-size", 400, 400, "--box-size", 50)


def disk_full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt(*_args, **_kwargs):
    raise KeyboardInterrupt


def after(n_calls, function, fault):
    """`function` for so many calls, then `fault`."""
    calls = []

    def call(*args, **kwargs):
        calls.append(args)
        return (fault if len(calls) > n_calls else function)(*args, **kwargs)

    return call


@pytest.fixture(params=WRITERS)
def writer(request):
    return request.param


def test_the_disk_is_full(consensus, tiny, tmp_path, monkeypatch, writer):
    before = tree(tmp_path)
    monkeypatch.setattr(consensus_module, writer, disk_full)
    assert_refused(consensus(), "No space left on device")
    assert tree(tmp_path) == before


def test_the_disk_is_full_after_the_first_file(consensus, tiny, tmp_path, monkeypatch):
    before = tree(tmp_path)
    fault = after(1, os.replace, disk_full)
    monkeypatch.setattr(atomic.os, "replace", fault)
    assert_refused(consensus(), "No space left on device")
    assert tree(tmp_path) == before


def test_the_disk_is_full_and_an_earlier_result_stays(consensus, tmp_path, monkeypatch, writer):
    consensus()
    before = tree(tmp_path)
    monkeypatch.setattr(consensus_module, writer, disk_full)
    assert_refused(consensus("--mode", "quorum", "--overwrite"), "No space left on device")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("fault", [disk_full, interrupt])
def test_an_earlier_result_stays_if_the_new_one_cannot_take_its_name(
    consensus, out, tmp_path, monkeypatch, fault
):
    consensus()
    before = tree(tmp_path)
    replace = os.replace

    def fails_for_the_folder(source, target):
        (fault if os.fspath(target) == os.fspath(out) else replace)(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(options_module.os, "replace", fails_for_the_folder)
        assert consensus("--mode", "quorum", "--overwrite").code in (2, 130)
    assert tree(tmp_path) == before


def test_bad_input_leaves_an_earlier_result(consensus, tiny, tmp_path):
    consensus()
    (tiny / "topaz" / "m1.box").write_text("1 2\n")
    before = tree(tmp_path)
    assert_refused(consensus("--overwrite"), "topaz/m1.box")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("step", ["read_picks_dir", "find_consensus", *WRITERS])
def test_interrupted(consensus, tiny, tmp_path, monkeypatch, step):
    before = tree(tmp_path)
    monkeypatch.setattr(consensus_module, step, interrupt)
    outcome = consensus()
    assert outcome.code == 130
    assert outcome.err == ("repic-plugin: interrupted; nothing was written",)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("fault, code", [(disk_full, 2), (interrupt, 130)])
@pytest.mark.parametrize("name", ["write_picks_file", "write_micrograph"])
def test_simulate(run, out, tmp_path, monkeypatch, name, fault, code):
    function = getattr(simulate_module, name)
    monkeypatch.setattr(simulate_module, name, after(1, function, fault))
    outcome = run("simulate", out, *SIMULATE, "--draw")
    assert outcome.code == code
    assert len(outcome.err) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault, code", [(disk_full, 2), (interrupt, 130)])
def test_evaluate_leaves_an_earlier_table(run, tiny, tmp_path, monkeypatch, fault, code):
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("dear\n")
    before = tree(tmp_path)
    monkeypatch.setattr(atomic.os, "replace", fault)
    outcome = run("evaluate", tiny, tiny / "topaz", "--box-size", 100, "--out", metrics)
    assert outcome.code == code
    assert len(outcome.err) == 1
    assert tree(tmp_path) == before


def test_evaluate_that_fails_writes_no_table(run, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate_module, "evaluate_by_micrograph", disk_full)
    metrics = tmp_path / "metrics.csv"
    assert run("evaluate", tiny, tiny / "topaz", "--box-size", 9, "--out", metrics).code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picks"]


def test_the_picks_are_never_touched(consensus, tiny):
    before = tree(tiny)
    consensus()
    assert tree(tiny) == before
    assert set(before) >= set(TINY)
