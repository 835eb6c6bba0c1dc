"""What becomes of runs that are killed, starved or misled, in a real Scipion project.

docs/understand/reliability.md tells how often each fault was tried, and what came of it.
"""

from pathlib import Path

import pytest

from tests.protocols.fault_cases import CASES, World
from tests.protocols.faults import faults, killed, n_touched, outcome, unfinished
from tests.protocols.iterative_runs import after_the_kill, run_again
from tests.small_disks import small_disk

pytestmark = pytest.mark.slow
QUICK = "subsets"


@pytest.fixture(scope="module")
def world(project, tmp_path_factory):
    return World(project, tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def undisturbed(project, world, tmp_path_factory):
    """What each run leaves if nothing happens to it, and how often its steps touch files."""
    known = {}

    def of(case):
        if case not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            done, counts = n_touched(project, CASES[case](world), folder)
            known[case] = outcome(project, done), counts
        return known[case]

    return of


def some(cases, quick):
    marks = {one: () if one == quick else pytest.mark.thorough for one in cases}
    return [pytest.param(one, marks=mark) for one, mark in marks.items()]


@pytest.mark.parametrize("case", some(CASES, QUICK))
def test_killed_in_every_step_it_goes_on(project, world, undisturbed, tmp_path, case):
    expected, counts = undisturbed(case)
    run = CASES[case](world)
    n_kills = 0
    for step in counts:
        for when in ("start", "end"):
            run, place = killed(project, run, f"{step} {when}", tmp_path)
            assert place == f"{step} {when}: step\n"
            n_kills += 1
    done = run_again(project, run)
    assert done.isFinished(), done.getErrorMessage()
    assert outcome(project, done) == expected
    assert unfinished(project, done) == []
    print(f"{case}: {n_kills} kills in {len(counts)} steps")


# Of the others, what they write lies elsewhere in the folder of the run.
IN_EXTRA = ("consensus", "streaming", "subsets", "training", "picking", "evaluation", "cross FSC")


@pytest.mark.parametrize("case", some(IN_EXTRA, QUICK))
def test_a_full_disk_is_told_in_one_line(project, world, undisturbed, case):
    expected, counts = undisturbed(case)
    run = CASES[case](world)
    project.project.saveProtocol(run)
    folder = project.folder(run)
    folder.mkdir(parents=True)
    with small_disk(folder, 2048):
        run, messages = fill_up(project, run, folder, counts)
        done = run_again(project, run)
        assert done.isFinished(), done.getErrorMessage()
        assert outcome(project, done) == expected
    assert messages
    for message in messages:
        assert "No space left on device" in message
        assert "\n" not in message
    print(f"{case}: a full disk {len(messages)} times")


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_after_a_disk_was_full_it_goes_on(project, world, undisturbed, case):
    expected, counts = undisturbed(case)
    run = CASES[case](world)
    project.project.saveProtocol(run)
    folder = project.folder(run)
    folder.mkdir(parents=True)
    with small_disk(folder.parent, 32 * 1024):
        folder.mkdir()
        run, messages = fill_up(project, run, folder, counts)
        done = run_again(project, run)
        assert done.isFinished(), done.getErrorMessage()
        assert outcome(project, done) == expected
        assert unfinished(project, done) == []
    assert messages
    print(f"{case}: a full disk {len(messages)} times", *messages, sep="\n  ")


def fill_up(project, run, folder, counts):
    """The run, and errors of launches on a disk that is, or is nearly, full from some step on."""
    messages = []
    for step in counts:
        for kept_kb in (0, 8):
            with faults(full=f"{step} {kept_kb}"):
                project.project.launchProtocol(run, wait=True)
            run = after_the_kill(project, run)
            (folder / "ballast").unlink(missing_ok=True)
            if not run.isFinished():
                messages.append(run.getErrorMessage())
                assert run._summary()
    return run, messages


@pytest.mark.thorough
@pytest.mark.parametrize("case", ["picking", "extraction"])
def test_a_micrograph_that_is_deleted_is_told_and_left_out(project, world, undisturbed, case):
    expected, _ = undisturbed(case)
    micrographs = list(world.micrographs.outputMicrographs.iterItems(orderBy="id"))
    file = Path(project.project.path, micrographs[1].clone().getFileName())
    kept = file.with_suffix(".kept")
    file.rename(kept)
    try:
        run = project.run(CASES[case](world))
    finally:
        kept.rename(file)
    assert run.isFinished(), run.getErrorMessage()
    lines = Path(project.project.path, run.getStdoutLog()).read_text()
    lines += Path(project.project.path, run.getStderrLog()).read_text()
    (line,) = {one for one in lines.splitlines() if file.name in one}
    assert "it is skipped" in line
    (output,) = (output for _, output in run.iterOutputAttributes())
    (before,) = expected[0].values()
    assert 0 < output.getSize() < before[0][0]


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_killed_at_every_file_it_goes_on(project, world, undisturbed, tmp_path, case):
    expected, counts = undisturbed(case)
    run = CASES[case](world)
    places = []
    for step, n in counts.items():
        for number in range(1, n + 1):
            run, place = killed(project, run, f"{step} {number}", tmp_path)
            places.append(place.strip())
            if not place:  # it goes on where it was, and touches fewer files
                break
    done = run_again(project, run)
    assert done.isFinished(), done.getErrorMessage()
    assert outcome(project, done) == expected
    assert unfinished(project, done) == []
    print(f"{case}: {sum(map(bool, places))} kills at files", *filter(None, places), sep="\n  ")
