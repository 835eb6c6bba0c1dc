"""How one run is judged: by its own file and its process, whoever has looked in between."""

from types import SimpleNamespace

import pytest

from repic_plugin.workflow.processes import is_at_work

pytest.importorskip("pwem")

LOST = "Process 7 not found running on the machine. It probably has died"


class Run:
    """What of a protocol is asked for, with the states that its own file will show."""

    def __init__(self, *written, status="running", error="", queue=False, jobs=()):
        self.written, self.status, self.error = list(written), status, error
        self._queue, self._jobs, self.host = queue, jobs, ""
        self.lastUpdateTimeStamp = SimpleNamespace(set=lambda value: None)

    def isActive(self):
        return self.status in ("launched", "running", "interactive")

    def isInteractive(self):
        return self.status == "interactive"

    def isFinished(self):
        return self.status == "finished"

    def isFailed(self):
        return self.status == "failed"

    def setFailed(self, message):
        self.status, self.error = "failed", message

    def getErrorMessage(self):
        return self.error

    def getStatus(self):
        return self.status

    def useQueueForProtocol(self):
        return self._queue

    def getPid(self):
        return 0

    def getJobIds(self):
        return self._jobs

    def getHostFullName(self):
        return self.host

    def getObjLabel(self):
        return "a run"

    def getDbPath(self):
        return "Runs/1/logs/run.db"

    def getStderrLog(self):
        return "Runs/1/logs/run.stderr"


class Project:
    """Reads what the test wrote into a run's own file, and keeps what is stored."""

    path = "/project"

    def __init__(self):
        self.mapper = SimpleNamespace(commit=lambda: None)
        self.stored = []

    def _updateProtocol(self, run):
        if run.written:
            run.status, run.error = run.written.pop(0)

    def _storeProtocol(self, run):
        self.stored.append((run.status, run.error))


@pytest.fixture
def runs(monkeypatch):
    """Runs of a project, none of which has a process unless `at_work` is set."""
    from repic_plugin.workflow import runs as module

    made = module.ProjectRuns(Project())
    made.at_work = False
    monkeypatch.setattr(module, "is_at_work", lambda path, file: made.at_work)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return made


@pytest.mark.parametrize("first", [("failed", LOST), ("running", "")])
def test_a_run_that_ends_between_two_looks_has_finished(runs, first):
    run = Run(first, ("finished", ""))
    runs.update(run)
    assert run.isFinished()
    assert runs.project.stored == []


def test_a_run_that_a_window_took_for_dead_has_finished(runs):
    run = Run(("failed", LOST), ("finished", ""), status="failed", error=LOST)
    runs.update(run)
    assert run.isFinished()


@pytest.mark.parametrize("seen", [("failed", LOST), ("running", "")])
def test_a_run_that_was_killed_has_failed_once_for_all(runs, seen):
    from repic_plugin.workflow.runs import seems_dead

    run = Run(seen, seen)
    runs.update(run)
    ((status, message),) = runs.project.stored
    assert status == "failed"
    assert "ended without a message" in message
    assert not seems_dead(run)


def test_a_failure_that_a_run_reports_itself_stays(runs):
    run = Run(("failed", "broken"), ("failed", "broken"))
    runs.update(run)
    assert (run.error, runs.project.stored) == ("broken", [])


def test_a_run_whose_process_is_not_here_to_be_seen_goes_on(runs):
    elsewhere, waiting = Run(), Run(queue=True, jobs=("17",))
    elsewhere.host = "another.machine"
    asked = Run(status="interactive")
    for run in (elsewhere, waiting, asked):
        runs.update(run)
        assert run.isActive()
    runs.at_work = True
    here = Run()
    runs.update(here)
    assert here.isActive()


def test_a_job_that_was_never_handed_to_the_queue_is_dead(runs):
    run = Run(status="launched", queue=True)
    runs.update(run)
    assert run.isFailed()


def test_each_look_is_told_and_the_failure_has_its_log(runs):
    runs.at_work = True
    broken = ("failed", "\x1b[31mProtocol failed: broken\n twice\x1b[0m")
    run, looks = Run(("running", ""), ("running", ""), broken, broken), []
    from repic_plugin.workflow import RunFailed

    with pytest.raises(RunFailed, match=r"a run did not finish: broken twice; log: Runs/1/logs"):
        runs.wait(run, lambda seen: looks.append(seen.status))
    assert looks == ["running", "running", "failed"]


def test_inputs_that_were_not_to_be_seen_are_looked_for_again_but_not_for_ever(runs):
    from repic_plugin.workflow import RunFailed

    less = ("failed", "Protocol failed: Protocol has validation errors: empty input")
    started = []

    def start(run, mode):
        started.append(mode)
        run.status = "launched"
        run.written = [("finished", "")] if len(started) == n_needed else [less, less]

    runs.at_work, runs.start = True, start
    n_needed = 2
    runs.wait(Run(less, less))
    assert started == [1, 1]
    n_needed = 100
    with pytest.raises(RunFailed, match="validation errors"):
        runs.wait(Run(less, less))
    assert len(started) == 2 + 3


def test_a_process_is_found_by_whatever_link_its_project_was_opened(tmp_path, monkeypatch):
    folder, link = tmp_path / "project", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    own = ["python", "pw_protocol_run.py", str(link), "Runs/1/logs/run.db", "1"]
    shell = ["sh", "-c", f'python pw_protocol_run.py "{folder}" "Runs/1/logs/run.db" 1']
    for words, status, found in (
        (own, "running", True),
        (own, "zombie", False),
        (shell, "sleeping", True),
    ):
        process = SimpleNamespace(info={"cmdline": words, "status": status})
        monkeypatch.setattr("psutil.process_iter", lambda asked, one=process: [one])
        assert is_at_work(str(folder), "Runs/1/logs/run.db") is found
        assert not is_at_work(str(folder), "Runs/2/logs/run.db")
        assert not is_at_work(str(folder)[:-1], "Runs/1/logs/run.db")
