"""The folder that --out names: taken at the start, filled in one step, never at others' cost."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Callable, Collection, Iterable, Iterator, List, Mapping, Tuple, Union

LOCK, RESULT, BEFORE = "lock", "result", "before"  # in the hidden folder of a run


@dataclass(frozen=True)
class Own:
    """What tells the folders of a command's earlier runs, and what is in them.

    Attributes
    ----------
    known_by : collection of str
        Files that every such folder has; without any, there is no overwriting.
    files : callable
        From such a folder to all files that the command wrote to it, relative, with slashes.
    """

    known_by: Collection[str] = ()
    files: Callable[[Path], Collection[str]] = lambda _folder: ()


@dataclass
class NewFolder:
    """A folder that is being written.

    Attributes
    ----------
    path : Path
        Where to write.
    place : str
        The name that it takes at the end: another than asked for where that was taken meanwhile.
    """

    path: Path
    place: str


@contextmanager
def new_folder(
    path: Union[str, Path],
    *,
    overwrite: bool = False,
    own: Own = Own(),
    inputs: Union[Iterable[Union[str, Path]], Mapping[Union[str, Path], str]] = (),
    what: str = "the input",
) -> Iterator[NewFolder]:
    """A folder that takes its name only once all of it is written.

    While the block runs, a hidden folder with a lock keeps the name from other runs; that of a run
    that was killed is removed. Nothing is removed that the command did not write: where the name
    has been taken by the end, the result gets another, with a warning.

    Parameters
    ----------
    path : str or path
        Must not exist or be empty.
    overwrite : bool
        Replace the folder of an earlier run that holds nothing else.
    own : Own
        How such a folder is known.
    inputs : iterable of str or path, or mapping of these to str
        Files and folders that are read: none may lie in the folder, nor the folder in one. What
        each is, for messages, if it is not `what`.
    what : str
        The inputs, for messages.

    Yields
    ------
    NewFolder
        It is removed if the block raises, and `path` is then as before.

    Raises
    ------
    ValueError
        If the name is taken, or the folder lies in or around an input.
    """
    target = Path(os.path.realpath(path))
    _check_free(path, target, overwrite, own)
    named = inputs if isinstance(inputs, Mapping) else dict.fromkeys(inputs, what)
    for one, name in named.items():
        _check_apart(path, target, [one], name)
    with _parents_made(target.parent), _taken(path, target) as hidden:
        _check_free(path, target, overwrite, own)  # an earlier result may be back, or a new one
        new = NewFolder(hidden / RESULT, str(path))
        new.path.mkdir()
        replaced = set(own.files(target)) if _is_filled(target) else set()
        if replaced:
            shutil.copymode(target, new.path)
            with suppress(PermissionError):
                os.chown(new.path, -1, target.stat().st_gid)
        yield new
        if not _is_put_in_place(new.path, target, replaced):
            new.place = str(_put_beside(new.path, target))
            warnings.warn(
                f"{path}: was taken by another program meanwhile; the result is in {new.place}",
                stacklevel=3,
            )


@contextmanager
def growing_folder(
    path: Union[str, Path],
    *,
    own: Collection[str],
    option: str,
    inputs: Iterable[Union[str, Path]] = (),
    what: str = "the input",
) -> Iterator[Path]:
    """A folder that one run after the other adds to, one at a time.

    Parameters
    ----------
    path : str or path
        Made if it does not exist.
    own : collection of str
        What may be in it.
    option : str
        That names it, for messages.
    inputs, what
        As for `new_folder`.

    Yields
    ------
    Path
        A hidden folder in it, whose files replace those of the same names when the block ends.

    Raises
    ------
    ValueError
        If it holds anything else, lies in or around an input, or another run is writing it.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise ValueError(f"{path}: is a file; choose another folder")
    _check_apart(path, target, inputs, what, option)
    hidden = target / _hidden_name(target)
    there = sorted(one.name for one in target.iterdir()) if target.is_dir() else []
    others = [name for name in there if name not in own and name != hidden.name]
    if others:
        raise ValueError(
            f"{path}: holds {others[0]}, which was not written by this command with {option}; "
            "choose another folder"
        )
    with _parents_made(target):
        lock = _locked(path, target, hidden)
        try:
            new = hidden / RESULT
            new.mkdir()
            yield new
            for file in sorted(new.iterdir()):
                os.replace(file, target / file.name)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
            os.close(lock)


def _hidden_name(target: Path) -> str:
    return f".{target.name}-run.partial"


def _is_filled(target: Path) -> bool:
    """Whether there is a folder with anything but a run's hidden folder."""
    return target.is_dir() and any(one.name != _hidden_name(target) for one in target.iterdir())


def _check_free(path: Union[str, Path], target: Path, overwrite: bool, own: Own) -> None:
    if target == Path.cwd():
        raise ValueError(f"{path}: is the current folder; choose another folder")
    if target.exists() and not target.is_dir():
        raise ValueError(f"{path}: is a file; choose another folder")
    above = next(folder for folder in target.parents if folder.exists())
    if not above.is_dir():
        raise ValueError(f"{above}: is a file, so {target} cannot be made; choose another folder")
    if not _is_filled(target):
        return
    if not overwrite:
        remedy = " or add --overwrite" if own.known_by else ""
        raise ValueError(f"{path}: is not empty; choose another folder{remedy}")
    if not all((target / name).is_file() for name in own.known_by):
        raise ValueError(
            f"{path}: was not written by this command ({' and '.join(own.known_by)} are not in "
            "it); choose another folder"
        )
    others = _others(target, own.files(target))
    if others:
        raise ValueError(
            f"{path}: holds {others[0]}, which was not written by this command; move it away or "
            "choose another folder"
        )


def _others(folder: Path, own: Collection[str]) -> List[str]:
    """What a folder holds beside these files and the folders that they are in."""
    homes = {parent.as_posix() for name in own for parent in Path(name).parents}
    found = []
    for above, folders, files in os.walk(folder):
        inside = Path(above).relative_to(folder)
        if inside == Path():
            folders[:] = [name for name in folders if name != _hidden_name(folder)]
        places = [(inside / name).as_posix() for name in folders]
        found += [one for one in places if one not in homes or (folder / one).is_symlink()]
        found += [one for one in ((inside / name).as_posix() for name in files) if one not in own]
    return sorted(found)


def _check_apart(
    path: Union[str, Path],
    target: Path,
    inputs: Iterable[Union[str, Path]],
    what: str,
    option: str = "--out",
) -> None:
    for place in _real_places(inputs):
        if place == target or target in place.parents:
            raise ValueError(f"{path}: contains {what} ({place}); choose another folder")
        if place in target.parents and place.is_dir():
            raise ValueError(
                f"{option} {path} lies in {place}, with {what}, and would be read as a part of it; "
                "choose another folder"
            )


def _real_places(inputs: Iterable[Union[str, Path]]) -> Iterator[Path]:
    """Where inputs are, and where the links in them lead."""
    waiting, seen = [Path(os.path.realpath(one)) for one in inputs], set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        yield place
        for above, folders, files in os.walk(place):
            entries = (Path(above, name) for name in (*folders, *files))
            waiting += [Path(os.path.realpath(one)) for one in entries if one.is_symlink()]


@contextmanager
def _parents_made(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; if the block raises, those are removed that are new."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for one in new:
            with suppress(OSError):
                one.rmdir()
        raise


@contextmanager
def _taken(path: Union[str, Path], target: Path) -> Iterator[Path]:
    """A hidden folder that keeps the target's name from other runs until this one ends.

    It lies in the target where that is an empty folder, which may be a disk of its own.
    """
    beside = target.with_name(_hidden_name(target))
    is_inside = target.is_dir() and (not _is_filled(target) or target.is_mount())
    if is_inside and beside.exists():  # of a run that was killed, or goes on
        os.close(_locked(path, target, beside))
        shutil.rmtree(beside)
    hidden = target / beside.name if is_inside else beside
    lock = _locked(path, target, hidden)
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden / RESULT, ignore_errors=True)
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(lock)


def _locked(path: Union[str, Path], target: Path, hidden: Path) -> int:
    """The open lock of a hidden folder that is new, or was left by a run that was killed."""
    while True:
        is_new = not hidden.exists()
        hidden.mkdir(exist_ok=True)
        try:
            lock = os.open(hidden / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # its run has just ended
            continue
        try:
            _lock_file(lock, path, hidden, is_new)
            if os.path.samestat(os.fstat(lock), os.stat(hidden / LOCK)):
                break
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
    if (hidden / BEFORE).exists() and not _is_filled(target):  # killed before the last step
        os.rename(hidden / BEFORE, target)
    for name in (RESULT, BEFORE):
        shutil.rmtree(hidden / name, ignore_errors=True)
    return lock


def _lock_file(lock: int, path: Union[str, Path], hidden: Path, is_new: bool) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"{path}: another run is writing it; wait for its end or choose another folder"
        ) from None
    except OSError as error:  # a disk without locks: the folder itself has to do
        if not is_new:
            raise ValueError(
                f"{path}: another run is writing it, or was killed ({error.strerror} on {hidden}); "
                "remove that folder if no run is, or choose another folder"
            ) from error


def _is_put_in_place(result: Path, target: Path, replaced: Collection[str]) -> bool:
    """Give the result its name; False, and nothing is changed, where that is taken by others."""
    hidden = result.parent
    if target.exists() and (not target.is_dir() or _others(target, replaced)):
        return False
    if hidden.parent == target:
        _move_entries(target, hidden / BEFORE, [Path(name) for name in replaced])
        _move_entries(result, target, [Path(one.name) for one in result.iterdir()])
        return True
    if replaced and target.exists():
        _swap(result, target, replaced)
        return True
    try:
        os.replace(result, target)  # replaces an empty folder, nothing else
    except OSError:
        if os.path.lexists(target):
            return False
        raise
    return True


def _move_entries(source: Path, target: Path, names: List[Path]) -> None:
    """Move entries of a folder to another; back, if that fails."""
    moved: List[Tuple[Path, Path]] = []
    try:
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(source / name, target / name)
            moved.append((target / name, source / name))
    except BaseException:
        for there, here in moved:
            os.replace(there, here)
        raise


def _swap(result: Path, target: Path, replaced: Collection[str]) -> None:
    """Put the result in the place of an earlier one, which is back if that fails."""
    before = result.parent / BEFORE
    os.rename(target, before)
    try:
        os.replace(result, target)
    except BaseException:
        os.rename(before, target)
        raise
    if _others(before, replaced):  # written in the last moment
        kept = _put_beside(before, target)
        warnings.warn(f"{target}: the earlier folder has new files and is {kept} now", stacklevel=4)


def _put_beside(folder: Path, target: Path) -> Path:
    """Give a folder the first free name like that of the target; beside it, else in it."""
    for above in (target.parent, target):
        for number in count(2):
            place = above / f"{target.name}-{number}"
            try:
                place.mkdir()
                os.replace(folder, place)
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    continue
                with suppress(OSError):
                    place.rmdir()
                break
            return place
    raise OSError(errno.EACCES, "no place for the result beside it", str(target))
