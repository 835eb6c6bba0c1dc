"""Files that are either complete or absent."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from typing import BinaryIO, Iterator, Union

from repic_plugin.formats.base.errors import PathLike

# Names of incomplete files, which remain if their writer is killed.
UNFINISHED = f".{'[0-9a-f]' * 32}.tmp"


@contextmanager
def atomic_open(path: PathLike, *, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when complete.

    What is written goes to a hidden file in the same folder, which replaces `path` in one step
    when the block ends. When the block raises, `path` is as before and the hidden file is gone;
    when the process is killed, `path` is as before.

    Parameters
    ----------
    path : str or path
        File to write or to replace. Where it is a symbolic link, the file it points to is replaced.
    sync : bool
        Whether to wait until the data are on the disk, so that they survive a power cut.

    Yields
    ------
    file : binary file

    Raises
    ------
    OSError
        If the folder is missing or cannot be written.
    """
    target = os.path.realpath(os.fspath(path))
    # A short name of its own: the longest allowed file name must still be writable.
    hidden = os.path.join(os.path.dirname(target), f".{uuid.uuid4().hex}.tmp")
    # The mode is left to the umask, as for any new file; tempfile would close it to the group.
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(hidden, target)
    except BaseException as error:
        os.unlink(hidden)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = target  # a disk that is full does not say which file
        raise


def atomic_write(path: PathLike, data: Union[str, bytes], *, sync: bool = False) -> None:
    """Write a whole file in one step: a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : str or path
        File to write or to replace.
    data : str or bytes
        Content; text is written as UTF-8 with its line ends unchanged.
    sync : bool
        Whether to wait until the data are on the disk.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written; `path` is then as before.
    """
    with atomic_open(path, sync=sync) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)
