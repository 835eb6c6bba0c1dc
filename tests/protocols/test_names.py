"""Names with quotes, semicolons and dollars in a real Scipion project: nothing is executed."""

import json
from pathlib import Path

import pytest

from tests.protocols.particle_set import (
    change,
    classify,
    import_set,
    loaded,
    simulated,
    tables,
    write_particle_set,
)
from tests.protocols.scipion_project import coordinates, write_images, write_picker

pytestmark = pytest.mark.slow

NAMES = ["a; touch pwned ", 'b "$(touch pwned)"', "c `touch pwned` & 'd'"]
# Scipion cuts a dollar out of what it imports from, and takes # for a digit
FOLDER = "f; touch pwned `touch pwned` '"
CENTRES = {name: [(20, 20), (40, 40)] for name in NAMES}


@pytest.fixture
def clean(project, tmp_path, monkeypatch):
    """Wherever a command that was tricked would leave its file, there is none at the end."""
    places = [tmp_path, Path(project.project.path), Path.cwd()]
    yield tmp_path
    for place in {*places, Path.cwd()}:
        assert not [*place.rglob("pwned*")], place


def test_micrographs_from_import_to_consensus(project, clean):
    micrographs = project.micrographs("odd names", write_images(clean / FOLDER / "mics", NAMES))
    assert micrographs.outputMicrographs.getSize() == len(NAMES)
    pickers = [
        project.picks(f"{name}; touch pwned", micrographs, write_picker(clean / name, CENTRES))
        for name in ("one $(touch pwned)", 'two"; touch pwned; "')
    ]
    assert [one.outputCoordinates.getSize() for one in pickers] == [6, 6]
    agreed = project.run(project.consensus(pickers, "agreed; touch pwned", writeReport=True))
    assert agreed.isFinished(), agreed.getErrorMessage()
    assert len(coordinates(agreed)) == 6


@pytest.mark.thorough
def test_particles_in_a_stack_of_such_a_name(project, clean):
    made = simulated(n_views=2, per_view=15)
    folder = clean / FOLDER
    file = write_particle_set(folder, made.images, n_stacks=1)
    name = 's"; touch pwned; "$(touch pwned) `touch pwned`'
    stack = (folder / "stack_1.mrcs").rename(folder / f"{name}.mrcs")
    change(loaded(file), "UPDATE Objects SET {_filename} = ?", str(stack)).close()
    imported = import_set(project, "odd stack", file)
    run = classify(project, imported, "odd; touch pwned", numberOfClasses=2, maxIterations=2)
    assert tables(run).sizes.sum() == len(made)
    assert name in Path(run._starFile()).read_text()  # the command has read it


def test_deep_picker_gets_its_words_as_they_are(clean, monkeypatch):
    """By Scipion's own way of running a job, which is a shell."""
    from pyworkflow.utils.process import runJob

    import repic_plugin

    home = clean / FOLDER / "Deep 'Picker'"
    home.mkdir(parents=True)
    (home / "autoPick.py").write_text(
        "import json, sys\njson.dump(sys.argv[1:], open('argv.json', 'w'))\n"
    )
    words = [*NAMES, "", "%(GPU)s", "a\nb", "*", "~", "$HOME", "\\"]

    class Run:
        """What the plugin asks of a protocol."""

        def usesGpu(self):
            return False

        def runJob(self, program, arguments, env, cwd, numberOfMpi):
            runJob(None, program, arguments, numberOfMpi, env=env, cwd=cwd)

    monkeypatch.setenv("DEEPPICKER_HOME", str(home))
    monkeypatch.setenv("DEEPPICKER_ENV_ACTIVATION", "")
    repic_plugin.Plugin._defineVariables()
    try:
        repic_plugin.Plugin.runDeepPicker(Run(), "autoPick.py", words, cwd=str(clean))
    finally:
        monkeypatch.undo()
        repic_plugin.Plugin._defineVariables()
    assert json.loads((clean / "argv.json").read_text()) == words
