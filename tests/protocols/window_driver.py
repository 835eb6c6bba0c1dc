"""Use Scipion's project window as a person does, and tell what windows it opens.

``python -O window_driver.py PROJECT_FOLDER PLAN_JSON STATE_JSON [PICTURES_FOLDER]``

The plan names runs by their ids: {"analyze": [id, ...], "open_with": [[id, output, name in the
menu], ...], "summaries": [id, ...], "links": [[id, text], ...], "forms": {kind: id, ...}, "looks":
[[id, name of the picture], ...], "left_open": [id, ...], "acts": false to look only}. What it saw
is written to the other file.
"""

import json
import sys
from pathlib import Path

from pyworkflow.gui.project import ProjectWindow

sys.path.insert(0, str(Path(__file__).parents[2]))


def main(project, plan, state, pictures=None):
    """Open the project's window and stay in it until the plan is done."""
    from tests.protocols.windows.driver import Driver
    from tests.protocols.windows.project import User

    plan = json.loads(Path(plan).read_text(encoding="utf-8"))
    window = ProjectWindow(project)
    driver = Driver(window, Path(state), None if pictures is None else Path(pictures))
    driver.start(User(driver, plan.get("acts", True)).follow(plan))
    window.show()


if __name__ == "__main__":
    main(*sys.argv[1:])
