"""Protocols that a queue runs: what is submitted, what is asked for, and how it ends."""

import ast
import os
import sys
import threading
from pathlib import Path

import pytest

from tests.protocols.particle_set import (
    classification,
    import_set,
    simulated,
    tables,
    write_particle_set,
)
from tests.protocols.scipion_project import write_images, write_picker

STANDIN = Path(__file__).with_name("queue_standin")
WHOLE, COMMANDS = "N", "Y"  # QUEUE_FOR_JOBS: the protocol as one job, or only its commands
THREADS = 3
NAMES = ["a", "b"]
CENTRES = {name: [(20, 20), (40, 40)] for name in NAMES}


@pytest.fixture
def queue(project, tmp_path, monkeypatch):
    """The project has a queue, with the stand-ins for SLURM's commands; the folder of its jobs."""
    from pyworkflow.protocol import HostConfig

    jobs, hosts = tmp_path / "jobs", str(STANDIN / "hosts.conf")
    jobs.mkdir()
    monkeypatch.setenv("QUEUE_STANDIN", str(jobs))
    monkeypatch.setenv("PATH", f"{STANDIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SCIPION_HOSTS", hosts)
    monkeypatch.setattr(project.project, "_hosts", HostConfig.load(hosts))
    return jobs


def queued(protocol, what=WHOLE, **asked):
    protocol._useQueue.set(True)
    protocol.setQueueParams(("short", {"JOB_HOURS": "1", "QUEUE_FOR_JOBS": what, **asked}))
    return protocol


def asked_of(script):
    """What a job asks for."""
    lines = Path(script).read_text().splitlines()
    words = [line.split()[1] for line in lines if line.startswith("#SBATCH")]
    return dict(word.lstrip("-").split("=", 1) for word in words)


def run_in_queue(project, protocol, jobs):
    """Submit the whole protocol, and hand back what the project knows once the job has ended."""
    project.project.launchProtocol(protocol, wait=False)
    wait_for(jobs / "1.end")
    # a job that has ended before Scipion looks is not told from one that has died
    stored = project.project.getProtocol(protocol.getObjId())
    project.project._updateProtocol(stored)
    return stored


def wait_for(path):
    pause = threading.Event()
    for _ in range(6000):
        if path.exists():
            return
        pause.wait(0.02)
    raise AssertionError(f"{path.name} did not come")


@pytest.fixture(scope="module")
def pickers(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("queue")
    micrographs = project.micrographs("queue", write_images(folder / "mics", NAMES))
    return [
        project.picks(name, micrographs, write_picker(folder / name, CENTRES))
        for name in ("first", "second")
    ]


@pytest.fixture(scope="module")
def particles(project, tmp_path_factory):
    made = simulated(n_views=2, per_view=20)
    folder = tmp_path_factory.mktemp("queue") / "set"
    return import_set(project, "for the queue", write_particle_set(folder, made.images))


@pytest.mark.slow
def test_a_consensus_is_one_job(project, pickers, queue):
    protocol = queued(project.consensus(pickers, "queued", numberOfThreads=THREADS))
    done = run_in_queue(project, protocol, queue)
    assert done.isFinished(), done.getErrorMessage()
    assert (queue / "1.rc").read_text().strip() == "0"
    assert list(done.getJobIds()) == ["1"]
    asked = asked_of(queue / "1.job")
    assert asked["job-name"] == str(done.getObjId())
    assert (asked["ntasks"], asked["cpus-per-task"]) == ("1", str(THREADS))
    assert (asked["gres"], asked["partition"], asked["time"]) == ("gpu:0", "short", "1:00:00")
    assert done.outputCoordinates.getSize() == 4
    assert not (queue / "2.job").exists()


@pytest.mark.thorough
@pytest.mark.slow
def test_a_classification_is_one_job(project, particles, queue):
    values = {"numberOfClasses": 2, "numberOfThreads": 2, "maxIterations": 2}
    protocol = queued(classification(project, particles, "one job", **values))
    done = run_in_queue(project, protocol, queue)
    assert done.isFinished(), done.getErrorMessage()
    asked = asked_of(queue / "1.job")
    assert (asked["ntasks"], asked["cpus-per-task"], asked["gres"]) == ("1", "2", "gpu:0")
    assert "--threads 2" in Path(done.getStdoutLog()).read_text()  # and it uses what it asked for
    assert done.outputClasses.getSize() == 2
    assert not (queue / "2.job").exists()


@pytest.mark.slow
def test_the_classifying_command_may_be_the_job(project, particles, queue, monkeypatch):
    monkeypatch.setenv("QUEUE_STANDIN_SECONDS", "20")
    values = {"numberOfClasses": 2, "numberOfThreads": 2, "maxIterations": 2}
    protocol = queued(classification(project, particles, "a command", **values), COMMANDS)
    done = project.run(protocol)
    assert done.isFinished(), done.getErrorMessage()
    assert (queue / "1.rc").read_text().strip() == "0"
    assert "-m repic_plugin.cli classify" in (queue / "1.job").read_text()
    assert "iteration 1 (" in (queue / "1.log").read_text()
    assert Path((queue / "1.cwd").read_text().strip()).samefile(project.project.path)
    asked = asked_of(queue / "1.job")
    assert (asked["ntasks"], asked["cpus-per-task"], asked["gres"]) == ("1", "2", "gpu:0")
    assert len(tables(done).sizes) == 2
    assert not (queue / "2.job").exists()


@pytest.mark.thorough
@pytest.mark.slow
def test_stopping_cancels_the_job(project, particles, queue):
    values = {"numberOfClasses": 12, "tolerance": 0.0, "trade": False, "maxIterations": 100000}
    protocol = queued(classification(project, particles, "stopped", **values))
    project.project.launchProtocol(protocol, wait=False)
    wait_for(queue / "1.pid")
    project.project.stopProtocol(protocol)
    assert (queue / "1.end").exists()
    assert not (queue / "1.rc").exists()  # it did not come to its own end
    assert protocol.isAborted()


# What is asked for


@pytest.fixture(scope="module")
def ours(project):
    """A new protocol of each class."""
    return {
        name: project.project.newProtocol(one)
        for name, one in project.protocols.items()
        if one.__module__.startswith("repic_plugin") and not one.isBase()
    }


@pytest.fixture
def asked(project, queue):
    """What a protocol would ask the queue for."""

    def of(protocol):
        protocol.setHostConfig(project.project.getHostConfig("localhost"))
        return protocol.getSubmitDict()

    return of


def test_only_what_computes_on_a_gpu_asks_for_one(ours, asked):
    assert len(ours) >= 10
    for name, protocol in ours.items():
        n_gpus = asked(protocol)["GPU_COUNT"]
        # pickers that may use a GPU are chosen in the form of the loop; there is none yet
        assert n_gpus == (1 if name.startswith("ProtDeepPicker") else 0), name


def test_no_gpu_is_asked_for_where_the_form_says_so(project, asked):
    for name in ("ProtDeepPickerTrain", "ProtDeepPickerPick"):
        protocol = project.new(name, "on the processor", useGpu=False)
        assert asked(protocol)["GPU_COUNT"] == 0


def test_the_loop_asks_for_what_its_pickers_use(project, asked):
    from repic_plugin.pickers import PICKERS

    place = {name: number for number, name in enumerate(PICKERS, 1)}

    def loop(**values):
        told = asked(project.new("ProtRepicIterative", "asked", gpuList="1,3", **values))
        return told["GPU_COUNT"], told["JOB_THREADS"], told["JOB_CORES"]

    assert loop(picker1=place["template"], binThreads=4) == (0, 4, 4)
    assert loop(picker1=place["template"], picker2=place["topaz"], binThreads=4) == (2, 4, 4)
    assert loop(picker1=place["topaz"], useGpu=False)[0] == 0
    # one thread waits for the others, two pickers are trained at once
    assert loop(picker1=place["topaz"], numberOfThreads=3, binThreads=4)[1] == 8


def test_what_the_user_types_for_the_queue_counts(project, asked):
    loop = queued(project.new("ProtRepicIterative", "typed"), JOB_THREADS=5)
    assert asked(loop)["JOB_THREADS"] == 5


def test_in_a_job_gpus_have_the_numbers_of_the_job(project):
    from pyworkflow.protocol.executor import StepExecutor

    loop = project.new("ProtRepicIterative", "numbers", gpuList="1,3")
    assert loop.getGpuText() == "1 3"
    loop._stepsExecutor = StepExecutor(None, gpuList=[0, 1])  # as Scipion makes it in a queue
    assert loop.getGpuText() == "0 1"


def calls(method):
    """Each call of a method in the protocols' files: where, and its keywords."""
    folder = Path(__file__).parents[2] / "repic_plugin" / "protocols"
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and node.func.attr == method:
                yield (
                    f"{path.relative_to(folder)}:{node.lineno}",
                    {one.arg: one.value for one in node.keywords},
                )


def test_every_step_says_whether_it_needs_a_gpu():
    found = dict(calls("_insertFunctionStep"))
    assert len(found) > 10
    for where, keywords in found.items():
        assert "needsGPU" in keywords, where


def source_of(protocol):
    """Of the protocol's file and those of its room that it imports."""
    text = Path(sys.modules[type(protocol).__module__].__file__).read_text("utf-8")
    for node in ast.walk(ast.parse(text)):
        module = getattr(node, "module", None) or ""
        if isinstance(node, ast.ImportFrom) and module.startswith("repic_plugin.protocols."):
            text += Path(sys.modules[module].__file__).read_text("utf-8")
    return text


def test_threads_are_offered_where_they_are_used(ours):
    """Imports are read by what replaces the work of threads in their class."""
    for name, protocol in ours.items():
        if name in ("ProtRepicImportCtfs", "ProtRepicImportPicks"):
            continue
        source = source_of(protocol)
        asks = protocol.getDefinition().getParam("numberOfThreads") is not None
        uses = "numberOfThreads.get()" in source or "getBinThreads()" in source
        assert asks == uses, name


def test_the_window_does_not_read_a_large_folder(project, pickers, tmp_path, monkeypatch):
    from repic_plugin.protocols.picking import protocol_import

    read = []
    monkeypatch.setattr(protocol_import, "read_picker_folder", lambda _: read.append(1) or 1 / 0)
    for number in range(protocol_import.FILES_READ_AHEAD):
        (tmp_path / f"{number}.box").touch()
    source = pickers[0].inputMicrographs
    inputs = {"inputMicrographs": (source.getObjValue(), source.getExtended())}
    protocol = project.new("ProtRepicImportPicks", "large", inputs, picksFolder=str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        protocol._validate()
    (tmp_path / "one more.box").touch()
    assert protocol._validate() == []
    assert read == [1]
