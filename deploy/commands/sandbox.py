"""Run only the stand-in for Amazon SES."""

import argparse

TAKES_THE_REST = True


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the sandbox parses its own options, including `--help`."""


def run(args: argparse.Namespace) -> int:
    from deploy.sandbox.__main__ import main

    main(args.rest)
    return 0
