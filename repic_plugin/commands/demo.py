"""Run the consensus in a new Scipion project and show the result."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None: ...
def run(args: argparse.Namespace) -> None: ...
