"""Bring the database and the streams up to date. Safe to repeat, and to run several times at once."""

import argparse
import os


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "GODWIT_ROLE_PASSWORD, if set, becomes the password of the services' database roles."


def run(args: argparse.Namespace) -> int:
    from deploy.connections import addresses
    from deploy.provisioning.prepare import prepare

    found = addresses()
    prepare(found.admin_url, found.nats_url, os.environ.get("GODWIT_ROLE_PASSWORD"))
    return 0
