"""Bring the database and the streams up to date. Safe to repeat, and to run several times at once."""

import argparse
import os


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "GODWIT_ROLE_PASSWORD, if set, becomes the password of the services' database roles."


def run(args: argparse.Namespace) -> int:
    from deploy.connections import addresses
    from deploy.provisioning.prepare import prepare
    from deploy.services import SERVICES
    from libs.runtime.operations.migrations import role_of

    found = addresses()
    password = os.environ.get("GODWIT_ROLE_PASSWORD")
    passwords = {role_of(service): password for service in SERVICES} if password else {}
    prepare(found.admin_url, found.nats_url, passwords)
    return 0
