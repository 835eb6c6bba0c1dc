"""When a run is started and when it is given up, without Scipion's processes."""

from copy import copy
from types import SimpleNamespace

import pytest

pytest.importorskip("pwem")


class Run:
    """What of a protocol the watch asks for."""

    def __init__(self, number, parents=(), streaming=False, status="saved", prerequisites=()):
        self.number, self.parents, self.status = number, list(parents), status
        self._streaming, self._prerequisites = streaming, prerequisites
        self.initTime = self.endTime = SimpleNamespace(get=lambda: None)

    def __getattr__(self, name):
        if name.startswith("is"):
            return lambda: self.status == name[2:].lower()
        raise AttributeError(name)

    def isActive(self):
        return self.status in ("launched", "running", "scheduled", "interactive")

    def getObjId(self):
        return self.number

    def getObjLabel(self):
        return f"run{self.number}"

    getClassName = getObjLabel

    def getStatus(self):
        return self.status

    def getErrorMessage(self):
        return "\x1b[31mProtocol failed: broken\n twice\x1b[0m"

    def getPrerequisites(self):
        return [str(one) for one in self._prerequisites]

    def worksInStreaming(self):
        return self._streaming

    def iterOutputAttributes(self):
        return []


class Project:
    """Runs whose states the test sets; what is launched is running."""

    def __init__(self, folder, runs, outdated=()):
        self.folder, self._runs = folder, {run.number: run for run in runs}
        self.edges = {run.number: [*run.parents, *map(int, run.getPrerequisites())] for run in runs}
        self.record = SimpleNamespace(
            ids={str(n): n for n in self._runs}, outdated=list(outdated), source="w", values={}
        )
        self.launcher = SimpleNamespace(reap=lambda: True)
        self.launched, self.stopped, self.wrong = [], [], {}
        self.closed = set()  # inputs of these are not open (again) yet

    def runs(self):
        return self._runs

    def inputs_are_open(self, run):
        return run.number not in self.closed

    def problems(self, run):
        return self.wrong.get(run.number, [])

    def launch(self, run):
        self.launched.append(run.number)
        run.status = "running"

    def refuse(self, run, message):
        run.status = "failed"

    def stop(self, run):
        self.stopped.append(run.number)
        run.status = "aborted"

    def save(self):
        pass


@pytest.fixture
def watch(tmp_path):
    from repic_plugin.workflow.watch import Watch

    def made(runs, outdated=()):
        project = Project(tmp_path, runs, outdated)
        lines = []
        watching = Watch(project, lines.append, [tmp_path / "summary.json"])
        return project, watching, lines

    return made


def test_runs_start_when_those_before_them_have_finished(watch):
    one, two, both = Run(1), Run(2), Run(3, [1, 2])
    project, watching, _ = watch([one, two, both])
    assert not watching._look()
    assert project.launched == [1, 2]
    one.status = "finished"
    assert not watching._look()
    two.status = "finished"
    assert not watching._look()
    assert project.launched == [1, 2, 3]
    both.status = "finished"
    assert watching._look()
    assert watching._end() == 0


def test_a_run_on_growing_inputs_starts_while_they_grow(watch):
    source, growing, waiting, behind = Run(1), Run(2, [1], True), Run(3, [1]), Run(4, [2], True)
    project, watching, _ = watch([source, growing, waiting, behind])
    project.wrong = {2: ["no output yet"], 4: ["no output yet"]}
    assert not watching._look()
    assert project.launched == [1]
    project.wrong = {4: ["no output yet"]}
    assert not watching._look()
    assert project.launched == [1, 2]
    project.wrong = {}
    assert not watching._look()
    assert project.launched == [1, 2, 4]
    source.status = "finished"
    assert not watching._look()
    assert project.launched == [1, 2, 4, 3]


def test_what_a_run_has_to_wait_for_it_waits_for_though_its_inputs_grow(watch):
    first, source = Run(1), Run(2)
    project, watching, _ = watch([first, source, Run(3, [2], True, prerequisites=[1])])
    assert not watching._look()
    assert project.launched == [1, 2]
    first.status = "finished"
    assert not watching._look()
    assert project.launched == [1, 2, 3]


@pytest.mark.parametrize(
    ("status", "words"),
    [("failed", "failed"), ("aborted", "was stopped"), ("interactive", "needs user interaction")],
)
def test_all_behind_a_run_that_is_dead_are_told_its_name(watch, status, words):
    source, other = Run(1), Run(4)
    project, watching, lines = watch([source, Run(2, [1]), Run(3, [2, 4]), other])
    assert not watching._look()
    source.status = status
    assert not watching._look()  # the other one runs on
    for number in (2, 3):
        assert any(
            f"{number} run{number}: not started: waits for 1 run1, which {words}" in line
            for line in lines
        )
    other.status = "finished"
    assert watching._look()
    assert watching._end() == 1
    assert project.launched == [1, 4]
    if status == "failed":
        assert any(line.endswith("1 run1: failed: broken twice") for line in lines)


def test_inputs_that_never_come_are_a_failure(watch):
    source, behind = Run(1, status="finished"), Run(2, [1], True)
    project, watching, _ = watch([source, behind])
    project.wrong = {2: ["run1 has no outputX"]}
    assert watching._look()
    assert behind.status == "failed"
    assert watching._end() == 1


def test_runs_that_wait_for_each_other_are_no_endless_wait(watch):
    _, watching, lines = watch([Run(1, [2]), Run(2, [1])])
    assert watching._look()
    assert watching._end() == 1
    assert sum("not started" in line for line in lines) == 2


def test_a_run_that_somebody_scheduled_behind_a_failure_is_stopped(watch):
    project, watching, _ = watch([Run(1), Run(2, [1], status="scheduled")])
    assert not watching._look()
    project.runs()[1].status = "failed"
    assert not watching._look()
    assert project.stopped == [2]
    assert watching._look()


def test_a_run_that_ends_while_others_are_decided_on_is_no_deadlock(watch):
    source, behind = Run(1), Run(2, [1])
    project, watching, _ = watch([source, behind])
    assert not watching._look()
    decide = watching._decide

    def decided(runs, number):
        answer = decide(runs, number)
        source.status = "finished"
        return answer

    watching._decide = decided
    project.runs = lambda: {number: copy(run) for number, run in project._runs.items()}
    assert not watching._look()
    watching._decide, project.launch = decide, lambda run: project.launched.append(run.number)
    watching._look()
    assert project.launched == [1, 2]


def test_a_second_call_goes_on_with_failed_and_stopped_runs_alone(watch):
    runs = [Run(1, status="finished"), Run(2, [1], status="failed"), Run(3, [1], status="aborted")]
    project, watching, _ = watch([*runs, Run(4, [1], status="running")])
    assert not watching._look()
    assert project.launched == [2, 3]


def test_what_has_seen_a_part_only_looks_again(watch):
    source = Run(1, status="aborted")
    growing, classes = Run(2, [1], True, "finished"), Run(3, [2], False, "finished")
    project, watching, _ = watch([source, growing, classes])
    project.closed = {2}
    assert not watching._look()
    assert (project.launched, project.record.outdated) == ([1], [2])
    project.closed = set()  # the source has begun and opened its output again
    assert not watching._look()
    assert project.launched == [1, 2]  # what ran when all was there is left alone
    assert project.record.outdated == []


def test_what_is_still_to_look_again_does_so_after_a_kill(watch):
    project, watching, _ = watch([Run(1, status="finished"), Run(2, [1], True, "finished")], [2])
    assert not watching._look()
    assert project.launched == [2]


def test_a_session_may_begin_without_a_file(watch):
    source, behind = Run(1, streaming=True), Run(2, [1], True)
    source.dataStreaming = True
    project, watching, lines = watch([source, behind])
    project.wrong = {1: ["There are no files matching the pattern /data/*.mrc"], 2: ["no output"]}
    assert not watching._look()
    assert not watching._look()
    assert project.launched == []
    assert [line.partition("  ")[2] for line in lines] == [
        "1 run1: waits for a first file: There are no files matching the pattern /data/*.mrc"
    ]
    project.wrong = {2: ["no output"]}
    assert not watching._look()
    assert project.launched == [1]


def test_an_import_that_does_not_wait_for_files_fails_without_them(watch):
    source = Run(1)
    source.dataStreaming = False
    project, watching, _ = watch([source])
    project.wrong = {1: ["There are no files matching the pattern /data/*.mrc"]}
    assert watching._look()
    assert source.status == "failed"
