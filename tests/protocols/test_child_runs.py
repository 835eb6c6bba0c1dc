"""Runs that another run starts, while somebody else looks at the project."""

import pytest

from tests.protocols.iterative_runs import write_material

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def micrographs(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("children")
    images, picks = write_material(folder, n_micrographs=3)
    run = project.micrographs("of children", images, sampling=8.0)
    return run, picks


@pytest.fixture
def family(micrographs):
    """Makes the children as each step of a parent does: from what the project holds by then."""
    from repic_plugin.protocols.iterative.child_runs import Children

    made = []

    def begin():
        made.append(Children(micrographs[0], "token"))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def importing(children, micrographs):
    child = children.new("ProtRepicImportPicks", picksFolder=str(micrographs[1]))
    child.inputMicrographs.set(micrographs[0])
    child.inputMicrographs.setExtended("outputMicrographs")
    return child


def look_and_write_what_was(family, run_id):
    """What a window leaves that read a run while it was active, and wrote it after it had ended."""
    project = family().project
    run = project.getObject(run_id)
    project.mapper.delete(run.outputCoordinates)
    del run.outputCoordinates
    run._outputs.clear()
    run.setFailed("Process 1 not found running on the machine")
    project.mapper.store(run)
    project.mapper.commit()
    assert not hasattr(family().project.getObject(run_id), "outputCoordinates")


def test_what_a_run_has_made_is_found_although_the_project_was_written_over(family, micrographs):
    first = family()
    done = first.run(importing(first, micrographs), "picks")
    look_and_write_what_was(family, done.getObjId())
    later = family()
    assert later.target(done.getObjId(), "outputCoordinates").getSize() > 0
    assert family().project.getObject(done.getObjId()).isFinished()
    look_and_write_what_was(family, done.getObjId())
    again = family()
    assert again.run(importing(again, micrographs), "picks").getObjId() == done.getObjId()


def test_a_comment_says_for_whom_and_what_and_the_bare_tag_of_0_2_0_is_found(family, micrographs):
    children = family()
    child = importing(children, micrographs)
    done = children.run(child, "commented", about="iteration 3, picks")
    comment = done.getObjComment()
    parent = micrographs[0]
    assert comment.startswith(
        f"Started by {parent.getObjLabel()} (run {parent.getObjId()}): iteration 3, picks. ["
    )
    assert children.own(done.getObjId()).getObjId() == done.getObjId()
    tag = comment.rpartition("[")[2].rstrip("]")
    assert tag.startswith("repic-token-")
    again = family()
    assert again.run(importing(again, micrographs), "commented").getObjId() == done.getObjId()
    old = family()
    run = old.project.getObject(done.getObjId())
    run.setObjComment(tag)
    old.project.mapper.store(run)
    old.project.mapper.commit()
    later = family()
    assert later.run(importing(later, micrographs), "commented").getObjId() == done.getObjId()
    assert later.own(micrographs[0].getObjId()) is None


@pytest.mark.parametrize("moment", ["before the launch", "between launch and start"])
def test_a_run_reads_inputs_that_were_written_over(family, micrographs, monkeypatch, moment):
    children = family()
    done = children.run(importing(children, micrographs), f"picks to use {moment}")
    child = children.new("ProtRepicLabels", numParticles=2)
    child.inputCoordinates.copy(children.output(done.getObjId(), "outputCoordinates"))
    child.inputMicrographs.set(micrographs[0])
    child.inputMicrographs.setExtended("outputMicrographs")
    if moment == "before the launch":
        look_and_write_what_was(family, done.getObjId())
    else:
        launch, n_launches = children.project.launchProtocol, []

        def interrupted(*args, **values):
            if not n_launches:
                look_and_write_what_was(family, done.getObjId())
            n_launches.append(1)
            launch(*args, **values)

        monkeypatch.setattr(children.project, "launchProtocol", interrupted)
    labels = children.run(child, f"labels {moment}")
    assert labels.outputCoordinates.getSize() == 2 * 3
    if moment != "before the launch":
        assert len(n_launches) == 2


def test_a_project_of_a_workflow_sees_through_it_too(project, family, micrographs):
    from types import SimpleNamespace

    from repic_plugin.workflow import ProjectRuns, WorkflowProject
    from repic_plugin.workflow.runs import seems_dead

    first = family()
    run_id = first.run(importing(first, micrographs), "picks of a workflow").getObjId()
    look_and_write_what_was(family, run_id)
    watched = WorkflowProject.__new__(WorkflowProject)  # of a project that holds more than it
    ProjectRuns.__init__(watched, family().project)
    watched.record = SimpleNamespace(ids={"1": run_id})
    assert seems_dead(family().project.getObject(run_id))
    run = watched.runs()[run_id]
    assert run.isFinished()
    assert run.outputCoordinates.getSize() > 0
