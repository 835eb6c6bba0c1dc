"""Iterative picking, killed at every stage and continued."""

import threading
from contextlib import suppress

import psutil
import pytest
from iterative_runs import children, iterative, places, run_again, write_material

from repic_plugin.formats import read_iterations

pytestmark = pytest.mark.slow

STAGES = [
    "micrographs to train and test on",
    "iter 0 - Template (1) pick",
    "iter 0 - Template (2) pick",
    "iter 0 - consensus",
    "iter 0 - labels",
    "iter 1 - Template (1) train",
    "iter 1 - Template (1) pick",
    "iter 1 - Template (2) train",
    "iter 1 - Template (2) pick",
    "iter 1 - consensus",
    "iter 1 - labels",
]


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    material = write_material(tmp_path_factory.mktemp("kills"))
    return project.micrographs("micrographs of kills", material[0], sampling=8.0)


@pytest.fixture(scope="module")
def whole(project, micrographs):
    run = project.run(iterative(project, micrographs, None, "not disturbed"))
    assert run.isFinished(), run.getErrorMessage()
    return run


STOPPED = STAGES[5]  # by the user, not killed


def test_stopped_and_killed_at_every_stage_it_ends_as_if_nothing_had_happened(
    project, micrographs, whole
):
    protocol = iterative(project, micrographs, None, "disturbed")
    for number, stage in enumerate(STAGES):
        project.project.launchProtocol(protocol, wait=False)
        wait_for_stage(project, protocol, stage)
        if stage == STOPPED:
            protocol = stop(project, protocol)
        else:
            kill(protocol, with_children=number % 2 == 0)
            protocol = after_the_kill(project, protocol)
    ids = {label: run.getObjId() for label, run in children(project, protocol).items()}
    assert list(ids) == STAGES
    mended = run_again(project, protocol)
    assert mended.isFinished(), mended.getErrorMessage()
    assert {label: run.getObjId() for label, run in children(project, mended).items()} == ids
    assert places(mended.outputCoordinates) == places(whole.outputCoordinates)
    assert rows(mended) == rows(whole)


def stop(project, protocol):
    """As a user does: nothing that the protocol has started goes on."""
    started = psutil.Process().children(recursive=True)
    project.project.stopProtocol(protocol)
    gone, alive = psutil.wait_procs(started, timeout=60)
    assert gone
    assert not alive
    runs = {run.getObjId(): run for run in project.project.getRuns(refresh=True)}
    stopped = runs[protocol.getObjId()]
    assert stopped.isAborted(), stopped.getStatus()
    return stopped


def rows(run):
    return [tuple(map(str, row)) for row in read_iterations(run.table_file())]


def wait_for_stage(project, protocol, stage):
    """Until a child of this name has begun."""
    pause = threading.Event()
    for _ in range(1200):
        if stage in children(project, protocol):
            return
        assert psutil.Process().children(), f"it ended before {stage}"
        pause.wait(0.1)
    raise AssertionError(f"{stage} did not begin")


def kill(protocol, with_children):
    """SIGKILL to the protocol, and to what it has started or not."""
    everything = psutil.Process().children(recursive=True)
    own = [one for one in everything if f" {protocol.strId()} " in " ".join(command(one))]
    assert own
    for process in everything if with_children else own:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everything if with_children else own, timeout=60)


def command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def after_the_kill(project, protocol):
    """The protocol as the project knows it when somebody looks."""
    dead = project.project.getProtocol(protocol.getObjId())
    project.project._updateProtocol(dead)
    project.project.checkPid(dead)
    dead.runMode.set(0)
    return dead
