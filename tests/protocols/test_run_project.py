"""`repic-plugin run` as a facility calls it: to the end, into failures, through kills."""

import json
import signal

import psutil
import pytest

from repic_plugin.workflow.definition import read_workflow
from repic_plugin.workflow.processes import is_at_work
from tests.protocols.workflow_runs import (
    BOX,
    N_PARTICLES,
    SIZE,
    Command,
    endless,
    extraction,
    importing,
    kill_command,
    picks_of,
    project_folder,
    protocol,
    read_summary,
    run_folders,
    template_values,
    write_material,
    write_workflow,
)


@pytest.fixture
def material(tmp_path):
    return write_material(tmp_path / "data")


def is_running(name, folder):
    """Whether the run in a folder of a project has a process."""
    return is_at_work(str(project_folder(name)), f"{folder}/logs/run.db")


@pytest.mark.slow
def test_what_is_not_installed_or_refers_to_nothing_is_refused(tmp_path):
    from repic_plugin.workflow.project import check_protocols

    missing = write_workflow(tmp_path / "a.json", [protocol(1, "XmippProtNone", "x")])
    with pytest.raises(ValueError, match=r"XmippProtNone is not installed; install scipion-em-x"):
        check_protocols(read_workflow(str(missing), []))
    dangling = write_workflow(tmp_path / "b.json", [extraction(1, "x")])
    with pytest.raises(ValueError, match=r"inputCoordinates of 1 .* 2.outputCoordinates, which"):
        check_protocols(read_workflow(str(dangling), []))
    command = Command(missing, "--project", "missing")
    assert command.ended() == 2
    assert command.errors.count("\n") == 1
    assert not project_folder("missing").exists()


@pytest.mark.thorough
def test_a_run_that_waits_for_another_starts_when_that_has_ended(material, tmp_path):
    after = {"_prerequisites": ["3"]}  # Scipion's scheduler would sleep and look, again and again
    protocols = [importing(material), picks_of(material), extraction(3, "first")]
    protocols += [extraction(4, "second", **after)]
    workflow = write_workflow(tmp_path / "workflow.json", protocols)
    assert Command(workflow, "--project", "ordered").ended() == 0
    rows, _ = read_summary("ordered")
    assert rows["second"]["start"] > rows["first"]["end"]
    assert rows["second"]["outputs"][0]["size"] == N_PARTICLES


@pytest.mark.thorough
def test_after_a_failure_nothing_waits_and_a_second_call_mends_it(material, tmp_path):
    broken = {}
    for path in (material / "micrographs").iterdir():  # headers alone
        broken[path] = path.read_bytes()
        path.write_bytes(broken[path][:2000])
    classes = {"inputParticles": "3.outputParticles", "numberOfClasses": 2, "numberOfThreads": 1}
    protocols = [
        importing(material),
        picks_of(material),
        extraction(3, "particles"),
        protocol(4, "ProtAckMeans2D", "classes", **classes),
        protocol(5, "ProtSubSet", "some", inputFullSet="4.outputAverages", chooseAtRandom=True),
    ]
    workflow = write_workflow(tmp_path / "workflow.json", protocols)
    command = Command(workflow, "--project", "mended")
    assert command.ended() == 1, command.story()
    rows, code = read_summary("mended")
    assert code == 1
    assert [row["status"] for row in rows.values()] == [
        *("finished", "finished", "failed", "not started", "not started")
    ]
    assert "none of 2 micrographs can be used" in rows["particles"]["error"]
    assert "\x1b" not in rows["particles"]["error"]
    for label in ("classes", "some"):
        assert rows[label]["error"].endswith("particles, which failed")
        assert any(f"{label}: not started: waits for" in line for line in command.lines)

    for path, data in broken.items():
        path.write_bytes(data)
    again = Command(workflow, "--project", "mended")
    assert again.ended() == 0, again.story()
    mended, code = read_summary("mended")
    assert {row["status"] for row in mended.values()} == {"finished"}
    assert mended["picks"] == rows["picks"]
    assert mended["particles"]["id"] == rows["particles"]["id"]
    assert len(run_folders("mended")) == 5


@pytest.mark.thorough
def test_it_goes_on_after_ctrl_c_and_a_kill_and_its_time_ends(material, tmp_path):
    workflow = write_workflow(tmp_path / "workflow.json", endless(material))
    words = (workflow, "--project", "interrupted")
    first = Command(*words).until("micrographs: running")
    (folder,) = run_folders("interrupted")
    assert first.signalled(signal.SIGINT) == 130
    assert not is_running("interrupted", folder)
    rows, code = read_summary("interrupted")
    assert code == 130
    assert (rows["micrographs"]["status"], rows["picks"]["status"]) == ("aborted", "waiting")

    second = Command(*words).until("micrographs: running")
    assert kill_command(second) == -signal.SIGKILL
    assert is_running("interrupted", folder)  # a run is nobody's child
    pids = {one.pid for one in psutil.process_iter() if _runs(one, folder)}

    third = Command(*words, "--timeout", 3)
    assert third.ended() == 124, third.story()
    assert not any("launched" in line for line in third.lines)  # it is the same run still
    assert pids
    assert not any(psutil.pid_exists(pid) and _runs(psutil.Process(pid), folder) for pid in pids)
    rows, code = read_summary("interrupted")
    assert (rows["micrographs"]["status"], code) == ("aborted", 124)
    assert run_folders("interrupted") == [folder]


def _runs(process, folder):
    try:
        return folder in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.thorough
def test_a_kill_while_it_loads_leaves_no_protocol_twice(material, tmp_path):
    workflow = write_workflow(tmp_path / "workflow.json", [importing(material)])
    assert Command(workflow, "--project", "half").ended() == 0
    record = project_folder("half") / "repic-run.json"
    half = json.loads(record.read_text())
    assert half["ids"]
    record.write_text(json.dumps({**half, "ids": {}}))  # as before all were in
    assert Command(workflow, "--project", "half").ended() == 0
    assert len(run_folders("half")) == 1
    rows, _ = read_summary("half")
    assert len(rows) == 1


@pytest.mark.slow
def test_a_template_corrects_a_picker_in_a_project(material, tmp_path):
    """Picks of binned micrographs, y counted from the other edge, agree once they are corrected."""
    folder = material / "picks" / "picker3"
    for file in folder.iterdir():
        rows = [line.split() for line in file.read_text().splitlines()]
        text = ""
        for x, y, width, height, *score in rows:
            centre = (float(x) + float(width) / 2) / 2, (SIZE - float(y) - float(height) / 2) / 2
            corner = (centre[0] - BOX / 2, centre[1] - BOX / 2)
            text += " ".join(map(str, (*corner, BOX, BOX, *score))) + "\n"
        file.write_text(text)
    values = [*template_values(material), "mode=0"]
    command = Command(
        "consensus", *values, "picks3.scale=2", "picks3.flip-y=true", "--project", "corrected"
    )
    assert command.ended() == 0, command.story()
    found, _ = read_summary("corrected")
    assert found["consensus"]["outputs"][0]["size"] == N_PARTICLES


@pytest.mark.parametrize("value", ["abc", "", "-5", "__import__('os').system('true')", "2h;1", "h"])
def test_times_that_are_none_are_refused_before_scipion_evaluates_them(tmp_path, value):
    from repic_plugin.workflow.project import check_protocols

    file = written(tmp_path, value)
    with pytest.raises(ValueError, match=r"timeout \(idle= in the templates\) must be a time"):
        check_protocols(read_workflow(str(file), []))


@pytest.mark.parametrize("value", ["2h", "90s", "1h 30m", "3600", "0.5h"])
def test_times_are_accepted(tmp_path, value):
    from repic_plugin.workflow.project import check_protocols

    check_protocols(read_workflow(str(written(tmp_path, value)), []))


def written(folder, value):
    """A workflow with an import that ends after this time."""
    one = {"object.className": "ProtImportMicrographs", "object.id": "1", "timeout": value}
    file = folder / "workflow.json"
    file.write_text(json.dumps([one]))
    return file
