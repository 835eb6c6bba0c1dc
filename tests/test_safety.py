"""What comes from outside is data: no name reaches a shell, no file is executed."""

import ast
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

import repic_plugin
from repic_plugin.formats import (
    AGREEMENT_NAMES,
    FormatError,
    read_arrays,
    read_picks_file,
    write_arrays,
)
from tests.commands.helpers import box_text, csv_rows

ROOT = Path(repic_plugin.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
UNSAFE_MODULES |= {"code", "commands", "pty"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "input"}
UNSAFE_METHODS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
UNSAFE_METHODS |= {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "np.memmap.dump"}
# Who starts programs, and who hands a line to Scipion's shell: each has a test with hostile names.
STARTS_PROGRAMS = {
    "commands/session/command.py",
    "pickers/environments.py",
    "workflow/processes.py",
}
WRITES_SHELL_LINES = {"plugin.py", "protocols/classification/protocol.py"}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def nodes(path, kind):
    return (n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, kind))


def problems(source):
    """What a file must not do: (line, what)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = [getattr(node, "module", None) or ""]
            for name in (*module, *(alias.name for alias in node.names)):
                if name.split(".")[0] in UNSAFE_MODULES:
                    yield node.lineno, f"imports {name}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func) if hasattr(ast, "unparse") else _dotted(node.func)
            keywords = {one.arg: one.value for one in node.keywords}
            if called in UNSAFE_CALLS | UNSAFE_METHODS:
                yield node.lineno, f"calls {called}"
            if not _is_false(keywords.get("shell", ast.Constant(False))):
                yield node.lineno, f"{called} with a shell"
            if called in ("np.load", "numpy.load") and not _is_false(keywords.get("allow_pickle")):
                yield node.lineno, "np.load without allow_pickle=False"
            if called not in ("np.load", "numpy.load") and "allow_pickle" in keywords:
                yield node.lineno, f"{called} with allow_pickle"


def _is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


def _dotted(node):
    """As ast.unparse, which Python 3.8 lacks, for names and attributes."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return getattr(node, "id", "")


def test_nothing_is_executed_that_was_read():
    found = [(name_of(path), *one) for path in FILES for one in problems(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "import os\nos.system(name)",
        "run(line, shell=True)",
        "run(line, shell=wanted)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
    ],
)
def test_the_test_above_finds(source):
    assert [*problems(source)]


def test_programs_are_started_where_it_is_known():
    """A new place has to be looked at, and tried with hostile names."""
    starting = {
        name_of(path)
        for path in FILES
        for node in nodes(path, ast.Import)
        if "subprocess" in {alias.name for alias in node.names}
    }
    lines = {
        name_of(path)
        for path in FILES
        for node in nodes(path, ast.Attribute)
        if node.attr in ("runJob", "runCommand", "_runJob")
    }
    assert starting <= STARTS_PROGRAMS
    assert lines == WRITES_SHELL_LINES


def test_lines_for_a_shell_are_quoted():
    for name in WRITES_SHELL_LINES:
        for node in nodes(ROOT / name, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr == "runJob":
                words = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                source = (ROOT / name).read_text("utf-8")
                assert "shlex.quote" in source
                assert "quote" in "".join(
                    [*words, *(n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute))]
                )


# Files from outside


class Hostile:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def mark(tmp_path):
    """The file that hostile code would write."""
    path = tmp_path / "pwned"
    yield path
    assert not path.exists()


def pickled_array(mark):
    """An array of objects, as numpy pickles it."""
    data = io.BytesIO()
    np.save(data, np.array([Hostile(mark)], dtype=object), allow_pickle=True)
    return data.getvalue()


def zipped(name, data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


def test_the_hostile_array_is_hostile(tmp_path):
    """The tests below ask something: numpy itself would run it."""
    np.load(io.BytesIO(pickled_array(tmp_path / "ran")), allow_pickle=True)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        lambda mark: zipped("x.npy", pickled_array(mark)),
        lambda mark: zipped("x.npy", pickle.dumps(Hostile(mark))),
        lambda mark: zipped("../x.npy", pickled_array(mark)),
        pickled_array,
        lambda mark: pickle.dumps(Hostile(mark)),
    ],
    ids=["array of objects", "pickle in a zip", "name that leads out", "no archive", "pickle"],
)
def test_arrays_are_never_unpickled(tmp_path, mark, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content(mark))
    with pytest.raises(FormatError, match=r"x\.npz: cannot be read") as caught:
        read_arrays(path)
    assert "\n" not in str(caught.value)


def test_arrays_of_objects_are_not_written_for_others_to_unpickle(tmp_path):
    write_arrays(tmp_path / "x.npz", {"names": np.array(["a", "b"])})
    assert read_arrays(tmp_path / "x.npz")["names"].dtype.kind == "U"


@pytest.mark.parametrize("suffix", [".box", ".cbox", ".star", ".txt", ".tsv", ".csv"])
def test_pick_files_are_never_unpickled(tmp_path, mark, suffix):
    for number, data in enumerate((pickle.dumps(Hostile(mark)), pickled_array(mark))):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(data)
        with pytest.raises(FormatError) as caught:
            read_picks_file(path)
        assert "\n" not in str(caught.value)


# Names


HOSTILE = [
    "a; touch pwned ",
    'b"; touch pwned; "',
    "c'; touch pwned; '",
    "d $(touch pwned)",
    "e `touch pwned`",
    "f && touch pwned #",
    "g | touch pwned &",
    "-h --out pwned",
    "i %(JOB_NAME)s {0} %s",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in; what a shell is tricked into would land there."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert not [*tmp_path.rglob("pwned")]


@pytest.fixture
def run_cli(capsys):
    from repic_plugin.cli import main

    def run(*arguments):
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.slow
def test_commands_on_files_with_such_names(here, run_cli):
    places = [(100.0, 100.0), (300.0, 200.0)]
    pickers = ["one; touch pwned", 'two "$(touch pwned)"']
    for picker in (*pickers, "truth"):
        folder = here / (picker if picker == "truth" else f"picks/{picker}")
        folder.mkdir(parents=True)
        for name in HOSTILE:
            (folder / f"{name}.box").write_text(box_text(places, 50))
    run_cli("consensus", "picks", "--box-size", 50, "--out", "out; touch pwned")
    left = {path.name for path in (here / "out; touch pwned").iterdir()}
    names = {name.strip() for name in HOSTILE}
    tables = {"consensus.csv", "summary.csv", "run.csv", "micrographs.csv", *AGREEMENT_NAMES}
    assert left == {*(f"{name}.box" for name in names), *tables}
    table = "m; touch pwned.csv"
    files = ("--out", "s.csv", "--per-micrograph", table, "--plot", "$(touch pwned).png")
    told = run_cli("evaluate", "picks", "truth", "--box-size", 50, *files)
    assert all(picker in told for picker in pickers)
    assert {row["micrograph"] for row in csv_rows(here / table)} == names
    run_cli("report", "out; touch pwned", "--out", "r; touch pwned.html")
    assert (here / "r; touch pwned.html").stat().st_size > 1000
