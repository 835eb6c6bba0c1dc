"""Faults at places that are named, in the process of a run; on its PYTHONPATH for tests only.

Nothing happens unless a variable asks for it:

REPIC_TEST_KILL   "2 start", "2 end": SIGKILL as step 2 begins, or when it has done all but said so;
                  "2 3": before the third time that step 2 touches a file of its run;
                  "cpu 0.05": after so many seconds of work of its steps, wherever that is;
                  "count": no kill, only a line for each step with how often it touches files
REPIC_TEST_FULL   "2 30": all but 30 KB of the run's disk are taken as step 2 begins
REPIC_TEST_CLOCK  "1": the time of day jumps by ten years, to and fro
REPIC_TEST_PLACES the file that is told where
REPIC_TEST_BEGUN  a file that is made as the first step begins
"""

import importlib.abc
import importlib.util
import os
import signal
import sys

STEPS = "pyworkflow.protocol.protocol"
BALLAST = "ballast"
TEN_YEARS_S = 10 * 365.25 * 86400
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FILES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect"}
NOT_OURS = ("/logs/", "sitecustomize")


class AfterImport(importlib.abc.MetaPathFinder):
    """Wraps the steps once Scipion has defined them."""

    def find_spec(self, name, path=None, target=None):
        if name != STEPS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            wrap(module.FunctionStep)

        spec.loader.exec_module = exec_module
        return spec


class Count:
    """How often the step that runs has touched a file of its run."""

    folder = step = None
    n = 0


def wrap(step_class):
    run = step_class._runFunc

    def _runFunc(step):
        Count.folder, Count.step, Count.n = step._func.__self__.workingDir.get(), step._index, 0
        if "REPIC_TEST_BEGUN" in os.environ:
            os.close(os.open(os.environ["REPIC_TEST_BEGUN"], os.O_CREAT | os.O_WRONLY))
        at(f"{step._index} start")
        fill(step._index)
        if KILL.startswith("cpu "):
            signal.setitimer(signal.ITIMER_PROF, float(KILL.split()[1]))
        found = run(step)
        signal.setitimer(signal.ITIMER_PROF, 0)
        at(f"{step._index} end")
        if KILL == "count":
            tell(f"{step._index} {Count.n}")
        Count.folder = None
        return found

    step_class._runFunc = _runFunc


def watch(event, arguments):
    """An audit hook: called before anything that the interpreter knows of happens."""
    if Count.folder is None or event not in FILES:
        return
    if event == "open" and not (arguments[2] or 0) & WRITING:
        return
    path = str(arguments[0])
    if Count.folder not in path or any(one in path for one in NOT_OURS):
        return
    Count.n += 1
    at(f"{Count.step} {Count.n}", f"{event} {os.path.basename(path)}")


def at(place, what="step"):
    if place == KILL:
        tell(f"{place}: {what}")
        os.kill(os.getpid(), signal.SIGKILL)


def tell(line):
    folder, Count.folder = Count.folder, None
    with open(os.environ["REPIC_TEST_PLACES"], "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    Count.folder = folder


def fill(step):
    wanted, _, kept_kb = os.environ.get("REPIC_TEST_FULL", "").partition(" ")
    if wanted != str(step):
        return
    folder, Count.folder = Count.folder, None
    with open(os.path.join(folder, "extra", BALLAST), "wb", buffering=0) as file:
        try:
            while file.write(bytes(1024)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - 1024 * int(kept_kb)))
    Count.folder = folder


def jump():
    """The time of day of this process is true, ten years late, and ten years early, in turns."""
    import datetime
    import itertools
    import time

    offsets = itertools.cycle((0.0, TEN_YEARS_S, -TEN_YEARS_S))
    true = time.time
    time.time = lambda: true() + next(offsets)
    time.time_ns = lambda: int(1e9 * time.time())

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(time.time(), tz)

    datetime.datetime = Jumping


KILL = os.environ.get("REPIC_TEST_KILL", "")
if KILL or "REPIC_TEST_FULL" in os.environ:
    sys.meta_path.insert(0, AfterImport())
    if KILL.startswith("cpu "):
        import faulthandler

        # says where it was, then ends as by a kill: nobody handles this signal
        places = open(os.environ["REPIC_TEST_PLACES"], "a", encoding="utf-8")  # noqa: SIM115
        faulthandler.register(signal.SIGPROF, places, all_threads=False, chain=True)
    elif KILL:
        sys.addaudithook(watch)
if os.environ.get("REPIC_TEST_CLOCK"):
    jump()
