"""What the tests of pickers that come with other plugins share.

The variables of those plugins have to stand before the first import of pwem: nothing here may
import it on the way.
"""

import os
from pathlib import Path

import pytest

from tests.protocols.conftest import HOME  # importing it makes the tests' Scipion

HERE = Path(__file__).parent
# where make test-pickers puts the environments; not set by make test
ENVIRONMENTS = os.environ.get("REPIC_PICKERS")
STANDIN = HERE.parent / "cryolo_standin"
ACTIVATE_STANDIN = f"export PATH={STANDIN}:$PATH && : cryolo-1.9.9"

os.environ.update(
    CONDA_ACTIVATION_CMD=":",
    CRYOLO_ENV_ACTIVATION=ACTIVATE_STANDIN,
    CRYOLO_ENV_ACTIVATION_CPU=ACTIVATE_STANDIN,
    CRYOLO_GENERIC_MODEL=str(STANDIN / "general_model.json"),
    CRYOLO_STANDIN_ORDERS=str(HOME / "orders_to_the_standin"),
)
if ENVIRONMENTS:
    os.environ.update(
        TOPAZ_ENV_ACTIVATION=f". {ENVIRONMENTS}/topaz/bin/activate "
        "&& export TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1",
        RELION_HOME=f"{ENVIRONMENTS}/relion-4.0",
        RELION_ENV_ACTIVATION=":",
    )


def pytest_collection_modifyitems(items):
    if not ENVIRONMENTS:
        skip = pytest.mark.skip(reason="other people's pickers: make test-pickers")
        for item in items:
            if item.get_closest_marker("pickers"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def simulate(project, tmp_path_factory):
    """Makes simulated micrographs in the project."""
    from tests.pickers.plugins.simulated import Simulated

    def make(name, n, seed, **dirt):
        folder = tmp_path_factory.mktemp("simulated") / name
        folder.mkdir()
        return Simulated(project, folder, *_molecule(), n, seed, **dirt)

    return make


@pytest.fixture(scope="session")
def training(simulate):
    """Dirty micrographs to train on."""
    from tests.pickers.plugins.simulated import DIRTY

    return simulate("training", 6, 1, **DIRTY)


@pytest.fixture(scope="session")
def testing(simulate):
    """Others of the same kind."""
    from tests.pickers.plugins.simulated import DIRTY

    return simulate("testing", 4, 2, **DIRTY)


def _molecule():
    """The phantom, or the 70S ribosome where REPIC_SHARED_DATA is set; pixel size and SNR to use.

    The phantom is easier to find: at the same SNR Topaz, as it comes, has little left to learn.
    The margins of the tests are those of the phantom: on the ribosome, with as many blobs, Topaz
    learnt from 0.33 to 0.33 and to 0.49 in two trainings.
    """
    import mrcfile

    from repic_plugin.simulation.phantom import PHANTOM_PIXEL_SIZE_ANGSTROM, phantom_map

    folder = os.environ.get("REPIC_SHARED_DATA")
    path = Path(folder or ".") / "ribosome_70s_65.mrc"
    if folder and path.is_file():
        return mrcfile.read(path), 5.0, 0.12
    return phantom_map(), PHANTOM_PIXEL_SIZE_ANGSTROM, 0.05
