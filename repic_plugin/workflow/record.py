"""Record of the workflow of a project: a second call resumes it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from repic_plugin.formats import atomic_write
from repic_plugin.workflow.definition import Workflow

FILE, LOCK = "repic-run.json", "repic-run.lock"


@dataclass
class Record:
    """A workflow in a project.

    Attributes
    ----------
    digest : str
        Of the protocols with their values.
    source : str
    values : dict
    before : list of int
        Runs that the project had before.
    ids : dict of str to int
        From the workflow's ids to the project's; empty while it is being loaded.
    outdated : list of int
        Finished runs that have to process what a continued run before them has added.
    """

    digest: str
    source: str
    values: Dict[str, str]
    before: List[int]
    ids: Dict[str, int] = field(default_factory=dict)
    outdated: List[int] = field(default_factory=list)


def digest(workflow: Workflow) -> str:
    """Digest that identifies a workflow."""
    text = json.dumps(workflow.protocols, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_record(folder: Path) -> Optional[Record]:
    """The record in a project's folder, or None.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Record(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: is damaged ({error}); choose another --project, or continue in Scipion"
        ) from error


def write_record(folder: Path, record: Record) -> None:
    """Write the record in one step, safe from a power cut."""
    atomic_write(folder / FILE, json.dumps(asdict(record), indent=1), sync=True)


def check_same(record: Record, workflow: Workflow, project: str) -> None:
    """Refuse a project that holds another workflow, or the same with other values."""
    if record.digest == digest(workflow):
        return
    changed = [
        f"{name} was {_shown(record.values, name)} and is {_shown(workflow.values, name)}"
        for name in {**record.values, **workflow.values}
        if record.values.get(name) != workflow.values.get(name)
    ]
    same = Path(record.source).name == Path(workflow.source).name
    what = f"it holds {record.source}"
    if same:
        what = "; ".join(changed) or "the file has changed"
    raise ValueError(
        f"project {project} was made with another workflow or other values ({what}); choose another"
        " --project, or use the original workflow and values"
    )


def _shown(values: Dict[str, str], name: str) -> str:
    return repr(values[name]) if name in values else "not given"


@contextmanager
def locked(folder: Path, project: str) -> Iterator[None]:
    """Lock a project against a second command until the process ends.

    Raises
    ------
    ValueError
        If another command has it.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f"project {project} is in use by another repic-plugin run; wait for it to "
                "end, or stop it"
            ) from error
        yield
    finally:
        os.close(descriptor)
