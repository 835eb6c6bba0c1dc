"""The 2D classification after a kill, a change or a failure."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from repic_plugin.formats import read_arrays
from tests.protocols.particle_set import (
    classification,
    classify,
    import_set,
    members,
    simulated,
    tables,
    write_particle_set,
)

pytestmark = pytest.mark.slow

SLOW = {"numberOfClasses": 12, "tolerance": 0.0, "trade": False, "maxIterations": 25}


@pytest.fixture(scope="module")
def made():
    return simulated()


@pytest.fixture(scope="module")
def imported(project, made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("particles") / "set"
    return import_set(project, "particles", write_particle_set(folder, made.images, made.ctf))


def test_after_a_kill_it_goes_on_from_the_last_iteration(project, tmp_path):
    made = simulated(n_views=6, per_view=100, snr=0.05)  # long enough to be killed
    file = write_particle_set(tmp_path / "s", made.images, made.ctf)
    particles = import_set(project, "many", file)
    whole = classify(project, particles, "not disturbed", **SLOW)
    protocol = classification(project, particles, "killed", **SLOW)
    project.project.launchProtocol(protocol, wait=False)
    checkpoint = wait_for(protocol, "checkpoint-*.npz", at_least=3)
    kill_all()
    assert checkpoint.is_file(), "it was killed too late"
    n_done = len(read_arrays(checkpoint)["stages"])
    dead = project.project.getProtocol(protocol.getObjId())
    project.project._updateProtocol(dead)
    assert f"Iteration {n_done} of at most " in dead._summary()[0]
    assert "The classification ends when 0.0% or less change class." in dead._summary()
    assert not hasattr(dead, "outputClasses")
    project.project.checkPid(dead)
    log = Path(dead.getStdoutLog())
    before = len(log.read_text())
    mended = project.run(dead)
    assert mended.isFinished(), mended.getErrorMessage()
    told = log.read_text()[before:] if len(log.read_text()) > before else log.read_text()
    assert f"resuming after iteration {n_done}" in told
    assert "iteration 1 (" not in told
    assert f"iteration {n_done + 1} (" in told
    for name in ("assignments.csv", "class_averages.mrcs", "convergence.csv", "classes.csv"):
        files = [Path(one.classes_folder(), name).read_bytes() for one in (whole, mended)]
        assert files[0] == files[1], name
    assert {k: v[0] for k, v in members(mended).items()} == {
        k: v[0] for k, v in members(whole).items()
    }


def wait_for(protocol, pattern, at_least):
    """The checkpoint, once it tells of some iterations."""
    pause = threading.Event()
    for _ in range(6000):
        for file in Path(protocol._getExtraPath()).glob(pattern):
            try:
                if len(read_arrays(file, ["stages"])["stages"]) >= at_least:
                    return file
            except ValueError:
                break  # removed as we look
        pause.wait(0.02)
    raise AssertionError(f"no {pattern} with {at_least} iterations came")


def kill_all():
    """SIGKILL to what this process has started, as by the kernel when memory is short."""
    started = psutil.Process().children(recursive=True)
    assert started
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(started, timeout=60)


def test_a_job_that_outlived_its_protocol_is_ended(tmp_path, monkeypatch):
    from repic_plugin.protocols.classification.protocol import _end_orphans

    monkeypatch.chdir(tmp_path)
    wait = [sys.executable, "-c", "input()"]
    ours = subprocess.Popen([*wait, "extra/checkpoint-1.npz"], stdin=subprocess.PIPE)
    other = subprocess.Popen([*wait, "extra/checkpoint-2.npz"], stdin=subprocess.PIPE)
    elsewhere = subprocess.Popen(
        [*wait, "extra/checkpoint-1.npz"], stdin=subprocess.PIPE, cwd=tmp_path.parent
    )
    try:
        _end_orphans("extra/checkpoint-1.npz")
        assert not psutil.pid_exists(ours.pid)
        assert other.poll() is None
        assert elsewhere.poll() is None
    finally:
        for process in (ours, other, elsewhere):
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdin.close()


@pytest.mark.thorough
def test_a_changed_value_is_not_skipped_by_continue(project, imported):
    values = {"numberOfClasses": 2, "maxIterations": 3}
    protocol = classify(project, imported, "changed", **values)
    first = Path(protocol.classes_folder(), "assignments.csv").stat().st_ino
    matrices = members(protocol)
    protocol.shiftOrder.set(1)
    again = project.run(protocol)
    assert again.isFinished(), again.getErrorMessage()
    assert Path(again.classes_folder(), "assignments.csv").stat().st_ino == first
    found, shift = members(again), tables(again).shift_px
    ids = read_arrays(again._idsFile())["ids"].tolist()
    for row, number in enumerate(ids):
        if number in found:
            assert np.array_equal(found[number][1][:2, :2], matrices[number][1][:2, :2])
            assert found[number][1][:2, 3] == pytest.approx(shift[row])
    protocol = again
    protocol.numberOfClasses.set(3)
    more = project.run(protocol)
    assert more.isFinished(), more.getErrorMessage()
    assert more.outputClasses.getSize() == 3
    assert more.outputAverages.getSize() == 3


@pytest.mark.thorough
def test_what_the_command_refuses_is_the_protocols_error(project, made, tmp_path):
    file = write_particle_set(tmp_path / "s", made.images[:10])
    particles = import_set(project, "to be cut", file)
    (stack, *_) = sorted(particles.outputParticles.getFiles())
    whole = Path(stack).read_bytes()
    real = Path(os.path.realpath(stack))
    real.write_bytes(whole[: len(whole) // 2])
    broken = project.run(
        classification(project, particles, "cut", numberOfClasses=2, maxIterations=2)
    )
    assert broken.isFailed()
    assert not hasattr(broken, "outputClasses")
    message = broken.getErrorMessage()
    assert Path(stack).name in message
    assert "exit status" not in message
    assert broken._summary() == ["The classes are not ready yet."]
    real.write_bytes(whole)
    mended = project.run(broken)
    assert mended.isFinished(), mended.getErrorMessage()
