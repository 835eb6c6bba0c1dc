"""A session that RELION's LoG, Topaz and template picking follow, from one template to classes.

The pickers are real, through the unmodified plugins and Scipion's own streaming; the micrographs
are simulated, with their CTFs.
"""

import os
import subprocess
import sys

import pytest

from repic_plugin.formats import read_consensus_tables
from tests.protocols.workflow_runs import project_folder, read_summary, run_folders

pytestmark = pytest.mark.pickers

N_MICROGRAPHS = 24
LABELS = ("LoG", "Topaz", "blobs")
# A quorum does not depend on when the pickers are characterised, nor these scores on the others.
TRANSFORMS = "logistic logistic identity"
VALUES = ("mode=1", f"transforms={TRANSFORMS}")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """What is printed of a session that is killed with its consensus, and with its pickers."""
    for program in ("topaz/bin/topaz", "relion-4.0/bin/relion_autopick"):
        if not os.path.exists(os.path.join(os.environ["REPIC_PICKERS"], program)):
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("real") / "files"
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "repic_plugin.cli", "simulate-session", "phantom", "--real"),
            *("--project", "real-session", "--out", str(folder), "--speed", "100"),
            *("--hours", "2", "--micrographs", str(N_MICROGRAPHS), "--classes", "2"),
            *("--kills", "2", "--values", *VALUES),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def sizes(rows, label):
    return {one["name"]: one["size"] for one in rows[label]["outputs"]}


def test_it_ends_by_itself_with_classes_good_particles_and_judged_micrographs(session):
    print(session)
    assert "kills: 2" in session
    rows, code = read_summary("real-session")
    assert code == 0
    assert {row["status"] for row in rows.values()} == {"finished"}
    assert len(run_folders("real-session")) == len(rows)  # nothing was begun twice
    assert sizes(rows, "micrographs") == {"outputMicrographs": N_MICROGRAPHS}
    assert sizes(rows, "CTFs") == {"outputCTF": N_MICROGRAPHS}
    for label in LABELS:
        assert sizes(rows, label)["outputCoordinates"] > 5 * N_MICROGRAPHS
    judged = sizes(rows, "consensus")
    n_judged = judged["outputMicrographs"] + judged["outputMicrographsRejected"]
    assert n_judged == N_MICROGRAPHS
    n_particles = sizes(rows, "particles")["outputParticles"]
    assert N_MICROGRAPHS < n_particles <= judged["outputCoordinates"]
    classes = sizes(rows, "2D classes")
    assert classes["outputClasses"] >= 2
    assert classes["outputParticles"] + classes.get("outputRejected", 0) == n_particles


def test_its_consensus_is_that_of_one_run_on_the_same_picks(session):
    from pwem import Domain
    from pyworkflow.object import Pointer
    from pyworkflow.project import Manager

    before = os.getcwd()
    try:
        project = Manager().loadProject("real-session")
        runs = {run.getObjLabel(): run for run in project.getRuns()}
        consensus = Domain.getProtocols()["ProtRepicConsensus"]
        at_once = project.newProtocol(consensus, mode=1, scoreTransforms=TRANSFORMS)
        for label in LABELS:
            at_once.inputCoordinates.append(Pointer(runs[label], extended="outputCoordinates"))
        at_once.setObjLabel("at once")
        project.launchProtocol(at_once, wait=True)
        expected = told(project_folder("real-session") / at_once._getExtraPath())
        followed = told(project_folder("real-session") / runs["consensus"]._getExtraPath())
    finally:
        os.chdir(before)
    assert followed == expected
    assert len(expected) > N_MICROGRAPHS


def told(folder):
    """Particles, whatever the order of the micrographs."""
    tables = read_consensus_tables(folder)
    names = [tables.micrograph_names[m] for m in tables.micrograph]
    return sorted(zip(names, tables.x, tables.y, tables.weight, tables.n_members.tolist()))
