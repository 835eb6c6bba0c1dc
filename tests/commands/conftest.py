import warnings

import pytest

from repic_plugin.cli import main
from tests.commands.helpers import TINY, Outcome, write_picks


@pytest.fixture
def run(capsys):
    """Run a command in this process; arguments may be paths and numbers."""

    def run_command(*arguments):
        capsys.readouterr()
        # as in a process of its own; the tests make the package's warnings errors
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as end:  # how argparse ends
                code = end.code
        printed = capsys.readouterr()
        return Outcome(code, tuple(printed.out.splitlines()), tuple(printed.err.splitlines()))

    return run_command


@pytest.fixture
def tiny(tmp_path):
    """The folder of a small data set that can be worked out by hand."""
    return write_picks(tmp_path / "picks", TINY)


@pytest.fixture
def out(tmp_path):
    """The folder that a command is told to write."""
    return tmp_path / "out"


@pytest.fixture
def consensus(run, tiny, out):
    """Run `consensus` on the small data set; options come on top."""

    def run_consensus(*options):
        sizes = () if "--box-size" in options else ("--box-size", 100)
        return run("consensus", tiny, "--out", out, *sizes, *options)

    return run_consensus
