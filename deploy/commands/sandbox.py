"""Run the stand-in for Amazon SES alone."""

import argparse

TAKES_THE_REST = True


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """The sandbox reads its own options, `--help` among them."""


def run(args: argparse.Namespace) -> int:
    from deploy.sandbox.__main__ import main

    main(args.rest)
    return 0
